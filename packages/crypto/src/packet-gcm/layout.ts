/**
 * The memory of the module in `aes-gcm-module.ts`, which one page of 64 KiB of scratch and one of keys are enough for:
 *
 * ```
 *   0       COUNTER, STATE, SLICES                       what functions are given by address
 *   256     MAC_STATES, MAC_BLOCK, MAC_SCHEDULE          HMAC-SHA1: the states of a key, the outer block, the words of a block
 *   1 KiB   TEXT        zero blocks | additional data | text | lengths
 *   32 KiB  KEYSTREAM
 *   64 KiB  KEYS        slots of 4 KiB: 15 bitsliced round keys, the table of GHASH
 * ```
 */

/** Bytes of a bitsliced round key. */
export const ROUND_KEY_LENGTH = 128;
/** Blocks that are encrypted at once. */
export const BATCH = 8;
/** Blocks that GHASH takes at once, and so the powers of H that its table is of. */
export const GHASH_BATCH = 4;
/** Bytes of GHASH's table: for each of the 17 bytes of a product, and each block, a vector for high nibbles and one for low ones. */
export const GHASH_TABLE_LENGTH: number = 17 * GHASH_BATCH * 2 * 16;

export const COUNTER = 0;
export const STATE = 16;
export const SLICES = 128;
export const MAC_STATES = 256;
export const MAC_BLOCK = 320;
export const MAC_SCHEDULE = 384;
export const TEXT = 1024;
export const KEYSTREAM = 32_768;
export const KEYS = 65_536;
export const KEY_SLOTS = 16;
export const ROUND_KEYS_LENGTH: number = 15 * ROUND_KEY_LENGTH;
export const SLOT_LENGTH: number = ROUND_KEYS_LENGTH + GHASH_TABLE_LENGTH;
export const PAGES: number = (KEYS + KEY_SLOTS * SLOT_LENGTH) / 65_536;
