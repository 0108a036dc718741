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

  setHashKey(hashKey: Uint8Array): void {
    fillHashTable(this.material.subarray(ROUND_KEYS_LENGTH), hashKey);
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

/** For j = 16 to 0, for H^4 to H: byte j of n·H^k for the sixteen n as high nibbles of a byte, then as low ones. */
function fillHashTable(table: Uint8Array, hashKey: Uint8Array): void {
  const first = Uint8Array.from([...hashKey, 0]);
  let power = first;
  const shifted = Array.from({ length: 8 }, () => new Uint8Array(17));
  for (let block = GHASH_BATCH - 1; block >= 0; block--) {
    shifted[0]!.set(power);
    for (let i = 1; i < 8; i++) shiftRight(shifted[i - 1]!, shifted[i]!);
    for (let j = 0; j < 17; j++) {
      const at = ((16 - j) * GHASH_BATCH + block) * 32;
      for (let n = 1; n < 16; n++) {
        let high = 0;
        let low = 0;
        for (let bit = 0; bit < 4; bit++) {
          const selected = -((n >> (3 - bit)) & 1);
          high ^= shifted[bit]![j]! & selected;
          low ^= shifted[bit + 4]![j]! & selected;
        }
        table[at + n] = high;
        table[at + 16 + n] = low;
      }
    }
    power = multiply(power, first);
  }
}

/** Times x. */
function shiftRight(from: Uint8Array, to: Uint8Array): void {
  let carry = 0;
  for (let i = 0; i < 17; i++) {
    const byte = from[i]!; // `to` may be the same
    to[i] = (byte >> 1) | carry;
    carry = (byte & 1) << 7;
  }
}

/** §6.3, in constant time. */
function multiply(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(17);
  const factor = Uint8Array.from(b);
  for (let i = 0; i < 128; i++) {
    const selected = -((a[i >> 3]! >> (7 - (i & 7))) & 1);
    for (let k = 0; k < 16; k++) result[k]! ^= factor[k]! & selected;
    const overflow = -(factor[15]! & 1);
    shiftRight(factor, factor);
    factor[16] = 0;
    factor[0]! ^= 0xe1 & overflow;
  }
  return result;
}
