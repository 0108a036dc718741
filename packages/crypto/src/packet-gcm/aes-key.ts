/** What the module of `aes-gcm-module.ts` wants to have of an AES key: bitsliced round keys, and the products of the hash subkey. */
import { GHASH_BATCH, ROUND_KEY_LENGTH, ROUND_KEYS_LENGTH, SLOT_LENGTH } from './layout.ts';

export class AesKey {
  readonly rounds: number;
  /** Round keys, and the table of GHASH behind them. */
  readonly material: Uint8Array = new Uint8Array(SLOT_LENGTH);
  /** Where it was last in the module's memory. */
  slot = 0;

  /** @param substituteWord SubWord (FIPS 197 §5.2) without a table */
  constructor(key: Uint8Array, substituteWord: (word: number) => number) {
    if (key.length !== 16 && key.length !== 32) throw new RangeError('an AES key has 16 or 32 bytes');
    this.rounds = key.length / 4 + 6;
    const words = expandKey(key, this.rounds, substituteWord);
    for (let round = 0; round <= this.rounds; round++) this.#setRoundKey(round, words.subarray(4 * round));
  }

  /** @param timesHashKey the product of a block and H, once the table of H itself is there; zeros stand for the other powers until then */
  setHashKey(hashKey: Uint8Array, timesHashKey: (block: Uint8Array) => Uint8Array): void {
    const table = this.material.subarray(ROUND_KEYS_LENGTH);
    for (let block = GHASH_BATCH - 1, power = hashKey; block >= 0; block--) {
      fillHashTable(table, block, power);
      if (block > 0) power = timesHashKey(power);
    }
  }

  #setRoundKey(round: number, words: Int32Array): void {
    const slices = this.material.subarray(round * ROUND_KEY_LENGTH);
    for (let i = 0; i < 16; i++) {
      // The constant of SubBytes is added with the key of its round.
      const byte = (words[i >> 2]! >>> (24 - 8 * (i & 3))) ^ (round === 0 ? 0 : 0x63);
      for (let bit = 0; bit < 8; bit++) slices[16 * bit + 4 * (i & 3) + (i >> 2)] = -((byte >>> bit) & 1); // row by row
    }
  }
}

/** FIPS 197 §5.2. */
function expandKey(key: Uint8Array, rounds: number, substitute: (word: number) => number): Int32Array {
  const keyWords = key.length / 4;
  const words = new Int32Array(4 * (rounds + 1));
  for (let i = 0; i < key.length; i++) words[i >> 2]! |= key[i]! << (24 - 8 * (i & 3));
  let constant = 1;
  for (let i = keyWords; i < words.length; i++) {
    let word = words[i - 1]!;
    if (i % keyWords === 0) {
      word = substitute((word << 8) | (word >>> 24)) ^ (constant << 24);
      constant = (constant << 1) ^ (constant >= 0x80 ? 0x11b : 0);
    } else if (keyWords > 6 && i % keyWords === 4) word = substitute(word);
    words[i] = words[i - keyWords]! ^ word;
  }
  return words;
}

/** For j = 16 to 0, for H^4 to H: byte j of n·H^k for the sixteen n as high nibbles of a byte, then as low ones. Here, the k that one block of a batch has. */
function fillHashTable(table: Uint8Array, block: number, power: Uint8Array): void {
  const shifted = new Uint8Array(17);
  shifted.set(power);
  for (let bit = 0; bit < 8; bit++) {
    const n = 8 >> (bit & 3); // the first bit of a nibble is that of the lower power of x
    const half = bit < 4 ? 0 : 16;
    for (let j = 0; j < 17; j++) table[((16 - j) * GHASH_BATCH + block) * 32 + half + n] = shifted[j]!;
    timesX(shifted);
  }
  for (let j = 0; j < 17; j++) {
    const at = (j * GHASH_BATCH + block) * 32;
    for (let n = 3; n < 16; n++) {
      const lowest = n & -n;
      table[at + n] = table[at + lowest]! ^ table[at + n - lowest]!;
      table[at + 16 + n] = table[at + 16 + lowest]! ^ table[at + 16 + n - lowest]!;
    }
  }
}

function timesX(bytes: Uint8Array): void {
  let carry = 0;
  for (let i = 0; i < 17; i++) {
    const byte = bytes[i]!;
    bytes[i] = (byte >> 1) | carry;
    carry = (byte & 1) << 7;
  }
}
