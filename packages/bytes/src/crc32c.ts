import { reflectedTable } from './crc32.ts';

/**
 * CRC-32c (Castagnoli), SCTP's checksum (RFC 9260 Appendix A), by slicing: sixteen tables let one step take
 * sixteen bytes. Table k holds the remainder of a byte followed by k zero bytes.
 */
const TABLES: readonly Int32Array[] = slicingTables(Int32Array.from(reflectedTable(0x82f63b78)));
const T0: Int32Array = TABLES[0]!;
const T1: Int32Array = TABLES[1]!;
const T2: Int32Array = TABLES[2]!;
const T3: Int32Array = TABLES[3]!;
const T4: Int32Array = TABLES[4]!;
const T5: Int32Array = TABLES[5]!;
const T6: Int32Array = TABLES[6]!;
const T7: Int32Array = TABLES[7]!;
const T8: Int32Array = TABLES[8]!;
const T9: Int32Array = TABLES[9]!;
const T10: Int32Array = TABLES[10]!;
const T11: Int32Array = TABLES[11]!;
const T12: Int32Array = TABLES[12]!;
const T13: Int32Array = TABLES[13]!;
const T14: Int32Array = TABLES[14]!;
const T15: Int32Array = TABLES[15]!;

function slicingTables(first: Int32Array): Int32Array[] {
  const tables = [first];
  while (tables.length < 16) {
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
  let crc = remainder | 0;
  let i = start;
  for (; i + 16 <= end; i += 16) {
    crc =
      T15[(b[i]! ^ crc) & 0xff]! ^
      T14[(b[i + 1]! ^ (crc >>> 8)) & 0xff]! ^
      T13[(b[i + 2]! ^ (crc >>> 16)) & 0xff]! ^
      T12[b[i + 3]! ^ (crc >>> 24)]! ^
      T11[b[i + 4]!]! ^
      T10[b[i + 5]!]! ^
      T9[b[i + 6]!]! ^
      T8[b[i + 7]!]! ^
      T7[b[i + 8]!]! ^
      T6[b[i + 9]!]! ^
      T5[b[i + 10]!]! ^
      T4[b[i + 11]!]! ^
      T3[b[i + 12]!]! ^
      T2[b[i + 13]!]! ^
      T1[b[i + 14]!]! ^
      T0[b[i + 15]!]!;
  }
  for (; i < end; i++) crc = T0[(crc ^ b[i]!) & 0xff]! ^ (crc >>> 8);
  return crc;
}
