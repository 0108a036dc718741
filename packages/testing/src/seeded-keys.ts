/**
 * Keys and signatures that follow from a seed, at OpenSSL's speed: a simulation makes thousands of them. Not constant in time, not secret.
 */
import { createECDH, createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { ByteWriter } from '@petrel/bytes';
import type { KeyAgreement, SignatureScheme, SigningKey } from '@petrel/crypto';
import type { Random } from '@petrel/sans-io';

/** The order of P-256's base point (FIPS 186-5; SEC 2 §2.4.2). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** Raw keys in JSON form (RFC 8037): parsing DER takes OpenSSL 3 half a millisecond, reading this nothing. */
const X25519 = { kty: 'OKP', crv: 'X25519' } as const;

export function seededX25519(random: Random): KeyAgreement {
  const d = Buffer.from(random.randomBytes(32)).toString('base64url');
  const privateKey = createPrivateKey({ key: { ...X25519, d, x: '' }, format: 'jwk' }); // the public half is computed
  return {
    publicKey: Uint8Array.from(Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x!, 'base64url')),
    deriveSharedSecret(peerPublicKey) {
      try {
        const x = Buffer.from(peerPublicKey).toString('base64url');
        return Uint8Array.from(diffieHellman({ privateKey, publicKey: createPublicKey({ key: { ...X25519, x }, format: 'jwk' }) }));
      } catch {
        return undefined; // not 32 bytes, or an all-zero result (RFC 7748 §6.1)
      }
    },
  };
}

/** The same key with signatures that are the same each time, if it is a P-256 key. */
export function withDeterministicSignatures(key: SigningKey): SigningKey {
  if (key.algorithm !== 'ecdsa') return key;
  const pkcs8 = key.exportPkcs8();
  const secret = secretOf(pkcs8);
  if (secret === undefined) return key;
  return {
    algorithm: 'ecdsa',
    subjectPublicKeyInfo: key.subjectPublicKeyInfo,
    exportPkcs8: () => pkcs8.slice(),
    sign(scheme, data) {
      if (scheme.startsWith('rsa')) throw new TypeError(`an ECDSA key cannot sign with ${scheme}`);
      return sign(secret, digestOf(scheme, data));
    },
  };
}

/** The scalar of a P-256 key. Simulations import the same few keys again and again. */
function secretOf(pkcs8: Uint8Array): Uint8Array | undefined {
  const name = Buffer.from(pkcs8).toString('base64');
  if (!secrets.has(name)) {
    const { crv, d } = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
    secrets.set(name, crv === 'P-256' && d !== undefined ? Buffer.from(d, 'base64url') : undefined);
  }
  return secrets.get(name);
}

const secrets = new Map<string, Uint8Array | undefined>();

/** ECDSA (FIPS 186-5 §6.4.1) with a nonce that follows from key and digest. `createECDH` multiplies the base point. */
function sign(secret: Uint8Array, digest: Uint8Array): Uint8Array {
  const nonce = (toBigInt(createHmac('sha512', secret).update(digest).digest()) % (P256_ORDER - 1n)) + 1n;
  const curve = createECDH('prime256v1');
  curve.setPrivateKey(Buffer.from(nonce.toString(16).padStart(64, '0'), 'hex'));
  const r = toBigInt(curve.getPublicKey().subarray(1, 33)) % P256_ORDER;
  const z = toBigInt(digest.subarray(0, 32));
  const s = (inverse(nonce) * (z + r * toBigInt(secret))) % P256_ORDER;
  const [first, second] = [derInteger(r), derInteger(s)];
  return new ByteWriter()
    .uint8(0x30)
    .uint8(first.length + second.length)
    .bytes(first)
    .bytes(second)
    .finish();
}

/** By Fermat's little theorem: the order is prime. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let base = value;
  for (let exponent = P256_ORDER - 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * base) % P256_ORDER;
    base = (base * base) % P256_ORDER;
  }
  return result;
}

function derInteger(value: bigint): Uint8Array {
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  const content = bytes[0]! & 0x80 ? Buffer.concat([Uint8Array.of(0), bytes]) : bytes;
  return Uint8Array.of(0x02, content.length, ...content);
}

function digestOf(scheme: SignatureScheme, data: Uint8Array): Uint8Array {
  return createHash(scheme.slice(scheme.lastIndexOf('-') + 1))
    .update(data)
    .digest();
}

function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`);
}
