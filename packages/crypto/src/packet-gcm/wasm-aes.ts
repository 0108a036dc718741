/**
 * AES-GCM (NIST SP 800-38D) and AES in counter mode for packets, through the module of `aes-gcm-module.ts`: a call costs a tenth of what making a cipher object of
 * `node:crypto` does. Where AES instructions are worth a call, which is from some hundred bytes on, the keystream comes from a cipher that is kept.
 */
import { readUint32, writeUint32 } from '@petrel/bytes';
import { AEAD_TAG_LENGTH, type Aead } from '../crypto.ts';
import { AesKey } from './aes-key.ts';
import { instantiate } from './assembler.ts';
import { KeystreamAhead } from './keystream-ahead.ts';
import {
  BATCH,
  COUNTER,
  GHASH_BATCH,
  KEY_SLOTS,
  KEYS,
  KEYSTREAM,
  MAC_BLOCK,
  MAC_STATES,
  ROUND_KEYS_LENGTH,
  SLICES,
  SLOT_LENGTH,
  STATE,
  TEXT,
} from './layout.ts';

/** Encrypts whole blocks, each for itself (ECB). */
export type BlockCipher = (blocks: Uint8Array) => Uint8Array;

/** From so many bytes of keystream on, a {@link BlockCipher} with AES instructions is faster than the module. */
const NATIVE_FROM = 384;
/** Where the text begins without additional data. */
const START: number = TEXT + 16 * GHASH_BATCH;

interface Functions {
  keystream(keys: number, rounds: number, counterBlock: number, counter: number, at: number, end: number): void;
  counters(counterBlock: number, counter: number, at: number, end: number): void;
  combine(data: number, keystream: number, end: number): void;
  hash(table: number, data: number, end: number, state: number): void;
  substitute(slices: number): void;
  hmacSha1(states: number, data: number, end: number, block: number): void;
}

/** One instance serves all keys of the process. Those in use stay in its memory, the others are copied there again. */
export class WasmAes {
  /** Bytes that a text and its additional data may have together. */
  static readonly maxLength: number = 16_384;
  readonly #functions: Functions;
  readonly #memory: Uint8Array;
  readonly #owners: (AesKey | undefined)[] = Array.from<undefined>({ length: KEY_SLOTS });
  #nextSlot = 0;
  /** Those in the module's memory. */
  #macStates: Uint8Array | undefined;

  /** @param module what `aes-gcm-module.bytes.ts` has @returns undefined where there is no WebAssembly with vectors */
  static create(module: Uint8Array): WasmAes | undefined {
    const exports = instantiate(module);
    return exports && new WasmAes(exports as unknown as Functions, new Uint8Array(exports.memory.buffer));
  }

  private constructor(functions: Functions, memory: Uint8Array) {
    this.#functions = functions;
    this.#memory = memory;
    // The padding of an outer hash, which is over the padded key and a digest.
    memory[MAC_BLOCK + 20] = 0x80;
    writeUint32(memory, MAC_BLOCK + 60, 8 * (64 + 20));
  }

  /** @param native a cipher with the same key, for long texts */
  gcm(key: Uint8Array, native?: BlockCipher): Aead {
    const prepared = new AesKey(key, (word) => this.#substituteWord(word));
    prepared.setHashKey(this.#encryptZeros(prepared), (block) => this.#timesHashKey(prepared, block));
    const ahead = native && new KeystreamAhead((nonce, count, length) => this.#encryptCountersOf(native, nonce, count, length));
    return {
      seal: (nonce, plaintext, additionalData, output, offset) =>
        this.#seal(prepared, ahead, nonce, plaintext, additionalData, output, offset),
      open: (nonce, sealed, additionalData, output, offset) => this.#open(prepared, ahead, nonce, sealed, additionalData, output, offset),
    };
  }

  /**
   * AES in counter mode, in place (SP 800-38A §6.5).
   * @param native a cipher with the same key, for long texts
   * @returns what says false, and does nothing, where more than the last 32 bits of the counter would change, or the text is too long
   */
  counterMode(key: Uint8Array, native?: BlockCipher): (counterBlock: Uint8Array, data: Uint8Array) => boolean {
    const prepared = new AesKey(key, (word) => this.#substituteWord(word));
    return (counterBlock, data) => this.#applyKeystream(prepared, native, counterBlock, data);
  }

  /**
   * HMAC-SHA1 (RFC 2104) with the states that both padded keys lead to, as ten words.
   * @returns what says undefined where the message is too long
   */
  hmacSha1(states: Int32Array): (message: Uint8Array) => Uint8Array | undefined {
    const bytes = new Uint8Array(states.buffer, states.byteOffset, 40);
    return (message) => this.#hmac(bytes, message);
  }

  #hmac(states: Uint8Array, message: Uint8Array): Uint8Array | undefined {
    const memory = this.#memory;
    const { length } = message;
    if (length > WasmAes.maxLength) return undefined;
    if (this.#macStates !== states) {
      this.#macStates = states;
      memory.set(states, MAC_STATES);
    }
    memory.set(message, TEXT);
    // FIPS 180-4 §5.1.1. The block of the padded key comes before.
    const end = TEXT + ((length + 8) | 63) + 1;
    memory[TEXT + length] = 0x80;
    for (let i = TEXT + length + 1; i < end - 4; i++) memory[i] = 0;
    writeUint32(memory, end - 4, 8 * (64 + length));
    this.#functions.hmacSha1(MAC_STATES, TEXT, end, MAC_BLOCK);
    return memory.slice(MAC_BLOCK, MAC_BLOCK + 20);
  }

  #applyKeystream(key: AesKey, native: BlockCipher | undefined, counterBlock: Uint8Array, data: Uint8Array): boolean {
    const memory = this.#memory;
    const { length } = data;
    const counter = readUint32(counterBlock, 12);
    const end = KEYSTREAM + ((length + 15) & ~15);
    if (length > WasmAes.maxLength || counter + ((length + 15) >>> 4) > 0x1_0000_0000) return false;
    for (let i = 0; i < 12; i++) memory[COUNTER + i] = counterBlock[i]!;
    memory.set(data, TEXT);
    if (native !== undefined && length >= NATIVE_FROM) this.#encryptCounters(native, counter, end);
    else this.#functions.keystream(this.#load(key), key.rounds, COUNTER, counter, KEYSTREAM, end);
    this.#functions.combine(TEXT, KEYSTREAM, TEXT + length);
    data.set(memory.subarray(TEXT, TEXT + length));
    return true;
  }

  #seal(
    key: AesKey,
    ahead: KeystreamAhead | undefined,
    nonce: Uint8Array,
    plaintext: Uint8Array,
    additionalData: Uint8Array,
    output: Uint8Array,
    offset: number,
  ): void {
    const memory = this.#memory;
    const { length } = plaintext;
    const text = this.#placeAdditionalData(additionalData);
    memory.set(plaintext, text);
    const slot = this.#load(key);
    this.#crypt(key, slot, ahead, nonce, text, length);
    this.#hash(slot, additionalData.length, text, length);
    // §7.1 step 6: the tag follows the text, so that both are copied at once.
    this.#functions.combine(STATE, KEYSTREAM, STATE + 16);
    memory.copyWithin(text + length, STATE, STATE + AEAD_TAG_LENGTH);
    output.set(memory.subarray(text, text + length + AEAD_TAG_LENGTH), offset);
  }

  #open(
    key: AesKey,
    ahead: KeystreamAhead | undefined,
    nonce: Uint8Array,
    sealed: Uint8Array,
    additionalData: Uint8Array,
    output: Uint8Array,
    offset: number,
  ): number {
    const length = sealed.length - AEAD_TAG_LENGTH;
    if (length < 0) return -1;
    const memory = this.#memory;
    const text = this.#placeAdditionalData(additionalData);
    memory.set(sealed, text);
    const slot = this.#load(key);
    this.#hash(slot, additionalData.length, text, length);
    this.#crypt(key, slot, ahead, nonce, text, length);
    this.#functions.combine(STATE, KEYSTREAM, STATE + 16);
    let difference = 0;
    for (let i = 0; i < AEAD_TAG_LENGTH; i++) difference |= memory[STATE + i]! ^ sealed[length + i]!;
    if (difference !== 0) return -1;
    output.set(memory.subarray(text, text + length), offset);
    return length;
  }

  /** Behind a batch of zeros: a GHASH that begins with blocks of zeros is the same without them. @returns where the text goes */
  #placeAdditionalData(additionalData: Uint8Array): number {
    const memory = this.#memory;
    const { length } = additionalData;
    const end = START + ((length + 15) & ~15);
    memory.fill(0, TEXT, START);
    for (let i = 0; i < length; i++) memory[START + i] = additionalData[i]!;
    for (let i = START + length; i < end; i++) memory[i] = 0;
    return end;
  }

  /** §7.1 steps 2, 3. Leaves the mask of the tag, which is the first block, at the beginning of the keystream. */
  #crypt(key: AesKey, slot: number, ahead: KeystreamAhead | undefined, nonce: Uint8Array, text: number, length: number): void {
    const memory = this.#memory;
    const needed = 16 + ((length + 15) & ~15);
    if (ahead !== undefined && length >= NATIVE_FROM) memory.set(ahead.take(nonce, needed), KEYSTREAM);
    else {
      for (let i = 0; i < 12; i++) memory[COUNTER + i] = nonce[i]!;
      this.#functions.keystream(slot, key.rounds, COUNTER, 1, KEYSTREAM, KEYSTREAM + needed);
    }
    if (length > 0) this.#functions.combine(text, KEYSTREAM + 16, text + length);
  }

  /** Keystream by AES instructions. */
  #encryptCounters(native: BlockCipher, counter: number, end: number): void {
    this.#functions.counters(COUNTER, counter, KEYSTREAM, end);
    this.#memory.set(native(this.#memory.subarray(KEYSTREAM, end)), KEYSTREAM);
  }

  /** The same, for several nonces. */
  #encryptCountersOf(native: BlockCipher, nonce: Uint8Array, count: number, length: number): Uint8Array {
    const memory = this.#memory;
    const last = readUint32(nonce, 8);
    const end = KEYSTREAM + count * length;
    for (let i = 0; i < 12; i++) memory[COUNTER + i] = nonce[i]!;
    for (let at = KEYSTREAM, i = 0; at < end; at += length, i++) {
      writeUint32(memory, COUNTER + 8, (last + i) >>> 0);
      this.#functions.counters(COUNTER, 1, at, at + length);
    }
    return native(memory.subarray(KEYSTREAM, end));
  }

  /** §7.1 step 5: over the additional data, the ciphertext, and both lengths in bits. */
  #hash(slot: number, additionalLength: number, text: number, length: number): void {
    const memory = this.#memory;
    const lengths = text + ((length + 15) & ~15);
    const end = lengths + 16;
    for (let i = text + length; i < end; i++) memory[i] = 0;
    writeLength(memory, lengths, additionalLength);
    writeLength(memory, lengths + 8, length);
    for (let i = 0; i < 16; i++) memory[STATE + i] = 0;
    const padding = -((end - START) >>> 4) & (GHASH_BATCH - 1);
    this.#functions.hash(slot + ROUND_KEYS_LENGTH, START - 16 * padding, end, STATE);
  }

  /** E(K, 0): the hash subkey (§6.4). */
  #encryptZeros(key: AesKey): Uint8Array {
    this.#memory.fill(0, COUNTER, COUNTER + 16);
    this.#functions.keystream(this.#load(key), key.rounds, COUNTER, 0, KEYSTREAM, KEYSTREAM + 16 * BATCH);
    this.#owners[key.slot] = undefined; // it is not complete yet
    return this.#memory.slice(KEYSTREAM, KEYSTREAM + 16);
  }

  /** The last of a batch of blocks is multiplied with H. */
  #timesHashKey(key: AesKey, block: Uint8Array): Uint8Array {
    const memory = this.#memory;
    const slot = this.#load(key);
    this.#owners[key.slot] = undefined; // it is not complete yet
    memory.fill(0, STATE, STATE + 16).fill(0, TEXT, START);
    memory.set(block, START - 16);
    this.#functions.hash(slot + ROUND_KEYS_LENGTH, TEXT, START, STATE);
    return memory.slice(STATE, STATE + 16);
  }

  /** SubWord (FIPS 197 §5.2). */
  #substituteWord(word: number): number {
    const memory = this.#memory;
    for (let bit = 0; bit < 8; bit++) {
      for (let i = 0; i < 4; i++) memory[SLICES + 16 * bit + i] = (word >>> (24 - 8 * i + bit)) & 1;
    }
    this.#functions.substitute(SLICES);
    let result = 0x6363_6363;
    for (let bit = 0; bit < 8; bit++) {
      for (let i = 0; i < 4; i++) result ^= (memory[SLICES + 16 * bit + i]! & 1) << (24 - 8 * i + bit);
    }
    return result;
  }

  /** @returns where the key is in the module's memory */
  #load(key: AesKey): number {
    if (this.#owners[key.slot] !== key) {
      key.slot = this.#nextSlot;
      this.#nextSlot = (this.#nextSlot + 1) % KEY_SLOTS;
      this.#owners[key.slot] = key;
      this.#memory.set(key.material, KEYS + key.slot * SLOT_LENGTH);
    }
    return KEYS + key.slot * SLOT_LENGTH;
  }
}

function writeLength(memory: Uint8Array, offset: number, bytes: number): void {
  const bits = 8 * bytes;
  memory[offset + 4] = bits >>> 24;
  memory[offset + 5] = bits >>> 16;
  memory[offset + 6] = bits >>> 8;
  memory[offset + 7] = bits;
}
