/**
 * Keys and signatures that follow from a seed, at OpenSSL's speed: a simulation makes thousands of them. Not constant in time, not secret.
 */
import { createECDH, createHash, createHmac, createPrivateKey, createPublicKey, diffieHellman } from 'node:crypto';
import { ByteWriter } from '@petrel/bytes';
import type { KeyAgreement, SignatureScheme, SigningKey } from '@petrel/crypto';
import type { Random } from '@petrel/sans-io';

/** PKCS #8 and SubjectPublicKeyInfo of an X25519 key up to the key itself (RFC 8410 §7, §4). */
const X25519_PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const X25519_SPKI = Buffer.from('302a300506032b656e032100', 'hex');
/** The order of P-256's base point (FIPS 186-5; SEC 2 §2.4.2). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export function seededX25519(random: Random): KeyAgreement {
  const der = Buffer.concat([X25519_PKCS8, random.randomBytes(32)]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  return {
    publicKey: Uint8Array.from(createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(X25519_SPKI.length)),
    deriveSharedSecret(peerPublicKey) {
      try {
        const key = Buffer.concat([X25519_SPKI, peerPublicKey]);
        return Uint8Array.from(diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'der', type: 'spki' }) }));
      } catch {
        return undefined; // not 32 bytes, or an all-zero result (RFC 7748 §6.1)
      }
    },
  };
}

/** The same key with signatures that are the same each time, if it is a P-256 key. */
export function withDeterministicSignatures(key: SigningKey): SigningKey {
  const pkcs8 = key.exportPkcs8();
  const { crv, d } = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  if (crv !== 'P-256' || d === undefined) return key;
  const secret = Buffer.from(d, 'base64url');
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
