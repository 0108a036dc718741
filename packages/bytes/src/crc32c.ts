import { reflectedTable } from './crc32.ts';

/**
 * CRC-32c (Castagnoli), SCTP's checksum (RFC 9260 Appendix A), by slicing: eight tables let one step take
 * eight bytes. Table k holds the remainder of a byte followed by k zero bytes.
 */
const TABLES: readonly Uint32Array[] = slicingTables(reflectedTable(0x82f63b78), 8);
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

function slicingTables(first: Uint32Array, count: number): Uint32Array[] {
  const tables = [first];
  while (tables.length < count) {
    const previous = tables[tables.length - 1]!;
    tables.push(previous.map((remainder) => first[remainder & 0xff]! ^ (remainder >>> 8)));
  }
  return tables;
}

/** The checksum's value as a number; SCTP transmits it least significant byte first. */
export function crc32c(bytes: Uint8Array, start: number = 0, end: number = bytes.length): number {
  return ~crc32cUpdate(0xffffffff, bytes, start, end) >>> 0;
}

/** Continues a running remainder (start with 0xffffffff, invert at the end), for data in several pieces. */
export function crc32cUpdate(remainder: number, b: Uint8Array, start: number, end: number): number {
  let crc = remainder;
  let i = start;
  for (; i + 8 <= end; i += 8) {
    crc ^= b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24);
    crc =
      T7[crc & 0xff]! ^
      T6[(crc >>> 8) & 0xff]! ^
      T5[(crc >>> 16) & 0xff]! ^
      T4[crc >>> 24]! ^
      T3[b[i + 4]!]! ^
      T2[b[i + 5]!]! ^
      T1[b[i + 6]!]! ^
      T0[b[i + 7]!]!;
  }
  for (; i < end; i++) crc = T0[(crc ^ b[i]!) & 0xff]! ^ (crc >>> 8);
  return crc;
}
