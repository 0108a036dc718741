/**
 * The little of DNS that a one-shot multicast query needs (RFC 1035 §4, RFC 6762 §18).
 *
 * ```
 *    0  1  2  3  4  5  6  7  8  9  0  1  2  3  4  5
 *  +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
 *  |                      ID                       |
 *  |QR|   Opcode  |AA|TC|RD|RA|   Z    |   RCODE   |
 *  |                    QDCOUNT                    |
 *  |                    ANCOUNT                    |
 *  |                    NSCOUNT                    |
 *  |                    ARCOUNT                    |
 *  +--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+--+
 * ```
 */
import { ByteReader, ByteWriter, decodeUtf8Strict, encodeUtf8 } from '@petrel/bytes';

const TYPE_A = 1;
const TYPE_AAAA = 28;
const CLASS_IN = 1;
/** QR and Opcode must say "response, standard query", RCODE must be zero (RFC 6762 §18.3, §18.11). */
const RESPONSE_MASK = 0xf80f;
const RESPONSE = 0x8000;
/** More pointers than any honest name has; a loop ends here. */
const MAX_POINTERS = 16;

/** An address record of a response. The name is in lower case (RFC 6762 §16). */
export interface AddressRecord {
  readonly name: string;
  readonly address: string;
}

/** Asks for A and AAAA of one name, with identifier zero (RFC 6762 §18.1). @throws RangeError when a label is empty or over 63 bytes. */
export function encodeQuery(name: string): Uint8Array {
  const message = new ByteWriter().uint16(0).uint16(0).uint16(2).zeros(6);
  for (const type of [TYPE_A, TYPE_AAAA]) {
    for (const label of name.split('.')) {
      const bytes = encodeUtf8(label);
      if (bytes.length === 0 || bytes.length > 63) throw new RangeError('a DNS label has 1 to 63 bytes');
      message.uint8(bytes.length).bytes(bytes);
    }
    message.uint8(0).uint16(type).uint16(CLASS_IN);
  }
  return message.finish();
}

/** The address records of a response; none when the message is malformed, or is not a response. */
export function decodeResponse(message: Uint8Array): readonly AddressRecord[] {
  const reader = new ByteReader(message);
  reader.skip(2);
  if ((reader.uint16() & RESPONSE_MASK) !== RESPONSE) return [];
  const questions = reader.uint16();
  const records = reader.uint16() + reader.uint16() + reader.uint16();
  for (let i = 0; i < questions && !reader.overrun; i++) {
    if (readName(reader) === undefined) return [];
    reader.skip(4);
  }
  const found: AddressRecord[] = [];
  for (let i = 0; i < records && !reader.overrun; i++) {
    const record = readRecord(reader);
    if (record === 'malformed') return [];
    if (record !== undefined) found.push(record);
  }
  return found;
}

function readRecord(reader: ByteReader): AddressRecord | undefined | 'malformed' {
  const name = readName(reader);
  if (name === undefined) return 'malformed';
  const type = reader.uint16();
  const recordClass = reader.uint16() & 0x7fff; // the top bit asks to flush caches (RFC 6762 §10.2)
  const timeToLive = reader.uint32();
  const data = reader.view(reader.uint16());
  if (recordClass !== CLASS_IN || timeToLive === 0) return undefined; // zero: a goodbye (RFC 6762 §10.1)
  if (type === TYPE_A && data.length === 4) return { name, address: data.join('.') };
  if (type === TYPE_AAAA && data.length === 16) return { name, address: formatIPv6(data) };
  return undefined;
}

/** A name with its pointers followed (RFC 1035 §4.1.4). */
function readName(reader: ByteReader): string | undefined {
  const labels: string[] = [];
  let cursor = reader;
  for (let pointers = 0; pointers <= MAX_POINTERS && labels.length < 128; ) {
    const length = cursor.uint8();
    if (cursor.overrun) return undefined;
    if (length === 0) return labels.join('.').toLowerCase();
    if (length < 64) {
      const label = decodeUtf8Strict(cursor.view(length));
      if (label === undefined || cursor.overrun) return undefined;
      labels.push(label);
    } else if (length >= 192) {
      const target = ((length & 63) << 8) | cursor.uint8();
      cursor = new ByteReader(reader.bytes, target);
      pointers++;
    } else return undefined;
  }
  return undefined;
}

/** RFC 5952 §4: lower case, no leading zeros, the longest run of zeros compressed. */
function formatIPv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i]! << 8) | bytes[2 * i + 1]!).toString(16));
  const runs = groups.join(':').match(/\b0(?::0)+\b/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  const text = groups.join(':');
  if (longest === '') return text;
  const at = text.search(new RegExp(`(?:^|:)${longest}(?:$|:)`));
  const [before, after] = [text.slice(0, at), text.slice(at).replace(new RegExp(`^:?${longest}:?`), '')];
  return `${before}::${after}`;
}
