/** Codecs of the values of STUN attributes (RFC 8489 §14.1 to §14.16). Decoders yield undefined for what is malformed. */
import { type ByteReader, type ByteWriter, decodeUtf8, decodeUtf8Strict, encodeUtf8, readUint32 } from '@petrel/bytes';
import { formatIpAddress, parseIpAddress, type TransportAddress } from './ip-address.ts';

export interface Codec<Value> {
  /** The reader holds exactly the value, without padding. Whether it was read beyond its end is for the caller to see. */
  decode(reader: ByteReader, transactionId: Uint8Array): Value | undefined;
  encode(writer: ByteWriter, value: Value, transactionId: Uint8Array): void;
}

/** The cookie that every message has at offset 4 (RFC 8489 §5). */
export const MAGIC_COOKIE = 0x2112a442;

/** ERROR-CODE (RFC 8489 §14.8). */
export interface StunErrorCode {
  /** 300 to 699. */
  readonly code: number;
  readonly reason: string;
}

/** An algorithm of RFC 8489 §18.5 (1: MD5, 2: SHA-256) and its parameters. */
export interface PasswordAlgorithmEntry {
  readonly algorithm: number;
  readonly parameters: Uint8Array;
}

/**
 * MAPPED-ADDRESS, ALTERNATE-SERVER (RFC 8489 §14.1):
 *
 * ```
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |0 0 0 0 0 0 0 0|    Family     |           Port                |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                 Address (32 bits or 128 bits)                 |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
export const addressValue: Codec<TransportAddress> = {
  decode(reader) {
    const raw = readAddress(reader);
    return raw && { address: formatIpAddress(raw.address), port: raw.port };
  },
  encode: (writer, { address, port }) => writeAddress(writer, addressBytes(address), port),
};

/** The same, XORed with the cookie and the transaction id (RFC 8489 §14.2), so that gateways which rewrite addresses do not find it. */
export const xorAddressValue: Codec<TransportAddress> = {
  decode(reader, transactionId) {
    const raw = readAddress(reader);
    return raw && { address: formatIpAddress(xorWithHeader(raw.address, transactionId)), port: raw.port ^ (MAGIC_COOKIE >>> 16) };
  },
  encode(writer, { address, port }, transactionId) {
    writeAddress(writer, xorWithHeader(addressBytes(address), transactionId), port ^ (MAGIC_COOKIE >>> 16));
  },
};

export const errorCodeValue: Codec<StunErrorCode> = {
  decode(reader) {
    reader.skip(2);
    const hundreds = reader.uint8() & 7;
    const rest = reader.uint8();
    if (hundreds < 3 || hundreds > 6 || rest > 99 || reader.remaining > MAX_RECEIVED_TEXT) return undefined;
    return { code: hundreds * 100 + rest, reason: decodeUtf8(reader.rest()) };
  },
  encode(writer, { code, reason }) {
    writer
      .uint16(0)
      .uint8(Math.floor(code / 100))
      .uint8(code % 100)
      .bytes(encodeUtf8(reason));
  },
};

export const passwordAlgorithmValue: {
  decode(reader: ByteReader): PasswordAlgorithmEntry;
  encode(writer: ByteWriter, value: PasswordAlgorithmEntry): void;
} = {
  decode(reader) {
    const algorithm = reader.uint16();
    const parameters = reader.view(reader.uint16());
    reader.skip(Math.min(reader.remaining, (4 - (parameters.length % 4)) % 4));
    return { algorithm, parameters };
  },
  encode: (writer, { algorithm, parameters }) => void writer.uint16(algorithm).uint16(parameters.length).bytes(parameters).pad(4),
};

/** More algorithms than this are not read: two are defined. */
const MAX_PASSWORD_ALGORITHMS = 16;

export const passwordAlgorithmsValue: Codec<readonly PasswordAlgorithmEntry[]> = {
  decode(reader) {
    const entries: PasswordAlgorithmEntry[] = [];
    while (reader.remaining > 0 && entries.length < MAX_PASSWORD_ALGORITHMS) entries.push(passwordAlgorithmValue.decode(reader));
    return entries;
  },
  encode(writer, entries) {
    for (const entry of entries) passwordAlgorithmValue.encode(writer, entry);
  },
};

export const uint8Value: Codec<number> = {
  decode: (reader) => reader.uint8(),
  encode: (writer, value) => void writer.uint8(value).zeros(3),
};

export const uint16Value: Codec<number> = {
  decode: (reader) => reader.uint16(),
  encode: (writer, value) => void writer.uint16(value).uint16(0),
};

export const uint32Value: Codec<number> = {
  decode: (reader) => (reader.remaining === 4 ? reader.uint32() : undefined),
  encode: (writer, value) => void writer.uint32(value),
};

export const uint64Value: Codec<bigint> = {
  decode: (reader) => (reader.remaining === 8 ? reader.uint64() : undefined),
  encode: (writer, value) => void writer.uint64(value),
};

export const uint16ListValue: Codec<readonly number[]> = {
  decode(reader) {
    const values: number[] = [];
    while (reader.remaining >= 2 && values.length < 64) values.push(reader.uint16());
    return values;
  },
  encode(writer, values) {
    for (const value of values) writer.uint16(value);
  },
};

/** An attribute that says something by being there. */
export const flagValue: Codec<true> = { decode: () => true, encode: () => undefined };

export function bytesValue(minimum: number, maximum: number): Codec<Uint8Array> {
  return {
    decode: (reader) => (reader.remaining >= minimum && reader.remaining <= maximum ? reader.rest() : undefined),
    encode: (writer, value) => void writer.bytes(value),
  };
}

/** Received text may have up to 763 bytes, as RFC 5389 allowed; sent text 508, RFC 8489's limit (§14.3, §14.9, §14.10). */
const MAX_RECEIVED_TEXT = 763;
export const MAX_SENT_TEXT = 508;

/** Text in UTF-8. Diagnostic text is decoded leniently; what is compared or echoed must be well formed. */
export function textValue(decoding: 'strict' | 'lenient'): Codec<string> {
  return {
    decode(reader) {
      if (reader.remaining > MAX_RECEIVED_TEXT) return undefined;
      return decoding === 'strict' ? decodeUtf8Strict(reader.rest()) : decodeUtf8(reader.rest());
    },
    encode(writer, text) {
      const bytes = encodeUtf8(text);
      if (bytes.length > MAX_SENT_TEXT)
        throw new RangeError(`text in a STUN attribute has at most ${MAX_SENT_TEXT} bytes, not ${bytes.length}`);
      writer.bytes(bytes);
    },
  };
}

function readAddress(reader: ByteReader): { address: Uint8Array; port: number } | undefined {
  reader.skip(1);
  const family = reader.uint8();
  const port = reader.uint16();
  if (reader.remaining !== (family === 1 ? 4 : family === 2 ? 16 : -1)) return undefined;
  return { address: reader.rest(), port };
}

function writeAddress(writer: ByteWriter, address: Uint8Array, port: number): void {
  writer
    .uint8(0)
    .uint8(address.length === 4 ? 1 : 2)
    .uint16(port)
    .bytes(address);
}

function addressBytes(address: string): Uint8Array {
  const bytes = parseIpAddress(address);
  if (bytes === undefined) throw new TypeError(`not an IP address: ${address}`);
  return bytes;
}

function xorWithHeader(address: Uint8Array, transactionId: Uint8Array): Uint8Array {
  const result = Uint8Array.from(address);
  for (let i = 0; i < result.length; i++) result[i]! ^= i < 4 ? MAGIC_COOKIE >>> (24 - 8 * i) : transactionId[i - 4]!;
  return result;
}

/** Whether a datagram's first bytes are those of a STUN message: RFC 8489 §5's fixed fields, and RFC 7983 §7's range. */
export function isStunMessage(datagram: Uint8Array): boolean {
  return datagram.length >= 20 && datagram[0]! < 4 && readUint32(datagram, 4) === MAGIC_COOKIE;
}
