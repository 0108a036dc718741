import { describe, expect, test } from '@jest/globals';
import { ByteWriter, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
import { CHUNK_TYPE } from '@petrel/sctp';
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
  messages,
  newAssociation,
  NO_PROBES,
  pair,
  parameter,
  PATIENT,
  tagFrom,
  typesOf,
  utf8,
} from './support.ts';

describe('set-up', () => {
  test('RFC 9260 §5.1: one side connects in two round trips, and its first data goes with the cookie', () => {
    const both = pair({}, NO_PROBES);
    both.a.send(1, 51, utf8('early'), {}, 0);
    both.a.connect(0);
    both.link.run(100);
    expect([both.a.state, both.b.state]).toEqual(['established', 'established']);
    const types = both.link.wire.map(({ datagram }) => typesOf(datagram));
    expect(types.slice(0, 4)).toEqual([
      [CHUNK_TYPE.init],
      [CHUNK_TYPE.initAck],
      [CHUNK_TYPE.cookieEcho, CHUNK_TYPE.iData],
      [CHUNK_TYPE.cookieAck, CHUNK_TYPE.sack],
    ]);
    expect(both.link.eventsOfA).toContainEqual({ type: 'connected', outboundStreams: 65_535, inboundStreams: 65_535 });
    expect(messages(both.link.eventsOfB)).toEqual(['1:51:early']);
  });

  test('C07 RFC 9260 §5.2.1: both sides at once make one association', () => {
    const { link } = connect();
    expect(count(link.eventsOfA, 'connected')).toBe(1);
    expect(count(link.eventsOfB, 'connected')).toBe(1);
  });

  test.each([0.1, 0.3, 0.5])('C16: at %f loss, 100 associations come up and carry messages both ways', (loss) => {
    for (let seed = 1; seed <= 100; seed++) {
      const { a, b, link } = pair({ loss, seed, jitter: 20, duplicate: 0.05 });
      a.connect(0);
      if (seed % 2 === 0) b.connect(0);
      a.send(1, 51, utf8('from a'), {}, 0);
      b.send(2, 51, utf8('from b'), {}, 0);
      const done = link.runUntil(() => messages(link.eventsOfA).length > 0 && messages(link.eventsOfB).length > 0, 120_000);
      expect([seed, done]).toEqual([seed, true]);
    }
  });

  test.each([
    ['INIT', CHUNK_TYPE.init],
    ['INIT ACK', CHUNK_TYPE.initAck],
    ['COOKIE ECHO', CHUNK_TYPE.cookieEcho],
    ['COOKIE ACK', CHUNK_TYPE.cookieAck],
  ])('C16 RFC 9260 §5.1: the first %s is lost, with the data in its packet', (_, type) => {
    let isLost = false;
    const { a, b, link } = pair({
      filter: (datagram) => {
        if (isLost || !typesOf(datagram).includes(type)) return datagram;
        isLost = true;
        return undefined;
      },
    });
    a.send(1, 51, utf8('early'), {}, 0);
    a.connect(0);
    expect(link.runUntil(() => a.state === 'established' && messages(link.eventsOfB).length === 1, 5000)).toBe(true);
    expect(b.state).toBe('established');
    expect(link.now()).toBeLessThan(1200);
  });

  test('C16 RFC 9260 §16: no answer to nine INITs: the association fails, and no timer is left', () => {
    const both = pair({ loss: 1 }, { maxInitRetransmits: 8 });
    both.a.connect(0);
    both.link.run(200_000);
    expect(chunksFrom(both, 'a', CHUNK_TYPE.init)).toHaveLength(9);
    expect(both.link.eventsOfA).toEqual([{ type: 'failed', reason: 'the peer does not answer' }]);
    expect(both.a.nextTimeout()).toBe(Infinity);
  });

  test('L02, RFC 9260 §5.1: half of all packets are lost, and nobody waits for long', () => {
    const times = Array.from({ length: 100 }, (_, index) => {
      const { a, b, link } = pair({ loss: 0.5, seed: index + 1, delay: 50 }, { roundTripTime: 100 });
      a.connect(0);
      b.connect(0);
      link.runUntil(() => a.state === 'established' && b.state === 'established', 60_000);
      return link.now();
    }).toSorted((one, two) => one - two);
    expect(times[50]).toBeLessThan(2500);
    expect(times[95]).toBeLessThan(10_000);
    expect(times[99]).toBeLessThan(30_000);
  });

  test('RFC 9260 §5.1.1: the streams are as many as both sides want; messages on others are dropped', () => {
    const both = pair({}, { streams: 100 }, { streams: 10 });
    both.a.send(50, 51, utf8('nowhere'), {}, 0);
    both.a.send(5, 51, utf8('here'), {}, 0);
    both.a.connect(0);
    both.link.run(1000);
    expect(both.link.eventsOfA).toContainEqual({ type: 'connected', outboundStreams: 10, inboundStreams: 10 });
    expect(messages(both.link.eventsOfB)).toEqual(['5:51:here']);
    expect(() => both.a.send(10, 51, utf8('x'), {}, 0)).toThrow(/has 10/);
  });
});

const answerTo = (value: Uint8Array): { tag: number; type: number; value: Uint8Array } | undefined => {
  const association = newAssociation(1);
  association.receive(forge(0, CHUNK_TYPE.init, 0, value), 0);
  const [packet, ...more] = drain(association, 0);
  expect(more).toEqual([]);
  expect(association.state).toBe('closed');
  if (packet === undefined) return undefined;
  const { verificationTag, chunks } = decode(packet);
  return { tag: verificationTag, type: chunks[0]!.type, value: chunks[0]!.value };
};

describe('INIT', () => {
  test('RFC 9260 §5.1: is answered without a state of any kind', () => {
    expect(answerTo(init())).toMatchObject({ tag: 0x11223344, type: CHUNK_TYPE.initAck });
  });

  test('C04 RFC 9260 §3.3.2: with a tag of zero it is dropped, with no streams or too small a window refused', () => {
    expect(answerTo(init({ tag: 0 }))).toBeUndefined();
    for (const bad of [{ outbound: 0 }, { inbound: 0 }, { window: 1499 }])
      expect(answerTo(init(bad))).toMatchObject({ tag: 0x11223344, type: CHUNK_TYPE.abort });
  });

  test('C04 RFC 9260 §8.5.1 A: bundled, or with a verification tag, it is dropped', () => {
    const association = newAssociation(1);
    association.receive(forge(5, CHUNK_TYPE.init, 0, init()), 0);
    association.receive(
      forgeMany(0, [
        { type: CHUNK_TYPE.init, flags: 0, value: init() },
        { type: CHUNK_TYPE.cookieAck, flags: 0, value: new Uint8Array(0) },
      ]),
      0,
    );
    association.receive(forge(0, CHUNK_TYPE.abort, 0, new Uint8Array(0)), 0);
    expect(association.discards.of('init-not-alone')).toBe(3);
    expect(drain(association, 0)).toEqual([]);
  });

  test('C04 RFC 9260 §3.2.1: a parameter of length zero, and 300 parameters', () => {
    expect(answerTo(init({ parameters: new Uint8Array([0x80, 8, 0, 0]) }))).toBeUndefined();
    const many = new ByteWriter();
    for (let i = 0; i < 300; i++) many.bytes(parameter(0xc100 + i, new Uint8Array(4)));
    const answer = answerTo(init({ parameters: many.finish() }));
    expect(answer).toMatchObject({ type: CHUNK_TYPE.initAck });
    expect(answer!.value.length).toBeLessThan(1160);
  });

  test.each([
    ['00: stop', 0x3f00, false, false],
    ['01: stop and report', 0x7f00, true, false],
    ['10: skip', 0xbf00, false, true],
    ['11: skip and report', 0xff00, true, true],
  ])('RFC 9260 §3.2.1: an unknown parameter with the high bits %s', (_, type, reports, goesOn) => {
    const hostName = parameter(11, utf8('a.example\0'));
    const first = parameter(type, utf8('????'));
    const answer = answerTo(init({ parameters: new ByteWriter().bytes(first).bytes(hostName).finish() }))!;
    // The host name after it is only seen when parsing went on: it is refused (§3.3.2 note 3).
    expect(answer.type).toBe(goesOn ? CHUNK_TYPE.abort : CHUNK_TYPE.initAck);
    if (goesOn) return;
    const text = new TextDecoder('latin1').decode(answer.value);
    expect(text.includes('????')).toBe(reports);
  });

  test('C05 RFC 8261 §6.1: addresses are neither used nor sent back', () => {
    const address = parameter(5, Uint8Array.of(127, 9, 9, 9));
    const answer = answerTo(init({ parameters: address }))!;
    expect(answer.type).toBe(CHUNK_TYPE.initAck);
    expect(Buffer.from(answer.value).includes(Buffer.from([127, 9, 9, 9]))).toBe(false);
  });

  test('C05: what a HEARTBEAT says is a nonce, and differs each time', () => {
    const both = connect({}, { ...NO_PROBES });
    both.link.run(200_000);
    const infos = chunksFrom(both, 'a', CHUNK_TYPE.heartbeat).map(({ value }) => Buffer.from(value).toString('hex'));
    expect(infos.length).toBeGreaterThan(2);
    expect(new Set(infos).size).toBe(infos.length);
    expect(infos.every((info) => info.startsWith('0001000c') && info.length === 24)).toBe(true);
  });

  test('C07 RFC 9260 §5.2.2: on an established association it changes nothing; the answer has a new tag', () => {
    const both = connect({}, NO_PROBES);
    both.link.run(1000);
    const timeout = both.b.nextTimeout();
    both.b.receive(forge(0, CHUNK_TYPE.init, 0, init()), both.link.now());
    expect([both.b.state, both.b.nextTimeout()]).toEqual(['established', timeout]);
    const [answer] = drain(both.b, both.link.now());
    expect(decode(answer!)).toMatchObject({ verificationTag: 0x11223344 });
    expect(readUint32(decode(answer!).chunks[0]!.value, 0)).not.toBe(tagFrom(both, 'a'));
    both.a.send(1, 51, utf8('still here'), {}, both.link.now());
    both.link.run(500);
    expect(messages(both.link.eventsOfB)).toEqual(['1:51:still here']);
  });
});

describe('state cookie', () => {
  test('RFC 9260 §5.1.5: the right one establishes the association', () => {
    const association = newAssociation(1);
    const { tag, cookie } = cookieOf(association);
    association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, cookie), 100);
    expect(association.state).toBe('established');
    expect(decode(drain(association, 100)[0]!)).toMatchObject({ verificationTag: 0x11223344, chunks: [{ type: CHUNK_TYPE.cookieAck }] });
  });

  test('C06 RFC 9260 §5.1.5: with any bit altered it is dropped', () => {
    const association = newAssociation(1);
    const { tag, cookie } = cookieOf(association);
    for (let bit = 0; bit < cookie.length * 8; bit++) {
      const altered = cookie.slice();
      altered[bit >> 3]! ^= 1 << (bit & 7);
      association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, altered), 100);
    }
    association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, new Uint8Array(0)), 100);
    expect(association.state).toBe('closed');
    expect(association.discards.of('forged-cookie')).toBe(cookie.length * 8 + 1);
    expect(drain(association, 100)).toEqual([]);
  });

  test('C06: with another verification tag, or from another association, it is dropped', () => {
    const association = newAssociation(1);
    const { tag, cookie } = cookieOf(association);
    association.receive(forge(tag ^ 1, CHUNK_TYPE.cookieEcho, 0, cookie), 100);
    const other = newAssociation(2);
    other.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, cookie), 100);
    expect([association.state, other.state]).toEqual(['closed', 'closed']);
    expect([association.discards.toJSON(), other.discards.toJSON()]).toEqual([{ 'wrong-verification-tag': 1 }, { 'forged-cookie': 1 }]);
  });

  test('C06 RFC 9260 §5.1.5: after 60 seconds it is stale, and the peer is told how much', () => {
    const association = newAssociation(1);
    const { tag, cookie } = cookieOf(association);
    association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, cookie), 61_000);
    expect(association.state).toBe('closed');
    const [error] = drain(association, 61_000);
    expect(decode(error!)).toMatchObject({ verificationTag: 0x11223344, chunks: [{ type: CHUNK_TYPE.error }] });
    expect(Buffer.from(decode(error!).chunks[0]!.value).toString('hex')).toBe('00030008000f4240'); // one second, in microseconds
  });

  test('C06 RFC 9260 §5.2.4 D: replayed on the association that it made, it is answered and changes nothing', () => {
    const association = newAssociation(1);
    const { tag, cookie } = cookieOf(association);
    association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, cookie), 0);
    drain(association, 0);
    const timeout = association.nextTimeout();
    association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, cookie), 100_000);
    expect([association.state, association.nextTimeout()]).toEqual(['established', timeout]);
    expect(typesOf(drain(association, 100_000)[0]!)).toContain(CHUNK_TYPE.cookieAck);
  });

  test('C06: ten thousand INITs leave nothing behind', () => {
    const association = newAssociation(1);
    for (let i = 1; i <= 10_000; i++) {
      association.receive(forge(0, CHUNK_TYPE.init, 0, init({ tag: i })), i);
      expect(drain(association, i)).toHaveLength(1);
    }
    expect([association.state, association.nextTimeout()]).toEqual(['closed', Infinity]);
  });

  test('RFC 9260 §5.2.6: after a stale cookie the handshake begins again', () => {
    let isDelayed = false;
    const both = pair({
      filter: (datagram, from) => {
        if (isDelayed || from !== 'a' || !typesOf(datagram).includes(CHUNK_TYPE.cookieEcho)) return datagram;
        isDelayed = true;
        const { verificationTag } = decode(datagram);
        const stale = new Uint8Array(8);
        writeUint16(stale, 0, 3);
        writeUint16(stale, 2, 8);
        both.a.receive(forge(decode(both.link.wire[1]!.datagram).verificationTag, CHUNK_TYPE.error, 0, stale), both.link.now());
        expect(verificationTag).not.toBe(0);
        return undefined;
      },
    });
    both.a.connect(0);
    expect(both.link.runUntil(() => both.a.state === 'established' && both.b.state === 'established', 5000)).toBe(true);
    expect(chunksFrom(both, 'a', CHUNK_TYPE.init)).toHaveLength(2);
  });
});

describe('restart (RFC 9260 §5.2.4)', () => {
  test('C07 action A: a peer that begins again is noticed, and a new association carries data both ways', () => {
    const both = connect({}, NO_PROBES);
    both.a.send(1, 51, utf8('before'), {}, both.link.now());
    both.link.run(500);
    // Another association in the place of a.
    const reborn = newAssociation(77, { ...PATIENT, ...NO_PROBES });
    const now = both.link.now();
    const exchange = (): void => {
      for (let i = 0; i < 10; i++) {
        for (let packet = reborn.pollTransmit(now); packet; packet = reborn.pollTransmit(now)) both.b.receive(packet, now);
        for (let packet = both.b.pollTransmit(now); packet; packet = both.b.pollTransmit(now)) reborn.receive(packet, now);
      }
    };
    reborn.connect(now);
    reborn.send(3, 51, utf8('reborn'), {}, now);
    exchange();
    const events = [];
    for (let event = both.b.pollEvent(); event; event = both.b.pollEvent()) events.push(event);
    expect(events.map(({ type }) => type)).toEqual(['restarted', 'message']);
    both.b.send(4, 51, utf8('welcome back'), {}, now);
    exchange();
    const received = [];
    for (let event = reborn.pollEvent(); event; event = reborn.pollEvent()) received.push(event);
    expect(messages(received)).toEqual(['4:51:welcome back']);
    expect([reborn.state, both.b.state]).toEqual(['established', 'established']);
  });

  test('C07 action C: a cookie with the peer tag but another of ours, and no tie-tags, is dropped', () => {
    // Two associations of one side share nothing: a cookie of the other never verifies. So: made before our own INIT changed nothing.
    const both = connect({}, NO_PROBES);
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.cookieEcho, 0, new Uint8Array(80)), both.link.now());
    expect(both.b.discards.of('forged-cookie')).toBe(1);
    expect(both.b.state).toBe('established');
  });

  test('RFC 9260 §5.2.3 and §5.2.5: unexpected INIT ACK and COOKIE ACK are dropped', () => {
    const both = connect({}, NO_PROBES);
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.initAck, 0, init()), both.link.now());
    both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.cookieAck, 0, new Uint8Array(0)), both.link.now());
    expect(both.b.discards.of('unexpected-chunk')).toBe(2);
    expect(both.b.state).toBe('established');
  });

  test('RFC 9260 §3.3.3: an INIT ACK without a cookie ends the attempt, and the peer is told what is missing', () => {
    const association = newAssociation(1);
    association.connect(0);
    const tag = readUint32(decode(drain(association, 0)[0]!).chunks[0]!.value, 0);
    association.receive(forge(tag, CHUNK_TYPE.initAck, 0, init()), 10);
    const packet = association.pollTransmit(10)!;
    expect(decode(packet)).toMatchObject({ verificationTag: 0x11223344, chunks: [{ type: CHUNK_TYPE.abort }] });
    expect(decode(packet).chunks[0]!.value[1]).toBe(2);
    expect(association.pollEvent()).toMatchObject({ type: 'failed', code: 2 });
  });
});

const isZero = (datagram: Uint8Array): boolean => readUint32(datagram, 8) === 0;

const between = (a: boolean, b: boolean): boolean[] => {
  const both = connect({}, { ...NO_PROBES, zeroChecksum: a }, { ...NO_PROBES, zeroChecksum: b });
  both.a.send(1, 51, utf8('x'), {}, both.link.now());
  both.link.run(500);
  expect(messages(both.link.eventsOfB)).toEqual(['1:51:x']);
  for (const { datagram } of both.link.wire) {
    if (typesOf(datagram).some((type) => type === CHUNK_TYPE.init || type === CHUNK_TYPE.cookieEcho)) expect(isZero(datagram)).toBe(false);
  }
  return (['a', 'b'] as const).map((side) => isZero(both.link.wire.findLast(({ from }) => from === side)!.datagram));
};

test('RFC 9653 §5.1: with them, too, for a peer that relies on something else than DTLS', () => {
  const checksums = [1, 2].map((method) => {
    const association = newAssociation(1, { zeroChecksum: true });
    const { tag, cookie } = cookieOf(association, 0, { parameters: parameter(0x8001, Uint8Array.of(0, 0, 0, method)) });
    association.receive(forge(tag, CHUNK_TYPE.cookieEcho, 0, cookie), 10);
    return readUint32(drain(association, 10)[0]!, 8);
  });
  expect(checksums).toEqual([0, expect.any(Number)]);
  expect(checksums[1]).not.toBe(0);
});

test('RFC 9653 §5: without checksums where both agree, and with them otherwise', () => {
  expect(between(true, true)).toEqual([true, true]);
  expect(between(true, false)).toEqual([false, false]);
  expect(between(false, false)).toEqual([false, false]);
});

test('what a peer makes us repeat is bounded: heartbeat information of 16 KiB, a cookie of 16 KiB', () => {
  const both = connect({}, NO_PROBES);
  both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.heartbeat, 0, new Uint8Array(16_000)), both.link.now());
  expect(drain(both.b, both.link.now()).some((packet) => typesOf(packet).includes(CHUNK_TYPE.heartbeatAck))).toBe(false);
  both.b.receive(forge(tagFrom(both, 'a'), CHUNK_TYPE.heartbeat, 0, new Uint8Array(1400)), both.link.now());
  expect(drain(both.b, both.link.now()).flatMap(typesOf)).toContain(CHUNK_TYPE.heartbeatAck);

  const association = newAssociation(1);
  association.connect(0);
  const tag = readUint32(decode(drain(association, 0)[0]!).chunks[0]!.value, 0);
  association.receive(forge(tag, CHUNK_TYPE.initAck, 0, init({ parameters: parameter(7, new Uint8Array(16_000)) })), 10);
  expect(drain(association, 10).flatMap(typesOf)).toEqual([CHUNK_TYPE.abort]);
});

test('RFC 9260 §8.4: out of the blue, only what makes the other side stop is answered', () => {
  const association = newAssociation(1);
  association.abort('never began');
  drain(association, 0);
  const tsn = new Uint8Array(4);
  writeUint32(tsn, 0, 5);
  const answer = (type: number, value: Uint8Array): (readonly [number, number, number])[] => {
    association.receive(forge(9, type, 0, value), 0);
    return drain(association, 0).map(
      (packet) => [decode(packet).verificationTag, decode(packet).chunks[0]!.type, decode(packet).chunks[0]!.flags] as const,
    );
  };
  expect(answer(CHUNK_TYPE.shutdownAck, new Uint8Array(0))).toEqual([[9, CHUNK_TYPE.shutdownComplete, 1]]);
  expect(answer(CHUNK_TYPE.data, dataChunk({ tsn: 1 }).value)).toEqual([[9, CHUNK_TYPE.abort, 1]]);
  for (const type of [CHUNK_TYPE.abort, CHUNK_TYPE.shutdownComplete, CHUNK_TYPE.cookieAck, CHUNK_TYPE.error])
    expect(answer(type, tsn)).toEqual([]);
});
