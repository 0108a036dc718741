import { ctr, gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { hmac } from '@noble/hashes/hmac.js';
import { md5, sha1 } from '@noble/hashes/legacy.js';
import { sha224, sha256, sha384, sha512 } from '@noble/hashes/sha2.js';
import { concatBytes, equalBytes } from '@petrel/bytes';
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
import { encodeBitString, encodeElement, encodeSequence, OID, readSequence, TAG } from './der.ts';
import { type RsaPrivateKey, signRsaPkcs1, toBigInt, verifyRsaPkcs1 } from './rsa-pkcs1.ts';

const HASHES = { md5, 'sha-1': sha1, 'sha-224': sha224, 'sha-256': sha256, 'sha-384': sha384, 'sha-512': sha512 } as const;
const CURVES = { 'p-256': p256, 'p-384': p384 } as const;
const NAMED_CURVES = [
  { oid: OID.p256, curve: p256, length: 32 },
  { oid: OID.p384, curve: p384, length: 48 },
  { oid: OID.p521, curve: p521, length: 66 },
] as const;

/**
 * The provider in pure TypeScript, on the noble packages: for platforms without `node:crypto`, and as the other provider's test oracle.
 * With a seeded `random` every key is reproducible. ECDSA is deterministic (RFC 6979). RSA is slow here, and made for verifying.
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
    importSigningKey: (pkcs8) => importSigningKey(pkcs8, random),
    generateSigningKey: () => new EcdsaSigningKey(randomScalar(random)),
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
class EcdsaSigningKey implements SigningKey {
  readonly algorithm = 'ecdsa';
  readonly #secret: Uint8Array;

  constructor(secret: Uint8Array) {
    this.#secret = secret;
  }

  /** RFC 5480 §2. */
  get subjectPublicKeyInfo(): Uint8Array {
    return encodeSequence(encodeSequence(OID.ecPublicKey, OID.p256), encodeBitString(p256.getPublicKey(this.#secret, false)));
  }

  /** OneAsymmetricKey (RFC 5958 §2) around an ECPrivateKey (RFC 5915 §3) with its public key. */
  exportPkcs8(): Uint8Array {
    const publicKey = encodeElement(TAG.explicit1, encodeBitString(p256.getPublicKey(this.#secret, false)));
    const ecPrivateKey = encodeSequence(Uint8Array.of(TAG.integer, 1, 1), encodeElement(TAG.octetString, this.#secret), publicKey);
    const algorithm = encodeSequence(OID.ecPublicKey, OID.p256);
    return encodeSequence(Uint8Array.of(TAG.integer, 1, 0), algorithm, encodeElement(TAG.octetString, ecPrivateKey));
  }

  sign(scheme: SignatureScheme, data: Uint8Array): Uint8Array {
    if (scheme.startsWith('rsa')) throw new TypeError(`an ECDSA key cannot sign with ${scheme}`);
    return p256.sign(digestOf(scheme, data), this.#secret, { prehash: false, format: 'der', lowS: false });
  }
}

class RsaSigningKey implements SigningKey {
  readonly algorithm = 'rsa';
  readonly subjectPublicKeyInfo: Uint8Array;
  readonly #pkcs8: Uint8Array;
  readonly #key: RsaPrivateKey;
  readonly #random: Random;

  /** @param numbers the INTEGERs of an RSAPrivateKey: version, n, e, d, p, q, dP, dQ, qInv (RFC 8017 appendix A.1.2) */
  constructor(pkcs8: Uint8Array, numbers: readonly Uint8Array[], random: Random) {
    const [, n, e, , p, q, dP, dQ, qInv] = numbers.map(toBigInt) as bigint[];
    this.#key = { n: n!, e: e!, p: p!, q: q!, dP: dP!, dQ: dQ!, qInv: qInv! };
    this.#pkcs8 = pkcs8;
    this.#random = random;
    const publicKey = encodeSequence(...numbers.slice(1, 3).map((number) => encodeElement(TAG.integer, number)));
    this.subjectPublicKeyInfo = encodeSequence(encodeSequence(OID.rsaEncryption, Uint8Array.of(TAG.null, 0)), encodeBitString(publicKey));
  }

  exportPkcs8(): Uint8Array {
    return this.#pkcs8.slice();
  }

  sign(scheme: SignatureScheme, data: Uint8Array): Uint8Array {
    if (!scheme.startsWith('rsa')) throw new TypeError(`an RSA key cannot sign with ${scheme}`);
    return signRsaPkcs1(this.#key, hashOf(scheme), digestOf(scheme, data), this.#random);
  }
}

/** PrivateKeyInfo: version, algorithm, and the key in an OCTET STRING (RFC 5958 §2). */
function importSigningKey(pkcs8: Uint8Array, random: Random): SigningKey {
  const [, algorithm, key] = readSequence(pkcs8) ?? [];
  const identifiers = readSequence(algorithm?.whole) ?? [];
  const fields = readSequence(key?.content);
  if (fields === undefined || identifiers[0] === undefined) throw new TypeError('not a private key in PKCS #8 DER');
  if (equalBytes(identifiers[0].whole, OID.rsaEncryption) && fields.length >= 9)
    return new RsaSigningKey(
      pkcs8.slice(),
      fields.map((field) => field.content),
      random,
    );
  const isP256 = equalBytes(identifiers[0].whole, OID.ecPublicKey) && equalBytes(identifiers[1]?.whole ?? new Uint8Array(0), OID.p256);
  if (!isP256 || fields[1]?.content.length !== 32) throw new TypeError('only RSA and P-256 keys in PKCS #8 DER can be imported');
  return new EcdsaSigningKey(fields[1].content.slice());
}

function verify(scheme: SignatureScheme, subjectPublicKeyInfo: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const [algorithm, key] = readSequence(subjectPublicKeyInfo) ?? [];
  if (algorithm === undefined || key?.tag !== TAG.bitString || key.content[0] !== 0) return false;
  const bits = key.content.subarray(1);
  if (scheme.startsWith('rsa')) {
    const numbers = readSequence(bits);
    const identifier = readSequence(algorithm.whole)?.[0]?.whole;
    if (identifier === undefined || numbers?.length !== 2 || !equalBytes(identifier, OID.rsaEncryption)) return false;
    return verifyRsaPkcs1(numbers[0]!.content, numbers[1]!.content, hashOf(scheme), digestOf(scheme, data), signature);
  }
  const named = NAMED_CURVES.find(({ oid }) => equalBytes(algorithm.content, concatBytes(OID.ecPublicKey, oid)));
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

function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
