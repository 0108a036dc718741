import { describe, expect, test } from '@jest/globals';
import { fromHex, toHex } from '@petrel/bytes';
import { AEAD_TAG_LENGTH, type AeadAlgorithm, type HashAlgorithm, type NamedGroup, type SignatureScheme } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import vectors from './vectors/wycheproof.json' with { type: 'json' };

const VALID = 1;
/** tcId, result, key, nonce, additional data, plaintext, ciphertext and tag. */
type AeadCase = [number, number, string, string, string, string, string];
/** SubjectPublicKeyInfo, and for each signature tcId, result, message, signature. */
type SignatureGroup = [string, [number, number, string, string][]];
/** tcId, whether it may be used, encoded point. */
type PointCase = [number, number, string];
/** tcId, result, key, message, tag. */
type MacCase = [number, number, string, string, string];

describe.each([nodeCrypto(), nobleCrypto()])('Wycheproof with the $name provider', (provider) => {
  test.each([
    ['AES-GCM', vectors.aesGcm],
    ['ChaCha20-Poly1305', vectors.chacha20Poly1305],
  ])('%s', (name, cases) => {
    for (const [id, result, key, nonce, aad, plaintext, sealed] of cases as AeadCase[]) {
      const algorithm: AeadAlgorithm = name === 'AES-GCM' ? (key.length === 32 ? 'aes-128-gcm' : 'aes-256-gcm') : 'chacha20-poly1305';
      const aead = provider.aead(algorithm, fromHex(key));
      const output = new Uint8Array(plaintext.length / 2);
      const length = aead.open(fromHex(nonce), fromHex(sealed), fromHex(aad), output, 0);
      expect([id, length, toHex(output)]).toEqual(result === VALID ? [id, output.length, plaintext] : [id, -1, '00'.repeat(output.length)]);
      const again = new Uint8Array(output.length + AEAD_TAG_LENGTH);
      aead.seal(fromHex(nonce), fromHex(plaintext), fromHex(aad), again, 0);
      expect(toHex(again) === sealed).toBe(result === VALID);
    }
  });

  test.each([
    ['ecdsa-sha256', vectors.ecdsaP256Sha256],
    ['rsa-pkcs1-sha256', vectors.rsaPkcs1Sha256],
  ])('D24: %s', (scheme, groups) => {
    const wrong: number[] = [];
    for (const [publicKey, cases] of groups as SignatureGroup[]) {
      for (const [id, result, message, signature] of cases) {
        const accepted = provider.verify(scheme as SignatureScheme, fromHex(publicKey), fromHex(message), fromHex(signature));
        // What is merely acceptable (a DigestInfo without NULL) either way.
        if (result !== 2 && accepted !== (result === VALID)) wrong.push(id);
      }
    }
    expect(wrong).toEqual([]);
  });

  test.each([
    ['p-256', vectors.ecPointsP256],
    ['p-384', vectors.ecPointsP384],
    ['x25519', vectors.x25519Points],
  ])('D23: %s points', (group, cases) => {
    const mine = provider.generateKeyAgreement(group as NamedGroup);
    const wrong = (cases as PointCase[]).filter(([, usable, point]) => {
      return (mine.deriveSharedSecret(fromHex(point)) !== undefined) !== (usable === VALID);
    });
    expect(wrong.map(([id]) => id)).toEqual([]);
  });

  test.each([
    ['sha-1', vectors.hmacSha1],
    ['sha-256', vectors.hmacSha256],
    ['sha-384', vectors.hmacSha384],
  ])('HMAC with %s', (hash, cases) => {
    for (const [id, result, key, message, tag] of cases as MacCase[]) {
      const mac = provider.hmac(hash as HashAlgorithm, fromHex(key)).compute(fromHex(message));
      expect([id, provider.timingSafeEqual(mac, fromHex(tag))]).toEqual([id, result === VALID]);
    }
  });
});
