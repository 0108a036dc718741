import { describe, expect, test } from '@jest/globals';
import { toHex, writeUint32 } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import { CHUNK_TYPE, decodePacket, encodePacket, type Packet, SctpAssociation, type SctpEvent, type SctpOptions } from '@petrel/sctp';
import { CoreLink, type LinkOptions, seededRandom } from '@petrel/testing';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** As under ICE, whose consent checks say when the peer is gone. */
const PATIENT = { maxInitRetransmits: Number.POSITIVE_INFINITY, maxRetransmits: Number.POSITIVE_INFINITY };

interface Pair {
  readonly a: SctpAssociation;
  readonly b: SctpAssociation;
  readonly link: CoreLink<SctpEvent>;
}

function pair(link: LinkOptions = {}, options: Partial<SctpOptions> = {}): Pair {
  const make = (seed: number): SctpAssociation =>
    new SctpAssociation({ crypto: nobleCrypto(seededRandom(seed)), ...(link.loss === 1 ? {} : PATIENT), ...options });
  const [a, b] = [make((link.seed ?? 1) * 2), make((link.seed ?? 1) * 2 + 1)];
  return { a, b, link: new CoreLink<SctpEvent>(a, b, link) };
}

function connect(link: LinkOptions = {}, options: Partial<SctpOptions> = {}): Pair {
  const both = pair(link, options);
  both.a.connect(0);
  both.b.connect(0);
  expect(both.link.runUntil(() => both.a.state === 'established' && both.b.state === 'established', 60_000)).toBe(true);
  return both;
}

const decode = (datagram: Uint8Array): Packet => decodePacket(datagram.slice()) as Packet;
const messages = (events: readonly SctpEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'message' ? [`${event.streamId}:${event.ppid}:${new TextDecoder().decode(event.data)}`] : []));

/** A packet from `a`'s side of the link with a tag of the caller's choice. */
function forge(tag: number, type: number, flags: number, value: Uint8Array): Uint8Array {
  return encodePacket({ sourcePort: 5000, destinationPort: 5000, verificationTag: tag }, [{ type, flags, value }]);
}

const tagOf = ({ link }: Pair, from: 'a' | 'b'): number => {
  const record = link.wire.findLast((candidate) => candidate.from === from && decode(candidate.datagram).verificationTag !== 0);
  return decode(record!.datagram).verificationTag;
};

describe('set-up', () => {
  test('RFC 9260 §5.1: one side connects in two round trips', () => {
    const both = pair();
    both.a.connect(0);
    both.link.run(100);
    expect([both.a.state, both.b.state]).toEqual(['established', 'established']);
    const types = both.link.wire.map(({ datagram }) => decode(datagram).chunks[0]!.type);
    expect(types).toEqual([CHUNK_TYPE.init, CHUNK_TYPE.initAck, CHUNK_TYPE.cookieEcho, CHUNK_TYPE.cookieAck]);
    expect(both.link.eventsOfA).toEqual([{ type: 'connected', outboundStreams: 65_535, inboundStreams: 65_535 }]);
  });

  test('RFC 9260 §5.2.1: both sides at once make one association', () => {
    const { link } = connect();
    expect(link.eventsOfA.filter(({ type }) => type === 'connected')).toHaveLength(1);
    expect(link.eventsOfB.filter(({ type }) => type === 'connected')).toHaveLength(1);
  });

  test.each([0.1, 0.3, 0.5])('at %f loss, 200 associations come up and carry messages both ways', (loss) => {
    for (let seed = 1; seed <= 200; seed++) {
      const { a, b, link } = pair({ loss, seed, jitter: 20, duplicate: 0.05 });
      a.connect(0);
      if (seed % 2 === 0) b.connect(0);
      a.send(1, 51, utf8('from a'), {}, 0);
      b.send(2, 51, utf8('from b'), {}, 0);
      const done = link.runUntil(() => messages(link.eventsOfA).length > 0 && messages(link.eventsOfB).length > 0, 120_000);
      expect([seed, done]).toEqual([seed, true]);
    }
  });

  test('RFC 9260 §5.1.5: a forged cookie is dropped', () => {
    const { a, b, link } = pair({
      filter: (datagram) => {
        const packet = decode(datagram);
        if (packet.chunks[0]!.type !== CHUNK_TYPE.cookieEcho) return datagram;
        const cookie = packet.chunks[0]!.value.slice();
        cookie[10]! ^= 1;
        return forge(packet.verificationTag, CHUNK_TYPE.cookieEcho, 0, cookie);
      },
    });
    a.connect(0);
    link.run(5000);
    expect(b.state).toBe('closed');
    expect(b.discards.of('forged-cookie')).toBeGreaterThan(0);
  });

  test('RFC 9260 §5.1: an INIT leaves no state behind', () => {
    const { b } = pair();
    const { a } = pair();
    a.connect(0);
    b.receive(a.pollTransmit(0)!, 0);
    expect(b.state).toBe('closed');
    expect(b.nextTimeout()).toBe(Infinity);
  });

  test('no answer: the association fails, and no timer is left', () => {
    const { a, link } = pair({ loss: 1 });
    a.connect(0);
    link.run(200_000);
    expect(link.eventsOfA).toEqual([{ type: 'failed', reason: 'the peer does not answer' }]);
    expect(a.nextTimeout()).toBe(Infinity);
  });
});

describe('messages', () => {
  test('arrive with their stream, protocol and content; several small ones share a packet', () => {
    const { a, link } = connect();
    const before = link.wire.length;
    for (let i = 0; i < 10; i++) a.send(i, 50 + i, utf8(`message ${i}`), {}, link.now());
    link.run(300);
    expect(messages(link.eventsOfB)).toEqual(Array.from({ length: 10 }, (_, i) => `${i}:${50 + i}:message ${i}`));
    const withData = link.wire.slice(before).filter(({ datagram }) => decode(datagram).chunks.some(({ type }) => type === CHUNK_TYPE.data));
    expect(withData).toHaveLength(1);
  });

  test.each([1, 1131, 1132, 1133, 65_536, 262_144])('%i bytes arrive whole', (size) => {
    const { a, link } = connect();
    const data = seededRandom(size).randomBytes(size);
    a.send(3, 53, data, {}, link.now());
    link.runUntil(() => link.eventsOfB.some(({ type }) => type === 'message'));
    const event = link.eventsOfB.find(({ type }) => type === 'message');
    expect(event).toMatchObject({ streamId: 3, ppid: 53 });
    expect(toHex((event as { data: Uint8Array }).data)).toBe(toHex(data));
  });

  test.each([0, 0.1, 0.3])('RFC 9260 §6.6: at %f loss, ordered messages arrive once and in order, and the rest once', (loss) => {
    for (let seed = 1; seed <= 20; seed++) {
      const { a, link } = connect({ loss, seed, jitter: 30, duplicate: 0.05 });
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
      expect(received.filter((text) => text.startsWith('2:')).sort()).toEqual(sent.unordered.sort());
    }
  });

  test('RFC 9260 §6.2: a lone packet is acknowledged within 200 ms, the second at once', () => {
    const { a, b, link } = connect();
    link.run(1000);
    const acknowledged = (): boolean => a.stats.bytesInFlight === 0;
    a.send(1, 51, utf8('one'), {}, link.now());
    link.run(100);
    expect(acknowledged()).toBe(false);
    link.run(150);
    expect(acknowledged()).toBe(true);
    a.send(1, 51, new Uint8Array(2000), {}, link.now());
    link.run(25);
    expect(acknowledged()).toBe(true);
    expect(b.nextTimeout()).toBeGreaterThan(link.now());
  });

  test('RFC 9260 §7.2.4: one lost packet among many is sent again without waiting for the timer', () => {
    let dropped = false;
    const { a, link } = connect({
      filter: (datagram) => {
        if (dropped || decode(datagram).chunks[0]!.type !== CHUNK_TYPE.data || datagram.length < 1000) return datagram;
        dropped = true;
        return undefined;
      },
    });
    const start = link.now();
    for (let i = 0; i < 6; i++) a.send(1, 51, new Uint8Array(1000), {}, link.now());
    link.runUntil(() => messages(link.eventsOfB).length === 6);
    expect(dropped).toBe(true);
    expect(link.now() - start).toBeLessThan(100);
  });

  test('RFC 3758 §3.5: with no retransmissions allowed, lost messages are skipped and later ones arrive', () => {
    const { a, link } = connect({ loss: 0.3, seed: 4 });
    for (let i = 0; i < 200; i++) {
      a.send(1, 51, utf8(`${i}`), { maxRetransmits: 0 }, link.now());
      link.run(5);
    }
    link.run(20_000);
    const received = messages(link.eventsOfB).map((text) => Number(text.slice(5)));
    expect(received.length).toBeGreaterThan(80);
    expect(received.length).toBeLessThan(200);
    expect(received).toEqual([...received].sort((x, y) => x - y));
    a.send(1, 51, utf8('last'), {}, link.now());
    expect(link.runUntil(() => messages(link.eventsOfB).includes('1:51:last'), link.now() + 60_000)).toBe(true);
  });

  test('RFC 7496 §3.1: a message past its lifetime is not sent at all', () => {
    const { a, link } = connect({ delay: 50 });
    a.send(1, 51, new Uint8Array(200_000), {}, link.now());
    a.send(2, 51, utf8('old'), { lifetime: 1 }, link.now());
    a.send(2, 51, utf8('new'), {}, link.now());
    link.runUntil(() => messages(link.eventsOfB).includes('2:51:new'), 100_000);
    expect(messages(link.eventsOfB).some((text) => text.endsWith('old'))).toBe(false);
  });

  test('the buffered amount falls as data is sent, and says when it is low', () => {
    const { a, link } = connect();
    a.setBufferedAmountLowThreshold(1, 1000);
    a.send(1, 53, new Uint8Array(50_000), {}, link.now());
    expect(a.bufferedAmount(1)).toBe(50_000);
    link.runUntil(() => a.bufferedAmount(1) === 0);
    expect(link.eventsOfA.filter(({ type }) => type === 'buffered-amount-low')).toEqual([{ type: 'buffered-amount-low', streamId: 1 }]);
  });

  test('bad arguments are told', () => {
    const { a, link } = connect({}, { streams: 10 });
    expect(() => a.send(1, 51, new Uint8Array(0), {}, link.now())).toThrow(RangeError);
    expect(() => a.send(10, 51, utf8('x'), {}, link.now())).toThrow(/has 10/);
  });
});

describe('stream reset', () => {
  test.each([0, 0.3])('RFC 6525 §5: at %f loss both sides learn, after all data, and sequence numbers begin anew', (loss) => {
    for (let seed = 1; seed <= 20; seed++) {
      const { a, link } = connect({ loss, seed });
      a.send(7, 51, new Uint8Array(20_000).fill(65), {}, link.now());
      a.resetStreams([7], link.now());
      expect(link.runUntil(() => link.eventsOfA.some(({ type }) => type === 'outgoing-streams-reset'), 60_000)).toBe(true);
      expect(link.eventsOfA.at(-1)).toEqual({ type: 'outgoing-streams-reset', streamIds: [7], performed: true });
      expect(link.eventsOfB.map(({ type }) => type)).toEqual(['connected', 'message', 'incoming-streams-reset']);
      a.send(7, 51, utf8('again'), {}, link.now());
      expect(link.runUntil(() => messages(link.eventsOfB).includes('7:51:again'), 120_000)).toBe(true);
    }
  });
});

describe('ending', () => {
  test('RFC 9260 §9.1: an ABORT carries its reason, and is not answered', () => {
    const { a, b, link } = connect();
    link.run(1000);
    const before = link.wire.length;
    a.abort('server restarts');
    link.run(1000);
    expect(link.eventsOfB.at(-1)).toEqual({ type: 'aborted', code: 12, reason: 'server restarts' });
    expect([a.state, b.state]).toEqual(['closed', 'closed']);
    expect(link.wire.length - before).toBe(1);
    expect([a.nextTimeout(), b.nextTimeout()]).toEqual([Infinity, Infinity]);
  });

  test('the ABORT can be made again; a long reason is cut between characters', () => {
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

  test.each([
    ['a wrong tag', (tag: number) => [tag ^ 1, 0]],
    ['the T bit and a wrong tag', (tag: number) => [tag ^ 1, 1]],
    ["the T bit and the receiver's own tag", (tag: number) => [tag, 1]],
  ] as const)('RFC 9260 §8.5.1 B: an ABORT with %s is dropped', (_, choose) => {
    const both = connect();
    const [tag, flags] = choose(tagOf(both, 'a'));
    both.b.receive(forge(tag!, CHUNK_TYPE.abort, flags!, new Uint8Array(0)), both.link.now());
    expect(both.b.state).toBe('established');
    expect(both.b.discards.of('wrong-verification-tag')).toBe(1);
  });

  test("RFC 9260 §8.5.1 B: an ABORT with the T bit and the peer's tag ends the association", () => {
    const both = connect();
    both.b.receive(forge(tagOf(both, 'b'), CHUNK_TYPE.abort, 1, new Uint8Array(0)), both.link.now());
    expect(both.b.state).toBe('closed');
  });

  test.each([0, 0.3])('RFC 9260 §9.2: at %f loss a shutdown delivers what is queued, and closes both sides', (loss) => {
    for (let seed = 1; seed <= 20; seed++) {
      const { a, b, link } = connect({ loss, seed });
      a.send(1, 53, new Uint8Array(30_000), {}, link.now());
      a.shutdown(link.now());
      link.runUntil(() => a.state === 'closed', 120_000);
      expect(link.eventsOfB.filter(({ type }) => type === 'message')).toHaveLength(1);
      expect(link.eventsOfA.at(-1)).toEqual({ type: 'closed' });
      link.run(200_000);
      expect(b.state).toBe('closed');
    }
  });

  test('RFC 9260 §9.2: both sides at once', () => {
    const { a, b, link } = connect();
    a.shutdown(link.now());
    b.shutdown(link.now());
    link.run(1000);
    expect([link.eventsOfA.at(-1), link.eventsOfB.at(-1)]).toEqual([{ type: 'closed' }, { type: 'closed' }]);
  });
});

describe('what an attacker sends', () => {
  test('RFC 9260 §6.8: a packet with a wrong checksum is dropped', () => {
    const both = connect();
    const packet = forge(tagOf(both, 'a'), CHUNK_TYPE.abort, 0, new Uint8Array(0));
    packet[8]! ^= 1;
    both.b.receive(packet, both.link.now());
    expect(both.b.state).toBe('established');
    expect(both.b.discards.of('bad-checksum')).toBe(1);
  });

  test('RFC 9260 §6.2.1: a SACK for what was never sent means nothing', () => {
    const both = connect();
    const sack = new Uint8Array(12);
    writeUint32(sack, 0, 0x12345678);
    both.b.receive(forge(tagOf(both, 'a'), CHUNK_TYPE.sack, 0, sack), both.link.now());
    expect(both.b.discards.of('bad-sack')).toBe(1);
  });

  test('RFC 9260 §3.2: unknown chunks are skipped or end the packet, and are reported, as their type says', () => {
    const both = connect();
    both.b.receive(forge(tagOf(both, 'a'), 0xfe, 0, new Uint8Array(4)), both.link.now());
    both.link.run(100);
    expect(
      both.link.wire.some(({ from, datagram }) => from === 'b' && decode(datagram).chunks.some(({ type }) => type === CHUNK_TYPE.error)),
    ).toBe(true);
    expect(both.b.discards.of('unknown-chunk')).toBe(1);
  });

  test('fragments without an end do not grow past the receive buffer', () => {
    const both = connect({}, { receiveBuffer: 20_000 });
    const base = decode(both.link.wire[0]!.datagram).chunks[0]!.value; // a's INIT
    const initialTsn = ((base[12]! << 24) | (base[13]! << 16) | (base[14]! << 8) | base[15]!) >>> 0;
    const tag = tagOf(both, 'a');
    for (let i = 0; i < 100 && both.b.state === 'established'; i++) {
      const value = new Uint8Array(1012);
      writeUint32(value, 0, (initialTsn + i) >>> 0);
      both.b.receive(forge(tag, CHUNK_TYPE.data, i === 0 ? 2 : 0, value), both.link.now());
    }
    expect(both.b.state).toBe('closed');
    both.link.flush();
    expect(both.link.eventsOfB.at(-1)).toEqual({ type: 'failed', reason: 'a message larger than the receive window' });
  });

  test('valid packets with random chunks never throw', () => {
    const both = connect();
    const tag = tagOf(both, 'a');
    const random = seededRandom(11);
    const types = Object.values(CHUNK_TYPE).filter((type) => type !== CHUNK_TYPE.abort && type !== CHUNK_TYPE.data);
    for (let i = 0; i < 20_000; i++) {
      const type = types[random.below(types.length)]!;
      both.b.receive(
        forge(type === CHUNK_TYPE.init ? 0 : tag, type, random.below(256), random.randomBytes(random.below(60))),
        both.link.now(),
      );
      while (both.b.pollTransmit(both.link.now()));
      while (both.b.pollEvent());
    }
    expect(both.b.discards.total).toBeGreaterThan(1000);
  });
});
