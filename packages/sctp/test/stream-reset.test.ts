import { describe, expect, test } from '@jest/globals';
import { ByteWriter, concatBytes } from '@petrel/bytes';
import { CHUNK_TYPE, type SctpEvent } from '@petrel/sctp';
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
  messages,
  NO_PROBES,
  tagFrom,
  typesOf,
  utf8,
} from './support.ts';

const resets = (events: readonly SctpEvent[], type: 'incoming-streams-reset' | 'outgoing-streams-reset'): number[] =>
  events.flatMap((event) => (event.type === type ? [...(event as { streamIds: readonly number[] }).streamIds] : []));

test.each([0, 0.3])('RFC 6525 §5: at %f loss both sides learn, after all data, and sequence numbers begin anew', (loss) => {
  for (const interleaving of [false, true])
    for (let seed = 1; seed <= 20; seed++) {
      const { a, link } = connect({ loss, seed }, { interleaving });
      a.send(7, 51, new Uint8Array(20_000).fill(65), {}, link.now());
      a.resetStreams([7], link.now());
      expect(link.runUntil(() => count(link.eventsOfA, 'outgoing-streams-reset') > 0, 60_000)).toBe(true);
      expect(link.eventsOfA.find(({ type }) => type === 'outgoing-streams-reset')).toEqual({
        type: 'outgoing-streams-reset',
        streamIds: [7],
        performed: true,
      });
      expect(link.eventsOfB.map(({ type }) => type)).toEqual(['connected', 'message', 'incoming-streams-reset']);
      a.send(7, 51, utf8('again'), {}, link.now());
      expect(link.runUntil(() => messages(link.eventsOfB).includes('7:51:again'), 120_000)).toBe(true);
    }
});

test('RFC 6525 §5.1.2 A1: what is sent after the request waits for the answer, what was sent before it does not', () => {
  const both = connect({}, NO_PROBES);
  both.link.run(1000);
  both.a.send(1, 51, utf8('before'), {}, both.link.now());
  both.a.resetStreams([1], both.link.now());
  both.a.send(1, 51, utf8('after'), {}, both.link.now());
  both.link.run(15);
  expect(messages(both.link.eventsOfB)).toEqual(['1:51:before']);
  both.link.run(1000);
  expect(both.link.eventsOfB.map(({ type }) => type).filter((type) => type !== 'connected')).toEqual([
    'message',
    'incoming-streams-reset',
    'message',
  ]);
});

test('C13: both sides reset the same streams at once, ten times over, at 20 % loss', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const both = connect({ loss: 0.2, seed });
    const ids = [1, 2, 3, 4, 5];
    for (let round = 1; round <= 10; round++) {
      for (const id of ids) {
        both.a.send(id, 51, utf8(`a${round}`), {}, both.link.now());
        both.b.send(id, 51, utf8(`b${round}`), {}, both.link.now());
      }
      both.a.resetStreams(ids, both.link.now());
      both.b.resetStreams(ids, both.link.now());
      const done = (events: readonly SctpEvent[]): boolean =>
        resets(events, 'outgoing-streams-reset').length === 5 * round && resets(events, 'incoming-streams-reset').length === 5 * round;
      expect(both.link.runUntil(() => done(both.link.eventsOfA) && done(both.link.eventsOfB), both.link.now() + 120_000)).toBe(true);
    }
    expect(count(both.link.eventsOfB, 'message')).toBe(50);
  }
});

test('RFC 6525 §5.1.1: 1,000 streams take several requests, one at a time', () => {
  const both = connect({}, NO_PROBES);
  both.a.resetStreams(
    Array.from({ length: 1000 }, (_, id) => id),
    both.link.now(),
  );
  both.link.run(5000);
  expect(resets(both.link.eventsOfA, 'outgoing-streams-reset')).toHaveLength(1000);
  expect(chunksFrom(both, 'a', CHUNK_TYPE.reConfig)).toHaveLength(4);
});

test('RFC 6525 §5.1.1: a reset that is asked for before the handshake is done after it', () => {
  const both = connect({ delay: 50 }, NO_PROBES);
  void both;
  const early = connect({}, NO_PROBES);
  early.a.resetStreams([3], early.link.now());
  early.link.run(1000);
  expect(resets(early.link.eventsOfB, 'incoming-streams-reset')).toEqual([3]);
});

const request = (sequence: number, lastTsn: number, ids: readonly number[]): Uint8Array => {
  const writer = new ByteWriter()
    .uint16(13)
    .uint16(16 + 2 * ids.length)
    .uint32(sequence >>> 0)
    .uint32(0)
    .uint32(lastTsn >>> 0);
  for (const id of ids) writer.uint16(id);
  return writer.finish();
};

function peer(): { tsn: number; ask: (value: Uint8Array) => number[]; both: ReturnType<typeof connect>; events: () => SctpEvent[] } {
  const both = connect({}, { ...NO_PROBES, interleaving: false, streams: 100 });
  both.link.run(1000);
  const tag = tagFrom(both, 'a');
  const seen: SctpEvent[] = [];
  const results = (): number[] => {
    const packets: Uint8Array[] = [];
    for (let packet = both.b.pollTransmit(both.link.now()); packet; packet = both.b.pollTransmit(both.link.now())) packets.push(packet);
    for (let event = both.b.pollEvent(); event; event = both.b.pollEvent()) seen.push(event);
    return packets.flatMap((packet) =>
      decode(packet).chunks.flatMap(({ type, value }) => (type === CHUNK_TYPE.reConfig ? [value[11]!] : [])),
    );
  };
  return {
    tsn: initialTsnOf(both, 'a'),
    both,
    events: () => seen,
    ask: (value) => {
      both.b.receive(forge(tag, CHUNK_TYPE.reConfig, 0, value), both.link.now());
      return results();
    },
  };
}

describe('C13: what a peer may ask', () => {
  test('a wrong sequence number is refused, a repeated request gets the same answer and resets nothing again', () => {
    const { ask, tsn, events } = peer();
    expect(ask(request(tsn + 5, tsn - 1, [1]))).toEqual([5]);
    expect(ask(request(tsn, tsn - 1, [1]))).toEqual([1]);
    expect(ask(request(tsn, tsn - 1, [1]))).toEqual([1]);
    expect(ask(request(tsn + 1, tsn - 1, [2]))).toEqual([1]);
    expect(resets(events(), 'incoming-streams-reset')).toEqual([1, 2]);
  });

  test('a stream that does not exist is refused', () => {
    const { ask, tsn } = peer();
    expect(ask(request(tsn, tsn - 1, [100]))).toEqual([3]);
  });

  test('RFC 6525 §5.2.2 E2: before all its data has come, a reset is in progress; afterwards it is done, and what came for the stream meanwhile', () => {
    const { ask, tsn, both, events } = peer();
    const tag = tagFrom(both, 'a');
    const data = (n: number, sequence: number): void =>
      both.b.receive(forgeMany(tag, [dataChunk({ tsn: (tsn + n) >>> 0, sequence, data: utf8(`${n}`) })]), both.link.now());
    expect(ask(request(tsn, tsn + 1, [1]))).toEqual([6]);
    data(0, 0);
    data(2, 0); // beyond the last TSN: of the time after the reset
    expect(ask(new Uint8Array(0))).toEqual([]);
    data(1, 1);
    // A peer that asks again under a new number gets its answer, and nothing is reset a second time.
    expect(ask(request(tsn + 1, tsn + 2, [1]))).toEqual([1, 1]);
    expect(events().map((event) => (event.type === 'message' ? new TextDecoder().decode(event.data) : event.type))).toEqual([
      '0',
      '1',
      'incoming-streams-reset',
      '2',
    ]);
  });

  test('RFC 6525 §5.2.2 E2: of what comes for the time after the reset 256 pieces are kept', () => {
    const { ask, tsn, both, events } = peer();
    const send = (n: number, sequence: number): void =>
      both.b.receive(forgeMany(tagFrom(both, 'a'), [dataChunk({ tsn: (tsn + n) >>> 0, sequence })]), both.link.now());
    expect(ask(request(tsn, tsn, [1]))).toEqual([6]);
    for (let i = 0; i < 300; i++) send(1 + i, i);
    send(0, 0);
    expect(ask(new Uint8Array(0))).toEqual([1]);
    expect(count(events(), 'message')).toBe(1 + 256);
  });

  test('RFC 6525 §5.2.2: a repetition under a new number that has to wait, too, holds up nothing afterwards', () => {
    const { ask, tsn, both, events } = peer();
    const send = (n: number, stream: number, sequence: number): void =>
      both.b.receive(forgeMany(tagFrom(both, 'a'), [dataChunk({ tsn: (tsn + n) >>> 0, stream, sequence })]), both.link.now());
    expect(ask(request(tsn, tsn, [1]))).toEqual([6]);
    send(0, 1, 0);
    expect(ask(request(tsn + 1, tsn + 1, [1]))).toEqual([1, 6]);
    send(1, 2, 0);
    expect(ask(new Uint8Array(0))).toEqual([1]);
    send(2, 1, 0);
    expect(ask(new Uint8Array(0))).toEqual([]);
    expect(events().map(({ type }) => type)).toEqual(['message', 'incoming-streams-reset', 'message', 'message']);
  });

  test('RFC 6525 §3.1: two parameters of a chunk are read, however many there are', () => {
    const { ask, tsn } = peer();
    const requests = Array.from({ length: 10 }, (_, i) => request(tsn + i, tsn - 1, [i * 2, i * 2 + 1]));
    expect(ask(concatBytes(...requests))).toEqual([1, 1]);
  });

  test('requests of other kinds are denied, malformed ones dropped', () => {
    const { ask, tsn, both } = peer();
    expect(ask(new ByteWriter().uint16(14).uint16(8).uint32(tsn).finish())).toEqual([2]);
    expect(ask(new ByteWriter().uint16(13).uint16(99).uint32(tsn).finish())).toEqual([]);
    expect(both.b.discards.of('malformed-chunk')).toBe(1);
  });

  test('RFC 6525 §5.2.7: an answer to a request that was never made is ignored', () => {
    const { ask, tsn, events } = peer();
    expect(ask(new ByteWriter().uint16(16).uint16(12).uint32(tsn).uint32(1).finish())).toEqual([]);
    expect(events()).toEqual([]);
  });
});

const answer = (sequence: number, result: number): Uint8Array =>
  new ByteWriter()
    .uint16(16)
    .uint16(12)
    .uint32(sequence >>> 0)
    .uint32(result)
    .finish();

test('RFC 6525 §5.2.7: an answer with the number of another request is ignored', () => {
  const both = connect(
    { filter: (datagram, from) => (from === 'b' && typesOf(datagram).includes(CHUNK_TYPE.reConfig) ? undefined : datagram) },
    NO_PROBES,
  );
  both.link.run(1000);
  both.a.resetStreams([1], both.link.now());
  drain(both.a, both.link.now());
  const own = initialTsnOf(both, 'a');
  both.a.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.reConfig, 0, answer(own + 1, 1)), both.link.now());
  expect(both.a.pollEvent()).toBeUndefined();
  both.a.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.reConfig, 0, answer(own, 1)), both.link.now());
  expect(both.a.pollEvent()).toMatchObject({ type: 'outgoing-streams-reset', performed: true });
});

test('RFC 6525 §5.2.7 H2: a request that stays in progress is asked again, under a new number in the end, and that is no error', () => {
  const both = connect(
    { filter: (datagram, from) => (from === 'b' && typesOf(datagram).includes(CHUNK_TYPE.reConfig) ? undefined : datagram) },
    { ...NO_PROBES, maxRetransmits: 3 },
  );
  both.link.run(1000);
  both.a.resetStreams([1], both.link.now());
  const sequences = new Set<number>();
  for (let i = 0; i < 8; i++) {
    both.link.run(1000);
    const asked = chunksFrom(both, 'a', CHUNK_TYPE.reConfig).map(({ value }) => Buffer.from(value).readUInt32BE(4));
    for (const sequence of asked) sequences.add(sequence);
    both.a.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.reConfig, 0, answer(asked.at(-1)!, 6)), both.link.now());
    drain(both.a, both.link.now());
  }
  expect(sequences.size).toBeGreaterThan(1);
  expect(both.a.state).toBe('established');
});
