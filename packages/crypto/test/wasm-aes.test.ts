import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { seededRandom } from '@petrel/testing';
import fc from 'fast-check';
import { AES_GCM_MODULE } from '../src/packet-gcm/aes-gcm-module.bytes.ts';
import { aesGcmModule } from '../src/packet-gcm/aes-gcm-module.ts';
import { instantiate } from '../src/packet-gcm/assembler.ts';
import { KEY_SLOTS } from '../src/packet-gcm/layout.ts';
import { WasmAes } from '../src/packet-gcm/wasm-aes.ts';
import { nodeCrypto } from '../src/node.ts';

const aes = WasmAes.create(Buffer.from(AES_GCM_MODULE, 'base64'))!;

function native(key: Uint8Array): (blocks: Uint8Array) => Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
  return (blocks) => cipher.update(blocks);
}

function sealWithNode(key: Uint8Array, nonce: Uint8Array, text: Uint8Array, additionalData: Uint8Array): Uint8Array {
  const cipher = createCipheriv(key.length === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, nonce).setAAD(additionalData);
  return Uint8Array.from([...cipher.update(text), ...cipher.final(), ...cipher.getAuthTag()]);
}

const NOTHING = new Uint8Array(0);
const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });
const cases = {
  key: fc.oneof(bytes(16), bytes(32)),
  nonce: bytes(12),
  text: fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ minLength: 300, maxLength: 3000, size: 'max' })),
  additionalData: fc.uint8Array({ maxLength: 80 }),
  isNative: fc.boolean(),
};

describe('AES-GCM in WebAssembly', () => {
  test('the module that is checked in is what its source assembles to: else run scripts/wasm/build.mjs', () => {
    expect(Buffer.from(aesGcmModule()).toString('base64')).toBe(AES_GCM_MODULE);
  });

  test('NIST SP 800-38D §7: seals what node:crypto seals, and opens it', () => {
    fc.assert(
      fc.property(fc.record(cases), ({ key, nonce, text, additionalData, isNative }) => {
        const aead = isNative ? aes.gcm(key, native(key)) : aes.gcm(key);
        const expected = sealWithNode(key, nonce, text, additionalData);
        const sealed = new Uint8Array(expected.length + 3);
        aead.seal(nonce, text, additionalData, sealed, 3);
        expect(Buffer.compare(sealed.subarray(3), expected)).toBe(0);
        const opened = new Uint8Array(text.length);
        expect(aead.open(nonce, expected, additionalData, opened, 0)).toBe(text.length);
        expect(Buffer.compare(opened, text)).toBe(0);
      }),
      { numRuns: 400 },
    );
  });

  test('NIST SP 800-38D §7.2: what is changed anywhere does not open, and nothing is written', () => {
    fc.assert(
      fc.property(fc.record(cases), fc.nat(), fc.integer({ min: 0, max: 7 }), ({ key, nonce, text, additionalData, isNative }, at, bit) => {
        const aead = isNative ? aes.gcm(key, native(key)) : aes.gcm(key);
        const parts = [nonce.slice(), sealWithNode(key, nonce, text, additionalData), additionalData.slice()] as const;
        let position = at % (parts[0].length + parts[1].length + parts[2].length);
        for (const part of parts) {
          if (position >= 0 && position < part.length) part[position]! ^= 1 << bit;
          position -= part.length;
        }
        const output = new Uint8Array(text.length).fill(0x5a);
        expect(aead.open(parts[0], parts[1], parts[2], output, 0)).toBe(-1);
        expect(output.every((byte) => byte === 0x5a)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('in place: text and output may begin at the same byte', () => {
    const [key, nonce, additionalData] = [new Uint8Array(16).fill(1), new Uint8Array(12).fill(2), new Uint8Array(13).fill(3)];
    for (const length of [0, 5, 100, 1200]) {
      const buffer = new Uint8Array(length + 16);
      const text = buffer.subarray(0, length).map((_, index) => index);
      buffer.set(text);
      const aead = aes.gcm(key, native(key));
      aead.seal(nonce, buffer.subarray(0, length), additionalData, buffer, 0);
      expect(buffer).toEqual(sealWithNode(key, nonce, text, additionalData));
      expect(aead.open(nonce, buffer, additionalData, buffer, 0)).toBe(length);
      expect(buffer.subarray(0, length)).toEqual(text);
    }
  });

  test('RFC 5288 §3: nonces that count up, with gaps, steps back and other salts, and texts of all lengths', () => {
    const packet = fc.record({
      step: fc.oneof({ weight: 8, arbitrary: fc.constantFrom(1, 1, 1, 2) }, fc.integer({ min: -12, max: 20 })),
      salt: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 7 })),
      length: fc.oneof({ weight: 8, arbitrary: fc.constant(1400) }, fc.integer({ min: 0, max: 6000 })),
    });
    const packets = fc.array(packet, { minLength: 40, maxLength: 80 });
    // From shortly before the last 32 bits run over, too.
    fc.assert(
      fc.property(fc.constantFrom(0, 0xffff_ffe0), packets, (first, sequence) => {
        const key = new Uint8Array(16).fill(9);
        const [sealer, opener] = [aes.gcm(key, native(key)), aes.gcm(key, native(key))];
        let last = first;
        for (const { step, salt, length } of sequence) {
          last = (last + step) >>> 0;
          const nonce = new Uint8Array(12);
          nonce[salt] = salt;
          new DataView(nonce.buffer).setUint32(8, last);
          const text = new Uint8Array(length).fill(length);
          const expected = sealWithNode(key, nonce, text, NOTHING);
          const sealed = new Uint8Array(length + 16);
          sealer.seal(nonce, text, NOTHING, sealed, 0);
          expect(Buffer.compare(sealed, expected)).toBe(0);
          expect(opener.open(nonce, sealed, NOTHING, sealed, 0)).toBe(length);
          expect(Buffer.compare(sealed.subarray(0, length), text)).toBe(0);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('nonces that count up need a call of the cipher for eight packets; others one for each', () => {
    const key = new Uint8Array(16);
    let calls = 0;
    const aead = aes.gcm(key, (blocks) => {
      calls += 1;
      return native(key)(blocks);
    });
    const sealAll = (nonces: readonly number[]): number => {
      calls = 0;
      for (const last of nonces) {
        const nonce = new Uint8Array(12);
        new DataView(nonce.buffer).setUint32(8, last);
        aead.seal(nonce, new Uint8Array(1400), NOTHING, new Uint8Array(1416), 0);
      }
      return calls;
    };
    const upwards = Array.from({ length: 84 }, (_, index) => index);
    expect(sealAll(upwards)).toBe(4 + 80 / 8);
    expect(sealAll(upwards.map((index) => (index * 7919) >>> 0))).toBe(84);
    expect(sealAll(upwards.map((index) => 5000 - index))).toBe(84);
  });

  test('more keys than the module has room for take turns', () => {
    const nonce = new Uint8Array(12);
    const text = new Uint8Array(50);
    const keys = Array.from({ length: 3 * KEY_SLOTS }, (_, index) => new Uint8Array(16).fill(index));
    const aeads = keys.map((key) => aes.gcm(key));
    for (const step of [1, 7, 5]) {
      for (let i = 0; i < 2 * keys.length; i++) {
        const index = (i * step) % keys.length;
        const sealed = new Uint8Array(66);
        aeads[index]!.seal(nonce, text, text, sealed, 0);
        expect(sealed).toEqual(sealWithNode(keys[index]!, nonce, text, text));
      }
    }
  });

  test('NIST SP 800-38D §7: every length up to 2,000, and every length of additional data up to 100, seals as with node:crypto and opens', () => {
    const random = seededRandom(3);
    for (const keyLength of [16, 32]) {
      const key = random.randomBytes(keyLength);
      const aead = nodeCrypto().aead(keyLength === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key);
      const text = random.randomBytes(2000);
      const output = new Uint8Array(2016);
      for (let length = 0; length <= 2000; length++) {
        const [nonce, additionalData] = [random.randomBytes(12), text.subarray(0, length % 101)];
        aead.seal(nonce, text.subarray(0, length), additionalData, output, 0);
        const sealed = output.subarray(0, length + 16);
        if (Buffer.compare(sealed, sealWithNode(key, nonce, text.subarray(0, length), additionalData)) !== 0)
          throw new Error(`${length} bytes`);
        if (aead.open(nonce, sealed, additionalData, output, 0) !== length) throw new Error(`${length} bytes do not open`);
        if (Buffer.compare(output.subarray(0, length), text.subarray(0, length)) !== 0) throw new Error(`${length} bytes open as others`);
      }
    }
  });

  test('SP 800-38A §6.5: counter mode, also over the carry out of 32 bits, is what node:crypto has', () => {
    const random = seededRandom(4);
    for (const keyLength of [16, 32]) {
      const key = random.randomBytes(keyLength);
      const cipher = nodeCrypto().aesCtr(key);
      for (let length = 0; length <= 600; length++) {
        const [counter, text] = [random.randomBytes(16), random.randomBytes(length)];
        if (length % 5 === 0) counter.fill(0xff, 12, 15);
        const expected = createCipheriv(`aes-${8 * keyLength}-ctr`, key, counter).update(text);
        cipher.apply(counter, text);
        if (Buffer.compare(text, expected) !== 0) throw new Error(`${length} bytes`);
      }
    }
  });

  test('SP 800-38A §6.5: what would change more than 32 bits of the counter is left to others', () => {
    const apply = aes.counterMode(new Uint8Array(16));
    const text = new Uint8Array(33);
    expect(apply(new Uint8Array(16).fill(0xff), text)).toBe(false);
    expect(text).toEqual(new Uint8Array(33));
    expect(apply(new Uint8Array(16).fill(0xff, 0, 15).fill(0xfd, 15), text)).toBe(true);
  });

  test('RFC 2104: keys take turns in HMAC-SHA1, whose messages have every length', () => {
    const random = seededRandom(5);
    const keys = [0, 20, 64, 100].map((length) => random.randomBytes(length));
    const macs = keys.map((key) => nodeCrypto().hmac('sha-1', key));
    for (let length = 0; length <= 900; length++) {
      const [message, turn] = [random.randomBytes(length), length % 4];
      const expected = createHmac('sha1', keys[turn]!).update(message).digest();
      if (Buffer.compare(macs[turn]!.compute(message), expected) !== 0) throw new Error(`${length} bytes`);
    }
  });

  test('a platform whose WebAssembly cannot load the module does without', () => {
    expect(instantiate(Uint8Array.of(1, 2, 3))).toBeUndefined();
  });

  test('the node provider uses it for packets, OpenSSL beyond, and both agree', () => {
    const key = new Uint8Array(16).fill(9);
    const nonce = new Uint8Array(12).fill(8);
    const additionalData = new Uint8Array(13).fill(7);
    const aead = nodeCrypto().aead('aes-128-gcm', key);
    for (const length of [0, 1, 383, 384, 2570, 2571, 2572, 2586, 2587, 2588, 16_384]) {
      const text = new Uint8Array(length).fill(6);
      const sealed = new Uint8Array(length + 16);
      aead.seal(nonce, text, additionalData, sealed, 0);
      const decipher = createDecipheriv('aes-128-gcm', key, nonce).setAAD(additionalData).setAuthTag(sealed.subarray(length));
      expect(Buffer.compare(decipher.update(sealed.subarray(0, length)), text)).toBe(0);
      decipher.final();
      expect(aead.open(nonce, sealed, additionalData, sealed, 0)).toBe(length);
    }
  });
});
