/**
 * STUN attributes (RFC 8489 §14, §18.3; TURN's: RFC 8656 §18; ICE's: RFC 8445 §16.1): a table of types and codecs.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |         Type                  |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                         Value (variable)                ....
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { ByteReader, ByteWriter } from '@petrel/bytes';
import {
  addressValue,
  bytesValue,
  type Codec,
  errorCodeValue,
  flagValue,
  passwordAlgorithmsValue,
  passwordAlgorithmValue,
  type PasswordAlgorithmEntry,
  type StunErrorCode,
  textValue,
  uint16ListValue,
  uint16Value,
  uint32Value,
  uint64Value,
  uint8Value,
  xorAddressValue,
} from './attribute-values.ts';
import type { TransportAddress } from './ip-address.ts';

/** Attributes by name. Lists hold every occurrence, the others the first one (RFC 8489 §14); messages are encoded in the order of the keys. */
export interface StunAttributes {
  mappedAddress?: TransportAddress;
  xorMappedAddress?: TransportAddress;
  username?: string;
  userhash?: Uint8Array;
  realm?: string;
  nonce?: string;
  software?: string;
  errorCode?: StunErrorCode;
  unknownAttributes?: readonly number[];
  passwordAlgorithms?: readonly PasswordAlgorithmEntry[];
  passwordAlgorithm?: PasswordAlgorithmEntry;
  alternateServers?: readonly TransportAddress[];
  alternateDomain?: string;
  /** ICE (RFC 8445 §16.1). */
  priority?: number;
  useCandidate?: true;
  iceControlled?: bigint;
  iceControlling?: bigint;
  /** TURN (RFC 8656 §18). */
  channelNumber?: number;
  /** Seconds. */
  lifetime?: number;
  xorPeerAddresses?: readonly TransportAddress[];
  data?: Uint8Array;
  xorRelayedAddresses?: readonly TransportAddress[];
  /** 1: IPv4, 2: IPv6. */
  requestedAddressFamily?: number;
  additionalAddressFamily?: number;
  /** The R bit: whether to reserve the next higher port. */
  evenPort?: boolean;
  /** An IP protocol number: 17 is UDP. */
  requestedTransport?: number;
  dontFragment?: true;
  reservationToken?: Uint8Array;
  addressErrorCodes?: readonly AddressErrorCode[];
  icmp?: IcmpError;
}

export type { PasswordAlgorithmEntry, StunErrorCode } from './attribute-values.ts';

/** Why one of two requested families was not allocated (RFC 8656 §18.12). */
export interface AddressErrorCode extends StunErrorCode {
  readonly family: number;
}

/** An ICMP error that the TURN server received for a peer (RFC 8656 §18.13). */
export interface IcmpError {
  readonly type: number;
  readonly code: number;
  readonly data: number;
}

/** Types of the attributes that protect a message; they are handled in integrity.ts. */
export const MESSAGE_INTEGRITY = 0x0008;
export const MESSAGE_INTEGRITY_SHA256 = 0x001c;
export const FINGERPRINT = 0x8028;

const addressErrorCodeValue: Codec<AddressErrorCode> = {
  decode(reader) {
    const family = reader.uint8();
    reader.skip(1);
    const code = reader.uint16();
    const reason = textValue('lenient').decode(reader, EMPTY);
    return reason === undefined ? undefined : { family, code: ((code >>> 8) & 7) * 100 + (code & 0xff), reason };
  },
  encode(writer, { family, code, reason }) {
    writer
      .uint8(family)
      .uint8(0)
      .uint8(Math.floor(code / 100))
      .uint8(code % 100);
    textValue('lenient').encode(writer, reason, EMPTY);
  },
};

const icmpValue: Codec<IcmpError> = {
  decode(reader) {
    reader.skip(2);
    const typeAndCode = reader.uint16();
    return { type: typeAndCode >>> 9, code: typeAndCode & 0x1ff, data: reader.uint32() };
  },
  encode: (writer, { type, code, data }) =>
    void writer
      .uint16(0)
      .uint16((type << 9) | code)
      .uint32(data),
};

const EMPTY = new Uint8Array(0);

interface Entry {
  readonly name: keyof StunAttributes;
  readonly type: number;
  readonly list: boolean;
  readonly codec: Codec<never>;
}

function single<Name extends keyof StunAttributes>(name: Name, type: number, codec: Codec<NonNullable<StunAttributes[Name]>>): Entry {
  return { name, type, list: false, codec: codec as Codec<never> };
}

type ListName = 'alternateServers' | 'xorPeerAddresses' | 'xorRelayedAddresses' | 'addressErrorCodes';
function list<Name extends ListName>(name: Name, type: number, codec: Codec<NonNullable<StunAttributes[Name]>[number]>): Entry {
  return { name, type, list: true, codec: codec as Codec<never> };
}

const ENTRIES: readonly Entry[] = [
  single('mappedAddress', 0x0001, addressValue),
  single('username', 0x0006, textValue('strict')),
  single('errorCode', 0x0009, errorCodeValue),
  single('unknownAttributes', 0x000a, uint16ListValue),
  single('channelNumber', 0x000c, uint16Value),
  single('lifetime', 0x000d, uint32Value),
  list('xorPeerAddresses', 0x0012, xorAddressValue),
  single('data', 0x0013, bytesValue(0, 65_535)),
  single('realm', 0x0014, textValue('strict')),
  single('nonce', 0x0015, textValue('strict')),
  list('xorRelayedAddresses', 0x0016, xorAddressValue),
  single('requestedAddressFamily', 0x0017, uint8Value),
  single('evenPort', 0x0018, {
    decode: (reader) => (reader.uint8() & 0x80) !== 0,
    encode: (writer, reserve) => void writer.uint8(reserve ? 0x80 : 0),
  }),
  single('requestedTransport', 0x0019, uint8Value),
  single('dontFragment', 0x001a, flagValue),
  single('passwordAlgorithm', 0x001d, passwordAlgorithmValue),
  single('userhash', 0x001e, bytesValue(32, 32)),
  single('xorMappedAddress', 0x0020, xorAddressValue),
  single('reservationToken', 0x0022, bytesValue(8, 8)),
  single('priority', 0x0024, uint32Value),
  single('useCandidate', 0x0025, flagValue),
  single('additionalAddressFamily', 0x8000, uint8Value),
  list('addressErrorCodes', 0x8001, addressErrorCodeValue),
  single('passwordAlgorithms', 0x8002, passwordAlgorithmsValue),
  single('alternateDomain', 0x8003, textValue('strict')),
  single('icmp', 0x8004, icmpValue),
  single('software', 0x8022, textValue('lenient')),
  list('alternateServers', 0x8023, addressValue),
  single('iceControlled', 0x8029, uint64Value),
  single('iceControlling', 0x802a, uint64Value),
];

const BY_TYPE: ReadonlyMap<number, Entry> = new Map(ENTRIES.map((entry) => [entry.type, entry]));
const BY_NAME: ReadonlyMap<string, Entry> = new Map(ENTRIES.map((entry) => [entry.name, entry]));

/** More occurrences of one attribute than this are ignored: no use of STUN needs them. */
const MAX_OCCURRENCES = 16;

/**
 * Decodes one attribute into `attributes`.
 * @returns `unknown` when the type is not known, `malformed` when the value is not what the type says
 */
export function decodeAttribute(
  attributes: StunAttributes,
  type: number,
  value: Uint8Array,
  transactionId: Uint8Array,
): 'decoded' | 'unknown' | 'malformed' {
  const entry = BY_TYPE.get(type);
  if (entry === undefined) return 'unknown';
  const target = attributes as Record<string, unknown>;
  const earlier = target[entry.name] as unknown[] | undefined;
  if (earlier !== undefined && (!entry.list || earlier.length >= MAX_OCCURRENCES)) return 'decoded';
  const reader = new ByteReader(value);
  const decoded = entry.codec.decode(reader, transactionId);
  if (decoded === undefined || reader.overrun) return 'malformed';
  if (!entry.list) target[entry.name] = decoded;
  else if (earlier === undefined) target[entry.name] = [decoded];
  else earlier.push(decoded);
  return 'decoded';
}

/** @throws RangeError when a value is too long for its attribute */
export function encodeAttributes(writer: ByteWriter, attributes: StunAttributes, transactionId: Uint8Array): void {
  for (const [name, value] of Object.entries(attributes)) {
    const entry = BY_NAME.get(name);
    if (entry === undefined || value === undefined) continue;
    for (const item of entry.list ? value : [value]) encodeAttribute(writer, entry, item as never, transactionId);
  }
}

function encodeAttribute(writer: ByteWriter, entry: Entry, value: never, transactionId: Uint8Array): void {
  writer.uint16(entry.type).uint16(0);
  const start = writer.length;
  entry.codec.encode(writer, value, transactionId);
  writer.setUint16(start - 2, writer.length - start).pad(4);
}
