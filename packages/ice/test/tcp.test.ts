import { describe, expect, test } from '@jest/globals';
import { concatBytes } from '@petrel/bytes';
import { encodeStunMessage, newTransactionId, shortTermKey } from '@petrel/stun';
import { SimulatedNetwork, seededRandom } from '@petrel/testing';
import { Network, Peer, seededCrypto } from './support/network.ts';
import { SimulatedPeer } from './support/simulated-peer.ts';
import { frame } from '../src/tcp-streams.ts';

const crypto = seededCrypto(21);
const REMOTE = { usernameFragment: 'peer', password: 'p'.repeat(24) };
const LISTENER = 7;

/** An agent with a listening socket, which a peer's connection has reached. */
function acceptingAgent(): { network: Network; peer: Peer; check: () => Uint8Array; closed: () => number[]; written: Uint8Array[] } {
  const network = new Network();
  const peer = new Peer(network, { role: 'controlled' });
  const written: Uint8Array[] = [];
  peer.onStreamTransmit = ({ data }) => written.push(data);
  peer.input((agent, now) => {
    agent.addSocket(LISTENER, { protocol: 'tcp', address: '192.0.2.1', port: 443 }, now);
    agent.setRemoteParameters(REMOTE, now);
    agent.streamAccepted(100, LISTENER, '192.0.2.2', 40_000, now);
  });
  const check = (): Uint8Array => {
    const { usernameFragment, password } = peer.agent.localParameters;
    const attributes = { username: `${usernameFragment}:peer`, priority: 1_000, iceControlling: 5n, useCandidate: true as const };
    const message = { class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes } as const;
    return encodeStunMessage(message, { key: shortTermKey(crypto, password), fingerprint: true });
  };
  const closed = (): number[] => peer.events.flatMap((event) => (event.type === 'close-stream' ? [event.id] : []));
  return { network, peer, check, closed, written };
}

/** What an agent makes of these bytes, after an authenticated check over the same connection. */
function feed(pieces: readonly Uint8Array[]): Uint8Array[] {
  const { peer, check } = acceptingAgent();
  peer.input((agent, now) => agent.streamData(100, frame(check()), now));
  return pieces.flatMap((piece) => [...peer.input((agent, now) => agent.streamData(100, piece.slice(), now))]);
}

describe('I18, RFC 4571: frames', () => {
  const first = Uint8Array.of(128, 1, 2, 3);
  const second = new Uint8Array(1_200).fill(129);

  test('byte by byte, two in a segment, cut anywhere', () => {
    const stream = concatBytes(frame(first), frame(second));
    expect(feed([stream])).toEqual([first, second]);
    expect(feed(Array.from(stream, (byte) => Uint8Array.of(byte)))).toEqual([first, second]);
    const random = seededRandom(4);
    for (let run = 0; run < 20; run++) {
      const cut = random.below(stream.length);
      expect(feed([stream.subarray(0, cut), stream.subarray(cut)])).toEqual([first, second]);
    }
  });

  test('an empty frame is none, and what follows it is read', () => {
    expect(feed([Uint8Array.of(0, 0), frame(first)])).toEqual([first]);
  });

  test('garbage over an authenticated connection is payload or nothing, and never throws', () => {
    const random = seededRandom(5);
    for (let run = 0; run < 50; run++) feed([random.randomBytes(200)]);
  });

  test('before the connection is authenticated nothing is payload', () => {
    const { peer } = acceptingAgent();
    expect(peer.input((agent, now) => agent.streamData(100, frame(first), now))).toEqual([]);
    expect(peer.agent.discards.of('unvalidated-path')).toBe(1);
  });
});

describe('I18: connections that are not authenticated', () => {
  test.each([
    ['idle', []],
    ['with a length of 65,535 and nothing more', [Uint8Array.of(255, 255)]],
    ['with garbage', [Uint8Array.of(0, 4, 1, 2, 3, 4, 22, 22, 22)]],
  ])('%s: closed after 10 s', (_, pieces) => {
    const { network, peer, closed } = acceptingAgent();
    for (const piece of pieces) peer.input((agent, now) => agent.streamData(100, piece.slice(), now));
    network.clock.advanceBy(9_999);
    expect(closed()).toEqual([]);
    network.clock.advanceBy(1);
    expect(closed()).toEqual([100]);
    expect(peer.input((agent, now) => agent.streamData(100, Uint8Array.of(1), now))).toEqual([]);
  });

  test('bytes that trickle in do not keep it open', () => {
    const { network, peer, closed } = acceptingAgent();
    peer.input((agent, now) => agent.streamData(100, Uint8Array.of(255, 255), now));
    for (let second = 0; second < 11; second++) {
      network.clock.advanceBy(1_000);
      peer.input((agent, now) => agent.streamData(100, new Uint8Array(10), now));
    }
    expect(closed()).toEqual([100]);
  });

  test('64 at a time; an authenticated one does not count', () => {
    const { peer, check, closed } = acceptingAgent();
    peer.input((agent, now) => agent.streamData(100, frame(check()), now));
    for (let id = 101; id <= 200; id++) peer.input((agent, now) => agent.streamAccepted(id, LISTENER, '192.0.2.3', id, now));
    expect(closed()).toEqual(Array.from({ length: 36 }, (_, index) => 165 + index));
  });

  test('from a listener that is none, or with an id that is taken, it is closed at once', () => {
    const { peer, closed } = acceptingAgent();
    peer.input((agent, now) => agent.streamAccepted(300, 99, '192.0.2.3', 1, now));
    peer.input((agent, now) => agent.streamAccepted(301, LISTENER, 'nonsense', 1, now));
    peer.input((agent, now) => agent.streamAccepted(100, LISTENER, '192.0.2.3', 1, now));
    expect(closed()).toEqual([300, 301, 100]);
  });
});

test('an authenticated check over TCP: the answer is framed, a triggered check follows, and the connection stays', () => {
  const { network, peer, check, closed, written } = acceptingAgent();
  peer.input((agent, now) => agent.streamData(100, frame(check()), now));
  expect(written.map((bytes) => (bytes[0]! << 8) | bytes[1]!)).toEqual(written.map((bytes) => bytes.length - 2));
  expect(written.map((bytes) => [bytes[2], bytes[3]])).toEqual([
    [1, 1],
    [0, 1],
  ]);
  expect(peer.agent.stats.pairs).toMatchObject([{ remote: { type: 'prflx', protocol: 'tcp', tcpType: 'active', port: 40_000 } }]);
  network.clock.advanceBy(20_000);
  expect(closed()).toEqual([]);
});

/** An active and a passive agent, and a network without UDP. */
async function build(): Promise<{ network: SimulatedNetwork; a: SimulatedPeer; b: SimulatedPeer }> {
  const network = new SimulatedNetwork({ seed: 2 });
  const hostA = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] });
  const hostB = network.addHost('b', { interfaces: [{ addresses: ['192.0.2.2'] }] });
  const a = new SimulatedPeer(hostA, { role: 'controlling', tcpActive: true });
  const b = new SimulatedPeer(hostB, { role: 'controlled' });
  // No UDP gets through.
  network.filter = (packet) => (packet.segment === undefined ? undefined : packet);
  await a.gather(['192.0.2.1']);
  await b.gather(['192.0.2.2'], 443);
  expect(a.candidates()).toEqual(['host udp 192.0.2.1', 'host active 192.0.2.1']);
  expect(b.candidates()).toEqual(['host udp 192.0.2.2', 'host passive 192.0.2.2']);
  expect(a.agent.stats.localCandidates[1]).toMatchObject({ port: 9, tcpType: 'active' });
  SimulatedPeer.signal(a, b);
  return { network, a, b };
}

describe('RFC 6544: TCP between two agents', () => {
  test('an active and a passive one connect where UDP is blocked, and data flows for ten minutes', async () => {
    const { network, a, b } = await build();
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    await network.run(3_000);
    expect(a.agent.selectedPair).toMatchObject({ local: { tcpType: 'active' }, remote: { tcpType: 'passive', port: 443 } });
    expect(b.agent.selectedPair).toMatchObject({ local: { tcpType: 'passive' }, remote: { tcpType: 'active' } });
    for (let minute = 0; minute < 10; minute++) {
      a.send('up');
      b.send('down');
      await network.run(60_000);
      expect([a.texts(), b.texts()]).toEqual([['down'], ['up']]);
    }
    expect(a.streams.size).toBe(1);
  });

  test('I10, RFC 7675 §5.2: the end of the connection is no revocation: it is opened again', async () => {
    const { network, a, b } = await build();
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    await network.run(3_000);
    for (const stream of b.streams.values()) stream.close();
    b.streams.clear();
    await network.run(100);
    expect(a.agent.state).not.toBe('failed');
    await network.run(10_000);
    a.send('again');
    await network.run(1_000);
    expect(b.texts()).toEqual(['again']);
  });

  test('closing closes the streams', async () => {
    const { network, a, b } = await build();
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    for (const peer of [a, b]) peer.input((agent, now) => agent.close(now));
    await network.run(1_000);
    expect([a.streams.size, b.streams.size]).toEqual([0, 0]);
  });
});
