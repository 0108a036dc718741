import { ctr, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { hmac } from '@noble/hashes/hmac.js';
import { md5, sha1 } from '@noble/hashes/legacy.js';
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { ByteReader, ByteWriter, concatBytes, equalBytes } from '@petrel/bytes';
import type { Random } from '@petrel/sans-io';
import {
  AEAD_TAG_LENGTH,
  type Aead,
  type AeadAlgorithm,
  type CryptoProvider,
  type HashAlgorithm,
  type IncrementalHash,
  type KeyAgreement,
  type NamedGroup,
  type SignatureScheme,
  type SigningKey,
} from './crypto.ts';
import { verifyRsaPkcs1 } from './rsa-pkcs1.ts';

const HASHES = { md5, 'sha-1': sha1, 'sha-224': sha224, 'sha-256': sha256, 'sha-384': sha384, 'sha-512': sha512 } as const;
const CURVES = { 'p-256': p256, 'p-384': p384 } as const;
/** DER of the object identifiers in a SubjectPublicKeyInfo (RFC 5480 §2.1.1, RFC 3279 §2.3.1). */
const OID_EC_PUBLIC_KEY = Uint8Array.of(0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01);
const OID_RSA = Uint8Array.of(0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01);
const OID_P256 = Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07);
const OID_P384 = Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22);
const OID_P521 = Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23);
const NAMED_CURVES = [
  { oid: OID_P256, curve: p256, length: 32 },
  { oid: OID_P384, curve: p384, length: 48 },
  { oid: OID_P521, curve: p521, length: 66 },
] as const;

/**
 * The provider in pure TypeScript, on the noble packages: for platforms without `node:crypto`, and as the other provider's test oracle.
 * With a seeded `random` every key is reproducible. ECDSA is deterministic (RFC 6979). RSA keys can be verified with, not signed with.
 * @example
 * const crypto = nobleCrypto(seededRandom(1));
 */
export function nobleCrypto(random: Random = platformRandom): CryptoProvider {
  return {
    name: 'noble',
    randomBytes: (length) => random.randomBytes(length),
    hash: (algorithm, data) => HASHES[algorithm](data),
    createHash: (algorithm) => incrementalHash(algorithm),
    hmac: (algorithm, key) => ({
      compute: (...parts) => hmac(HASHES[algorithm], key, parts.length === 1 ? parts[0]! : concatBytes(...parts)),
    }),
    aead: (algorithm, key) => nobleAead(algorithm, key),
    aesCtr: (key) => ({ apply: (counterBlock, data) => data.set(ctr(key, counterBlock).encrypt(data)) }),
    generateKeyAgreement: (group) => generateKeyAgreement(group, random),
    importSigningKey: (pkcs8) => importSigningKey(pkcs8),
    generateSigningKey: () => new NobleSigningKey(randomScalar(random)),
    verify,
    timingSafeEqual,
  };
}

const platformRandom: Random = { randomBytes: (length) => globalThis.crypto.getRandomValues(new Uint8Array(length)) };

function incrementalHash(algorithm: HashAlgorithm): IncrementalHash {
  const hash = HASHES[algorithm].create();
  return { update: (data) => void hash.update(data), digest: () => hash.clone().digest() };
}

function nobleAead(algorithm: AeadAlgorithm, key: Uint8Array): Aead {
  const cipher = (
    nonce: Uint8Array,
    additionalData: Uint8Array,
  ): { encrypt(data: Uint8Array): Uint8Array; decrypt(data: Uint8Array): Uint8Array } =>
    algorithm === 'chacha20-poly1305' ? chacha20poly1305(key, nonce, additionalData) : gcm(key, nonce, additionalData);
  return {
    seal: (nonce, plaintext, additionalData, output, offset) => output.set(cipher(nonce, additionalData).encrypt(plaintext), offset),
    open(nonce, ciphertextAndTag, additionalData, output, offset) {
      if (ciphertextAndTag.length < AEAD_TAG_LENGTH) return -1;
      let plaintext: Uint8Array;
      try {
        plaintext = cipher(nonce, additionalData).decrypt(ciphertextAndTag);
      } catch {
        return -1;
      }
      output.set(plaintext, offset);
      return plaintext.length;
    },
  };
}

function generateKeyAgreement(group: NamedGroup, random: Random): KeyAgreement {
  if (group === 'x25519') {
    const secret = random.randomBytes(32);
    return {
      publicKey: x25519.getPublicKey(secret),
      // RFC 7748 §6.1: noble refuses an all-zero result.
      deriveSharedSecret: (peerPublicKey) =>
        peerPublicKey.length === 32 ? attempt(() => x25519.getSharedSecret(secret, peerPublicKey)) : undefined,
    };
  }
  const curve = CURVES[group];
  const { secretKey } = curve.keygen(random.randomBytes(curve.lengths.seed ?? 48));
  return {
    publicKey: curve.getPublicKey(secretKey, false),
    deriveSharedSecret(peerPublicKey) {
      if (peerPublicKey[0] !== 4) return undefined; // RFC 8422 §5.4.1: only the uncompressed form
      return attempt(() => curve.getSharedSecret(secretKey, peerPublicKey, false).slice(1, 1 + curve.lengths.secretKey!));
    },
  };
}

function attempt<Result>(compute: () => Result): Result | undefined {
  try {
    return compute();
  } catch {
    return undefined;
  }
}

function randomScalar(random: Random): Uint8Array {
  return p256.keygen(random.randomBytes(p256.lengths.seed ?? 48)).secretKey;
}

/** A P-256 private key. */
class NobleSigningKey implements SigningKey {
  readonly algorithm = 'ecdsa';
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** OneAsymmetricKey (RFC 5958 §2) around an ECPrivateKey (RFC 5915 §3) with its public key. */
  exportPkcs8(): Uint8Array {
    const publicKey = der(0xa1, der(0x03, Uint8Array.of(0), p256.getPublicKey(this.#secret, false)));
    const ecPrivateKey = der(0x30, Uint8Array.of(0x02, 1, 1), der(0x04, this.#secret), publicKey);
    return der(0x30, Uint8Array.of(0x02, 1, 0), der(0x30, OID_EC_PUBLIC_KEY, OID_P256), der(0x04, ecPrivateKey));
  }

  sign(scheme: SignatureScheme, data: Uint8Array): Uint8Array {
    if (scheme.startsWith('rsa')) throw new TypeError(`an ECDSA key cannot sign with ${scheme}`);
    return p256.sign(digestOf(scheme, data), this.#secret, { prehash: false, format: 'der', lowS: false });
  }
}

function importSigningKey(pkcs8: Uint8Array): SigningKey {
  const outer = element(new ByteReader(pkcs8));
  const fields = new ByteReader(outer);
  element(fields);
  const algorithm = element(fields);
  if (!equalBytes(algorithm, concatBytes(OID_EC_PUBLIC_KEY, OID_P256)))
    throw new TypeError('only P-256 keys in PKCS #8 DER can be imported');
  const ecPrivateKey = new ByteReader(element(new ByteReader(element(fields))));
  element(ecPrivateKey);
  const secret = element(ecPrivateKey);
  if (secret.length !== 32) throw new TypeError('a P-256 private key has 32 bytes');
  return new NobleSigningKey(secret.slice());
}

function verify(scheme: SignatureScheme, subjectPublicKeyInfo: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const fields = new ByteReader(element(new ByteReader(subjectPublicKeyInfo)));
  const algorithm = element(fields);
  const bits = element(fields).subarray(1);
  if (scheme.startsWith('rsa')) {
    if (!equalBytes(algorithm.subarray(0, OID_RSA.length), OID_RSA)) return false;
    const numbers = new ByteReader(element(new ByteReader(bits)));
    return verifyRsaPkcs1(element(numbers), element(numbers), hashOf(scheme), digestOf(scheme, data), signature);
  }
  const named = NAMED_CURVES.find(({ oid }) => equalBytes(algorithm, concatBytes(OID_EC_PUBLIC_KEY, oid)));
  if (named === undefined || bits.length !== 1 + 2 * named.length) return false;
  const options = { prehash: false, format: 'der', lowS: false } as const;
  return attempt(() => named.curve.verify(signature, digestOf(scheme, data), bits, options)) ?? false;
}

function hashOf(scheme: SignatureScheme): HashAlgorithm {
  return scheme.slice(scheme.lastIndexOf('-') + 1).replace('sha', 'sha-') as HashAlgorithm;
}

function digestOf(scheme: SignatureScheme, data: Uint8Array): Uint8Array {
  return HASHES[hashOf(scheme)](data);
}

/** The content of the next DER element; empty when there is none. */
function element(reader: ByteReader): Uint8Array {
  reader.skip(1);
  let length = reader.uint8();
  if (length === 0x81) length = reader.uint8();
  else if (length === 0x82) length = reader.uint16();
  return reader.view(length);
}

function der(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...content);
  const writer = new ByteWriter(body.length + 4).uint8(tag);
  if (body.length < 0x80) writer.uint8(body.length);
  else writer.uint8(0x81).uint8(body.length);
  return writer.bytes(body).finish();
}

function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
