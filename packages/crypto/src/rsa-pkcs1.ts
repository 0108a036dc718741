/** RSASSA-PKCS1-v1_5 (RFC 8017 §8.2) for the portable provider. */
import { concatBytes, equalBytes } from '@petrel/bytes';
import type { Random } from '@petrel/sans-io';
import type { HashAlgorithm } from './crypto.ts';

/** DER of `DigestInfo` up to the digest (RFC 8017 §9.2, note 1). */
const DIGEST_INFO: Partial<Record<HashAlgorithm, readonly number[]>> = {
  'sha-1': [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
  'sha-256': [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20],
  'sha-384': [0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30],
  'sha-512': [0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40],
};
/** Bounds on a peer's key: below, it is no protection; above, checking it is work for an attacker to order. */
export const MODULUS_BYTES = { least: 128, most: 1024 } as const;
export const EXPONENT_BYTES = 8;

/** A private key with the values for the Chinese remainder theorem (RFC 8017 §3.2). */
export interface RsaPrivateKey {
  readonly n: bigint;
  readonly e: bigint;
  readonly p: bigint;
  readonly q: bigint;
  readonly dP: bigint;
  readonly dQ: bigint;
  readonly qInv: bigint;
}

/**
 * @param modulus big-endian, a leading zero allowed
 * @returns whether `signature` is the PKCS #1 v1.5 signature of `digest`; false for unusable keys
 */
export function verifyRsaPkcs1(
  modulus: Uint8Array,
  exponent: Uint8Array,
  hash: HashAlgorithm,
  digest: Uint8Array,
  signature: Uint8Array,
): boolean {
  const length = modulus[0] === 0 ? modulus.length - 1 : modulus.length;
  if (length < MODULUS_BYTES.least || length > MODULUS_BYTES.most || exponent.length > EXPONENT_BYTES) return false;
  const n = toBigInt(modulus);
  const s = toBigInt(signature);
  const expected = encodedMessage(hash, digest, length);
  if (expected === undefined || signature.length !== length || s >= n) return false;
  // Compare whole encodings (RFC 8017 §8.2.2 step 4): parsing the padding instead is what forgeries live on.
  return equalBytes(toBytes(power(s, toBigInt(exponent), n), length), expected);
}

/** Signs a digest. The arithmetic is not of constant time, so what it works on is blinded with a random factor. */
export function signRsaPkcs1(key: RsaPrivateKey, hash: HashAlgorithm, digest: Uint8Array, random: Random): Uint8Array {
  const { n, e } = key;
  const length = Math.ceil(n.toString(16).length / 2);
  const encoded = encodedMessage(hash, digest, length);
  if (encoded === undefined) throw new TypeError(`RSA signatures with ${hash} are not supported`);
  const message = toBigInt(encoded);
  const factor = (toBigInt(random.randomBytes(length)) % (n - 2n)) + 2n;
  const blinded = (message * power(factor, e, n)) % n;
  const signature = (privatePower(key, blinded) * inverse(factor, n)) % n;
  // A wrong result of the two halves would give the factors away.
  if (power(signature, e, n) !== message) throw new Error('the RSA key is not consistent');
  return toBytes(signature, length);
}

export function toBigInt(bytes: Uint8Array): bigint {
  let hex = '0x0';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return BigInt(hex);
}

/** EMSA-PKCS1-v1_5 (RFC 8017 §9.2). */
function encodedMessage(hash: HashAlgorithm, digest: Uint8Array, length: number): Uint8Array | undefined {
  const prefix = DIGEST_INFO[hash];
  if (prefix === undefined) return undefined;
  const info = concatBytes(Uint8Array.from(prefix), digest);
  const padding = new Uint8Array(length - info.length - 3).fill(0xff);
  return concatBytes(Uint8Array.of(0, 1), padding, Uint8Array.of(0), info);
}

/** RSADP with the second representation of the key (RFC 8017 §5.1.2). */
function privatePower({ p, q, dP, dQ, qInv }: RsaPrivateKey, value: bigint): bigint {
  const m1 = power(value % p, dP, p);
  const m2 = power(value % q, dQ, q);
  const h = (((m1 - m2) % p) + p) % p;
  return m2 + q * ((h * qInv) % p);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let square = base % modulus, rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/** By the extended Euclidean algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [r, nextR] = [modulus, value % modulus];
  let [t, nextT] = [0n, 1n];
  while (nextR > 0n) {
    const quotient = r / nextR;
    [r, nextR] = [nextR, r - quotient * nextR];
    [t, nextT] = [nextT, t - quotient * nextT];
  }
  return t < 0n ? t + modulus : t;
}

function toBytes(value: bigint, length: number): Uint8Array {
  const hex = value.toString(16).padStart(2 * length, '0');
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
