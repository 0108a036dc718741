/**
 * MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 §14.5 to §14.7). Each is computed over the bytes as they are on the
 * wire, with a header length that ends at the attribute itself: padding is hashed as received.
 */
import { type ByteWriter, crc32, readUint32, writeUint16 } from '@petrel/bytes';
import type { CryptoProvider, Mac } from '@petrel/crypto';
import { FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256 } from './attributes.ts';
import type { ProtectionOffsets } from './message.ts';

/** MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256. */
export type IntegrityAlgorithm = 'sha-1' | 'sha-256';

/** The HMAC key of a credential, with the algorithms that may be used with it. */
export class IntegrityKey {
  readonly algorithms: readonly IntegrityAlgorithm[];
  readonly #crypto: CryptoProvider;
  readonly #sha1: Mac;
  readonly #sha256: Mac;

  /**
   * @param key short-term: the password in UTF-8 (RFC 8489 §9.1.1); long-term: see `longTermKey`
   * @param algorithms what is accepted from the other side; only SHA-256 once a server has shown that it knows it (RFC 8489 §9.2.5)
   */
  constructor(crypto: CryptoProvider, key: Uint8Array, algorithms: readonly IntegrityAlgorithm[] = ['sha-1', 'sha-256']) {
    this.algorithms = algorithms;
    this.#crypto = crypto;
    this.#sha1 = crypto.hmac('sha-1', key);
    this.#sha256 = crypto.hmac('sha-256', key);
  }

  /** The HMAC of a message up to `end`, where the protecting attribute of `length` bytes starts. */
  compute(algorithm: IntegrityAlgorithm, message: Uint8Array, end: number): Uint8Array {
    const mac = algorithm === 'sha-1' ? this.#sha1 : this.#sha256;
    const start = Uint8Array.from(message.subarray(0, 4));
    writeUint16(start, 2, end - 20 + 4 + DIGEST_LENGTH[algorithm]);
    return mac.compute(start, message.subarray(4, end));
  }

  /** Checks the stronger one of the attributes that are present and acceptable (RFC 8489 §9.1.3). */
  verify(message: Uint8Array, offsets: ProtectionOffsets): IntegrityAlgorithm | 'missing' | 'wrong' {
    for (const algorithm of ['sha-256', 'sha-1'] as const) {
      const offset = algorithm === 'sha-256' ? offsets.messageIntegritySha256 : offsets.messageIntegrity;
      if (offset === -1 || !this.algorithms.includes(algorithm)) continue;
      const received = message.subarray(offset + 4, offset + 4 + DIGEST_LENGTH[algorithm]);
      return this.#crypto.timingSafeEqual(this.compute(algorithm, message, offset), received) ? algorithm : 'wrong';
    }
    return 'missing';
  }
}

const DIGEST_LENGTH: Readonly<Record<IntegrityAlgorithm, number>> = { 'sha-1': 20, 'sha-256': 32 };
/** Keeps a CRC-32 that an application protocol put at the same place from looking like a fingerprint (RFC 8489 §14.7). */
const FINGERPRINT_XOR = 0x5354554e;

export function appendIntegrity(writer: ByteWriter, key: IntegrityKey, algorithm: IntegrityAlgorithm): void {
  const digest = key.compute(algorithm, writer.view(), writer.length);
  writer
    .uint16(algorithm === 'sha-1' ? MESSAGE_INTEGRITY : MESSAGE_INTEGRITY_SHA256)
    .uint16(digest.length)
    .bytes(digest);
}

export function appendFingerprint(writer: ByteWriter): void {
  writer.setUint16(2, writer.length + 8 - 20);
  const crc = crc32(writer.view()) ^ FINGERPRINT_XOR;
  writer
    .uint16(FINGERPRINT)
    .uint16(4)
    .uint32(crc >>> 0);
}

/** The header's length is already the right one: the fingerprint is the last attribute. */
export function verifyFingerprint(message: Uint8Array, offset: number): boolean {
  return (crc32(message, 0, offset) ^ FINGERPRINT_XOR) >>> 0 === readUint32(message, offset + 4);
}
