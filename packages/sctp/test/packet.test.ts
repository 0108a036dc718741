import { expect, test } from '@jest/globals';
import { fromHex } from '@petrel/bytes';
import { CHUNK_TYPE, decodePacket, encodePacket } from '@petrel/sctp';
import { connect, decode, drain, forge, forgeMany, NO_PROBES, tagFrom, typesOf } from './support.ts';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Vector {
  readonly id: string;
  readonly hex: string;
}

const vectors = JSON.parse(readFileSync(join(__dirname, 'vectors/rfc9260-packets.json'), 'utf8')) as {
  readonly good: readonly Vector[];
  readonly bad: readonly Vector[];
};

test.each(vectors.good)('RFC 9260 §3: $id is decoded, and encoded to the same bytes', ({ hex }) => {
  const packet = decodePacket(fromHex(hex));
  expect(typeof packet).toBe('object');
  if (typeof packet === 'object') expect(encodePacket(packet, packet.chunks)).toEqual(fromHex(hex));
});

test('C01 RFC 9260 §6.8: any bit flipped is seen by the checksum, except where it is the other form of one packet', () => {
  const { hex } = vectors.good.find(({ id }) => id === 'data-string')!;
  for (let bit = 0; bit < fromHex(hex).length * 8; bit++) {
    const bytes = fromHex(hex);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    expect(decodePacket(bytes)).toBe('bad-checksum');
  }
});

const zero = (hex: string): Uint8Array => {
  const bytes = fromHex(hex);
  bytes.fill(0, 8, 12);
  return bytes;
};

const hexOf = (wanted: string): string => vectors.good.find(({ id }) => id === wanted)!.hex;

test('C01 RFC 9653 §5.3: a checksum of zero is accepted only where that was negotiated, and never with an INIT', () => {
  expect(decodePacket(zero(hexOf('data-string')))).toBe('bad-checksum');
  expect(typeof decodePacket(zero(hexOf('data-string')), true)).toBe('object');
  expect(decodePacket(zero(hexOf('init')), true)).toBe('bad-checksum');
});

test('C01 RFC 9260 §3: less than a header, or a header alone, is no packet, with or without a checksum', () => {
  expect([decodePacket(new Uint8Array(11), true), decodePacket(new Uint8Array(12), true)]).toEqual(['truncated-packet', 'bad-checksum']);
});

test.each(['chunk-len-0', 'chunk-len-3', 'chunk-len-past-end', 'short-11-bytes', 'bad-checksum'])(
  'C08 RFC 9260 §3.2: %s is dropped whole',
  (wanted) => {
    const { hex } = vectors.bad.find(({ id }) => id === wanted)!;
    expect(typeof decodePacket(fromHex(hex))).toBe('string');
  },
);

test('C08: hundred chunks in a packet, unknown ones of all four kinds: at most one SACK and one ERROR in answer', () => {
  const both = connect({}, NO_PROBES);
  both.link.run(1000);
  const types = [0x3f, 0x7f, 0xbf, 0xff];
  const answers = types.map((type) => {
    const chunks = Array.from({ length: 100 }, () => ({ type, flags: 0, value: new Uint8Array(4) }));
    both.b.receive(forgeMany(tagFrom(both, 'a'), chunks), both.link.now());
    return drain(both.b, both.link.now()).flatMap(typesOf);
  });
  // §3.2: 00 stop; 01 stop and report; 10 skip; 11 skip and report.
  expect(answers).toEqual([[], [CHUNK_TYPE.error], [], [CHUNK_TYPE.error]]);
  expect(both.b.discards.of('unknown-chunk')).toBe(1 + 1 + 100 + 100);
});

test('C08 RFC 9260 §3.3.10.6: of unknown chunks little is sent back, however large and many they are', () => {
  const both = connect({}, NO_PROBES);
  const answer = (count: number, length: number): Uint8Array[] => {
    const chunks = Array.from({ length: count }, () => ({ type: 0xff, flags: 0, value: new Uint8Array(length) }));
    both.b.receive(forgeMany(tagFrom(both, 'a'), chunks), both.link.now());
    const packets = drain(both.b, both.link.now()).map(decode);
    return packets.flatMap((packet) => packet.chunks.flatMap(({ type, value }) => (type === CHUNK_TYPE.error ? [value] : [])));
  };
  expect(answer(1, 10_000).map(({ length }) => length)).toEqual([4 + 4 + 64]);
  expect(answer(1000, 60).map(({ length }) => length)).toEqual([Math.floor(512 / 68) * 68]);
});

test('packets between other ports are dropped', () => {
  const both = connect({}, NO_PROBES);
  const abort = { type: CHUNK_TYPE.abort, flags: 0, value: new Uint8Array(0) };
  const verificationTag = tagFrom(both, 'a');
  for (const [sourcePort, destinationPort] of [
    [5001, 5000],
    [5000, 5001],
  ] as const)
    both.b.receive(encodePacket({ sourcePort, destinationPort, verificationTag }, [abort]), both.link.now());
  expect(both.b.state).toBe('established');
  expect(both.b.discards.of('wrong-port')).toBe(2);
});

test('C02 RFC 9260 §8.5.1: the T bit makes the peer’s tag as good only in ABORT and SHUTDOWN COMPLETE', () => {
  const both = connect({}, NO_PROBES);
  both.link.run(1000);
  const before = both.b.nextTimeout();
  const { abort, shutdownComplete, init, ...others } = CHUNK_TYPE;
  for (const type of Object.values(others)) {
    both.b.receive(forge(tagFrom(both, 'b'), type, 1, new Uint8Array(20)), both.link.now());
    expect([type, drain(both.b, both.link.now()), both.b.nextTimeout(), both.b.state]).toEqual([type, [], before, 'established']);
  }
  expect([abort, shutdownComplete, init]).toEqual([6, 14, 1]);
});

test('C02 RFC 9260 §8.5: any chunk with a wrong verification tag is dropped; nothing is sent, and no timer touched', () => {
  const both = connect({}, NO_PROBES);
  both.link.run(1000);
  const before = both.b.nextTimeout();
  for (const type of Object.values(CHUNK_TYPE)) {
    if (type === CHUNK_TYPE.init) continue;
    both.b.receive(forge((tagFrom(both, 'a') ^ 1) >>> 0, type, 0, new Uint8Array(20)), both.link.now());
    expect([type, drain(both.b, both.link.now()), both.b.nextTimeout(), both.b.state]).toEqual([type, [], before, 'established']);
  }
});

test.each(vectors.bad)('C08: $id: nothing is thrown, and an association lives on', ({ hex }) => {
  const both = connect({}, NO_PROBES);
  const bytes = fromHex(hex);
  both.b.receive(bytes, both.link.now());
  expect(both.b.state).toBe('established');
});
