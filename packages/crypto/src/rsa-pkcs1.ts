/** RSASSA-PKCS1-v1_5 verification (RFC 8017 §8.2.2) for the portable provider. */
import { concatBytes, equalBytes } from '@petrel/bytes';
import type { HashAlgorithm } from './crypto.ts';

/** DER of `DigestInfo` up to the digest (RFC 8017 §9.2, note 1). */
const DIGEST_INFO: Partial<Record<HashAlgorithm, readonly number[]>> = {
  'sha-1': [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14],
  'sha-256': [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20],
  'sha-384': [0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30],
  'sha-512': [0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40],
};
/** Bounds on a peer's key: below, it is no protection; above, checking it is work for an attacker to order. */
const MODULUS_BYTES = { least: 128, most: 1024 };
const EXPONENT_BYTES = 8;

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
  const prefix = DIGEST_INFO[hash];
  const n = toBigInt(modulus);
  const length = modulus[0] === 0 ? modulus.length - 1 : modulus.length;
  if (prefix === undefined || length < MODULUS_BYTES.least || length > MODULUS_BYTES.most || exponent.length > EXPONENT_BYTES) return false;
  const s = toBigInt(signature);
  if (signature.length !== length || s >= n) return false;
  // Compare whole encodings (RFC 8017 §8.2.2 step 4): parsing the padding instead is what forgeries live on.
  const info = concatBytes(Uint8Array.from(prefix), digest);
  const padding = new Uint8Array(length - info.length - 3).fill(0xff);
  const expected = concatBytes(Uint8Array.of(0, 1), padding, Uint8Array.of(0), info);
  return equalBytes(toBytes(power(s, toBigInt(exponent), n), length), expected);
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let square = base % modulus; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

function toBigInt(bytes: Uint8Array): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

function toBytes(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = length - 1; i >= 0; i--, value >>= 8n) bytes[i] = Number(value & 0xffn);
  return bytes;
}
