/**
 * HMAC-SHA1 (RFC 2104, FIPS 180-4 §6.1) for the messages of some hundred bytes that SRTP authenticates one by one: there a native hash object for each message
 * costs more than the hash. They are hashed in WebAssembly; where there is none, here. Longer ones hash their inner part natively. Both states that depend on
 * the key only are computed once. Nothing here depends on secret data but arithmetic, so timing tells nothing about it.
 */
import type { Mac } from './crypto.ts';

const BLOCK = 64;
const DIGEST = 20;
/** From this many bytes on the native hash is faster than TypeScript, and than the module. Measured: scripts/bench/srtp.ts. */
const NATIVE_THRESHOLD = 400;
const NATIVE_THRESHOLD_OF_MODULE = 800;
const INITIAL = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);

/** SHA-1 of the whole input, natively. */
export type NativeSha1 = (data: Uint8Array) => Uint8Array;

/** HMAC-SHA1 elsewhere, given the states (ten words) after the inner and the outer key. The second function says undefined when it is not able to. */
export type HmacModule = (states: Int32Array) => ((message: Uint8Array) => Uint8Array | undefined) | undefined;

export class HmacSha1 implements Mac {
  readonly #states = new Int32Array(10);
  readonly #inner: Int32Array = this.#states.subarray(0, 5);
  readonly #outer: Int32Array = this.#states.subarray(5);
  readonly #native: NativeSha1;
  readonly #inModule: ((message: Uint8Array) => Uint8Array | undefined) | undefined;
  /** The inner padded key, followed by the message: what the native hash is given. */
  #buffer: Uint8Array;
  readonly #state = new Int32Array(5);

  constructor(key: Uint8Array, native: NativeSha1, module?: HmacModule) {
    const padded = new Uint8Array(BLOCK);
    padded.set(key.length > BLOCK ? native(key) : key);
    this.#native = native;
    this.#buffer = padded.map((byte) => byte ^ 0x36);
    this.#inner.set(INITIAL);
    compress(this.#inner, this.#buffer, 0);
    this.#outer.set(INITIAL);
    compress(
      this.#outer,
      padded.map((byte) => byte ^ 0x5c),
      0,
    );
    this.#inModule = module?.(this.#states);
  }

  compute(...parts: readonly Uint8Array[]): Uint8Array {
    const message = parts.length === 1 ? parts[0]! : join(parts);
    return (message.length < NATIVE_THRESHOLD_OF_MODULE && this.#inModule?.(message)) || this.#compute(message);
  }

  #compute(message: Uint8Array): Uint8Array {
    const digest = new Uint8Array(DIGEST);
    if (message.length < NATIVE_THRESHOLD) {
      this.#state.set(this.#inner);
      finish(this.#state, message, BLOCK);
      writeState(this.#state, digest);
    } else digest.set(this.#innerNatively(message));
    this.#state.set(this.#outer);
    finish(this.#state, digest, BLOCK);
    writeState(this.#state, digest);
    return digest;
  }

  #innerNatively(message: Uint8Array): Uint8Array {
    const length = BLOCK + message.length;
    if (this.#buffer.length < length) {
      const larger = new Uint8Array(2 * length);
      larger.set(this.#buffer.subarray(0, BLOCK));
      this.#buffer = larger;
    }
    this.#buffer.set(message, BLOCK);
    return this.#native(this.#buffer.subarray(0, length));
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

const TAIL = new Uint8Array(2 * BLOCK);
const WORDS = new Int32Array(80);

/** Hashes the message and the padding (FIPS 180-4 §5.1.1) into a state that has taken `before` bytes. */
function finish(state: Int32Array, message: Uint8Array, before: number): void {
  const whole = message.length & ~(BLOCK - 1);
  for (let offset = 0; offset < whole; offset += BLOCK) compress(state, message, offset);
  const rest = message.length - whole;
  const tailLength = rest < BLOCK - 8 ? BLOCK : 2 * BLOCK;
  for (let i = 0; i < rest; i++) TAIL[i] = message[whole + i]!;
  TAIL[rest] = 0x80;
  TAIL.fill(0, rest + 1, tailLength);
  const bits = (before + message.length) * 8;
  for (let i = 0; i < 4; i++) TAIL[tailLength - 1 - i] = bits >>> (8 * i);
  compress(state, TAIL, 0);
  if (tailLength > BLOCK) compress(state, TAIL, BLOCK);
}

function writeState(state: Int32Array, output: Uint8Array): void {
  for (let i = 0; i < DIGEST; i++) output[i] = state[i >> 2]! >>> (24 - 8 * (i & 3));
}

/** One block (FIPS 180-4 §6.1.2). */
function compress(state: Int32Array, bytes: Uint8Array, offset: number): void {
  const w = WORDS;
  for (let t = 0, at = offset; t < 16; t++, at += 4)
    w[t] = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  for (let t = 16; t < 80; t++) {
    const x = w[t - 3]! ^ w[t - 8]! ^ w[t - 14]! ^ w[t - 16]!;
    w[t] = (x << 1) | (x >>> 31);
  }
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  let e = state[4]!;
  let next = 0;
  for (let t = 0; t < 20; t++) {
    next = (((a << 5) | (a >>> 27)) + (d ^ (b & (c ^ d))) + e + w[t]! + 0x5a827999) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 20; t < 40; t++) {
    next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + w[t]! + 0x6ed9eba1) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 40; t < 60; t++) {
    next = (((a << 5) | (a >>> 27)) + ((b & c) | (d & (b | c))) + e + w[t]! + 0x8f1bbcdc) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  for (let t = 60; t < 80; t++) {
    next = (((a << 5) | (a >>> 27)) + (b ^ c ^ d) + e + w[t]! + 0xca62c1d6) | 0;
    e = d;
    d = c;
    c = (b << 30) | (b >>> 2);
    b = a;
    a = next;
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
  state[4] = (state[4]! + e) | 0;
}
