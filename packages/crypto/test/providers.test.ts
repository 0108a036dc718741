import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { concatBytes, fromHex, toHex } from '@petrel/bytes';
import { AEAD_TAG_LENGTH, type CryptoProvider, fingerprint, generateCertificate, subjectPublicKeyInfo, tls12Prf } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { seededRandom } from '@petrel/testing';
import fc from 'fast-check';
import vectors from './vectors/primitives.json' with { type: 'json' };

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const bytes = (options: object = {}): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: 200, ...options });

function seal(provider: CryptoProvider, key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const output = new Uint8Array(plaintext.length + AEAD_TAG_LENGTH);
  provider.aead(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key).seal(nonce, plaintext, aad, output, 0);
  return output;
}

describe.each([nodeCrypto(), nobleCrypto()])('$name provider', (provider) => {
  test.each(vectors.hmacSha1)('RFC 2202 §3: HMAC-SHA-1 $id', ({ key, data, digest }) => {
    expect(toHex(provider.hmac('sha-1', fromHex(key)).compute(fromHex(data)))).toBe(digest);
  });

  test.each(vectors.hmacSha256)('RFC 4231 §4: HMAC-SHA-256 $id, in one part and in two', ({ key, data, digest }) => {
    const mac = provider.hmac('sha-256', fromHex(key));
    expect(toHex(mac.compute(fromHex(data)))).toBe(digest);
    expect(toHex(mac.compute(fromHex(data).subarray(0, 3), fromHex(data).subarray(3)))).toBe(digest);
  });

  test.each(vectors.tls12PrfSha256)('RFC 5246 §5: PRF $id', ({ secret, label, seed, output }) => {
    expect(toHex(tls12Prf(provider, 'sha-256', fromHex(secret), label, [fromHex(seed)], output.length / 2))).toBe(output);
  });

  test.each(vectors.aesGcm)('AES-GCM $id seals and opens', ({ key, iv, aad, pt, ct, tag }) => {
    const sealed = seal(provider, fromHex(key), fromHex(iv), fromHex(pt), fromHex(aad));
    expect(toHex(sealed)).toBe(ct + tag);
    const opened = new Uint8Array(pt.length / 2);
    const aead = provider.aead(key.length === 32 ? 'aes-128-gcm' : 'aes-256-gcm', fromHex(key));
    expect(aead.open(fromHex(iv), sealed, fromHex(aad), opened, 0)).toBe(opened.length);
    expect(toHex(opened)).toBe(pt);
  });

  test.each(['aes-128-gcm', 'aes-256-gcm', 'chacha20-poly1305'] as const)('%s: no changed bit, and no short input, opens', (algorithm) => {
    const aead = provider.aead(algorithm, new Uint8Array(algorithm === 'aes-128-gcm' ? 16 : 32).fill(7));
    const nonce = new Uint8Array(12);
    const sealed = new Uint8Array(20 + AEAD_TAG_LENGTH);
    aead.seal(nonce, new Uint8Array(20).fill(1), utf8('aad'), sealed, 0);
    const output = new Uint8Array(20);
    for (let i = 0; i < sealed.length; i++) {
      const changed = sealed.slice();
      changed[i]! ^= 1;
      expect(aead.open(nonce, changed, utf8('aad'), output, 0)).toBe(-1);
    }
    expect(aead.open(nonce, sealed, utf8('bad'), output, 0)).toBe(-1);
    expect(aead.open(nonce, sealed.subarray(0, 15), utf8('aad'), output, 0)).toBe(-1);
    expect(output).toEqual(new Uint8Array(20));
  });

  test('seals in place, when both views start at the same byte', () => {
    const buffer = new Uint8Array(26).fill(3);
    const expected = seal(provider, new Uint8Array(16), new Uint8Array(12), buffer.slice(0, 10), utf8(''));
    provider.aead('aes-128-gcm', new Uint8Array(16)).seal(new Uint8Array(12), buffer.subarray(0, 10), utf8(''), buffer, 0);
    expect(buffer).toEqual(expected);
  });

  test('FIPS 197 C.1: AES-CTR keystream from the block cipher, in place', () => {
    const data = new Uint8Array(16);
    provider.aesCtr(fromHex('000102030405060708090a0b0c0d0e0f')).apply(fromHex('00112233445566778899aabbccddeeff'), data);
    expect(toHex(data)).toBe('69c4e0d86a7b0430d8cdb78070b4c55a');
  });

  test('RFC 3711 §4.1.1: AES-CTR of every length, over carries of the counter, is the block cipher of consecutive blocks', () => {
    const cipher = provider.aesCtr(new Uint8Array(16).fill(9));
    for (const end of [
      '00000000000000000000000000000000',
      '000000000000000000000000ffffffff',
      '00000000ffffffffffffffffffffffff',
      'ff'.repeat(16),
    ])
      for (const length of [1, 15, 16, 17, 100, 161, 200, 1200, 5000]) {
        const whole = new Uint8Array(length).fill(3);
        cipher.apply(fromHex(end), whole);
        for (let at = 0, counter = BigInt(`0x${end}`); at < length; at += 16, counter++) {
          const block = new Uint8Array(Math.min(16, length - at)).fill(3);
          cipher.apply(fromHex(BigInt.asUintN(128, counter).toString(16).padStart(32, '0')), block);
          if (at === 0 || at > length - 17) expect(whole.subarray(at, at + 16)).toEqual(block);
        }
      }
  });

  test('an incremental hash can be read and then continued', () => {
    const hash = provider.createHash('sha-256');
    hash.update(utf8('ab'));
    expect(hash.digest()).toEqual(provider.hash('sha-256', utf8('ab')));
    hash.update(utf8('c'));
    expect(toHex(hash.digest())).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  test.each(['x25519', 'p-256', 'p-384'] as const)('%s: both sides agree', (group) => {
    const [a, b] = [provider.generateKeyAgreement(group), provider.generateKeyAgreement(group)];
    const secret = a.deriveSharedSecret(b.publicKey);
    expect(secret).toHaveLength(group === 'p-384' ? 48 : 32);
    expect(b.deriveSharedSecret(a.publicKey)).toEqual(secret);
  });

  test('RFC 8422 §5.11: an X25519 key that gives an all-zero secret is refused', () => {
    const lowOrder = vectors.x25519.find(({ id }) => id === 'x25519-low-order') as { u: string[] };
    for (const u of lowOrder.u) expect(provider.generateKeyAgreement('x25519').deriveSharedSecret(fromHex(u))).toBeUndefined();
  });

  test.each(['p-256', 'p-384'] as const)('RFC 8422 §5.11: a %s key that is not an uncompressed point on the curve is refused', (group) => {
    const mine = provider.generateKeyAgreement(group);
    const good = provider.generateKeyAgreement(group).publicKey;
    const offCurve = good.slice();
    offCurve[offCurve.length - 1]! ^= 1;
    const compressed = concatBytes(Uint8Array.of(2 + (good[good.length - 1]! & 1)), good.subarray(1, (good.length + 1) / 2));
    for (const key of [offCurve, compressed, good.subarray(1), new Uint8Array(0), new Uint8Array(good.length)])
      expect(mine.deriveSharedSecret(key)).toBeUndefined();
  });

  test('W07: random bytes do not repeat, belong to the caller, and have as many ones as zeros', () => {
    const drawn = Array.from({ length: 20_000 }, () => provider.randomBytes(16));
    drawn[0]!.fill(0);
    expect(new Set(drawn.map(toHex)).size).toBe(20_000);
    let ones = 0;
    for (const block of drawn.slice(1)) for (const byte of block) for (let bits = byte; bits > 0; bits >>= 1) ones += bits & 1;
    // 2.56 million bits: six standard deviations are 4,800.
    expect(Math.abs(ones - 64 * 19_999)).toBeLessThan(4800);
    expect(provider.randomBytes(5000)).toHaveLength(5000);
  });

  test('timingSafeEqual compares contents and lengths', () => {
    expect(provider.timingSafeEqual(utf8('abc'), utf8('abc'))).toBe(true);
    expect(provider.timingSafeEqual(utf8('abc'), utf8('abd'))).toBe(false);
    expect(provider.timingSafeEqual(utf8('abc'), utf8('ab'))).toBe(false);
  });

  test.each(['ecdsa-p256', 'rsa-2048'] as const)('a generated %s certificate verifies what its key signs', async (algorithm) => {
    const node = nodeCrypto();
    const { derChain, privateKey, expires } = await generateCertificate(node, Date.UTC(2026, 0, 1), { algorithm });
    expect(expires).toBe(Date.UTC(2026, 0, 31));
    const spki = subjectPublicKeyInfo(derChain[0]!)!;
    const scheme = algorithm === 'rsa-2048' ? 'rsa-pkcs1-sha256' : 'ecdsa-sha256';
    const signature = privateKey.sign(scheme, utf8('hello'));
    expect(provider.verify(scheme, spki, utf8('hello'), signature)).toBe(true);
    expect(provider.verify(scheme, spki, utf8('hellO'), signature)).toBe(false);
    expect(provider.verify(algorithm === 'rsa-2048' ? 'ecdsa-sha256' : 'rsa-pkcs1-sha256', spki, utf8('hello'), signature)).toBe(false);
    signature[signature.length - 1]! ^= 1;
    expect(provider.verify(scheme, spki, utf8('hello'), signature)).toBe(false);
  });

  test('RSA keys of less than 1,024 bits are refused', () => {
    for (const [modulusLength, publicExponent, usable] of [
      [1024, 65_537, true],
      [768, 65_537, false],
    ] as const) {
      const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength, publicExponent });
      const signature = sign('sha256', utf8('x'), privateKey);
      const spki = publicKey.export({ format: 'der', type: 'spki' });
      expect([modulusLength, provider.verify('rsa-pkcs1-sha256', spki, utf8('x'), signature)]).toEqual([modulusLength, usable]);
    }
  });

  test('verify and subjectPublicKeyInfo never throw', async () => {
    const { derChain } = await generateCertificate(nodeCrypto(), Date.UTC(2026, 0, 1));
    fc.assert(
      fc.property(fc.nat(derChain[0]!.length - 1), fc.nat(255), bytes(), (at, value, noise) => {
        const broken = derChain[0]!.slice();
        broken[at] = value;
        for (const candidate of [broken, broken.subarray(0, at), noise]) {
          const spki = subjectPublicKeyInfo(candidate) ?? noise;
          provider.verify('ecdsa-sha256', spki, noise, noise);
          provider.verify('rsa-pkcs1-sha256', spki, noise, noise);
        }
      }),
      { numRuns: 200 },
    );
  });
});

test('the two providers agree on every primitive', () => {
  const [node, noble] = [nodeCrypto(), nobleCrypto()];
  fc.assert(
    fc.property(bytes({ minLength: 32, maxLength: 32 }), bytes(), bytes(), (key, data, aad) => {
      for (const hash of ['md5', 'sha-1', 'sha-224', 'sha-256', 'sha-384', 'sha-512'] as const) {
        expect(toHex(noble.hash(hash, data))).toBe(toHex(node.hash(hash, data)));
        if (hash !== 'md5') expect(toHex(noble.hmac(hash, key).compute(data))).toBe(toHex(node.hmac(hash, key).compute(data)));
      }
      for (const algorithm of ['aes-256-gcm', 'chacha20-poly1305'] as const) {
        const outputs = [node, noble].map((provider) => {
          const output = new Uint8Array(data.length + AEAD_TAG_LENGTH);
          provider.aead(algorithm, key).seal(key.subarray(0, 12), data, aad, output, 0);
          return toHex(output);
        });
        expect(outputs[0]).toBe(outputs[1]);
      }
      const streams = [node, noble].map((provider) => {
        const stream = data.slice();
        provider.aesCtr(key.subarray(0, 16)).apply(key.subarray(16), stream);
        return toHex(stream);
      });
      expect(streams[0]).toBe(streams[1]);
    }),
    { numRuns: 50 },
  );
});

test('RFC 2104: HMAC-SHA-1 of every length up to 600 and of keys longer than a block, in one part and in several, is the same on both', () => {
  const [node, noble] = [nodeCrypto(), nobleCrypto()];
  const message = seededRandom(8).randomBytes(600);
  for (const keyLength of [0, 20, 64, 65, 200]) {
    const key = message.slice(0, keyLength);
    const [a, b] = [node.hmac('sha-1', key), noble.hmac('sha-1', key)];
    for (let length = 0; length <= 600; length += keyLength === 20 ? 1 : 37) {
      const data = message.subarray(0, length);
      const expected = toHex(b.compute(data));
      expect(toHex(a.compute(data))).toBe(expected);
      expect(toHex(a.compute(data.subarray(0, length >> 1), data.subarray(length >> 1)))).toBe(expected);
    }
  }
});

test('keys move between the providers', () => {
  const [node, noble] = [nodeCrypto(), nobleCrypto()];
  const key = noble.generateSigningKey();
  const imported = node.importSigningKey(key.exportPkcs8());
  expect(imported.algorithm).toBe('ecdsa');
  expect(noble.importSigningKey(node.generateSigningKey().exportPkcs8()).sign('ecdsa-sha256', utf8('x'))[0]).toBe(0x30);
  expect(() => node.importSigningKey(utf8('no key'))).toThrow(TypeError);
  expect(() => noble.importSigningKey(utf8('no key'))).toThrow(TypeError);
});

test('the same seed gives the noble provider the same keys', () => {
  const [a, b] = [1, 2].map(() => nobleCrypto(seededRandom(5)).generateKeyAgreement('x25519').publicKey);
  expect(a).toEqual(b);
});

test('RFC 8122 §5: fingerprints are upper-case bytes with colons', () => {
  expect(fingerprint(nodeCrypto(), 'sha-1', utf8('abc'))).toEqual({
    algorithm: 'sha-1',
    value: 'A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D',
  });
});
