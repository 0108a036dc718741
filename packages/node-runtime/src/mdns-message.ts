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
const TYPE_ANY = 255;
const CLASS_IN = 1;
const CACHE_FLUSH = 0x8000;
const AUTHORITATIVE_RESPONSE = 0x8400;
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
    writeName(message, name).uint16(type).uint16(CLASS_IN);
  }
  return message.finish();
}

/** A question for addresses: identifier, and the names it asks for. */
export interface Question {
  readonly id: number;
  readonly names: readonly string[];
}

/** Names in one message that are looked at. */
const MAX_QUESTIONS = 16;

/** A query's names, those whose addresses it wants; undefined when it is malformed, or no query. */
export function decodeQuestion(message: Uint8Array): Question | undefined {
  const reader = new ByteReader(message);
  const id = reader.uint16();
  if ((reader.uint16() & RESPONSE_MASK) !== 0) return undefined;
  const questions = reader.uint16();
  reader.skip(6);
  if (reader.overrun) return undefined;
  const names = new Set<string>();
  for (let i = 0; i < questions && i < MAX_QUESTIONS; i++) {
    const name = readName(reader);
    const type = reader.uint16();
    reader.skip(2); // class; the top bit asks for a unicast response
    if (name === undefined || reader.overrun) return undefined;
    if (type === TYPE_A || type === TYPE_AAAA || type === TYPE_ANY) names.add(name);
  }
  return { id, names: [...names] };
}

/** The answer with a name's address. @param id of the question, for those who ask from another port; their question is repeated (RFC 6762 §6.7) */
export function encodeAnswer(name: string, address: string, id?: number): Uint8Array {
  const isV6 = address.includes(':');
  const type = isV6 ? TYPE_AAAA : TYPE_A;
  const isLegacy = id !== undefined;
  const message = new ByteWriter()
    .uint16(id ?? 0)
    .uint16(AUTHORITATIVE_RESPONSE)
    .uint16(isLegacy ? 1 : 0)
    .uint16(1)
    .zeros(4);
  if (isLegacy) writeName(message, name).uint16(type).uint16(CLASS_IN);
  // The record is the only one of its name, unless a legacy resolver reads it (RFC 6762 §10.2).
  writeName(message, name)
    .uint16(type)
    .uint16(isLegacy ? CLASS_IN : CLASS_IN | CACHE_FLUSH)
    .uint32(isLegacy ? 10 : 120);
  const data = isV6 ? parseIPv6(address) : Uint8Array.from(address.split('.'), Number);
  return message.uint16(data.length).bytes(data).finish();
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

function writeName(message: ByteWriter, name: string): ByteWriter {
  for (const label of name.split('.')) {
    const bytes = encodeUtf8(label);
    if (bytes.length === 0 || bytes.length > 63) throw new RangeError('a DNS label has 1 to 63 bytes');
    message.uint8(bytes.length).bytes(bytes);
  }
  return message.uint8(0);
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
      if (label === undefined) return undefined;
      labels.push(label);
    } else if (length >= 192) {
      const target = ((length & 63) << 8) | cursor.uint8();
      cursor = new ByteReader(reader.bytes, target);
      pointers++;
    } else return undefined;
  }
  return undefined;
}

function parseGroups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** Of a canonical literal without an embedded IPv4 address. */
function parseIPv6(address: string): Uint8Array {
  const [before = '', after] = address.split('::');
  const head = parseGroups(before);
  const tail = after === undefined ? [] : parseGroups(after);
  const all = [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
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
