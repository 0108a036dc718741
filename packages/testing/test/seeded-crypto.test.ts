import { describe, expect, test } from '@jest/globals';
import { subjectPublicKeyInfo } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { seededCrypto, seededRandom, testCertificate } from '@petrel/testing';

const node = nodeCrypto();
const noble = nobleCrypto();

describe('seededCrypto', () => {
  test('ECDSA signatures repeat, and both providers verify them', () => {
    const { privateKey, derChain } = testCertificate(seededCrypto(node, 1), 0);
    const spki = subjectPublicKeyInfo(derChain[0]!)!;
    for (let length = 0; length < 40; length++) {
      const data = new Uint8Array(length).fill(length);
      for (const scheme of ['ecdsa-sha256', 'ecdsa-sha384'] as const) {
        const signature = privateKey.sign(scheme, data);
        expect(privateKey.sign(scheme, data)).toEqual(signature);
        expect(node.verify(scheme, spki, data, signature)).toBe(true);
        if (length % 20 === 0) expect(noble.verify(scheme, spki, data, signature)).toBe(true);
        expect(node.verify(scheme, spki, Uint8Array.of(...data, 1), signature)).toBe(false);
      }
    }
    expect(() => privateKey.sign('rsa-pkcs1-sha256', new Uint8Array(1))).toThrow(TypeError);
    expect(privateKey.exportPkcs8()).toEqual(testCertificate(noble, 0).privateKey.exportPkcs8());
  });

  test('key agreements repeat, and agree with another provider', () => {
    for (const group of ['x25519', 'p-256', 'p-384'] as const) {
      const ours = seededCrypto(node, 3).generateKeyAgreement(group);
      expect(seededCrypto(node, 3).generateKeyAgreement(group).publicKey).toEqual(ours.publicKey);
      expect(seededCrypto(node, 4).generateKeyAgreement(group).publicKey).not.toEqual(ours.publicKey);
      const theirs = noble.generateKeyAgreement(group);
      expect(ours.deriveSharedSecret(theirs.publicKey)).toEqual(theirs.deriveSharedSecret(ours.publicKey));
      expect(ours.deriveSharedSecret(new Uint8Array(32))).toBeUndefined();
      expect(ours.deriveSharedSecret(new Uint8Array(5))).toBeUndefined();
    }
    expect(seededCrypto(node, 3).generateKeyAgreement('x25519').publicKey).toEqual(
      nobleCrypto(seededRandom(3)).generateKeyAgreement('x25519').publicKey,
    );
  });

  test('other kinds of keys go to the provider', () => {
    expect(() => seededCrypto(node, 1).importSigningKey(new Uint8Array(4))).toThrow(TypeError);
  });
});
