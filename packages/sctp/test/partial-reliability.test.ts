import { describe, expect, test } from '@jest/globals';
import { ByteWriter } from '@petrel/bytes';
import { CHUNK_TYPE, encodePacket, type SctpOptions } from '@petrel/sctp';
import {
  chunksFrom,
  connect,
  count,
  dataChunk,
  decode,
  drain,
  forge,
  forgeMany,
  initialTsnOf,
  isData,
  messages,
  NO_PROBES,
  tagFrom,
  typesOf,
  utf8,
} from './support.ts';

const KINDS: readonly (readonly [string, Partial<SctpOptions>])[] = [
  ['FORWARD TSN', { interleaving: false }],
  ['I-FORWARD-TSN', { interleaving: true }],
];

describe.each(KINDS)('C19 RFC 3758: messages given up, with %s', (_, kind) => {
  test.each([0, 1, 3])(
    'with %i retransmissions allowed, at 50 %% loss: whole messages or none, in order; a reliable stream is untouched',
    (maxRetransmits) => {
      for (let seed = 1; seed <= 5; seed++) {
        const { a, link } = connect({ loss: 0.5, seed }, kind);
        for (let i = 0; i < 60; i++) {
          const size = i % 3 === 0 ? 5000 : 20;
          a.send(1, 51, utf8(`${i} ${'p'.repeat(size)}`), { maxRetransmits }, link.now());
          a.send(2, 51, utf8(`${i} ${'u'.repeat(size)}`), { maxRetransmits, unordered: true }, link.now());
          a.send(3, 51, utf8(`${i} ${'r'.repeat(20)}`), {}, link.now());
          link.run(20);
        }
        expect(link.runUntil(() => messages(link.eventsOfB).filter((text) => text.startsWith('3:')).length === 60, 600_000)).toBe(true);
        a.send(1, 51, utf8('1000 last'), {}, link.now());
        expect(link.runUntil(() => messages(link.eventsOfB).includes('1:51:1000 last'), link.now() + 600_000)).toBe(true);
        const received = messages(link.eventsOfB);
        const numbers = (stream: number): number[] =>
          received.filter((text) => text.startsWith(`${stream}:`)).map((text) => Number(text.slice(5).split(' ')[0]));
        expect(numbers(3)).toEqual(Array.from({ length: 60 }, (__, i) => i));
        expect(numbers(1)).toEqual(numbers(1).toSorted((x, y) => x - y));
        expect(numbers(1).length).toBeLessThan(61);
        expect(new Set(numbers(2)).size).toBe(numbers(2).length);
        for (const text of received) expect(text).toMatch(/^\d:51:\d+ (?:p{20}|p{5000}|u{20}|u{5000}|r{20}|last)$/);
      }
    },
  );

  test('a lifetime: what is late is not sent, or given up in the middle', () => {
    const { a, link } = connect({ delay: 50 }, { ...kind, ...NO_PROBES });
    link.run(1000);
    a.send(1, 53, new Uint8Array(200_000), {}, link.now());
    a.send(2, 51, utf8('old'), { lifetime: 150 }, link.now());
    a.send(3, 53, new Uint8Array(100_000), { lifetime: 60 }, link.now());
    a.send(2, 51, utf8('new'), {}, link.now());
    link.runUntil(() => count(link.eventsOfB, 'message') >= 2 && a.stats.bytesInFlight === 0 && a.stats.bytesWaiting === 0, 100_000);
    expect(messages(link.eventsOfB)).toContain('2:51:new');
    expect(link.eventsOfB.some((event) => event.type === 'message' && event.streamId === 3)).toBe(false);
    expect(a.bufferedAmount(3)).toBe(0);
  });

  test('RFC 3758 §3.5 C: a FORWARD TSN that is lost is repeated', () => {
    let lost = 0;
    const both = connect(
      {
        filter: (datagram, from) => {
          if (from !== 'a') return datagram;
          const types = typesOf(datagram);
          if (isData(datagram) && both_.drop) return undefined;
          if (lost < 3 && types.some((type) => type === CHUNK_TYPE.forwardTsn || type === CHUNK_TYPE.iForwardTsn)) {
            lost += 1;
            return undefined;
          }
          return datagram;
        },
      },
      { ...kind, ...NO_PROBES },
    );
    both.link.run(1000);
    both_.drop = true;
    both.a.send(1, 51, utf8('gone'), { maxRetransmits: 0 }, both.link.now());
    both.link.run(500);
    both_.drop = false;
    both.a.send(1, 51, utf8('here'), {}, both.link.now());
    expect(both.link.runUntil(() => messages(both.link.eventsOfB).length === 1, 60_000)).toBe(true);
    expect(messages(both.link.eventsOfB)).toEqual(['1:51:here']);
    expect(lost).toBe(3);
  });
});

const both_ = { drop: false };

const filter = (datagram: Uint8Array): Uint8Array => {
  const packet = decode(datagram);
  const [first] = packet.chunks;
  if (first!.type !== CHUNK_TYPE.init && first!.type !== CHUNK_TYPE.initAck) return datagram;
  const value = Buffer.from(first!.value);
  value.writeUInt16BE(0x8000, value.indexOf('c0000004', 'hex'));
  value.writeUInt16BE(0x8007, value.indexOf('80080008', 'hex'));
  return encodePacket(packet, [{ ...first!, value }]);
};

test('RFC 3758 §3.3.1: for a peer that does not know FORWARD TSN everything is reliable', () => {
  // Both parameters become ones that are skipped in silence: 0x8000 is reserved for ECN, 0x8007 is nobody's.
  const both = connect({ loss: 0.3, seed: 3, filter }, NO_PROBES);
  for (let i = 0; i < 50; i++) both.a.send(1, 53, new Uint8Array(3000), { maxRetransmits: 0, lifetime: 3000 }, both.link.now());
  expect(both.link.runUntil(() => count(both.link.eventsOfB, 'message') === 50, 600_000)).toBe(true);
  expect(both.link.wire.some(({ datagram }) => typesOf(datagram).includes(CHUNK_TYPE.forwardTsn))).toBe(false);
});

function receiver(): { both: ReturnType<typeof connect>; tsn: number; receive: (value: Uint8Array) => void } {
  const both = connect({}, { ...NO_PROBES, interleaving: false });
  both.link.run(1000);
  const tag = tagFrom(both, 'a');
  return {
    both,
    tsn: initialTsnOf(both, 'a'),
    receive: (value) => both.b.receive(forge(tag, CHUNK_TYPE.forwardTsn, 0, value), both.link.now()),
  };
}

describe('C12: hostile FORWARD TSNs', () => {
  test('a jump further than any window is ignored', () => {
    const { both, tsn, receive } = receiver();
    receive(new ByteWriter().uint32((tsn + 0x10000) >>> 0).finish());
    receive(new ByteWriter().uint32((tsn + 0x7ffffffe) >>> 0).finish());
    expect(both.b.discards.of('bad-forward-tsn')).toBe(2);
    expect(both.b.state).toBe('established');
  });

  test('unknown streams, and numbers far ahead, take bounded work', () => {
    const { both, tsn, receive } = receiver();
    for (let i = 0; i < 200; i++) {
      const value = new ByteWriter().uint32((tsn + i) >>> 0);
      for (let stream = 0; stream < 280; stream++) value.uint16(stream * 200).uint16(32_767);
      receive(value.finish());
      drain(both.b, both.link.now());
    }
    expect(both.b.state).toBe('established');
  });

  test('of several entries of a stream the last one counts, so that each stream is looked at once', () => {
    const { both, tsn, receive } = receiver();
    const send = (n: number, sequence: number): void =>
      both.b.receive(
        forgeMany(tagFrom(both, 'a'), [dataChunk({ tsn: (tsn + n) >>> 0, sequence, data: utf8(`${sequence}`) })]),
        both.link.now(),
      );
    send(2, 2);
    const value = new ByteWriter().uint32((tsn + 1) >>> 0);
    for (const sequence of [5, 4, 1]) value.uint16(1).uint16(sequence);
    receive(value.finish());
    send(3, 3);
    both.link.flush();
    expect(messages(both.link.eventsOfB)).toEqual(['1:51:2', '1:51:3']);
  });

  test('an old one is answered with a SACK, for its own was lost (RFC 3758 §3.6)', () => {
    const { both, tsn, receive } = receiver();
    receive(
      new ByteWriter()
        .uint32((tsn - 1) >>> 0)
        .uint16(1)
        .uint16(5)
        .finish(),
    );
    expect(drain(both.b, both.link.now()).flatMap(typesOf)).toEqual([CHUNK_TYPE.sack]);
    both.b.receive(forgeMany(tagFrom(both, 'a'), [dataChunk({ tsn })]), both.link.now());
    both.link.flush();
    expect(messages(both.link.eventsOfB)).toEqual(['1:51:x']); // nothing was skipped
  });

  test('a malformed one is dropped, and I-FORWARD-TSN where it was not agreed', () => {
    const { both, receive } = receiver();
    receive(new Uint8Array(3));
    receive(new Uint8Array(6));
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.iForwardTsn, 0, new Uint8Array(4)), both.link.now());
    expect(both.b.discards.of('bad-forward-tsn')).toBe(3);
  });

  test('complete messages that waited behind the skipped ones are delivered, in order', () => {
    const { both, tsn, receive } = receiver();
    const tag = tagFrom(both, 'a');
    for (const n of [2, 4, 5, 7])
      both.b.receive(forgeMany(tag, [dataChunk({ tsn: (tsn + n) >>> 0, sequence: n, data: utf8(`${n}`) })]), both.link.now());
    receive(
      new ByteWriter()
        .uint32((tsn + 3) >>> 0)
        .uint16(1)
        .uint16(3)
        .finish(),
    );
    both.link.flush();
    expect(messages(both.link.eventsOfB)).toEqual(['1:51:2', '1:51:4', '1:51:5']);
    expect(both.b.inspect().heldBytes).toBe(1);
    expect(chunksFrom(both, 'b', CHUNK_TYPE.sack).length).toBeGreaterThan(0);
  });
});
