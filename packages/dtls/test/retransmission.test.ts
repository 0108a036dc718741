import { describe, expect, test } from '@jest/globals';
import { concatBytes, toHex } from '@petrel/bytes';
import { nodeCrypto } from '@petrel/crypto/node';
import { DtlsConnection, type DtlsEvent } from '@petrel/dtls';
import { CoreLink, type LinkOptions, seededRandom, testCertificate } from '@petrel/testing';
import { HANDSHAKE_HEADER_LENGTH, Reassembler } from '../src/reassembler.ts';
import { connect, drain, eventsOf, node, type Pair, pair, records, utf8 } from './support/pair.ts';
import { CLIENT_WORD, converse, Puppet } from './support/puppet.ts';

const SMALL = { client: { maxDatagram: 200 }, server: { maxDatagram: 200 } };

/** One connected event on each side, and data both ways. */
function expectUsable({ client, server, link }: Pair): void {
  expect([client.state, server.state]).toEqual(['connected', 'connected']);
  link.run(5000);
  expect([link.eventsOfA, link.eventsOfB]).toEqual([[{ type: 'connected' }], [{ type: 'connected' }]]);
  client.send(utf8('up'));
  server.send(utf8('down'));
  link.run(100);
  expect([link.eventsOfA[1], link.eventsOfB[1]]).toEqual([
    { type: 'data', data: utf8('down') },
    { type: 'data', data: utf8('up') },
  ]);
}

describe('D28, RFC 6347 §4.2.4: every datagram', () => {
  const count = connect(SMALL).link.wire.length;

  test('lost in turn, and every pair', () => {
    expect(count).toBeGreaterThan(8);
    // A retransmission has numbers above `count`: they are lost as well.
    for (let i = 0; i < count + 8; i++) {
      for (let j = i; j < count + 8; j++) expectUsable(connect({ ...SMALL, link: without(i, j) }));
    }
  });

  test('with a cookie exchange', () => {
    for (let i = 0; i < count + 4; i++) {
      const options = { client: SMALL.client, server: { ...SMALL.server, helloVerify: true }, link: without(i) };
      expectUsable(connect(options));
    }
  });

  test('twice', () => {
    for (let i = 0; i < count; i++) {
      const both = pair(SMALL);
      carry(both, (datagrams, total) => datagrams.flatMap((datagram, index) => (total + index === i ? [datagram, datagram] : [datagram])));
    }
  });

  test('of a flight in reverse order', () => {
    const both = pair(SMALL);
    carry(both, (datagrams) => datagrams.toReversed());
  });
});

describe('loss', () => {
  test.each([0.1, 0.3, 0.5])('RFC 6347 §4.2.4: at %f loss, with duplicates and reordering, 100 handshakes connect', (loss) => {
    for (let seed = 1; seed <= 100; seed++) {
      const crypto = nodeCrypto(seededRandom(seed));
      const { client, server } = connect({ crypto, link: { loss, seed, jitter: 30, duplicate: 0.1 } });
      expect([seed, client.state, server.state]).toEqual([seed, 'connected', 'connected']);
    }
  });

  test('a lost last flight is repeated when the client repeats its Finished', () => {
    let lost = 0;
    const filter: LinkOptions['filter'] = (datagram, from) =>
      from === 'b' && records(datagram).some(({ epoch }) => epoch === 1) && lost++ < 2 ? undefined : datagram;
    expect(connect({ link: { filter } }).client.state).toBe('connected');
  });

  test('a repeated flight is answered at once, without waiting for the timer', () => {
    const { client, server } = pair();
    server.start(0);
    client.start(0);
    const [hello] = drain(client);
    server.receive(hello!.slice(), 0);
    expect(drain(server)).toHaveLength(1);
    server.receive(hello!.slice(), 50); // a duplicate of the network's
    expect(drain(server)).toEqual([]);
    client.handleTimeout(400);
    server.receive(drain(client)[0]!, 410);
    const [flight4] = drain(server);
    client.receive(flight4!.slice(), 420);
    expect(drain(client)).toHaveLength(1);
    server.handleTimeout(1210);
    client.receive(drain(server)[0]!, 1215);
    expect(drain(client)).toHaveLength(1);
  });

  test('records of epoch 1 that overtake the end of the handshake wait for it', () => {
    const { client, server } = pair();
    server.start(0);
    client.start(0);
    server.receive(drain(client)[0]!, 0);
    for (const datagram of drain(server)) client.receive(datagram, 0);
    const flight5 = drain(client).flatMap((datagram) => records(datagram).map(({ at, length }) => datagram.slice(at, at + length)));
    for (const record of flight5.toReversed()) server.receive(record, 0);
    expect(server.state).toBe('connected');
    server.send(utf8('early'));
    const [flight6, early] = drain(server);
    client.receive(early!, 0);
    expect(eventsOf(client)).toEqual([]);
    client.receive(flight6!, 0);
    expect(eventsOf(client)).toEqual([{ type: 'connected' }, { type: 'data', data: utf8('early') }]);
  });

  test('D16: what waits is bounded, and freed', () => {
    const { client, server } = pair();
    server.start(0);
    for (let i = 0; i < 1000; i++) {
      server.receive(future(1, i), 0);
      server.receive(future(2, i), 0);
    }
    expect(server.discards.of('unknown-epoch')).toBe(2000 - 16);
    client.start(0);
    for (let turn = 0; turn < 2; turn++) {
      for (const datagram of drain(client)) server.receive(datagram, 0);
      for (const datagram of drain(server)) client.receive(datagram, 0);
    }
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    // One has the number of the client's Finished.
    expect([server.discards.of('bad-record-mac'), server.discards.of('replayed-record')]).toEqual([15, 1]);
  });

  test('early data is bounded', () => {
    const both = pair();
    const late = new DtlsConnection({ role: 'client', crypto: node, certificate: testCertificate(node, 0) });
    const link = new CoreLink<DtlsEvent>(late, both.server);
    both.server.start(0);
    late.start(0);
    link.run(1000);
    for (let i = 0; i < 100; i++) both.server.send(new Uint8Array(10));
    link.run(100);
    expect(late.discards.of('early-data')).toBe(100 - 16);
  });
});

describe('D29: the last flight', () => {
  test('is sent again when the client repeats its Finished, 60 s later', () => expect(finishedTwice(59_000)).toBe(1));

  test('is kept for 240 s, without a timer', () => {
    const puppet = new Puppet('client', node);
    const server = new DtlsConnection({ role: 'server', crypto: node, certificate: testCertificate(node, 1) });
    server.start(0);
    converse(server, puppet, CLIENT_WORD);
    const repeat = (now: number): number => {
      server.receive(puppet.sayRaw(20, new Uint8Array(12), 1), now);
      return drain(server).length;
    };
    expect([repeat(60_000), repeat(239_000), repeat(241_000)]).toEqual([1, 1, 0]);
  });
});

describe('D30: the retransmission timer', () => {
  test('is 400 ms without a measured round trip, doubles, and stays at 2 s for the first 30 s', () => {
    const at = attempts();
    const pauses = at.slice(1).map((time, index) => time - at[index]!);
    expect(pauses.slice(0, 4)).toEqual([400, 800, 1600, 2000]);
    const early = pauses.filter((_, index) => at[index]! < 30_000).slice(3);
    expect(early.every((pause) => pause === 2000)).toBe(true);
    const late = pauses.filter((_, index) => at[index]! >= 30_000);
    expect(late).toEqual([4000, 8000, 16_000].slice(0, late.length));
    expect(late.length).toBeGreaterThan(1);
  });

  test.each([
    [1, 50],
    [90, 90],
    [10_000, 3000],
  ])('initialTimeout %i ms: the first repetition is after %i ms', (given, expected) => {
    expect(attempts(given)[1]).toBe(expected);
  });
});

test('D30, RFC 9147 §5.8.2: with a round trip measured by ICE the first pause is 1.5 of it, for flights that begin afterwards', () => {
  const { client, server } = pair();
  server.start(0);
  server.setRoundTripTime(100);
  client.start(0);
  client.setRoundTripTime(100);
  expect(client.nextTimeout()).toBe(400);
  server.receive(drain(client)[0]!, 0);
  expect(server.nextTimeout()).toBe(150);
});

describe('D31: the path MTU', () => {
  const chain = testCertificate(node, 1);
  const long = { ...chain, derChain: [chain.derChain[0]!, new Uint8Array(700).fill(1), new Uint8Array(700).fill(2)] };

  test('a flight of more than 1,200 bytes goes in datagrams of at most 1,200', () => {
    const { client, link } = connect({ server: { certificate: long } });
    expect(client.state).toBe('connected');
    expect(Math.max(...link.wire.map(({ datagram }) => datagram.length))).toBeLessThanOrEqual(1200);
  });

  test('RFC 6347 §4.1.1.1: a path that swallows datagrams of more than 576 bytes is passed after two timeouts', () => {
    const { client, server, link } = connect({
      server: { certificate: long },
      link: { filter: (datagram) => (datagram.length > 548 ? undefined : datagram) },
    });
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    expect(link.now()).toBeLessThan(2500);
  });

  test('RFC 6347 §4.2.3: datagrams of 200 bytes, out of order', () => {
    const { client, server, link } = connect({ client: { maxDatagram: 200 }, server: { maxDatagram: 200 }, link: { jitter: 50 } });
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    expect(Math.max(...link.wire.map(({ datagram }) => datagram.length))).toBeLessThanOrEqual(200);
  });
});

describe('D15: fragments', () => {
  const body = Uint8Array.from({ length: 100 }, (_, index) => index);

  function fragment(sequence: number, offset: number, data: Uint8Array, length: number = body.length, type = 11): Uint8Array {
    return Uint8Array.of(type, ...uint24(length), sequence >> 8, sequence, ...uint24(offset), ...uint24(data.length), ...data);
  }
  const piece = (from: number, to: number): Uint8Array => fragment(0, from, body.subarray(from, to));

  test.each([
    ['in order', [piece(0, 50), piece(50, 100)]],
    ['reversed', [piece(90, 100), piece(40, 90), piece(0, 40)]],
    ['overlapping', [piece(10, 60), piece(0, 30), piece(20, 80), piece(0, 100)]],
    ['repeated', [piece(0, 50), piece(0, 50), piece(50, 100)]],
    ['one inside the other', [piece(40, 50), piece(30, 60), piece(0, 100)]],
    ['of one byte each', Array.from({ length: 100 }, (_, index) => piece(99 - index, 100 - index))],
    ['in one record', [concatBytes(piece(50, 100), piece(0, 50))]],
  ])('%s give the message', (_, fragments) => {
    const reassembler = new Reassembler();
    for (const each of fragments) expect(['accepted', 'old']).toContain(reassembler.add(each, 0));
    expect(reassembler.next()).toEqual({ type: 11, sequence: 0, body, epoch: 0 });
    expect(reassembler.next()).toBeUndefined();
  });

  test('in random orders and sizes give the message', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 500; round++) {
      const reassembler = new Reassembler();
      let message = reassembler.next();
      while (message === undefined) {
        const from = random.below(100);
        reassembler.add(piece(from, from + 1 + random.below(100 - from)), 0);
        message = reassembler.next();
      }
      expect(toHex(message.body)).toBe(toHex(body));
    }
  });

  test.each([
    ['no bytes of some', fragment(0, 0, new Uint8Array(0))],
    ['an end past the message', fragment(0, 60, body.subarray(0, 50))],
    ['16 MiB announced', fragment(0, 0, body, 0xffffff)],
    ['half a header', piece(0, 50).subarray(0, 7)],
    ['fewer bytes than announced', piece(0, 50).subarray(0, 40)],
  ])('with %s are dropped', (_, bad) => {
    const reassembler = new Reassembler();
    expect(reassembler.add(bad, 0)).toBe('malformed');
    expect(reassembler.add(piece(0, 100), 0)).toBe('accepted');
    expect(reassembler.next()?.body).toEqual(body);
  });

  test('when they contradict each other, the newest counts; but not against a protected one', () => {
    const reassembler = new Reassembler();
    reassembler.add(fragment(0, 0, body.subarray(0, 50), 90), 0);
    reassembler.add(fragment(0, 0, body.subarray(0, 50), 100, 12), 0);
    reassembler.add(piece(0, 50), 0);
    reassembler.add(piece(50, 100), 0);
    expect(reassembler.next()?.body).toEqual(body);
    expect(reassembler.add(fragment(1, 0, body.subarray(0, 50)), 1)).toBe('accepted');
    expect(reassembler.add(fragment(1, 50, body.subarray(50)), 0)).toBe('malformed');
    expect(reassembler.add(fragment(1, 50, body.subarray(50)), 1)).toBe('accepted');
    expect(reassembler.next()).toMatchObject({ epoch: 1, body });
  });

  test('D16: far ahead are dropped; what is kept is bounded by what came, not by what was announced', () => {
    const reassembler = new Reassembler();
    expect(reassembler.add(fragment(8, 0, body), 0)).toBe('too-far-ahead');
    expect(reassembler.add(fragment(1000, 0, body), 0)).toBe('too-far-ahead');
    let accepted = 0;
    for (let sequence = 1; sequence < 8; sequence++) {
      for (let offset = 0; offset < 16_000; offset += 2)
        if (reassembler.add(fragment(sequence, offset, Uint8Array.of(1), 16_384), 0) === 'accepted') accepted += 1;
    }
    expect(accepted).toBe(1024);
    reassembler.clear();
    const large = new Uint8Array(16_384);
    const outcomes = [1, 2, 3, 4, 5, 6].map((sequence) => reassembler.add(fragment(sequence, 0, large, large.length), 0));
    expect(outcomes).toEqual(['accepted', 'accepted', 'accepted', 'accepted', 'too-much', 'too-much']);
    expect(HANDSHAKE_HEADER_LENGTH).toBe(12);
  });
});

function without(...lost: readonly number[]): LinkOptions {
  return { filter: (datagram, _, index) => (lost.includes(index) && datagram[0] !== 23 ? undefined : datagram) };
}

/** Carries datagrams by hand, a burst at a time, until both are connected, which takes no retransmission. */
function carry({ client, server }: Pair, change: (datagrams: Uint8Array[], total: number) => Uint8Array[]): void {
  server.start(0);
  client.start(0);
  let total = 0;
  for (let turn = 0; turn < 8; turn++) {
    const [from, to] = turn % 2 === 0 ? [client, server] : [server, client];
    const burst = drain(from);
    for (const datagram of change(burst, total)) to.receive(datagram.slice(), 1);
    total += burst.length;
  }
  expect([client.state, server.state]).toEqual(['connected', 'connected']);
  expect([eventsOf(client), eventsOf(server)]).toEqual([[{ type: 'connected' }], [{ type: 'connected' }]]);
}

function finishedTwice(later: number): number {
  const { client, server } = pair();
  server.start(0);
  client.start(0);
  server.receive(drain(client)[0]!, 0);
  client.receive(drain(server)[0]!, 0);
  server.receive(drain(client)[0]!, 0);
  expect(drain(server)).toHaveLength(1);
  for (let now = 400; now <= later; now += 60_000) client.handleTimeout(now);
  const again = drain(client).at(-1);
  if (again !== undefined) server.receive(again, later);
  return drain(server).length;
}

/** The moments at which an unanswered client sends. */
function attempts(initialTimeout?: number): number[] {
  const { client, link } = pair({ client: initialTimeout === undefined ? {} : { initialTimeout }, link: { loss: 1 } });
  client.start(0);
  link.runUntil(() => client.state === 'failed', 100_000);
  expect(client.nextTimeout()).toBe(Infinity);
  expect(link.eventsOfA).toEqual([{ type: 'failed', failure: { reason: 'handshake-timeout', alert: undefined } }]);
  expect(link.now()).toBe(60_000);
  const at = link.wire.map((sent) => sent.at);
  // RFC 9002 §6.2.4: what is repeated goes out in two copies.
  expect(at.slice(1).filter((time, index) => index % 2 === 0 && at[index + 2] !== time)).toEqual([]);
  return at.filter((time, index) => time !== at[index - 1]);
}

function future(epoch: number, sequence: number): Uint8Array {
  const record = new Uint8Array(13 + 1000);
  record.set([23, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, sequence >> 8, sequence, 1000 >> 8, 1000 & 0xff]);
  return record;
}

function uint24(value: number): number[] {
  return [value >> 16, (value >> 8) & 0xff, value & 0xff];
}
