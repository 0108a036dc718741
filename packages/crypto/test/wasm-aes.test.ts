import { createCipheriv, createDecipheriv } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
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
