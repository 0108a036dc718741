/** CRC-32 as ISO/IEC 3309 and STUN's FINGERPRINT use it (RFC 8489 §14.7). */
const TABLE: Uint32Array = reflectedTable(0xedb88320);

/** The table of a reflected CRC-32 polynomial: the remainder of every byte value. */
export function reflectedTable(polynomial: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1;
    table[byte] = remainder;
  }
  return table;
}

/** CRC-32 of `bytes[start, end)`. */
export function crc32(bytes: Uint8Array, start: number = 0, end: number = bytes.length): number {
  let crc = 0xffffffff;
  for (let i = start; i < end; i++) crc = TABLE[(crc ^ bytes[i]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}
