import { describe, expect, test } from '@jest/globals';
import {
  addSerial16,
  addSerial32,
  Arena,
  ByteReader,
  ByteWriter,
  compareSerial16,
  compareSerial32,
  concatBytes,
  crc32,
  crc32c,
  crc32cUpdate,
  decodeUtf8,
  decodeUtf8Strict,
  encodeUtf8,
  equalBytes,
  fromHex,
  pieceOf,
  toHex,
  utf8Length,
} from '@petrel/bytes';
import fc from 'fast-check';

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

describe('ByteReader and ByteWriter', () => {
  test('read back what was written', () => {
    fc.assert(
      fc.property(
        fc.nat(0xff),
        fc.nat(0xffff),
        fc.nat(0xffffff),
        fc.nat(0xffffffff),
        fc.nat(2 ** 48 - 1),
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.uint8Array(),
        (a, b, c, d, e, f, g) => {
          const written = new ByteWriter(1).uint8(a).uint16(b).uint24(c).uint32(d).uint48(e).uint64(f).bytes(g).pad(4).finish();
          const reader = new ByteReader(written);
          expect([reader.uint8(), reader.uint16(), reader.uint24(), reader.uint32(), reader.uint48(), reader.uint64()]).toEqual([
            a,
            b,
            c,
            d,
            e,
            f,
          ]);
          expect(reader.view(g.length)).toEqual(g);
          expect(reader.remaining).toBeLessThan(4);
          expect(written.length % 4).toBe(0);
          expect(reader.overrun).toBe(false);
        },
      ),
    );
  });

  test('reading past the end gives zeros and is noted; it does not read what lies behind the view', () => {
    const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4), 0, 3);
    expect(reader.uint16()).toBe(0x0102);
    expect(reader.uint16()).toBe(0);
    expect(reader.overrun).toBe(true);
    expect(reader.remaining).toBe(0);
    expect(reader.view(5)).toHaveLength(0);
    expect(new ByteReader(new Uint8Array(4)).view(-1)).toHaveLength(0);
  });

  test('lengths are patched afterwards', () => {
    const writer = new ByteWriter().uint16(0).uint24(0).uint32(0);
    expect(toHex(writer.setUint16(0, 0x1234).setUint24(2, 0x56789a).setUint32(5, 0xdeadbeef).finish())).toBe('123456789adeadbeef');
  });
});

test('CRC-32 and CRC-32c have their catalogue check values, for any split and offset', () => {
  expect(crc32(ascii('123456789'))).toBe(0xcbf43926);
  expect(crc32c(ascii('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa); // RFC 3720 §B.4, as a number
  expect(crc32c(ascii('xx123456789yy'), 2, 11)).toBe(0xe3069283);
  // Sixteen bytes a step or one: the same.
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 37) & 0xff);
  for (let end = 0; end <= bytes.length; end++) {
    let remainder = 0xffffffff;
    for (let i = 3; i < end; i++) remainder = crc32cUpdate(remainder, bytes, i, i + 1);
    if (end >= 3) expect([end, crc32c(bytes, 3, end)]).toEqual([end, ~remainder >>> 0]);
  }
});

describe('serial numbers (RFC 1982)', () => {
  test('compare around the wrap', () => {
    expect(compareSerial32(0, 0xffffffff)).toBe(1);
    expect(compareSerial32(0xfffffff0, 5)).toBeLessThan(0);
    expect(compareSerial16(2, 0xfffe)).toBe(4);
    expect(compareSerial16(7, 7)).toBe(0);
  });

  test('adding moves by the distance', () => {
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.integer({ min: -0x7fffffff, max: 0x7fffffff }), (a, distance) => {
        expect(compareSerial32(addSerial32(a, distance), a)).toBe(distance);
      }),
    );
    expect(addSerial16(0xffff, 1)).toBe(0);
    expect(addSerial16(0, -1)).toBe(0xffff);
  });
});

describe('UTF-8 (RFC 3629)', () => {
  test('encodes like the platform', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(encodeUtf8(text)).toEqual(Uint8Array.from(new TextEncoder().encode(text)));
        expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
      }),
    );
    expect(toHex(encodeUtf8('é€😀\ud800'))).toBe('c3a9e282acf09f9880efbfbd');
  });

  test('decodes like the platform, also what is malformed', () => {
    const pieces = fc.array(
      fc.oneof(fc.constantFrom(0xc0, 0xc3, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xf8, 0x80, 0x9f, 0xa0, 0xbf, 0x41), fc.nat(255)),
    );
    fc.assert(
      fc.property(pieces, (values) => {
        const bytes = Uint8Array.from(values);
        expect(decodeUtf8(bytes)).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
        let strict: string | undefined;
        try {
          strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);
        } catch {
          strict = undefined;
        }
        expect(decodeUtf8Strict(bytes)).toBe(strict);
      }),
      { numRuns: 2000 },
    );
  });

  test('long texts do not overflow the stack', () => {
    expect(decodeUtf8(new Uint8Array(300_000).fill(0x61))).toHaveLength(300_000);
  });
});

test('hex both ways; what is not hex is refused', () => {
  expect(toHex(fromHex('00ff7A'))).toBe('00ff7a');
  expect(() => fromHex('0')).toThrow();
  expect(() => fromHex('zz')).toThrow();
});

test('concatBytes and equalBytes', () => {
  expect(concatBytes(ascii('ab'), new Uint8Array(0), ascii('c'))).toEqual(ascii('abc'));
  expect(equalBytes(ascii('ab'), ascii('ab'))).toBe(true);
  expect(equalBytes(ascii('ab'), ascii('ac'))).toBe(false);
  expect(equalBytes(ascii('ab'), ascii('abc'))).toBe(false);
});

test('an arena never hands out a byte twice', () => {
  const arena = new Arena();
  const views = Array.from({ length: 200 }, (_, i) => arena.allocate(1000).fill(i));
  views.forEach((view, i) => expect(view.every((byte) => byte === i)).toBe(true));
  expect(arena.allocate(100_000)).toHaveLength(100_000);
});

test('an arena that is rewound hands the same slab out again', () => {
  const arena = new Arena();
  arena.rewind();
  expect([arena.isHalfUsed, arena.allocate(15_000).byteOffset]).toEqual([false, 0]);
  const { buffer } = arena.allocate(15_000);
  expect(arena.isHalfUsed).toBe(false);
  arena.allocate(15_000);
  expect(arena.isHalfUsed).toBe(true);
  arena.rewind();
  const again = arena.allocate(15_000);
  expect([arena.isHalfUsed, again.byteOffset, again.buffer === buffer]).toEqual([false, 0, true]);
});

test('a piece of a packet is a view, or a copy when it is a small part of a large one', () => {
  const [large, small] = [new Uint8Array(2049).fill(7), new Uint8Array(2048).fill(7)];
  expect(pieceOf(large, 10, 522).buffer).not.toBe(large.buffer);
  expect(pieceOf(large, 10, 522)).toEqual(large.subarray(10, 522));
  expect(pieceOf(large, 10, 523).buffer).toBe(large.buffer);
  expect(pieceOf(small, 10, 20).buffer).toBe(small.buffer);
  expect(pieceOf(small, 10, 20)).toHaveLength(10);
});
