/** Where things are in the memory that all keys of a process share. In bytes. */

/** Constants that the code loads. */
export const SHIFT_ROWS = 0;
export const TRANSPOSE = 16;
export const REVERSE = 32;
/** 16 bytes of ones, then 16 of zeros: the mask for n bytes is what begins 16 - n bytes into it. */
export const ONES = 48;
/** The nonce of the packet, four bytes to spare. */
export const NONCE = 80;
/** The AES key to expand. */
export const KEY = 96;
/** Eight blocks of keystream. */
export const KEYSTREAM = 128;
/** Blocks of a GHASH batch, split for multiplication: 7 vectors each, 128 bytes apart. */
export const SPLIT = 256;
/** The words of the key schedule while it is being made. */
export const SCHEDULE = 1280;
/** The additional data ends where the text begins. */
export const DATA = 2048;
export const MAX_ADDITIONAL_DATA = 256;
export const MAX_TEXT = 4096;
/** Behind the text: its tag, the block of lengths, and what is left of a batch. */
const FIRST_SLOT = DATA + MAX_TEXT + 256;

/** How many blocks one GHASH reduction takes. */
export const GHASH_BATCH = 8;
/** A power of H is 7 vectors of 4 products, in 3 classes of bits. */
export const POWER_LENGTH = 7 * 3 * 16;
const ROUND_KEY_LENGTH = 8 * 16;
/** In a slot: the round keys, the number of rounds, and the powers of H, the highest first. */
export const ROUND_KEYS = 0;
export const ROUNDS: number = 15 * ROUND_KEY_LENGTH;
export const POWERS: number = ROUNDS + 16;
export const SLOT_LENGTH: number = POWERS + GHASH_BATCH * POWER_LENGTH;
export const SLOTS = 512;
export const MEMORY_PAGES: number = Math.ceil((FIRST_SLOT + SLOTS * SLOT_LENGTH) / 65_536);

export function slotAddress(slot: number): number {
  return FIRST_SLOT + slot * SLOT_LENGTH;
}

/** The constants. State bytes are kept row by row (FIPS 197 §3.4 counts them column by column), so that a row is a 32-bit word. */
export function writeConstants(memory: Uint8Array): void {
  for (let row = 0; row < 4; row++)
    for (let column = 0; column < 4; column++) {
      memory[SHIFT_ROWS + 4 * row + column] = 4 * row + ((column + row) & 3);
      memory[TRANSPOSE + 4 * row + column] = 4 * column + row;
    }
  for (let i = 0; i < 16; i++) memory[REVERSE + i] = 15 - i;
  memory.fill(0xff, ONES, ONES + 16);
}
