import type { Random } from '@petrel/sans-io';

/** Names follow the IANA and W3C spelling, in lower case. */
export type HashAlgorithm = 'md5' | 'sha-1' | 'sha-224' | 'sha-256' | 'sha-384' | 'sha-512';
/** AEADs with a 12-byte nonce and a 16-byte tag that follows the ciphertext (RFC 5116, RFC 8439). */
export type AeadAlgorithm = 'aes-128-gcm' | 'aes-256-gcm' | 'chacha20-poly1305';
/** Groups for ephemeral key agreement (RFC 8422 §5.1.1). */
export type NamedGroup = 'x25519' | 'p-256' | 'p-384';
/** Signature schemes (RFC 5246 §7.4.1.4.1; RSA is PKCS #1 v1.5). ECDSA signatures are DER (RFC 8422 §5.4). */
export type SignatureScheme =
  | 'ecdsa-sha256'
  | 'ecdsa-sha384'
  | 'ecdsa-sha512'
  | 'ecdsa-sha1'
  | 'rsa-pkcs1-sha256'
  | 'rsa-pkcs1-sha384'
  | 'rsa-pkcs1-sha512'
  | 'rsa-pkcs1-sha1';

/** Length of the tag of every {@link AeadAlgorithm}, in bytes. */
export const AEAD_TAG_LENGTH = 16;

/** A keyed AEAD. It writes into the caller's buffer, so that a provider never has to allocate. */
export interface Aead {
  /**
   * Encrypts `plaintext` and appends the tag: writes `plaintext.length + 16` bytes to `output` at `offset`.
   * `output` may be the buffer that `plaintext` is a view of only if both start at the same byte.
   */
  seal(nonce: Uint8Array, plaintext: Uint8Array, additionalData: Uint8Array, output: Uint8Array, offset: number): void;
  /**
   * Verifies the tag, then writes the plaintext to `output` at `offset`.
   * @returns the plaintext's length, or -1 when the tag does not verify (and nothing may be used).
   */
  open(nonce: Uint8Array, ciphertextAndTag: Uint8Array, additionalData: Uint8Array, output: Uint8Array, offset: number): number;
}

/** A keyed MAC that is computed once per message. */
export interface Mac {
  /** The whole MAC over the concatenation of `parts`. */
  compute(...parts: readonly Uint8Array[]): Uint8Array;
}

/** AES in counter mode with a 16-byte initial counter block (RFC 3711 §4.1.1). */
export interface CounterCipher {
  /** XORs the keystream into `data`, in place. */
  apply(counterBlock: Uint8Array, data: Uint8Array): void;
}

/** A running hash whose state can be read without ending it, as a handshake transcript needs. */
export interface IncrementalHash {
  update(data: Uint8Array): void;
  /** The digest of everything so far; more may be added afterwards. */
  digest(): Uint8Array;
}

/** An ephemeral key pair for one key agreement. */
export interface KeyAgreement {
  /** X25519: 32 bytes. NIST curves: the uncompressed point, 0x04 || X || Y. */
  readonly publicKey: Uint8Array;
  /** The shared secret (X coordinate), or undefined when the peer's key is not a valid point or gives an all-zero secret. */
  deriveSharedSecret(peerPublicKey: Uint8Array): Uint8Array | undefined;
}

/** A long-term private key, as a certificate has. */
export interface SigningKey {
  readonly algorithm: 'ecdsa' | 'rsa';
  /** The public key, DER (RFC 5280 §4.1.2.7). */
  readonly subjectPublicKeyInfo: Uint8Array;
  /** PKCS #8, DER. Secret: it never appears in logs or in `inspect` output. */
  exportPkcs8(): Uint8Array;
  sign(scheme: SignatureScheme, data: Uint8Array): Uint8Array;
}

/** The primitives that the protocol cores are given. Everything is synchronous: packets must not overtake each other. */
export interface CryptoProvider extends Random {
  readonly name: string;
  hash(algorithm: HashAlgorithm, data: Uint8Array): Uint8Array;
  createHash(algorithm: HashAlgorithm): IncrementalHash;
  hmac(algorithm: HashAlgorithm, key: Uint8Array): Mac;
  aead(algorithm: AeadAlgorithm, key: Uint8Array): Aead;
  /** AES-CTR; the key's length (16, 24 or 32 bytes) selects the variant. */
  aesCtr(key: Uint8Array): CounterCipher;
  generateKeyAgreement(group: NamedGroup): KeyAgreement;
  /** @throws TypeError when the DER is not a supported key. */
  importSigningKey(pkcs8: Uint8Array): SigningKey;
  /** A new P-256 key. */
  generateSigningKey(): SigningKey;
  /**
   * Verifies with the public key of a SubjectPublicKeyInfo. False for every malformed input; it never throws.
   */
  verify(scheme: SignatureScheme, subjectPublicKeyInfo: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean;
  /** Compares secrets in time that depends on the lengths only. */
  timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
}
