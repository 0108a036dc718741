/**
 * Keystream of packets that have not come yet. Where nonces count up, as those of DTLS records do (RFC 5288 §3), the next ones are known, and a call of the
 * cipher for eight packets takes little more time than one for one: most of a call is not encryption. Whoever can read it here can read the key as well.
 */
import { readUint32 } from '@petrel/bytes';

/** @returns so many bytes of keystream for each of `count` nonces, which differ from the first in their last 32 bits only, and count up there */
export type KeystreamGenerator = (nonce: Uint8Array, count: number, length: number) => Uint8Array;

/** Packets that are prepared at once. */
const AHEAD = 8;
/** Nonces that have to have followed one another: short packets, which have no part in this, may lie between two of them. */
const RUN = 4;
const MAX_STEP = 4;
/** Longer packets have each a call of their own: it is a small part of what they cost. */
const MAX_LENGTH = 4096;

export class KeystreamAhead {
  readonly #generate: KeystreamGenerator;
  /** The parts of the last nonce. */
  #first = -1;
  #second = -1;
  #third = -1;
  #run = 0;
  /** Of the packets that are prepared, and what the nonce of the first ends with. */
  #keystream: Uint8Array = NONE;
  #from = 0;
  /** Of one packet; 0 when none is prepared. */
  #length = 0;

  constructor(generate: KeystreamGenerator) {
    this.#generate = generate;
  }

  /** The keystream for a nonce of 12 bytes, at least so long. */
  take(nonce: Uint8Array, length: number): Uint8Array {
    const step = this.#note(nonce);
    const index = this.#third - this.#from;
    if (length <= this.#length && index >= 0 && index < AHEAD) return this.#prepared(index);
    this.#run = step > 0 && step <= MAX_STEP ? this.#run + 1 : 0;
    if (this.#run < RUN || length > MAX_LENGTH) return this.#generate(nonce, 1, length);
    const { buffer, byteOffset, byteLength } = this.#generate(nonce, AHEAD, length);
    this.#keystream = new Uint8Array(buffer, byteOffset, byteLength);
    this.#from = this.#third;
    this.#length = length;
    return this.#prepared(0);
  }

  #prepared(index: number): Uint8Array {
    return this.#keystream.subarray(index * this.#length, (index + 1) * this.#length);
  }

  /** @returns by how much it is above the last one; nothing prepared is of use where another part has changed */
  #note(nonce: Uint8Array): number {
    const first = readUint32(nonce, 0);
    const second = readUint32(nonce, 4);
    const third = readUint32(nonce, 8);
    const step = third - this.#third;
    this.#third = third;
    if (first === this.#first && second === this.#second) return step;
    this.#first = first;
    this.#second = second;
    this.#keystream = NONE;
    this.#length = 0;
    return 0;
  }
}

const NONE: Uint8Array = new Uint8Array(0);
