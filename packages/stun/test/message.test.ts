import { describe, expect, test } from '@jest/globals';
import { concatBytes, fromHex, toHex } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import {
  encodeStunMessage,
  IntegrityKey,
  isStunMessage,
  longTermKey,
  nonceSecurityFeatures,
  parseStunMessage,
  shortTermKey,
  type StunAttributes,
  type StunParseOptions,
  userhash,
} from '@petrel/stun';
import { seededRandom } from '@petrel/testing';
import malformed from './vectors/malformed-messages.json' with { type: 'json' };
import file from './vectors/rfc5769-rfc8489-messages.json' with { type: 'json' };

const node = nodeCrypto();
const open: StunParseOptions = { keyFor: () => 'unprotected' };
const transactionId = fromHex('000102030405060708090a0b');

type Vector = (typeof file.vectors)[number];

function keyOf(vector: Vector, crypto = node): IntegrityKey {
  if (vector.auth === 'short-term') return shortTermKey(crypto, vector.password);
  const algorithm = vector.keyHash === 'sha256' ? 'sha-256' : 'md5';
  return longTermKey(crypto, { username: vector.username!, password: vector.password }, vector.realm!, algorithm);
}

function vectorNamed(id: string): Vector {
  return file.vectors.find((vector) => vector.id === id)!;
}

function request(attributes: StunAttributes): Uint8Array {
  return encodeStunMessage({ class: 'request', method: 'binding', transactionId, attributes });
}

/** A message with these raw attributes after the given ones; the length is right. */
function withRawAttributes(message: Uint8Array, ...attributes: readonly string[]): Uint8Array {
  const whole = concatBytes(message, ...attributes.map((hex) => fromHex(hex)));
  whole[3] = whole.length - 20;
  return whole;
}

describe('S01, RFC 5769, RFC 8489: printed messages', () => {
  const wellFormed = file.vectors.filter((vector) => vector.wellFormed !== false);

  test.each(wellFormed)('$id is read, and its integrity verified over the bytes as received', (vector) => {
    for (const crypto of [node, nobleCrypto()]) {
      const parsed = parseStunMessage(fromHex(vector.hex), { keyFor: () => keyOf(vector, crypto) });
      expect(parsed.message).toBeDefined();
      const { message, integrity, fingerprint } = parsed as Exclude<typeof parsed, { discard: unknown }>;
      const { expect: expected } = vector;
      expect([message.class, message.method, toHex(message.transactionId)]).toEqual([expected.class, 'binding', expected.transactionId]);
      expect(integrity).toBe(expected.messageIntegritySha256 === undefined ? 'sha-1' : 'sha-256');
      expect(fingerprint).toBe(expected.fingerprint !== undefined);
      const { attributes } = message;
      expect(attributes.software).toBe(expected.software);
      expect(attributes.priority).toBe(expected.priority);
      expect(attributes.iceControlled?.toString(16)).toBe(expected.iceControlled);
      if (expected.xorMappedAddress !== undefined) {
        const { address, port } = expected.xorMappedAddress;
        expect(attributes.xorMappedAddress).toEqual({ address, port });
      }
      if (vector.username !== undefined && attributes.userhash === undefined) expect(attributes.username).toBe(vector.username);
    }
  });

  test.each(wellFormed)('$id is refused when a byte of it is another', (vector) => {
    const bytes = fromHex(vector.hex);
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at]! ^= 1;
      const fingerprint = vector.expect.fingerprint === undefined ? 'optional' : 'required';
      expect(parseStunMessage(changed, { keyFor: () => keyOf(vector), fingerprint }).message).toBeUndefined();
    }
  });

  test.each(['5769-2.4', '8489-derived'])('%s, padded with zeros, is written again byte by byte', (id) => {
    const vector = vectorNamed(id);
    const key = keyOf(vector);
    const parsed = parseStunMessage(fromHex(vector.hex), { keyFor: () => key });
    const integrity = vector.expect.messageIntegritySha256 === undefined ? 'sha-1' : 'sha-256';
    expect(toHex(encodeStunMessage(parsed.message!, { key, integrity }))).toBe(vector.hex);
  });

  test.each(['5769-2.1', '5769-2.2', '5769-2.3'])('%s, padded with spaces, means the same when written again', (id) => {
    const vector = vectorNamed(id);
    const key = keyOf(vector);
    const first = parseStunMessage(fromHex(vector.hex), { keyFor: () => key }).message!;
    const again = encodeStunMessage(first, { key, fingerprint: true });
    expect(again.length).toBe(fromHex(vector.hex).length);
    expect(parseStunMessage(again, { keyFor: () => key, fingerprint: 'required' }).message).toEqual(first);
  });

  test('RFC 8489 §9.2.2: the key of user, realm, pass', () => {
    expect(toHex(node.hash('md5', new TextEncoder().encode('user:realm:pass')))).toBe('8493fbc53ba582fb4c044c456bdc40eb');
    const printed = new IntegrityKey(node, fromHex('8493fbc53ba582fb4c044c456bdc40eb'));
    const derived = longTermKey(node, { username: 'user', password: 'pass' }, 'realm');
    const message = request({});
    expect(derived.compute('sha-1', message, 20)).toEqual(printed.compute('sha-1', message, 20));
  });

  test('S02: RFC 8489 B.1 as printed is refused, because its length is not the message’s; its USERHASH is right', () => {
    const vector = vectorNamed('8489-B.1');
    const bytes = fromHex(vector.hex);
    expect(parseStunMessage(bytes, { keyFor: () => keyOf(vector) })).toEqual({ discard: 'bad-length' });
    expect(toHex(userhash(node, vector.username!, vector.realm!))).toBe(vector.expect.userhash);
  });

  test('RFC 8489 §18.1: security features are numbered from the most significant bit', () => {
    const derived = vectorNamed('8489-derived');
    expect(nonceSecurityFeatures(derived.nonce!)).toEqual({ passwordAlgorithms: true, usernameAnonymity: true });
    expect(nonceSecurityFeatures('obMatJos2AAAC')).toEqual({ passwordAlgorithms: false, usernameAnonymity: false });
    expect(nonceSecurityFeatures('obMatJos2gAAAx')).toEqual({ passwordAlgorithms: true, usernameAnonymity: false });
    expect(nonceSecurityFeatures('obMatJos2QAAAx')).toEqual({ passwordAlgorithms: false, usernameAnonymity: true });
    for (const nonce of ['', 'obMatJos2', 'obMatJos2gA', 'obMatJos2=AAA', 'f//499k954d6OL34oL9FSTvy64sA'])
      expect(nonceSecurityFeatures(nonce)).toBeUndefined();
  });
});

describe('S02, RFC 8489 §5, §6.3: headers', () => {
  const valid = request({});

  test.each([
    ['shorter than 20 bytes', valid.subarray(0, 19), 'not-stun'],
    ['empty', new Uint8Array(0), 'not-stun'],
    ['another cookie', Uint8Array.from(valid, (byte, index) => (index === 4 ? byte ^ 1 : byte)), 'not-stun'],
    ['a top bit set', Uint8Array.from(valid, (byte, index) => (index === 0 ? 0x40 : byte)), 'not-stun'],
    ['a length beyond the datagram', Uint8Array.from(valid, (byte, index) => (index === 3 ? 4 : byte)), 'bad-length'],
    ['bytes after the message', concatBytes(valid, new Uint8Array(4)), 'bad-length'],
    ['a length that is no multiple of four', withRawAttributes(valid, '0006'), 'bad-length'],
    ['an unknown method', Uint8Array.from(valid, (byte, index) => (index === 1 ? 2 : byte)), 'unknown-method'],
  ])('%s is dropped', (_, bytes, discard) => {
    expect(parseStunMessage(bytes, open)).toEqual({ discard });
  });

  test('the class and the method survive', () => {
    const classes = ['request', 'indication', 'success', 'error'] as const;
    const methods = ['binding', 'allocate', 'refresh', 'send', 'data', 'create-permission', 'channel-bind'] as const;
    for (const messageClass of classes)
      for (const method of methods) {
        const bytes = encodeStunMessage({ class: messageClass, method, transactionId, attributes: {} });
        expect(isStunMessage(bytes)).toBe(true);
        expect(parseStunMessage(bytes, open).message).toEqual({ class: messageClass, method, transactionId, attributes: {} });
      }
  });
});

/** An error response with a reason of so many bytes. */
const errorWithReason = (length: number): Uint8Array =>
  fromHex(
    `0111${(8 + length).toString(16).padStart(4, '0')}2112a442000102030405060708090a0b0009${(4 + length).toString(16).padStart(4, '0')}00000400${'61'.repeat(length)}`,
  );

describe('S03, RFC 8489 §14: malformed attributes', () => {
  const onlyUnprotected = new Set(['nomination-len-1', 'data-indication-no-data', 'data-indication-empty-data']);

  test.each(malformed.stun.filter(({ id }) => !onlyUnprotected.has(id)))('$id is dropped ($ref)', ({ hex }) => {
    expect(parseStunMessage(fromHex(hex), open).message).toBeUndefined();
  });

  test.each([
    ['an error class of 7', '011100082112a442000102030405060708090a0b0009000400000700'],
    ['an error number of 100', '011100082112a442000102030405060708090a0b0009000400000464'],
    ['a PRIORITY of three bytes', '000100082112a442000102030405060708090a0b0024000300000000'],
    ['an ICE-CONTROLLING of four bytes', '000100082112a442000102030405060708090a0b802a000400000000'],
    ['a PRIORITY of eight bytes', '0001000c2112a442000102030405060708090a0b002400080000000000000000'],
    ['an ICE-CONTROLLING of twelve bytes', `000100102112a442000102030405060708090a0b802a000c${'00'.repeat(12)}`],
    ['a PASSWORD-ALGORITHM whose parameters go past its end', '000100082112a442000102030405060708090a0b001d000400020040'],
    ['a USERHASH of four bytes', '000100082112a442000102030405060708090a0b001e000400000000'],
    ['a MESSAGE-INTEGRITY-SHA256 of 16 bytes, which no usage allows', `000100142112a442000102030405060708090a0b001c0010${'00'.repeat(16)}`],
    ['a FINGERPRINT of eight bytes', '0001000c2112a442000102030405060708090a0b802800080000000000000000'],
    ['a USERNAME that is not UTF-8', '000100082112a442000102030405060708090a0b00060004fffefdfc'],
    ['a PASSWORD-ALGORITHMS whose parameters go past its end', '000100082112a442000102030405060708090a0b8002000400020040'],
    ['an empty MAPPED-ADDRESS', '010100042112a442000102030405060708090a0b00010000'],
  ])('%s is dropped', (_, hex) => {
    expect(parseStunMessage(fromHex(hex), open)).toEqual({ discard: 'malformed-attribute' });
  });

  test('S09, RFC 8489 §14.3, §14.9, §14.10: text over 763 bytes is refused, and never sent over 508', () => {
    for (const [type, name] of [
      ['0006', 'username'],
      ['0014', 'realm'],
      ['0015', 'nonce'],
      ['8022', 'software'],
    ] as const) {
      const raw = (length: number): Uint8Array => {
        const padded = length + ((4 - (length % 4)) % 4);
        const size = (4 + padded).toString(16).padStart(4, '0');
        const value = '61'.repeat(length) + '00'.repeat(padded - length);
        return fromHex(`0001${size}2112a442000102030405060708090a0b${type}${length.toString(16).padStart(4, '0')}${value}`);
      };
      expect(parseStunMessage(raw(763), open).message?.attributes[name]).toHaveLength(763);
      expect(parseStunMessage(raw(764), open)).toEqual({ discard: 'malformed-attribute' });
      expect(() => request({ [name]: 'a'.repeat(509) })).toThrow(RangeError);
    }
    expect(parseStunMessage(errorWithReason(760), open).message?.attributes.errorCode?.reason).toHaveLength(760);
    expect(parseStunMessage(errorWithReason(764), open)).toEqual({ discard: 'malformed-attribute' });
  });

  test('a list of many addresses, algorithms or unknown attributes is cut', () => {
    const servers = Array.from({ length: 40 }, (_, index) => ({ address: '192.0.2.1', port: index + 1 }));
    expect(parseStunMessage(request({ xorPeerAddresses: servers }), open).message?.attributes.xorPeerAddresses).toHaveLength(16);
    const passwordAlgorithms = Array.from({ length: 40 }, () => ({ algorithm: 1, parameters: new Uint8Array(0) }));
    expect(parseStunMessage(request({ passwordAlgorithms }), open).message?.attributes.passwordAlgorithms).toHaveLength(16);
    const unknown = Array.from({ length: 60 }, (_, index) => `7f${index.toString(16).padStart(2, '0')}0000`);
    const parsed = parseStunMessage(withRawAttributes(request({}), ...unknown), open);
    expect(parsed.message === undefined ? [] : parsed.unknownAttributes).toHaveLength(16);
  });
});

describe('S05, RFC 8489 §14: which attributes count', () => {
  const key = shortTermKey(node, 'password');
  const other = '0006000461626364';

  test('of several the first one', () => {
    const bytes = withRawAttributes(request({ username: 'first' }), other);
    expect(parseStunMessage(bytes, open).message?.attributes.username).toBe('first');
  });

  test('§14.5: what follows MESSAGE-INTEGRITY is ignored, but for MESSAGE-INTEGRITY-SHA256 and FINGERPRINT', () => {
    const bare = encodeStunMessage({ class: 'request', method: 'binding', transactionId, attributes: { priority: 7 } }, { key });
    const parsed = parseStunMessage(withRawAttributes(bare, other, '7f000000'), { keyFor: () => key });
    expect(parsed).toMatchObject({ message: { attributes: { priority: 7 } }, integrity: 'sha-1', unknownAttributes: [] });
    expect(parsed.message?.attributes.username).toBeUndefined();
  });

  test('§9.1.3: of both integrity attributes the stronger one', () => {
    const message = { class: 'request', method: 'binding', transactionId, attributes: {} } as const;
    const both = encodeStunMessage(message, { key, integrity: 'both' });
    expect(parseStunMessage(both, { keyFor: () => key })).toMatchObject({ integrity: 'sha-256' });
    both[both.length - 1]! ^= 1; // in MESSAGE-INTEGRITY-SHA256; the weaker one would still verify
    expect(parseStunMessage(both, { keyFor: () => key })).toMatchObject({ discard: 'wrong-integrity' });
  });

  test('§14.6: what follows MESSAGE-INTEGRITY-SHA256 is ignored, MESSAGE-INTEGRITY too', () => {
    const message = { class: 'request', method: 'binding', transactionId, attributes: {} } as const;
    const bytes = encodeStunMessage(message, { key, integrity: 'sha-256' });
    const sha1 = toHex(key.compute('sha-1', bytes, bytes.length));
    const weak = shortTermKey(node, 'password', ['sha-1']);
    expect(parseStunMessage(withRawAttributes(bytes, `00080014${sha1}`), { keyFor: () => weak })).toMatchObject({
      discard: 'missing-integrity',
    });
  });

  test('§9.2.5: a weaker integrity than agreed is as good as none', () => {
    const strict = shortTermKey(node, 'password', ['sha-256']);
    const message = { class: 'success', method: 'binding', transactionId, attributes: {} } as const;
    expect(parseStunMessage(encodeStunMessage(message, { key: strict, integrity: 'sha-1' }), { keyFor: () => strict })).toEqual({
      discard: 'missing-integrity',
    });
  });

  test('§6.3: unknown comprehension-required ones are reported, unknown optional ones are not', () => {
    const parsed = parseStunMessage(withRawAttributes(request({}), '7f000000', '7f010000', '7f000000', 'ff000000'), open);
    expect(parsed).toMatchObject({ unknownAttributes: [0x7f00, 0x7f01] });
  });

  test('§14.7: FINGERPRINT is the last one, right when it is there, and there when it is required', () => {
    const message = { class: 'request', method: 'binding', transactionId, attributes: {} } as const;
    const marked = encodeStunMessage(message, { fingerprint: true });
    expect(parseStunMessage(marked, { ...open, fingerprint: 'required' })).toMatchObject({ fingerprint: true });
    expect(parseStunMessage(request({}), { ...open, fingerprint: 'required' })).toEqual({ discard: 'missing-fingerprint' });
    expect(parseStunMessage(withRawAttributes(marked, other), open)).toEqual({ discard: 'malformed-attribute' });
    marked[marked.length - 1]! ^= 1;
    expect(parseStunMessage(marked, open)).toEqual({ discard: 'bad-fingerprint' });
  });
});

describe('RFC 8489 §9: who may be answered', () => {
  const key = shortTermKey(node, 'password');
  const wrong = shortTermKey(node, 'another');
  const message = { class: 'request', method: 'binding', transactionId, attributes: { username: 'a:b' } } as const;

  test.each([
    ['no key for it', encodeStunMessage(message, { key }), undefined, 'unknown-key'],
    ['no integrity', encodeStunMessage(message), key, 'missing-integrity'],
    ['another key', encodeStunMessage(message, { key: wrong }), key, 'wrong-integrity'],
  ])('a request with %s is dropped, with what an error response needs', (_, bytes, found, discard) => {
    expect(parseStunMessage(bytes, { keyFor: () => found })).toEqual({ discard, request: { method: 'binding', transactionId } });
  });

  test('a response that fails is dropped without', () => {
    const bytes = encodeStunMessage({ ...message, class: 'success' }, { key: wrong });
    expect(parseStunMessage(bytes, { keyFor: () => key })).toEqual({ discard: 'wrong-integrity' });
  });
});

test('every attribute survives being written and read', () => {
  const attributes: StunAttributes = {
    mappedAddress: { address: '192.0.2.1', port: 1 },
    xorMappedAddress: { address: '2001:db8::1', port: 65_535 },
    username: 'evtj:h6vY',
    userhash: new Uint8Array(32).fill(7),
    realm: 'example.org',
    nonce: 'obMatJos2AAAAx',
    software: 'Petrel',
    errorCode: { code: 438, reason: 'Stale Nonce' },
    unknownAttributes: [0x7f00, 0x7f01, 0x7f02],
    passwordAlgorithms: [
      { algorithm: 2, parameters: new Uint8Array(0) },
      { algorithm: 9, parameters: Uint8Array.of(1, 2, 3) },
    ],
    passwordAlgorithm: { algorithm: 2, parameters: new Uint8Array(0) },
    alternateServers: [
      { address: '192.0.2.2', port: 3478 },
      { address: '2001:db8::2', port: 3478 },
    ],
    alternateDomain: 'stun.example.org',
    priority: 0x6e0001ff,
    useCandidate: true,
    iceControlled: 0x932ff9b151263b36n,
    iceControlling: 1n,
    channelNumber: 0x4001,
    lifetime: 600,
    xorPeerAddresses: [
      { address: '198.51.100.1', port: 5000 },
      { address: '2001:db8::3', port: 5001 },
    ],
    data: Uint8Array.of(1, 2, 3, 4, 5),
    xorRelayedAddresses: [{ address: '203.0.113.1', port: 49_152 }],
    requestedAddressFamily: 2,
    additionalAddressFamily: 2,
    evenPort: true,
    requestedTransport: 17,
    dontFragment: true,
    reservationToken: new Uint8Array(8).fill(9),
    addressErrorCodes: [{ family: 2, code: 440, reason: 'Address Family not Supported' }],
    icmp: { type: 3, code: 4, data: 1280 },
  };
  expect(parseStunMessage(request(attributes), open).message?.attributes).toEqual(attributes);
});

test('S10: mutations of real messages are read or dropped, and never throw', () => {
  const random = seededRandom(7);
  const seeds = [...file.vectors, ...malformed.stun].map(({ hex }) => fromHex(hex));
  for (let run = 0; run < 20_000; run++) {
    const bytes = Uint8Array.from(seeds[random.below(seeds.length)]!);
    for (let count = 1 + random.below(4); count > 0; count--) bytes[random.below(bytes.length)] = random.below(256);
    parseStunMessage(bytes.subarray(0, random.below(10) === 0 ? random.below(bytes.length) : bytes.length), open);
  }
});
