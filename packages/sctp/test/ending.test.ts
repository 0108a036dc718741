import { describe, expect, test } from '@jest/globals';
import { writeUint32 } from '@petrel/bytes';
import { CHUNK_TYPE, type Packet } from '@petrel/sctp';
import {
  chunksFrom,
  connect,
  cookieOf,
  count,
  dataChunk,
  decode,
  drain,
  forge,
  forgeMany,
  init,
  initialTsnOf,
  NO_PROBES,
  type Pair,
  pair,
  tagFrom,
  typesOf,
  utf8,
} from './support.ts';

const uint32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value >>> 0);
  return bytes;
};

describe('ABORT', () => {
  test('RFC 9260 §9.1: carries its reason, and is not answered', () => {
    const { a, b, link } = connect({}, NO_PROBES);
    link.run(1000);
    const before = link.wire.length;
    a.abort('server restarts');
    link.run(1000);
    expect(link.eventsOfB.at(-1)).toEqual({ type: 'aborted', code: 12, reason: 'server restarts' });
    expect([a.state, b.state]).toEqual(['closed', 'closed']);
    expect(link.wire.length - before).toBe(1);
    expect([a.nextTimeout(), b.nextTimeout()]).toEqual([Infinity, Infinity]);
  });

  test('can be made again; a long reason is cut between characters', () => {
    const { a } = connect();
    a.abort('first');
    const again = decode(a.createAbort('é'.repeat(2000))!);
    expect(again.chunks[0]).toMatchObject({ type: CHUNK_TYPE.abort, flags: 0 });
    expect(new TextDecoder('utf-8', { fatal: true }).decode(again.chunks[0]!.value.subarray(4))).toMatch(/^é+$/);
  });

  test('before the peer has answered there is nothing to abort', () => {
    const { a } = pair();
    a.connect(0);
    expect(a.createAbort('x')).toBeUndefined();
  });

  test('that is lost: what the peer still sends is answered with another one (RFC 9260 §8.4 rule 8)', () => {
    let isLost = false;
    const { a, b, link } = connect(
      {
        filter: (datagram) => {
          if (isLost || !typesOf(datagram).includes(CHUNK_TYPE.abort)) return datagram;
          isLost = true;
          return undefined;
        },
      },
      NO_PROBES,
    );
    link.run(1000);
    a.abort('first');
    link.run(100);
    expect(b.state).toBe('established');
    b.send(1, 51, utf8('hello?'), {}, link.now());
    link.run(100);
    expect(b.state).toBe('closed');
  });

  test.each([
    ['a wrong tag', (tag: number) => [tag ^ 1, 0]],
    ['the T bit and a wrong tag', (tag: number) => [tag ^ 1, 1]],
    ["the T bit and the receiver's own tag", (tag: number) => [tag, 1]],
  ] as const)('C03 RFC 9260 §8.5.1 B: with %s it is dropped', (_, choose) => {
    const both = connect();
    const [tag, flags] = choose(tagFrom(both, 'a'));
    both.b.receive(forge(tag! >>> 0, CHUNK_TYPE.abort, flags!, new Uint8Array(0)), both.link.now());
    expect(both.b.state).toBe('established');
    expect(both.b.discards.of('wrong-verification-tag')).toBe(1);
  });

  test("C03 RFC 9260 §8.5.1 B: with the peer's tag and without the T bit it is dropped", () => {
    const both = connect();
    both.b.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.abort, 0, new Uint8Array(0)), both.link.now());
    expect(both.b.state).toBe('established');
  });

  test("C03 RFC 9260 §8.5.1 B: with the T bit and the peer's tag it ends the association", () => {
    const both = connect();
    both.b.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.abort, 1, new Uint8Array(0)), both.link.now());
    expect(both.b.state).toBe('closed');
  });
});

/** `b` has answered the SHUTDOWN of `a`. */
const shuttingDown = (prepare: (both: Pair) => void = () => {}): Pair => {
  const both = connect({}, { ...NO_PROBES, interleaving: false });
  prepare(both);
  both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.shutdown, 0, uint32(initialTsnOf(both, 'b') - 1)), both.link.now());
  drain(both.b, both.link.now());
  expect(both.b.state).toBe('shutdown-ack-sent');
  return both;
};

describe('SHUTDOWN', () => {
  test.each([0, 0.3])('C22 RFC 9260 §9.2: at %f loss it delivers what is queued, and closes both sides', (loss) => {
    for (let seed = 1; seed <= 20; seed++) {
      const { a, b, link } = connect({ loss, seed });
      a.send(1, 53, new Uint8Array(30_000), {}, link.now());
      a.shutdown(link.now());
      link.runUntil(() => a.state === 'closed', 120_000);
      expect(count(link.eventsOfB, 'message')).toBe(1);
      expect(link.eventsOfA.at(-1)).toEqual({ type: 'closed' });
      expect(link.runUntil(() => b.state === 'closed', link.now() + 400_000)).toBe(true);
      expect([a.nextTimeout(), b.nextTimeout()]).toEqual([Infinity, Infinity]);
    }
  });

  test.each([
    ['SHUTDOWN', CHUNK_TYPE.shutdown],
    ['SHUTDOWN ACK', CHUNK_TYPE.shutdownAck],
    ['SHUTDOWN COMPLETE', CHUNK_TYPE.shutdownComplete],
  ])('C22: the first %s is lost: both sides close, with data on both sides still to go', (_, type) => {
    let isLost = false;
    const { a, b, link } = connect({
      filter: (datagram) => {
        if (isLost || !typesOf(datagram).includes(type)) return datagram;
        isLost = true;
        return undefined;
      },
    });
    a.send(1, 53, new Uint8Array(50_000), {}, link.now());
    b.send(1, 53, new Uint8Array(50_000), {}, link.now());
    a.shutdown(link.now());
    expect(link.runUntil(() => a.state === 'closed' && b.state === 'closed', 60_000)).toBe(true);
    expect([count(link.eventsOfA, 'message'), count(link.eventsOfB, 'message')]).toEqual([1, 1]);
    expect([link.eventsOfA.at(-1), link.eventsOfB.at(-1)]).toEqual([{ type: 'closed' }, { type: 'closed' }]);
    expect(isLost).toBe(true);
  });

  test('C22 RFC 9260 §9.2: both sides at once', () => {
    const { a, b, link } = connect();
    a.shutdown(link.now());
    b.shutdown(link.now());
    link.run(1000);
    expect([link.eventsOfA.at(-1), link.eventsOfB.at(-1)]).toEqual([{ type: 'closed' }, { type: 'closed' }]);
    expect([a.nextTimeout(), b.nextTimeout()]).toEqual([Infinity, Infinity]);
  });

  test('RFC 9260 §9.2: new messages are not taken once it has begun', () => {
    const { a, link } = connect({ delay: 50 }, NO_PROBES);
    a.send(1, 53, new Uint8Array(50_000), {}, link.now());
    a.shutdown(link.now());
    a.send(1, 51, utf8('too late'), {}, link.now());
    link.run(5000);
    expect(count(link.eventsOfB, 'message')).toBe(1);
  });

  test('RFC 9260 §9.2: a SHUTDOWN that acknowledges what was never sent is a violation', () => {
    const both = connect({}, NO_PROBES);
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.shutdown, 0, uint32(initialTsnOf(both, 'b') + 1000)), both.link.now());
    both.link.flush();
    expect(both.link.eventsOfB.at(-1)).toMatchObject({ type: 'failed', code: 13 });
  });

  test('C08: one that is too short is dropped', () => {
    const both = connect({}, NO_PROBES);
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.shutdown, 0, new Uint8Array(3)), both.link.now());
    expect([both.b.state, both.b.discards.of('malformed-chunk')]).toEqual(['established', 1]);
  });

  test('RFC 9260 §9.2: after its SHUTDOWN the peer sends no data', () => {
    const both = shuttingDown();
    both.b.receive(forgeMany(tagFrom(both, 'a'), [dataChunk({ tsn: initialTsnOf(both, 'a') })]), both.link.now());
    expect(both.b.discards.of('unexpected-chunk')).toBe(1);
    both.link.flush();
    expect(count(both.link.eventsOfB, 'message')).toBe(0);
  });

  test('RFC 9260 §9.2: an INIT while the end is awaited is answered with another SHUTDOWN ACK', () => {
    const both = shuttingDown();
    both.b.receive(forge(0, CHUNK_TYPE.init, 0, init()), both.link.now());
    expect(drain(both.b, both.link.now()).map(typesOf)).toEqual([[CHUNK_TYPE.shutdownAck]]);
  });

  test('RFC 9260 §5.2.4 A, §9.2: and so is a cookie that would begin the association again', () => {
    let made: ReturnType<typeof cookieOf> | undefined;
    const both = shuttingDown(({ b, link }) => (made = cookieOf(b, link.now())));
    both.b.receive(forge(made!.tag, CHUNK_TYPE.cookieEcho, 0, made!.cookie), both.link.now());
    const [{ chunks }] = drain(both.b, both.link.now()).map(decode) as [Packet];
    expect(chunks.map(({ type, value }) => [type, value[1]])).toEqual([
      [CHUNK_TYPE.shutdownAck, undefined],
      [CHUNK_TYPE.error, 10],
    ]);
    expect(both.b.state).toBe('shutdown-ack-sent');
  });

  test('C03 RFC 9260 §8.5.1 C: SHUTDOWN COMPLETE and SHUTDOWN ACK in the wrong state are dropped', () => {
    const both = connect({}, NO_PROBES);
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.shutdownComplete, 0, new Uint8Array(0)), both.link.now());
    both.b.receive(forge(tagFrom(both, 'b'), CHUNK_TYPE.shutdownComplete, 1, new Uint8Array(0)), both.link.now());
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.shutdownAck, 0, new Uint8Array(0)), both.link.now());
    expect(both.b.state).toBe('established');
    expect(both.b.discards.of('unexpected-chunk')).toBe(3);
  });

  test('RFC 9260 §9.2: a shutdown that never gets an answer ends by the guard timer', () => {
    let isDead = false;
    const both = connect({ filter: (datagram) => (isDead ? undefined : datagram) }, NO_PROBES);
    isDead = true;
    both.a.shutdown(both.link.now());
    expect(both.link.runUntil(() => both.a.state === 'closed', 400_000)).toBe(true);
    expect(both.link.eventsOfA.at(-1)).toMatchObject({ type: 'failed' });
    expect(chunksFrom(both, 'a', CHUNK_TYPE.abort)).toHaveLength(1);
    expect(both.a.nextTimeout()).toBe(Infinity);
  });
});
