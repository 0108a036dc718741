/** Serial number arithmetic (RFC 1982): a comes after b when it is less than half the number space ahead of it. */

/** 32-bit: TSNs, RTP timestamps. Negative when a is before b, 0 when equal, positive when after. */
export function compareSerial32(a: number, b: number): number {
  return (a - b) | 0;
}

/** 16-bit: RTP and stream sequence numbers. Negative when a is before b, 0 when equal, positive when after. */
export function compareSerial16(a: number, b: number): number {
  return ((a - b) << 16) >> 16;
}

/** The 32-bit number `distance` after `a`; the distance may be negative. */
export function addSerial32(a: number, distance: number): number {
  return (a + distance) >>> 0;
}

/** The 16-bit number `distance` after `a`; the distance may be negative. */
export function addSerial16(a: number, distance: number): number {
  return (a + distance) & 0xffff;
}
