import { describe, expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { encodeStunMessage, parseStunMessage, shortTermKey } from '@petrel/stun';
import {
  connectedPair,
  exchangeParameters,
  Network,
  newPair,
  type Packet,
  type Peer,
  runUntilConnected,
  seededCrypto,
  startHosts,
} from './support/network.ts';

const crypto = seededCrypto(7);
const A = { address: '192.0.2.1', port: 5001 };
const B = { address: '192.0.2.2', port: 5002 };

function isRequest({ data }: Packet): boolean {
  return data[0] === 0 && data[1] === 1;
}

function isPayload({ data }: Packet): boolean {
  return data[0] === 0x7e;
}

const NOTHING: (packet: Packet) => boolean = () => false;
const EVERYTHING: (packet: Packet) => boolean = () => true;

/** A connected pair whose link can be cut: `outage` says which packets are lost. */
function cuttable(seed = 1): { network: Network; a: Peer; b: Peer; cut(lost?: (packet: Packet) => boolean): void } {
  let outage = NOTHING;
  const network = new Network({ seed, filter: (packet) => !outage(packet) });
  const pair = connectedPair({ network, seed });
  return { ...pair, cut: (lost = NOTHING) => void (outage = lost) };
}

/** Waits until a's pair has just been confirmed, so that a test knows when its consent expires. */
function untilConfirmed({ network, a }: { network: Network; a: Peer }): number {
  const { responsesReceived } = a.agent.stats.pairs[0]!;
  network.clock.runUntil(() => a.agent.stats.pairs[0]!.responsesReceived > responsesReceived);
  return network.now();
}

function silences({ events }: Peer): number {
  return events.filter(({ type }) => type === 'silence').length;
}

describe('L10: data without an answer', () => {
  test('2 s after the last sign of the peer, and then again, the driver is asked for the interface; not when nothing was sent', () => {
    for (const isIdle of [false, true]) {
      const world = cuttable();
      untilConfirmed(world);
      if (!isIdle) world.a.send('talks');
      world.cut(EVERYTHING);
      for (let count = 0; count < 50; count++) {
        world.network.clock.advanceBy(100);
        if (!isIdle) world.a.send('talks');
        if (count === 17) expect(silences(world.a)).toBe(0);
      }
      // Every second, and when there is something else to do.
      const [least, most] = isIdle ? [0, 0] : [3, 5];
      expect(silences(world.a)).toBeGreaterThanOrEqual(least);
      expect(silences(world.a)).toBeLessThanOrEqual(most);
    }
  });

  test('a pair is left at once when its interface is lost and another one answers; the peer follows what it is sent', () => {
    for (const [loser, follower] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const pair = newPair();
      const [first, second] = [pair[loser], pair[follower]];
      first.addSocket(1, { address: '192.0.2.1', port: 5001 });
      first.addSocket(2, { address: '192.0.2.3', port: 5003 });
      second.addSocket(1, B);
      for (const peer of [first, second]) peer.input((agent, now) => agent.endOfSockets(now));
      exchangeParameters(pair.a, pair.b);
      pair.network.clock.advanceBy(30_000);
      const { address } = first.agent.selectedPair!.local;
      const id = address === '192.0.2.1' ? 1 : 2;
      first.input((agent, now) => agent.interfaceLost(3 - id, now));
      pair.network.clock.advanceBy(100);
      expect(first.agent.selectedPair!.local.address).toBe(address);
      pair.network.unbind(first.sockets.get(id)!);
      first.sockets.delete(id);
      first.input((agent, now) => agent.interfaceLost(id, now));
      pair.network.clock.advanceBy(100);
      expect(first.agent.selectedPair!.local.address).not.toBe(address);
      for (let count = 0; count < 30; count++) {
        for (const peer of [first, second]) peer.send('data');
        pair.network.clock.advanceBy(100);
      }
      expect(second.agent.selectedPair!.remote.address).toBe(first.agent.selectedPair!.local.address);
      expect([...first.states, ...second.states]).not.toContain('disconnected');
    }
  });
});

describe('I09, RFC 7675 §5.1: consent checks', () => {
  test('for 24 hours: every 4 to 6 s, at random, with a new transaction id, each sent once', () => {
    const { network, a, b } = connectedPair();
    network.packets.length = 0;
    network.clock.advanceBy(86_400_000);
    expect([a.state, b.state]).toEqual(['completed', 'completed']);
    for (const side of [A, B]) {
      const checks = network.packets.filter((packet) => isRequest(packet) && packet.from.port === side.port);
      const intervals = checks.slice(1).map(({ at }, index) => at - checks[index]!.at);
      expect(Math.min(...intervals)).toBeGreaterThanOrEqual(4_000);
      expect(Math.max(...intervals)).toBeLessThanOrEqual(6_000);
      expect(Math.min(...intervals)).toBeLessThan(4_100);
      expect(Math.max(...intervals)).toBeGreaterThan(5_900);
      expect(new Set(checks.map(({ data }) => toHex(data.subarray(8, 20)))).size).toBe(checks.length);
    }
  });

  test('are no more when the peer sends many checks: no ping-pong', () => {
    const { network, a, b } = connectedPair();
    network.packets.length = 0;
    const { usernameFragment, password } = a.agent.localParameters;
    const key = shortTermKey(crypto, password);
    for (let count = 0; count < 1_000; count++) {
      const attributes = { username: `${usernameFragment}:${b.agent.localParameters.usernameFragment}`, priority: 1 };
      const transactionId = Uint8Array.from({ length: 12 }, (_, index) => (count >> (index * 3)) & 255);
      const check = encodeStunMessage({ class: 'request', method: 'binding', transactionId, attributes }, { key, fingerprint: true });
      network.send(B, A, check);
      network.clock.advanceBy(20);
    }
    const sent = network.packets.filter((packet) => isRequest(packet) && packet.from.port === A.port);
    expect(sent.length).toBeLessThanOrEqual(20_000 / 4_000 + 1);
  });

  test('the controlling agent repeats the nomination, the controlled one never has it', () => {
    const { network } = connectedPair();
    network.packets.length = 0;
    network.clock.advanceBy(30_000);
    for (const packet of network.packets.filter((candidate) => isRequest(candidate))) {
      const { message } = parseStunMessage(packet.data, { keyFor: () => 'unprotected' });
      expect(message!.attributes.useCandidate).toBe(packet.from.port === A.port ? true : undefined);
    }
  });
});

describe('I08, RFC 7675 §5.1: no response for 30 s', () => {
  test('application data stops at 30 s and not later; disconnected, then failed', () => {
    const pair = cuttable();
    const { network, a, cut } = pair;
    const confirmedAt = untilConfirmed(pair);
    cut(EVERYTHING);
    network.packets.length = 0;
    for (let count = 0; count < 4_000; count++) {
      a.send('data');
      network.clock.advanceBy(10);
    }
    const payloads = network.packets.filter((packet) => isPayload(packet) && packet.from.port === A.port);
    expect(payloads[payloads.length - 1]!.at).toBeLessThan(confirmedAt + 30_000);
    expect(payloads[payloads.length - 1]!.at).toBeGreaterThanOrEqual(confirmedAt + 29_980);
    expect(a.states.slice(-2)).toEqual(['disconnected', 'failed']);
    expect(a.events.map(({ type }) => type)).toContain('consent-expired');
    expect(a.send('more')).toBe(false);
  });

  test('at exactly 30 s, even when the timer has not fired yet', () => {
    const pair = cuttable();
    const confirmedAt = untilConfirmed(pair);
    pair.cut(EVERYTHING);
    expect(pair.a.agent.send(Uint8Array.of(128), confirmedAt + 29_999)).toBe(true);
    expect(pair.a.agent.send(Uint8Array.of(128), confirmedAt + 30_000)).toBe(false);
    expect(pair.a.agent.stats.pairs[0]).toMatchObject({ packetsDiscardedOnSend: 1, bytesDiscardedOnSend: 1 });
  });

  test('disconnected after 7 s of silence, for X06', () => {
    const pair = cuttable();
    const confirmedAt = untilConfirmed(pair);
    pair.cut(EVERYTHING);
    pair.network.clock.runUntil(() => pair.a.state === 'disconnected');
    expect(pair.network.now() - confirmedAt).toBeGreaterThanOrEqual(6_900);
    expect(pair.network.now() - confirmedAt).toBeLessThanOrEqual(13_000);
  });

  test('a response with a wrong integrity does not renew it, and a right one that is late does not revive it', () => {
    const pair = cuttable();
    const { network, a, b, cut } = pair;
    const confirmedAt = untilConfirmed(pair);
    cut(EVERYTHING);
    network.packets.length = 0;
    network.clock.advanceTo(confirmedAt + 29_000);
    const { message } = parseStunMessage(network.packets.findLast((packet) => isRequest(packet) && packet.from.port === A.port)!.data, {
      keyFor: () => 'unprotected',
    });
    const respond = (password: string): void => {
      const response = { ...message!, class: 'success', attributes: { xorMappedAddress: A } } as const;
      const bytes = encodeStunMessage(response, { key: shortTermKey(crypto, password), fingerprint: true });
      a.receive(1, bytes, B);
    };
    respond('wrong');
    network.clock.advanceTo(confirmedAt + 30_001);
    expect(a.state).toBe('failed');
    respond(b.agent.localParameters.password);
    network.clock.advanceBy(1_000);
    cut();
    network.packets.length = 0;
    network.clock.advanceBy(120_000);
    expect([a.state, b.state, network.packets]).toEqual(['failed', 'failed', []]);
    expect([a.agent.nextTimeout(), b.agent.nextTimeout()]).toEqual([Infinity, Infinity]);
  });

  test('other credentials, of a restart, work on the same 5-tuple', () => {
    const { network, a, b, cut } = cuttable();
    cut(EVERYTHING);
    network.clock.advanceBy(40_000);
    expect([a.state, b.state]).toEqual(['failed', 'failed']);
    cut();
    for (const peer of [a, b]) peer.input((agent, now) => agent.restart(now));
    for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
    exchangeParameters(a, b);
    expect(runUntilConnected({ network, a, b }, network.now() + 5_000)).toBe(true);
    b.send('again');
    network.clock.advanceBy(100);
    expect(a.texts()).toEqual(['again']);
  });
});

/** Answers a's next check with a 403, protected by this password or not at all. */
function answerNextCheck(pair: { network: Network; a: Peer; b: Peer }, password: string | undefined): void {
  const { network, a } = pair;
  network.packets.length = 0;
  network.clock.runUntil(() => network.packets.some((packet) => isRequest(packet) && packet.from.port === A.port));
  const { message } = parseStunMessage(network.packets.find((packet) => isRequest(packet) && packet.from.port === A.port)!.data, {
    keyFor: () => 'unprotected',
  });
  const response = { ...message!, class: 'error', attributes: { errorCode: { code: 403, reason: 'Forbidden' } } } as const;
  a.receive(1, encodeStunMessage(response, password === undefined ? {} : { key: shortTermKey(crypto, password), fingerprint: true }), B);
}

function usesSecond({ from, to }: Packet): boolean {
  return from.port === 5011 || to.port === 5011;
}

/** Two paths, of which the second one is cut until its consent is lost; the first one keeps the session alive. */
function halfLost(): { network: Network; a: Peer; b: Peer } {
  let dead = false;
  const network = new Network({ filter: (packet) => !(dead && usesSecond(packet)) });
  const { a, b } = newPair({ network });
  a.addSocket(2, { address: '192.0.2.11', port: 5011 });
  startHosts(a, b);
  network.clock.advanceBy(20_000);
  dead = true;
  network.clock.runUntil(() => a.agent.stats.pairs.some(({ state }) => state === 'failed'));
  dead = false;
  return { network, a, b };
}

describe('I08: consent that is lost on one of two paths', () => {
  test('RFC 7675 §5.1: neither its late answers nor the peer’s checks nor our own revive it, and no payload is taken from it', () => {
    const { network, a, b } = halfLost();
    const lost = (): ReturnType<Peer['agent']['stats']['pairs']['at']> => a.agent.stats.pairs.find(({ local }) => local.port === 5011);
    expect([a.state, lost()?.state]).toEqual(['completed', 'failed']);
    const { requestsSent } = lost()!;
    const last = network.packets.findLast((packet) => packet.from.port === 5011 && isRequest(packet))!;
    expect(network.now() - last.at).toBeLessThan(2_000);
    const answer = { class: 'success', method: 'binding', transactionId: last.data.slice(8, 20) } as const;
    const xorMappedAddress = { address: '192.0.2.11', port: 5011 };
    const peerKey = shortTermKey(crypto, b.agent.localParameters.password);
    a.receive(2, encodeStunMessage({ ...answer, attributes: { xorMappedAddress } }, { key: peerKey, fingerprint: true }), B);
    const { usernameFragment, password } = a.agent.localParameters;
    const attributes = {
      username: `${usernameFragment}:${b.agent.localParameters.usernameFragment}`,
      priority: 1,
      useCandidate: true as const,
    };
    const message = { class: 'request', method: 'binding', transactionId: new Uint8Array(12).fill(3), attributes } as const;
    a.receive(2, encodeStunMessage(message, { key: shortTermKey(crypto, password), fingerprint: true }), B);
    a.receive(2, Uint8Array.of(128, 1), B);
    network.clock.advanceBy(60_000);
    expect(lost()).toMatchObject({ state: 'failed', requestsSent });
    expect([a.payloads, a.agent.discards.of('unvalidated-path')]).toEqual([[], 1]);
    expect(a.agent.selectedPair?.local.port).toBe(A.port);
  });
});

describe('I10, RFC 7675 §5.2: revocation', () => {
  test('an authenticated 403 ends it at once', () => {
    const pair = connectedPair();
    answerNextCheck(pair, pair.b.agent.localParameters.password);
    expect([pair.a.state, pair.a.send('data')]).toEqual(['failed', false]);
    expect(pair.a.events.slice(-2)).toEqual([{ type: 'consent-revoked' }, { type: 'state', state: 'failed' }]);
  });

  test.each([undefined, 'wrong'])('a 403 with integrity by %s does nothing', (password) => {
    const pair = connectedPair();
    answerNextCheck(pair, password);
    pair.network.clock.advanceBy(60_000);
    expect([pair.a.state, pair.a.send('data')]).toEqual(['completed', true]);
  });
});

describe('L05: outages', () => {
  const CASES = [1_000, 5_000, 14_000, 29_000].flatMap((length) =>
    (['both ways', 'a to b', 'b to a'] as const).map((way) => [length, way] as const),
  );

  test.each(CASES)('of %i ms, %s: the connection survives, and data goes on at once', (length, way) => {
    for (let seed = 1; seed <= 10; seed++) {
      const pair = cuttable(seed);
      const { network, a, b, cut } = pair;
      // Both have had an answer a moment ago: consent lasts longer than the outage.
      network.clock.runUntil(() => [a, b].map((peer) => lastAnswer(peer)).every((at) => network.now() - at < 400));
      cut(({ from }) => way === 'both ways' || (from.port === A.port) === (way === 'a to b'));
      network.clock.advanceBy(length);
      cut();
      a.send('up');
      b.send('down');
      network.clock.advanceBy(2_000);
      expect([a.texts(), b.texts()]).toEqual([['down'], ['up']]);
      network.clock.advanceBy(10_000);
      expect([a.state, b.state]).toEqual(['completed', 'completed']);
    }
  });
});

/** When the peer's pair was confirmed last, found by watching. */
const answers = new WeakMap<Peer, { count: number; at: number }>();
function lastAnswer(peer: Peer): number {
  const count = peer.agent.stats.pairs[0]!.responsesReceived;
  const known = answers.get(peer);
  if (known?.count === count) return known.at;
  answers.set(peer, { count, at: known === undefined ? -Infinity : peer.network.now() });
  return answers.get(peer)!.at;
}

describe('L06: an outage of 31 s or of 5 minutes, then a restart', () => {
  test.each([31_000, 300_000])('%i ms: sending stops at 30 s; after the restart data flows again', (length) => {
    const { network, a, b, cut } = cuttable();
    cut(EVERYTHING);
    network.clock.advanceBy(length);
    cut();
    for (const peer of [a, b]) if (peer.state !== 'failed') expect(peer.state).toBe('disconnected');
    expect([a, b].some(({ state }) => state === 'failed')).toBe(true);
    for (const peer of [a, b]) peer.input((agent, now) => agent.restart(now));
    for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
    exchangeParameters(a, b);
    expect(runUntilConnected({ network, a, b }, network.now() + 5_000)).toBe(true);
    network.clock.advanceBy(1_000);
    a.send('back');
    network.clock.advanceBy(100);
    expect(b.texts()).toEqual(['back']);
  });
});

describe('L08: slow links', () => {
  test.each([
    ['500 ms one way', 500],
    ['2 s there and back', 1_000],
  ])('%s: connects, selects once, and stays calm', (_, delay) => {
    const network = new Network({ delay });
    const { a, b } = connectedPair({ network });
    network.clock.advanceBy(120_000);
    expect([a.state, b.state]).toEqual(['completed', 'completed']);
    expect([...a.states, ...b.states]).not.toContain('disconnected');
    expect([a.agent.stats.selectedPairChanges, b.agent.stats.selectedPairChanges]).toEqual([1, 1]);
    network.packets.length = 0;
    network.clock.advanceBy(60_000);
    expect(network.packets.length).toBeLessThanOrEqual(2 * 2 * (60 / 4));
  });
});
