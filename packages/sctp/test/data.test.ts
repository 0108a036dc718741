import { describe, expect, test } from '@jest/globals';
import { readUint32, toHex } from '@petrel/bytes';
import { CHUNK_TYPE, type SctpOptions } from '@petrel/sctp';
import { nobleCrypto as nobleCryptoOf } from '@petrel/crypto/noble';
import { seededRandom } from '@petrel/testing';
import {
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
  type Pair,
  pair,
  sackChunk,
  tagFrom,
  typesOf,
  utf8,
} from './support.ts';

const KINDS: readonly (readonly [string, Partial<SctpOptions>])[] = [
  ['DATA', { interleaving: false }],
  ['I-DATA', { interleaving: true }],
];

const crypto = (seed: number) => {
  const random = seededRandom(seed);
  return {
    ...nobleCryptoOf(random),
    randomBytes: (length: number) => (length === 4 ? Uint8Array.of(0xff, 0xff, 0xff, 0xfe - seed) : random.randomBytes(length)),
  };
};

describe.each(KINDS)('messages in %s', (_, kind) => {
  test('arrive with their stream, protocol and content; several small ones share a packet', () => {
    const { a, link } = connect({}, { ...kind, ...NO_PROBES });
    const before = link.wire.length;
    for (let i = 0; i < 10; i++) a.send(i, 50 + i, utf8(`message ${i}`), {}, link.now());
    link.run(300);
    expect(messages(link.eventsOfB)).toEqual(Array.from({ length: 10 }, (__, i) => `${i}:${50 + i}:message ${i}`));
    expect(link.wire.slice(before).filter(({ datagram }) => isData(datagram))).toHaveLength(1);
  });

  test.each([1, 1127, 1128, 1131, 1132, 1133, 65_536, 262_144])('%i bytes arrive whole', (size) => {
    const { a, link } = connect({}, kind);
    const data = seededRandom(size).randomBytes(size);
    a.send(3, 53, data, {}, link.now());
    link.runUntil(() => count(link.eventsOfB, 'message') > 0);
    const event = link.eventsOfB.find(({ type }) => type === 'message');
    expect(event).toMatchObject({ streamId: 3, ppid: 53 });
    expect(toHex((event as { data: Uint8Array }).data)).toBe(toHex(data));
  });

  test.each([0, 0.1, 0.3])('RFC 9260 §6.6: at %f loss, ordered messages arrive once and in order, and the rest once', (loss) => {
    for (let seed = 1; seed <= 20; seed++) {
      const { a, link } = connect({ loss, seed, jitter: 30, duplicate: 0.05 }, kind);
      const random = seededRandom(seed);
      const sent = { ordered: [] as string[], unordered: [] as string[] };
      for (let i = 0; i < 100; i++) {
        const unordered = random.fraction() < 0.5;
        const text = `${i} ${'x'.repeat(random.below(4000))}`;
        (unordered ? sent.unordered : sent.ordered).push(`${unordered ? 2 : 1}:51:${text}`);
        a.send(unordered ? 2 : 1, 51, utf8(text), { unordered }, link.now());
      }
      expect(link.runUntil(() => messages(link.eventsOfB).length === 100, 600_000)).toBe(true);
      link.run(1000);
      const received = messages(link.eventsOfB);
      expect(received.filter((text) => text.startsWith('1:'))).toEqual(sent.ordered);
      expect(received.filter((text) => text.startsWith('2:')).toSorted()).toEqual(sent.unordered.toSorted());
    }
  });

  test('C17 RFC 9260 §1.6: TSNs, sequence numbers and stream ids wrap, in order and exactly once', () => {
    // Initial TSNs are random: a generator whose integers are 2^32 - 2 makes them wrap at once.
    const both = pair({ loss: 0.05, seed: 3 }, { ...kind, ...NO_PROBES, crypto: crypto(0) }, { ...kind, ...NO_PROBES, crypto: crypto(1) });
    both.a.connect(0);
    expect(both.link.runUntil(() => both.a.state === 'established', 60_000)).toBe(true);
    expect(initialTsnOf(both, 'a')).toBe(0xfffffffe);
    const wanted: string[] = [];
    const total = kind.interleaving === true ? 2000 : 66_000; // message identifiers have 32 bits, stream sequence numbers 16
    for (let i = 0; i < total; i++) {
      both.a.send(65_534, 51, utf8(`${i}`), {}, both.link.now());
      wanted.push(`65534:51:${i}`);
    }
    expect(both.link.runUntil(() => count(both.link.eventsOfB, 'message') === total, 1_000_000)).toBe(true);
    expect(messages(both.link.eventsOfB)).toEqual(wanted);
  });
});

/** So many packets at the beginning, and after a loss, are acknowledged two by two. */
const EAGER = 1000;

/** The receiver after so many packets, and what gives it the next one and says what it answers. */
function afterPackets(packets: number): { receive: (n: number) => number[]; timesOut: () => number[] } & Pair {
  const both = connect({}, { ...NO_PROBES, interleaving: false });
  both.link.run(1000);
  const [tag, tsn] = [tagFrom(both, 'a'), initialTsnOf(both, 'a')];
  const answer = (): number[] => drain(both.b, both.link.now()).flatMap(typesOf);
  const receive = (n: number): number[] => {
    both.b.receive(forgeMany(tag, [dataChunk({ tsn: (tsn + n) >>> 0, flags: 7 })]), both.link.now());
    return answer();
  };
  const timesOut = (): number[] => {
    both.b.handleTimeout(both.link.now());
    return answer();
  };
  for (let n = 0; n < packets; n++) expect(receive(n)).toEqual(n % 2 === 0 ? [] : [CHUNK_TYPE.sack]);
  return { ...both, receive, timesOut };
}

describe('acknowledgement', () => {
  test('RFC 9260 §6.2: a lone packet is acknowledged within 200 ms, the second at once', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false });
    both.link.run(1000);
    const [tag, tsn] = [tagFrom(both, 'a'), initialTsnOf(both, 'a')];
    const receive = (n: number, flags: number = 3): number[] => {
      both.b.receive(forgeMany(tag, [dataChunk({ tsn: tsn + n, sequence: n, flags })]), both.link.now());
      return drain(both.b, both.link.now()).flatMap(typesOf);
    };
    expect(receive(0)).toEqual([]);
    expect(both.b.nextTimeout()).toBe(both.link.now() + 200);
    expect(receive(1)).toEqual([CHUNK_TYPE.sack]);
    expect(receive(2)).toEqual([]);
    expect(receive(3, 11)).toEqual([CHUNK_TYPE.sack]); // the I bit
    expect(receive(5)).toEqual([CHUNK_TYPE.sack]); // a gap
    expect(receive(4)).toEqual([CHUNK_TYPE.sack]); // its end
    expect(receive(4)).toEqual([CHUNK_TYPE.sack]); // a duplicate
  });

  describe('RFC 9260 §6.2: packets of a bulk transfer', () => {
    test('those that came together are acknowledged together, as soon as the timers are looked at', () => {
      const { b, link, receive, timesOut } = afterPackets(EAGER);
      expect(receive(EAGER)).toEqual([]);
      expect(b.nextTimeout()).toBe(link.now() + 200);
      expect([1, 2, 3].map((n) => receive(EAGER + n))).toEqual([[], [], []]);
      expect(b.nextTimeout()).toBe(link.now());
      expect(timesOut()).toEqual([CHUNK_TYPE.sack]);
      expect(timesOut()).toEqual([]);
    });

    test('eight at the most', () => {
      const { receive } = afterPackets(EAGER);
      const answers = Array.from({ length: 24 }, (_, n) => receive(EAGER + n).length);
      expect(answers).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    });

    test('§6.7, §7.2.1: after a loss each packet is answered until the gap is closed, then every second', () => {
      const { receive } = afterPackets(EAGER);
      const sack = [CHUNK_TYPE.sack];
      expect([1, 2, 3].map((n) => receive(EAGER + n))).toEqual([sack, sack, sack]);
      expect(receive(EAGER)).toEqual(sack); // closes it
      expect([4, 5, 6, 7].map((n) => receive(EAGER + n))).toEqual([[], sack, [], sack]);
    });

    test('they go with data that is sent anyway (§6.10)', () => {
      const { b, link, receive } = afterPackets(EAGER);
      receive(EAGER);
      receive(EAGER + 1);
      b.send(1, 51, utf8('pong'), {}, link.now());
      expect(drain(b, link.now()).flatMap(typesOf)).toEqual([CHUNK_TYPE.sack, CHUNK_TYPE.data]);
      expect(b.nextTimeout()).toBeGreaterThan(link.now());
    });
  });

  test('RFC 9260 §3.3.4: gaps and duplicates are reported', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false });
    both.link.run(1000);
    const [tag, tsn] = [tagFrom(both, 'a'), initialTsnOf(both, 'a')];
    for (const n of [2, 3, 6, 5, 3]) both.b.receive(forgeMany(tag, [dataChunk({ tsn: (tsn + n) >>> 0, flags: 7 })]), both.link.now());
    const sack = decode(drain(both.b, both.link.now()).at(-1)!).chunks[0]!;
    const { value } = sackChunk(
      (tsn - 1) >>> 0,
      readUint32(sack.value, 4),
      [
        [3, 4],
        [6, 7],
      ],
      [(tsn + 3) >>> 0],
    );
    expect(toHex(sack.value)).toBe(toHex(value));
  });

  test('RFC 9260 §6.10: the SACK goes with data that is sent anyway', () => {
    const both = connect({}, NO_PROBES);
    both.link.run(1000);
    const before = both.link.wire.length;
    both.a.send(1, 51, utf8('ping'), {}, both.link.now());
    both.link.run(15);
    both.b.send(1, 51, utf8('pong'), {}, both.link.now());
    both.link.run(1);
    const answers = both.link.wire.slice(before).filter(({ from }) => from === 'b');
    expect(answers.map(({ datagram }) => typesOf(datagram)).at(-1)).toEqual(expect.arrayContaining([CHUNK_TYPE.iData]));
  });
});

/** `a` has three chunks out, and gets this. */
function after(sack: (tsn: number) => ReturnType<typeof sackChunk>): { inFlight: number; window: number; bad: number } {
  const both = connect({}, { ...NO_PROBES, interleaving: false });
  both.link.run(1000);
  for (let i = 0; i < 3; i++) both.a.send(1, 51, new Uint8Array(1000), {}, both.link.now());
  drain(both.a, both.link.now());
  both.a.receive(forgeMany(tagFrom(both, 'b'), [sack(initialTsnOf(both, 'a'))]), both.link.now());
  drain(both.a, both.link.now());
  const { bytesInFlight, congestionWindow } = both.a.stats;
  return { inFlight: bytesInFlight, window: congestionWindow, bad: both.a.discards.of('bad-sack') };
}

const minus = (tsn: number, n: number): number => (tsn - n) >>> 0;

const lie = (tsn: number, at: number): ReturnType<typeof sackChunk> => {
  const chunk = sackChunk(minus(tsn, -2), 100_000);
  chunk.value.set([0xff, 0xff], at);
  return chunk;
};

describe('C09: hostile SACKs', () => {
  const untouched = { inFlight: 3000, window: after((tsn) => sackChunk(minus(tsn, 1), 100_000)).window };

  test.each([
    ['acknowledges what was never sent', (tsn: number) => sackChunk(minus(tsn, -3), 100_000)],
    ['has a gap block beyond what was sent', (tsn: number) => sackChunk(minus(tsn, 1), 100_000, [[2, 4]])],
    ['has an inverted gap block', (tsn: number) => sackChunk(minus(tsn, 1), 100_000, [[3, 2]])],
    [
      'has overlapping gap blocks',
      (tsn: number) =>
        sackChunk(minus(tsn, 1), 100_000, [
          [1, 3],
          [2, 3],
        ]),
    ],
    ['goes backwards', (tsn: number) => sackChunk(minus(tsn, 100), 100_000)],
  ])('one that %s means nothing (RFC 9260 §6.2.1)', (_, sack) => {
    expect(after(sack)).toEqual({ ...untouched, bad: 1 });
  });

  test('one with counts that do not fit means nothing', () => {
    expect(after((tsn) => lie(tsn, 8))).toEqual({ ...untouched, bad: 1 });
    expect(after((tsn) => lie(tsn, 10))).toEqual({ ...untouched, bad: 1 });
  });

  test('hundreds of SACKs for one chunk do not open the window further than one', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false });
    both.link.run(1000);
    for (let i = 0; i < 200; i++) both.a.send(1, 51, new Uint8Array(1000), {}, both.link.now());
    drain(both.a, both.link.now());
    const [tag, tsn] = [tagFrom(both, 'b'), initialTsnOf(both, 'a')];
    both.a.receive(forgeMany(tag, [sackChunk(tsn, 1_000_000)]), both.link.now());
    const { congestionWindow } = both.a.stats;
    for (let i = 0; i < 500; i++) both.a.receive(forgeMany(tag, [sackChunk(tsn, 1_000_000)]), both.link.now());
    expect(both.a.stats.congestionWindow).toBe(congestionWindow);
  });
});

const dropping = (
  wanted: (index: number) => boolean,
): { filter: (datagram: Uint8Array, from: 'a' | 'b') => Uint8Array | undefined; dropped: () => number } => {
  let index = 0;
  let dropped = 0;
  return {
    filter: (datagram, from) => {
      if (from !== 'a' || !isData(datagram) || !wanted(index++)) return datagram;
      dropped += 1;
      return undefined;
    },
    dropped: () => dropped,
  };
};

describe('loss recovery', () => {
  test('RFC 9260 §7.2.4: one lost packet among many is sent again without waiting for the timer', () => {
    const { filter, dropped } = dropping((index) => index === 0);
    const { a, link } = connect({ filter }, NO_PROBES);
    const start = link.now();
    for (let i = 0; i < 6; i++) a.send(1, 51, new Uint8Array(1000), {}, link.now());
    link.runUntil(() => messages(link.eventsOfB).length === 6);
    expect(dropped()).toBe(1);
    expect(link.now() - start).toBeLessThan(100);
  });

  test('RFC 8985 §6.2: a retransmission that is lost too is found by time, without the timer', () => {
    const { filter, dropped } = dropping((index) => index === 0 || index === 10);
    const { a, link } = connect({ filter }, NO_PROBES);
    link.run(1000);
    const start = link.now();
    for (let i = 0; i < 40; i++) a.send(1, 51, new Uint8Array(1000), {}, link.now());
    link.runUntil(() => messages(link.eventsOfB).length === 40);
    expect(dropped()).toBe(2);
    expect(link.now() - start).toBeLessThan(150);
  });

  test('RFC 8985 §7: the last packet is lost: a probe finds out after two round trips', () => {
    const { filter, dropped } = dropping((index) => index === 5);
    const { a, link } = connect({ filter }, NO_PROBES);
    link.run(1000);
    for (let i = 0; i < 5; i++) {
      a.send(1, 51, new Uint8Array(1000), {}, link.now());
      link.run(1000);
    }
    const start = link.now();
    a.send(1, 51, utf8('tail'), {}, link.now());
    link.runUntil(() => messages(link.eventsOfB).length === 6);
    expect(dropped()).toBe(1);
    expect(link.now() - start).toBeLessThan(100);
  });

  test('RFC 8985 §6.2: packets that only arrive late are not taken for lost, once the path is known to reorder', () => {
    const both = connect({ jitter: 8, seed: 5 }, NO_PROBES);
    for (let i = 0; i < 2000; i++) both.a.send(1, 51, new Uint8Array(1000), {}, both.link.now());
    both.link.runUntil(() => count(both.link.eventsOfB, 'message') === 2000);
    expect(both.b.discards.of('duplicate-data')).toBeLessThan(300);
  });

  test('RFC 9260 §6.3.3 and §7.2.3: the timer backs off, and one packet at a time goes out', () => {
    const both = connect({ filter: (datagram, from) => (from === 'a' && isData(datagram) ? undefined : datagram) }, NO_PROBES);
    both.link.run(1000);
    const before = both.link.wire.length;
    for (let i = 0; i < 50; i++) both.a.send(1, 51, new Uint8Array(1000), {}, both.link.now());
    both.link.run(20_000);
    const times = both.link.wire
      .slice(before)
      .filter(({ from, datagram }) => from === 'a' && isData(datagram))
      .map(({ at }) => at);
    const later = times.slice(11); // after the initial window and the probe
    expect(later.length).toBeLessThan(12);
    for (let i = 2; i < later.length; i++) expect(later[i]! - later[i - 1]!).toBeGreaterThanOrEqual(later[i - 1]! - later[i - 2]! - 0.001);
    expect(both.a.stats.congestionWindow).toBeLessThan(1160);
  });

  test('C20 RFC 9260 §8.1: a path that dies ends the association after eleven transmissions, within three minutes', () => {
    let isDead = false;
    const both = connect({ filter: (datagram) => (isDead ? undefined : datagram) }, { ...NO_PROBES, maxRetransmits: 10 });
    both.link.run(1000);
    isDead = true;
    const start = both.link.now();
    both.a.send(1, 51, utf8('anyone?'), {}, both.link.now());
    both.link.runUntil(() => both.a.state === 'closed', 400_000);
    expect(both.link.eventsOfA.at(-1)).toEqual({ type: 'failed', reason: 'the peer does not answer' });
    expect(both.link.now() - start).toBeLessThan(180_000);
    expect(both.a.nextTimeout()).toBe(Infinity);
  });

  test('C20 RFC 9260 §8.3: an idle path that dies is noticed by heartbeats', () => {
    let isDead = false;
    const both = connect({ filter: (datagram) => (isDead ? undefined : datagram) }, { ...NO_PROBES, maxRetransmits: 3 });
    isDead = true;
    both.link.runUntil(() => both.a.state === 'closed', 400_000);
    expect(both.link.eventsOfA.at(-1)).toMatchObject({ type: 'failed' });
  });

  test('RFC 9260 §6.1 D: a SACK sets free at most a burst', () => {
    const both = connect({ delay: 50 }, NO_PROBES);
    both.link.run(1000);
    for (let i = 0; i < 400; i++) both.a.send(1, 51, new Uint8Array(1000), {}, both.link.now());
    both.link.run(5000);
    const bursts = new Map<number, number>();
    for (const { at, from, datagram } of both.link.wire) if (from === 'a' && isData(datagram)) bursts.set(at, (bursts.get(at) ?? 0) + 1);
    // All SACKs of a round trip arrive at one instant here: each of them may set ten packets free.
    expect(Math.max(...bursts.values())).toBeLessThan(200);
    expect([...bursts.values()][0]).toBe(10);
  });
});

describe('receive window', () => {
  test('C18 RFC 9260 §6.1 A: a closed window is probed by the timer, which backs off; nothing spins, and the peer is not given up', () => {
    const both = connect({}, { ...NO_PROBES, maxRetransmits: 10 });
    both.link.run(1000);
    both.b.setHeldBytes(10_000_000, both.link.now());
    both.a.send(1, 53, new Uint8Array(1_300_000), {}, both.link.now());
    both.link.run(5000);
    const before = both.link.wire.length;
    both.link.run(120_000);
    const packets = both.link.wire.slice(before).filter(({ from }) => from === 'a').length;
    expect(packets).toBeLessThan(60);
    expect(both.a.state).toBe('established');
    expect(both.b.inspect().heldBytes).toBeLessThanOrEqual(1_048_576);
    both.b.setHeldBytes(0, both.link.now());
    expect(both.link.runUntil(() => both.a.bufferedAmount(1) === 0 && both.a.stats.bytesInFlight === 0, both.link.now() + 60_000)).toBe(
      true,
    );
  });

  test('RFC 9260 §6.2: a window that opens is told at once', () => {
    const both = connect({}, NO_PROBES);
    both.b.setHeldBytes(1_048_576, both.link.now());
    both.a.send(1, 53, new Uint8Array(100_000), {}, both.link.now());
    both.link.run(3000);
    expect(count(both.link.eventsOfB, 'message')).toBe(0);
    both.b.setHeldBytes(0, both.link.now());
    both.link.run(15);
    const start = both.link.now();
    both.link.runUntil(() => count(both.link.eventsOfB, 'message') === 1, start + 60_000);
    expect(both.link.now() - start).toBeLessThan(1000);
  });

  test('C10: fragments without an end, on 65,535 streams: what is held stays below twice the buffer', () => {
    for (const interleaving of [false, true]) {
      const both = connect({}, { ...NO_PROBES, receiveBuffer: 100_000, maxReceivedMessageSize: 50_000, interleaving });
      both.link.run(1000);
      const [tag, tsn] = [tagFrom(both, 'a'), initialTsnOf(both, 'a')];
      for (let i = 0; i < 5000; i++) {
        const chunk = dataChunk({ tsn: (tsn + i) >>> 0, stream: i, data: new Uint8Array(1000), flags: 2 });
        both.b.receive(forgeMany(tag, [interleaving ? { ...chunk, type: CHUNK_TYPE.iData } : chunk]), both.link.now());
        drain(both.b, both.link.now());
      }
      expect(both.b.inspect().heldBytes).toBeGreaterThan(50_000);
      expect(both.b.inspect().heldBytes).toBeLessThan(200_000);
      expect(both.b.discards.of('receive-buffer-full')).toBeGreaterThan(1000);
    }
  });

  test('C10: tiny fragments count for more than their bytes', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false });
    const [tag, tsn] = [tagFrom(both, 'a'), initialTsnOf(both, 'a')];
    for (let i = 0; i < 20_000; i++)
      both.b.receive(forgeMany(tag, [dataChunk({ tsn: (tsn + i) >>> 0, flags: i === 0 ? 2 : 0 })]), both.link.now());
    expect(both.b.inspect().heldBytes).toBeLessThan(10_000);
  });

  test('C10: a TSN 2^30 ahead is not kept; a duplicate with other content changes nothing', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false });
    const [tag, tsn] = [tagFrom(both, 'a'), initialTsnOf(both, 'a')];
    const receive = (chunk: ReturnType<typeof dataChunk>): void => both.b.receive(forgeMany(tag, [chunk]), both.link.now());
    receive(dataChunk({ tsn: (tsn + 2 ** 30) >>> 0 }));
    receive(dataChunk({ tsn, data: utf8('first'), flags: 2 }));
    receive(dataChunk({ tsn, data: utf8('other'), flags: 2 }));
    receive(dataChunk({ tsn: (tsn + 1) >>> 0, data: utf8('!'), flags: 1 }));
    both.link.run(1);
    expect(messages(both.link.eventsOfB)).toEqual(['1:51:first!']);
    expect(both.b.discards.toJSON()).toMatchObject({ 'data-out-of-window': 1, 'duplicate-data': 1 });
  });

  test('C11: a message larger than max-message-size is thrown away and told of, once; others arrive', () => {
    for (const interleaving of [false, true]) {
      const both = connect({}, { interleaving }, { interleaving, maxReceivedMessageSize: 20_000 });
      both.a.send(1, 53, new Uint8Array(50_000), {}, both.link.now());
      both.a.send(1, 51, utf8('after'), {}, both.link.now());
      both.a.send(2, 53, new Uint8Array(20_000), {}, both.link.now());
      both.link.run(5000);
      expect(both.link.eventsOfB.filter(({ type }) => type === 'message-too-large')).toEqual([{ type: 'message-too-large', streamId: 1 }]);
      expect(messages(both.link.eventsOfB)).toHaveLength(2);
      expect(both.b.inspect().heldBytes).toBe(0);
    }
  });

  test('C11 RFC 9260 §6.2: DATA without user data ends the association, with cause 9 and the TSN', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false });
    both.link.run(1000);
    const { value } = dataChunk({ tsn: 0x01020304 });
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.data, 3, value.subarray(0, 12)), both.link.now());
    expect(both.b.state).toBe('closed');
    const [packet] = drain(both.b, both.link.now());
    expect(toHex(decode(packet!).chunks[0]!.value)).toBe('0009000801020304');
  });

  test('C11 RFC 9260 §6.5: DATA on a stream that does not exist is acknowledged, and reported with cause 1', () => {
    const both = connect({}, { ...NO_PROBES, interleaving: false, streams: 10 });
    both.link.run(1000);
    both.b.receive(forgeMany(tagFrom(both, 'a'), [dataChunk({ tsn: initialTsnOf(both, 'a'), stream: 10 })]), both.link.now());
    const chunks = drain(both.b, both.link.now()).flatMap((packet) => decode(packet).chunks);
    expect(toHex(chunks.find(({ type }) => type === CHUNK_TYPE.error)!.value)).toBe('00010008000a0000');
    expect(both.b.state).toBe('established');
  });

  test('RFC 8260 §2.2.1: DATA where I-DATA was agreed is a protocol violation', () => {
    const both = connect({}, NO_PROBES);
    both.b.receive(forgeMany(tagFrom(both, 'a'), [dataChunk({ tsn: initialTsnOf(both, 'a') })]), both.link.now());
    both.link.flush();
    expect(both.link.eventsOfB.at(-1)).toMatchObject({ type: 'failed', code: 13 });
  });
});

describe('buffered amount', () => {
  test('falls as data is sent a first time; one event in a round of polling', () => {
    const { a, link } = connect({}, NO_PROBES);
    a.send(1, 53, new Uint8Array(50_000), {}, link.now());
    a.send(1, 50, new Uint8Array(100), { uncounted: true }, link.now());
    expect(a.bufferedAmount(1)).toBe(50_000);
    link.runUntil(() => a.bufferedAmount(1) === 0);
    const amounts = link.eventsOfA.flatMap((event) => (event.type === 'buffered-amount' ? [event.amount] : []));
    expect(amounts).toEqual(amounts.toSorted((x, y) => y - x));
    expect(amounts.at(-1)).toBe(0);
    expect(amounts.length).toBeLessThan(20);
  });

  test('bad arguments are told', () => {
    const { a, link } = connect({}, { streams: 10 });
    expect(() => a.send(1, 51, new Uint8Array(0), {}, link.now())).toThrow(RangeError);
    expect(() => a.send(10, 51, utf8('x'), {}, link.now())).toThrow(/has 10/);
  });

  test('messages that are not begun can be thrown away', () => {
    const { a, link } = connect({ delay: 50 }, NO_PROBES);
    a.send(1, 53, new Uint8Array(40_000), {}, link.now());
    a.send(1, 53, new Uint8Array(40_000), {}, link.now());
    link.run(10);
    a.discardWaiting(1);
    link.run(5000);
    expect(count(link.eventsOfB, 'message')).toBe(1);
    expect(a.bufferedAmount(1)).toBe(0);
  });
});

describe('scheduling (RFC 8260 §3.6)', () => {
  test('streams share by their weights', () => {
    const both = connect({ delay: 20 }, NO_PROBES);
    both.a.setStreamPriority(1, 128);
    both.a.setStreamPriority(2, 512);
    for (let i = 0; i < 200; i++) for (const stream of [1, 2]) both.a.send(stream, 53, new Uint8Array(5000), {}, both.link.now());
    both.link.runUntil(() => count(both.link.eventsOfB, 'message') === 200);
    const received = both.link.eventsOfB.flatMap((event) => (event.type === 'message' ? [event.streamId] : []));
    const share = received.filter((id) => id === 2).length / received.filter((id) => id === 1).length;
    expect(share).toBeGreaterThan(3);
    expect(share).toBeLessThan(5);
  });

  test('C21: 16 MiB on one stream hold up a ping on another for less than three round trips', () => {
    const both = connect({ delay: 30 }, {});
    for (let i = 0; i < 64; i++) both.a.send(1, 53, new Uint8Array(262_144), {}, both.link.now());
    const waits: number[] = [];
    for (let i = 0; i < 40; i++) {
      both.link.run(50);
      const start = both.link.now();
      const before = both.link.eventsOfB.filter((event) => event.type === 'message' && event.streamId === 2).length;
      both.a.send(2, 51, new Uint8Array(100), {}, start);
      both.link.runUntil(() => both.link.eventsOfB.filter((event) => event.type === 'message' && event.streamId === 2).length > before);
      waits.push(both.link.now() - start);
    }
    expect(Math.max(...waits)).toBeLessThan(180);
  });

  test('messages that are begun never need more than half the peer window, so that interleaving cannot lock up', () => {
    const both = connect({ delay: 10 }, NO_PROBES);
    for (let stream = 0; stream < 50; stream++) both.a.send(stream, 53, new Uint8Array(200_000), {}, both.link.now());
    expect(both.link.runUntil(() => count(both.link.eventsOfB, 'message') === 50, 60_000)).toBe(true);
    expect(both.b.discards.of('receive-buffer-full')).toBe(0);
  });
});

describe('C21: throughput', () => {
  test('1 % loss at 60 ms round trip: 1.5 Mbit/s or more', () => {
    const both = connect({ delay: 30, loss: 0.01, seed: 2 }, {});
    const start = both.link.now();
    for (let i = 0; i < 64; i++) both.a.send(1, 53, new Uint8Array(65_536), {}, both.link.now());
    both.link.runUntil(() => count(both.link.eventsOfB, 'message') === 64, 600_000);
    const megabits = (64 * 65_536 * 8) / 1000 / (both.link.now() - start);
    expect(megabits).toBeGreaterThan(1.5);
  });
});

const upTo = (limit: number) => (datagram: Uint8Array) => (datagram.length > limit ? undefined : datagram);

describe('path MTU (RFC 8899)', () => {
  test.each([
    [1500, 1400],
    [1300, 1272],
    [1160, 1160],
  ])('a path that takes %i bytes: packets of %i', (limit, expected) => {
    const both = connect({ filter: upTo(limit) });
    both.link.run(60_000);
    expect(both.a.stats.maxPacket).toBeLessThanOrEqual(Math.min(limit, 1400));
    expect(both.a.stats.maxPacket).toBeGreaterThanOrEqual(Math.min(expected, both.a.stats.maxPacket + 32));
    both.a.send(1, 53, new Uint8Array(20_000), {}, both.link.now());
    both.link.run(2000);
    expect(count(both.link.eventsOfB, 'message')).toBe(1);
    expect(Math.max(...both.link.wire.filter(({ datagram }) => isData(datagram)).map(({ datagram }) => datagram.length))).toBe(
      both.a.stats.maxPacket,
    );
  });

  test.each([
    [65_535, 16_000],
    [9000, 1400],
    [1300, 1272],
  ])(
    'a path that may take packets of 16,000, and takes %i: packets of %i, without a search for what is larger than Ethernet',
    (limit, expected) => {
      const both = connect({ filter: upTo(limit) }, { maxProbedPacket: 16_000 });
      both.link.run(60_000);
      expect(Math.abs(both.a.stats.maxPacket - expected)).toBeLessThanOrEqual(32);
      const large = new Set(both.link.wire.map(({ datagram }) => datagram.length).filter((length) => length > 1400));
      expect([...large]).toEqual(limit > 1400 ? [16_000] : []);
      both.a.pathChanged(both.link.now(), 1400);
      both.link.run(60_000);
      expect(both.a.stats.maxPacket).toBeLessThanOrEqual(1400);
    },
  );

  test('a peer that has not said that it takes large packets gets none', () => {
    const both = connect({}, { maxProbedPacket: 16_000 }, NO_PROBES);
    both.link.run(60_000);
    expect(both.a.stats.maxPacket).toBe(1400);
    expect(both.link.wire.every(({ datagram }) => datagram.length <= 1400)).toBe(true);
  });

  test('RFC 8899 §4.3: large packets that no longer arrive are given up, and the data arrives in small ones', () => {
    let limit = 1500;
    const both = connect({ filter: (datagram) => (datagram.length > limit ? undefined : datagram) });
    both.link.run(60_000);
    expect(both.a.stats.maxPacket).toBe(1400);
    limit = 1200;
    both.a.send(1, 51, utf8('small enough'), {}, both.link.now());
    both.link.run(1000);
    both.a.pathChanged(both.link.now());
    both.a.send(1, 53, new Uint8Array(20_000), {}, both.link.now());
    both.link.run(10_000);
    expect(count(both.link.eventsOfB, 'message')).toBe(2);
    expect(both.a.stats.maxPacket).toBeLessThanOrEqual(1200);
  });
});
