import { pieceOf, writeUint16, writeUint32 } from '@petrel/bytes';
import { AEAD_TAG_LENGTH, type Aead, type CryptoProvider } from '@petrel/crypto';
import type { CipherSuite } from './cipher-suites.ts';

/**
 * The keys of one direction of one epoch.
 *
 * ```
 *   AES-GCM (RFC 5288 §3):   nonce = salt (4) || explicit (8); explicit = epoch || sequence number, sent in the record
 *   ChaCha20 (RFC 7905 §2):  nonce = iv (12) XOR (0 (4) || epoch || sequence number); nothing is sent
 *   additional data (RFC 6347 §4.1.2.1): epoch (2) || sequence number (6) || type (1) || version (2) || length (2)
 * ```
 */
export class CipherState {
  /** Bytes that a record grows by. */
  readonly overhead: number;
  readonly #aead: Aead;
  readonly #iv: Uint8Array;
  readonly #explicitLength: number;
  readonly #nonce: Uint8Array = new Uint8Array(12);
  readonly #additionalData: Uint8Array = new Uint8Array(13);

  constructor(crypto: CryptoProvider, suite: CipherSuite, key: Uint8Array, iv: Uint8Array) {
    this.#aead = crypto.aead(suite.aead, key);
    this.#iv = iv;
    this.#nonce.set(iv);
    this.#explicitLength = 12 - suite.fixedIvLength;
    this.overhead = this.#explicitLength + AEAD_TAG_LENGTH;
    this.#additionalData[9] = 0xfe;
    this.#additionalData[10] = 0xfd;
  }

  /** Writes the protected fragment of `plaintext` to `record` at `offset`, which must have room for `plaintext.length + overhead` bytes. */
  seal(type: number, epoch: number, sequenceNumber: number, plaintext: Uint8Array, record: Uint8Array, offset: number): void {
    this.#prepare(type, epoch, sequenceNumber, plaintext.length);
    if (this.#explicitLength > 0) for (let i = 0; i < 8; i++) record[offset + i] = this.#nonce[4 + i]!;
    this.#aead.seal(this.#nonce, plaintext, this.#additionalData, record, offset + this.#explicitLength);
  }

  /**
   * Opens the protected fragment at `[start, end)` of a datagram.
   * @returns the plaintext, written over the fragment (or a copy of it: see `pieceOf`); undefined when it is not authentic.
   */
  open(type: number, epoch: number, sequenceNumber: number, datagram: Uint8Array, start: number, end: number): Uint8Array | undefined {
    const length = end - start - this.overhead;
    if (length < 0) return undefined;
    this.#prepare(type, epoch, sequenceNumber, length);
    // The peer chooses the explicit part; that it be the sequence number is only a recommendation (RFC 5288 §3).
    if (this.#explicitLength > 0) for (let i = 0; i < 8; i++) this.#nonce[4 + i] = datagram[start + i]!;
    const text = start + this.#explicitLength;
    if (this.#aead.open(this.#nonce, datagram.subarray(text, end), this.#additionalData, datagram, text) !== length) return undefined;
    return pieceOf(datagram, text, text + length);
  }

  #prepare(type: number, epoch: number, sequenceNumber: number, length: number): void {
    const additionalData = this.#additionalData;
    writeUint16(additionalData, 0, epoch);
    writeUint16(additionalData, 2, Math.floor(sequenceNumber / 0x1_0000_0000));
    writeUint32(additionalData, 4, sequenceNumber >>> 0);
    additionalData[8] = type;
    writeUint16(additionalData, 11, length);
    const nonce = this.#nonce;
    if (this.#explicitLength > 0) for (let i = 0; i < 8; i++) nonce[4 + i] = additionalData[i]!;
    else for (let i = 0; i < 8; i++) nonce[4 + i] = this.#iv[4 + i]! ^ additionalData[i]!;
  }
}
