/**
 * AES-GCM for SRTP (RFC 7714 §8, §9).
 *
 * ```
 *    0  0  0  0  0  0  0  0  0  0  1  1                0  0  0  0  0  0  0  0  0  0  1  1
 *    0  1  2  3  4  5  6  7  8  9  0  1                0  1  2  3  4  5  6  7  8  9  0  1
 *   +--+--+--+--+--+--+--+--+--+--+--+--+             +--+--+--+--+--+--+--+--+--+--+--+--+
 *   |00|00|    SSRC   |     ROC   | SEQ |             |00|00|    SSRC   |00|00|0+SRTCP Idx|    each XORed with the salt
 *   +--+--+--+--+--+--+--+--+--+--+--+--+             +--+--+--+--+--+--+--+--+--+--+--+--+
 * ```
 */
import { readUint32, writeUint32 } from '@petrel/bytes';
import { type Aead, AEAD_TAG_LENGTH, type AeadAlgorithm, type CryptoProvider } from '@petrel/crypto';
import type { PacketTransform, SessionKeys } from './packet-transform.ts';

const ESRTCP_LENGTH = 4;

export class SrtpAead implements PacketTransform {
  readonly overhead: number = AEAD_TAG_LENGTH;
  readonly #aead: Aead;
  readonly #salt: Uint8Array;
  readonly #nonce: Uint8Array;

  constructor(crypto: CryptoProvider, algorithm: AeadAlgorithm, keys: SessionKeys) {
    this.#aead = crypto.aead(algorithm, keys.encryption);
    this.#salt = keys.salt;
    this.#nonce = keys.salt.slice();
  }

  seal(packet: Uint8Array, clear: number, ssrc: number, index: number, output: Uint8Array): void {
    const header = packet.subarray(0, clear);
    output.set(header);
    this.#aead.seal(this.#nonceFor(ssrc, index), packet.subarray(clear), header, output, clear);
  }

  open(packet: Uint8Array, clear: number, ssrc: number, index: number): number {
    const length = this.#aead.open(this.#nonceFor(ssrc, index), packet.subarray(clear), packet.subarray(0, clear), packet, clear);
    return length < 0 ? -1 : clear + length;
  }

  #nonceFor(ssrc: number, index: number): Uint8Array {
    const [nonce, salt] = [this.#nonce, this.#salt]; // the first two bytes are the salt's
    writeUint32(nonce, 2, readUint32(salt, 2) ^ ssrc);
    writeUint32(nonce, 6, readUint32(salt, 6) ^ Math.floor(index / 0x1_0000));
    nonce[10] = salt[10]! ^ ((index >>> 8) & 0xff);
    nonce[11] = salt[11]! ^ (index & 0xff);
    return nonce;
  }
}

/** The tag stands before the word with E and the index, and that word is authenticated with the header (RFC 7714 §9.2). */
export class SrtcpAead implements PacketTransform {
  readonly overhead: number = AEAD_TAG_LENGTH + ESRTCP_LENGTH;
  readonly #aead: Aead;
  readonly #salt: Uint8Array;
  readonly #nonce = new Uint8Array(12);
  readonly #additionalData = new Uint8Array(12);

  constructor(crypto: CryptoProvider, algorithm: AeadAlgorithm, keys: SessionKeys) {
    this.#aead = crypto.aead(algorithm, keys.encryption);
    this.#salt = keys.salt;
  }

  seal(packet: Uint8Array, clear: number, ssrc: number, index: number, output: Uint8Array): void {
    output.set(packet.subarray(0, clear));
    writeUint32(output, packet.length + AEAD_TAG_LENGTH, 0x8000_0000 + index);
    const additionalData = this.#additionalDataFor(packet, clear, index);
    this.#aead.seal(this.#nonceFor(ssrc, index), packet.subarray(clear), additionalData, output, clear);
  }

  open(packet: Uint8Array, clear: number, ssrc: number, index: number): number {
    const sealed = packet.subarray(clear, packet.length - ESRTCP_LENGTH);
    const additionalData = this.#additionalDataFor(packet, clear, index);
    const length = this.#aead.open(this.#nonceFor(ssrc, index), sealed, additionalData, packet, clear);
    return length < 0 ? -1 : clear + length;
  }

  #additionalDataFor(packet: Uint8Array, clear: number, index: number): Uint8Array {
    this.#additionalData.set(packet.subarray(0, clear));
    writeUint32(this.#additionalData, clear, 0x8000_0000 + index);
    return this.#additionalData;
  }

  #nonceFor(ssrc: number, index: number): Uint8Array {
    const nonce = this.#nonce;
    nonce.set(this.#salt);
    writeUint32(nonce, 2, readUint32(nonce, 2) ^ ssrc);
    writeUint32(nonce, 8, readUint32(nonce, 8) ^ index);
    return nonce;
  }
}
