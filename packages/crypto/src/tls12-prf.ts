import type { CryptoProvider, HashAlgorithm } from './crypto.ts';

/**
 * The pseudorandom function of TLS 1.2 (RFC 5246 §5): `P_hash(secret, label + seed)`.
 * @param label ASCII, such as `master secret`
 * @returns `length` bytes
 */
export function tls12Prf(
  crypto: CryptoProvider,
  hash: HashAlgorithm,
  secret: Uint8Array,
  label: string,
  seed: readonly Uint8Array[],
  length: number,
): Uint8Array {
  const mac = crypto.hmac(hash, secret);
  const labelAndSeed = [Uint8Array.from(label, (character) => character.charCodeAt(0)), ...seed];
  const output = new Uint8Array(length);
  // A(1) = HMAC(secret, seed), A(i) = HMAC(secret, A(i-1))
  let a = mac.compute(...labelAndSeed);
  for (let offset = 0; offset < length; ) {
    const block = mac.compute(a, ...labelAndSeed);
    output.set(block.subarray(0, length - offset), offset);
    offset += block.length;
    a = mac.compute(a);
  }
  return output;
}
