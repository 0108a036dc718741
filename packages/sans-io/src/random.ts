/** Unpredictable bytes: the runtime draws them from the operating system, tests from a seeded generator. */
export interface Random {
  /** Fresh bytes that belong to the caller. */
  randomBytes(length: number): Uint8Array;
}

/** An unsigned 32-bit integer. */
export function randomUint32(random: Random): number {
  const bytes = random.randomBytes(4);
  return ((bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!) >>> 0;
}

/** A number in [0, 1) with 32 bits of resolution. */
export function randomFraction(random: Random): number {
  return randomUint32(random) / 0x1_0000_0000;
}

const BASE_64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Characters of base 64 (RFC 4648 §4), with six bits of randomness each. */
export function randomText(random: Random, length: number): string {
  return Array.from(random.randomBytes(length), (byte) => BASE_64[byte & 63]).join('');
}
