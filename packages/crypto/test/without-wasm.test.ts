import { createHmac } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { seededRandom } from '@petrel/testing';

// As with `node --jitless`. Before the first use: then it is decided.
Reflect.deleteProperty(globalThis, 'WebAssembly');

test('without WebAssembly the node provider seals, opens, encrypts and authenticates packets of every length all the same', () => {
  const [node, noble] = [nodeCrypto(), nobleCrypto()];
  const random = seededRandom(6);
  const [key, nonce, counter] = [random.randomBytes(16), random.randomBytes(12), random.randomBytes(16)];
  const [aead, reference] = [node.aead('aes-128-gcm', key), noble.aead('aes-128-gcm', key)];
  const [ctr, referenceCtr] = [node.aesCtr(key), noble.aesCtr(key)];
  const mac = node.hmac('sha-1', key);
  for (let length = 0; length < 500; length += 7) {
    const text = random.randomBytes(length);
    const [sealed, expected] = [new Uint8Array(length + 16), new Uint8Array(length + 16)];
    aead.seal(nonce, text, nonce, sealed, 0);
    reference.seal(nonce, text, nonce, expected, 0);
    expect(sealed).toEqual(expected);
    expect(aead.open(nonce, sealed, nonce, sealed, 0)).toBe(length);
    const [one, other] = [text.slice(), text.slice()];
    ctr.apply(counter, one);
    referenceCtr.apply(counter, other);
    expect(one).toEqual(other);
    expect(Buffer.compare(mac.compute(text), createHmac('sha1', key).update(text).digest())).toBe(0);
  }
  expect((globalThis as unknown as { WebAssembly?: unknown }).WebAssembly).toBeUndefined();
});
