import type { AeadAlgorithm, HashAlgorithm } from '@petrel/crypto';

/** An AEAD suite with ephemeral key agreement; nothing else is offered or accepted (RFC 8827 §6.5, RFC 9325 §4.2). */
export interface CipherSuite {
  readonly name: CipherSuiteName;
  readonly code: number;
  /** The kind of key in the server's certificate. */
  readonly authentication: 'ecdsa' | 'rsa';
  readonly aead: AeadAlgorithm;
  readonly keyLength: number;
  /** Bytes of the nonce that come from the key block: 4 with an explicit rest (RFC 5288 §3), or all 12 (RFC 7905 §2). */
  readonly fixedIvLength: 4 | 12;
  /** Hash of the PRF and of the transcript. */
  readonly hash: HashAlgorithm;
}

/** The names of the TLS Cipher Suites registry. */
export type CipherSuiteName =
  | 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'
  | 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'
  | 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256'
  | 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256';

const gcm128 = { aead: 'aes-128-gcm', keyLength: 16, fixedIvLength: 4, hash: 'sha-256' } as const;
const gcm256 = { aead: 'aes-256-gcm', keyLength: 32, fixedIvLength: 4, hash: 'sha-384' } as const;
const chacha = { aead: 'chacha20-poly1305', keyLength: 32, fixedIvLength: 12, hash: 'sha-256' } as const;

/** In order of preference: AES-128-GCM is the fastest where the processor has AES instructions. */
export const CIPHER_SUITES: readonly CipherSuite[] = [
  { name: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', code: 0xc02b, authentication: 'ecdsa', ...gcm128 },
  { name: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', code: 0xc02f, authentication: 'rsa', ...gcm128 },
  { name: 'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', code: 0xcca9, authentication: 'ecdsa', ...chacha },
  { name: 'TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', code: 0xcca8, authentication: 'rsa', ...chacha },
  { name: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', code: 0xc02c, authentication: 'ecdsa', ...gcm256 },
  { name: 'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', code: 0xc030, authentication: 'rsa', ...gcm256 },
];
