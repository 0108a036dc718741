import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { concatBytes } from '@petrel/bytes';
import {
  type Certificate,
  certificateFromPem,
  certificateToPem,
  expiryOf,
  fingerprint,
  generateCertificate,
  matchesFingerprint,
  subjectPublicKeyInfo,
} from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { seededRandom, testCertificate } from '@petrel/testing';

const NOW = Date.UTC(2026, 10, 24, 12, 30, 15);
const node = nodeCrypto();
const parts = (pem: string): string[] => pem.match(/-----BEGIN[^]+?-----END [A-Z ]+-----\n/g)!;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each([node, nobleCrypto()])('with the $name provider', (provider) => {
  const made = new Map<string, Promise<Certificate>>();
  const make = (algorithm: 'ecdsa-p256' | 'rsa-2048'): Promise<Certificate> => {
    if (!made.has(algorithm)) made.set(algorithm, generateCertificate(provider, NOW, { algorithm }));
    return made.get(algorithm)!;
  };

  test.each(['ecdsa-p256', 'rsa-2048'] as const)('RFC 5280 §4.1: %s: OpenSSL reads what was made, and verifies it', async (algorithm) => {
    const { derChain, privateKey, expires } = await make(algorithm);
    const certificate = new X509Certificate(derChain[0]!);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect([certificate.subject, certificate.issuer]).toEqual(['CN=WebRTC', 'CN=WebRTC']);
    expect(Date.parse(certificate.validTo)).toBe(expires);
    expect(expires).toBe(NOW + 30 * 24 * 3600 * 1000);
    expect(Date.parse(certificate.validFrom)).toBe(NOW - 24 * 3600 * 1000);
    expect(certificate.serialNumber).toHaveLength(18);
    expect(new Uint8Array(certificate.publicKey.export({ format: 'der', type: 'spki' }))).toEqual(
      Uint8Array.from(privateKey.subjectPublicKeyInfo),
    );
    expect(subjectPublicKeyInfo(derChain[0]!)).toEqual(Uint8Array.from(privateKey.subjectPublicKeyInfo));
  });

  test.each(['ecdsa-p256', 'rsa-2048'] as const)('%s: PEM keeps the certificate, its key and so its fingerprint', async (algorithm) => {
    const certificate = await make(algorithm);
    const pem = certificateToPem(certificate);
    expect(pem.match(/-----BEGIN [A-Z ]+-----/g)).toEqual(['-----BEGIN CERTIFICATE-----', '-----BEGIN PRIVATE KEY-----']);
    expect(Math.max(...pem.split('\n').map((line) => line.length))).toBe(64);
    for (const reader of [provider, node]) {
      const again = certificateFromPem(reader, `# a comment\n${pem.replaceAll('\n', '\r\n')}`);
      expect([again.derChain, again.expires]).toEqual([certificate.derChain.map((der) => Uint8Array.from(der)), certificate.expires]);
      const scheme = algorithm === 'rsa-2048' ? 'rsa-pkcs1-sha256' : 'ecdsa-sha256';
      const signature = again.privateKey.sign(scheme, utf8('hello'));
      expect(provider.verify(scheme, subjectPublicKeyInfo(certificate.derChain[0]!)!, utf8('hello'), signature)).toBe(true);
    }
  });

  test('the order of key and certificates does not matter; what is missing or does not fit is told', async () => {
    const [own, other] = [certificateToPem(await make('ecdsa-p256')), certificateToPem(testCertificate(provider, 0))];
    const [ownCertificate, ownKey] = parts(own) as [string, string];
    expect(certificateFromPem(provider, ownKey + ownCertificate).derChain).toHaveLength(1);
    expect(certificateFromPem(provider, ownKey + ownCertificate + parts(other)[0]!).derChain).toHaveLength(2);
    expect(() => certificateFromPem(provider, ownKey)).toThrow(/no CERTIFICATE/);
    expect(() => certificateFromPem(provider, ownCertificate)).toThrow(/no PRIVATE KEY/);
    expect(() => certificateFromPem(provider, own.replace(/(-----BEGIN CERTIFICATE-----\n)./, '$1='))).toThrow(/not base64/);
    expect(() => certificateFromPem(provider, ownCertificate + parts(other)[1]!)).toThrow(/is not that of/);
    expect(() => certificateFromPem(provider, own.replace(/(-----BEGIN CERTIFICATE-----\n).*\n/, '$1'))).toThrow(/malformed/);
  });

  test('RFC 5280 §4.1.2.5: the expiry is read from UTCTime and GeneralizedTime', async () => {
    for (const expires of [Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2051, 0, 2, 3, 4, 5)]) {
      const { derChain } = await generateCertificate(provider, NOW, { expires });
      expect(expiryOf(derChain[0]!)).toBe(expires);
      expect(Date.parse(new X509Certificate(derChain[0]!).validTo)).toBe(expires);
      for (let length = 0; length < 120; length++) expect(expiryOf(derChain[0]!.subarray(0, length))).toBeUndefined();
    }
  });

  test('RSA signatures of both providers are the same, for every hash', async () => {
    const { privateKey } = await make('rsa-2048');
    const other = node.importSigningKey(privateKey.exportPkcs8());
    for (const scheme of ['rsa-pkcs1-sha256', 'rsa-pkcs1-sha384', 'rsa-pkcs1-sha512'] as const)
      expect(Uint8Array.from(privateKey.sign(scheme, utf8('hello')))).toEqual(Uint8Array.from(other.sign(scheme, utf8('hello'))));
    if (provider.name === 'noble') expect(() => privateKey.sign('ecdsa-sha256', utf8('hello'))).toThrow(TypeError);
  });

  test('D08, RFC 8122 §5: the strongest known hash decides; case does not matter; unknown, malformed and none are refused', () => {
    const der = testCertificate(provider, 0).derChain[0]!;
    const right = (hash: 'md5' | 'sha-1' | 'sha-224' | 'sha-256' | 'sha-384' | 'sha-512') => fingerprint(provider, hash, der);
    const wrong = (algorithm: string) => ({ algorithm, value: right('sha-256').value.replace(/^../, 'ZZ') });
    for (const hash of ['sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512'] as const)
      expect([hash, matchesFingerprint(provider, der, [right(hash)])]).toEqual([hash, true]);
    const { algorithm, value } = right('sha-256');
    expect(matchesFingerprint(provider, der, [{ algorithm: algorithm.toUpperCase(), value: value.toLowerCase() }])).toBe(true);
    expect(matchesFingerprint(provider, der, [wrong('sha-256'), right('sha-256')])).toBe(true);
    expect(matchesFingerprint(provider, der, [right('sha-256'), right('sha-1'), { algorithm: 'sha3-256', value: '00' }])).toBe(true);
    expect(matchesFingerprint(provider, der, [right('sha-256'), wrong('sha-512')])).toBe(false);
    expect(matchesFingerprint(provider, der, [wrong('sha-256'), right('sha-1')])).toBe(false);
    const refused = [
      [],
      [right('md5')],
      [{ algorithm: 'sha3-256', value }],
      [{ algorithm, value: value.slice(0, -3) }],
      [{ algorithm, value: '' }],
      [{ algorithm, value: value.replaceAll(':', '') }],
      [{ algorithm, value: `${value} ` }],
    ];
    for (const fingerprints of refused) expect(matchesFingerprint(provider, der, fingerprints)).toBe(false);
  });
});

test('a seeded provider makes the same certificate again', async () => {
  const [a, b] = await Promise.all([1, 2].map(() => generateCertificate(nobleCrypto(seededRandom(9)), NOW)));
  expect(a!.derChain).toEqual(b!.derChain);
});

test('D24: deep, long and endless DER is refused', () => {
  const deep = new Uint8Array(16_000).map((_, index) => (index % 2 === 0 ? 0x30 : 0x80));
  const nested = Array.from({ length: 300 }).reduce<Uint8Array>(
    (inner) => concatBytes(Uint8Array.of(0x30, 0x82, inner.length >> 8, inner.length), inner),
    new Uint8Array(0),
  );
  for (const bomb of [deep, nested, new Uint8Array(1_000_000).fill(0x30), Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)]) {
    expect(subjectPublicKeyInfo(bomb)).toBeUndefined();
    expect(expiryOf(bomb)).toBeUndefined();
    expect(node.verify('ecdsa-sha256', bomb, bomb, bomb)).toBe(false);
    expect(nobleCrypto().verify('rsa-pkcs1-sha256', bomb, bomb, bomb)).toBe(false);
  }
});
