import { describe, expect, test } from '@jest/globals';
import { encodeStunMessage, newTransactionId, parseStunMessage, shortTermKey } from '@petrel/stun';
import { connectedPair, exchangeParameters, Network, Peer, runUntilConnected, seededCrypto } from './support/network.ts';

const crypto = seededCrypto(8);

/** Both sides begin a new session, as an offer and an answer with `iceRestart` do; the sockets stay. */
function restartBoth(a: Peer, b: Peer): void {
  for (const peer of [a, b]) peer.input((agent, now) => agent.restart(now));
  for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
  exchangeParameters(a, b);
}

function nominatedIn(peer: Peer, fragment: string): boolean {
  return peer.agent.stats.pairs.some(({ selected, local }) => selected && local.usernameFragment === fragment);
}

describe('I14, RFC 8445 §9: ICE restart', () => {
  test('data flows all the time, in order and once, over the old pair until the new one is selected', () => {
    for (const loss of [0, 0.2])
      for (let seed = 1; seed <= 10; seed++) {
        const network = new Network({ seed, loss: 0 });
        const { a, b } = connectedPair({ network, seed });
        Object.assign(network.options, { loss });
        restartBoth(a, b);
        for (let count = 0; count < 100; count++) {
          expect([a.send(`${count}`), b.send(`${count}`)]).toEqual([true, true]);
          network.clock.advanceBy(20);
        }
        network.clock.advanceBy(5_000);
        const numbers = [a, b].map((peer) => peer.texts().map(Number));
        for (const received of numbers) {
          expect(received).toEqual(received.toSorted((x, y) => x - y));
          expect(new Set(received).size).toBe(received.length);
          if (loss === 0) expect(received).toHaveLength(100);
        }
        for (const peer of [a, b]) {
          expect(peer.states).not.toContain('disconnected');
          expect(nominatedIn(peer, peer.agent.localParameters.usernameFragment)).toBe(true);
        }
      }
  });

  test('pairs of both sessions have numbers of their own', () => {
    const { network, a, b } = connectedPair();
    restartBoth(a, b);
    network.clock.advanceBy(500);
    const ids = a.agent.stats.pairs.map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(1);
    expect(new Set(ids).size).toBe(ids.length);
  });

  // libwebrtc, when it has offered the restart: its new ports use the old credentials of the other side, and answer no checks with new ones.
  test('payload from a new port of the peer’s, which has sent checks with our old credentials and answers none, is accepted', () => {
    const { network, a, b } = connectedPair();
    const { usernameFragment, password } = a.agent.localParameters;
    const port = { address: '192.0.2.2', port: 7002 };
    const restarted = { usernameFragment: 'anew', password: 'n'.repeat(24) };
    const attributes = { username: `${usernameFragment}:${restarted.usernameFragment}`, priority: 1_845_501_695, iceControlled: 1n };
    const check = (): Uint8Array => {
      const message = { class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes } as const;
      return encodeStunMessage(message, { key: shortTermKey(crypto, password), fingerprint: true });
    };
    const speak = (): string[] => {
      network.spoof(port, { address: '192.0.2.1', port: 5001 }, check());
      network.spoof(port, { address: '192.0.2.1', port: 5001 }, new TextEncoder().encode('~from the new port'));
      network.clock.advanceBy(100);
      return a.texts();
    };
    expect(speak()).toEqual(['from the new port']); // its offer has not come yet
    a.input((agent, now) => agent.restart(now));
    a.input((agent, now) => agent.setRemoteParameters(restarted, now));
    for (let second = 0; second < 10; second++) {
      expect(speak()).toEqual(['from the new port']);
      network.clock.advanceBy(1_000);
    }
    a.send('over the old pair');
    network.clock.advanceBy(100);
    expect(b.texts()).toEqual(['over the old pair']);
  });

  test('the state goes from completed to connected and back; candidates are shown again with the new fragment', () => {
    const { network, a, b } = connectedPair();
    for (const peer of [a, b]) peer.events.length = 0;
    const old = a.agent.localParameters;
    restartBoth(a, b);
    network.clock.advanceBy(3_000);
    expect(a.agent.localParameters.usernameFragment).not.toBe(old.usernameFragment);
    expect(a.agent.localParameters.password).not.toBe(old.password);
    expect(a.events.filter(({ type }) => type === 'state' || type === 'gathering-state' || type === 'candidate')).toMatchObject([
      { type: 'gathering-state', state: 'gathering' },
      { type: 'candidate', candidate: { usernameFragment: a.agent.localParameters.usernameFragment } },
      { type: 'state', state: 'connected' },
      { type: 'gathering-state', state: 'complete' },
      { type: 'state', state: 'completed' },
    ]);
  });

  test('RFC 7675 §5.1: the old pair keeps its consent until then, and the old credentials are refused afterwards', () => {
    const { network, a, b } = connectedPair();
    const old = { a: a.agent.localParameters, b: b.agent.localParameters };
    const oldCheck = (): Uint8Array => {
      const attributes = { username: `${old.a.usernameFragment}:${old.b.usernameFragment}`, priority: 1 };
      const message = { class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes } as const;
      return encodeStunMessage(message, { key: shortTermKey(crypto, old.a.password), fingerprint: true });
    };
    const answerTo = (check: Uint8Array): string | undefined => {
      network.packets.length = 0;
      a.receive(1, check, { address: '192.0.2.2', port: 5002 });
      const answer = network.packets.find(({ from, data }) => from.port === 5001 && data[0] === 1)?.data;
      return answer && parseStunMessage(answer, { keyFor: () => 'unprotected' }).message?.class;
    };
    // Only a has begun: nothing works with the new credentials yet.
    a.input((agent, now) => agent.restart(now));
    network.clock.advanceBy(120_000);
    expect([a.send('old pair'), answerTo(oldCheck())]).toEqual([true, 'success']);
    a.input((agent, now) => agent.endOfSockets(now));
    b.input((agent, now) => agent.restart(now));
    b.input((agent, now) => agent.endOfSockets(now));
    exchangeParameters(a, b);
    network.clock.advanceBy(10_000);
    expect(answerTo(oldCheck())).toBe('error');
    network.packets.length = 0;
    network.clock.advanceBy(60_000);
    const users = network.packets.map(({ data }) => parseStunMessage(data, { keyFor: () => 'unprotected' }).message?.attributes.username);
    expect(users.filter((user) => user?.includes(old.a.usernameFragment))).toEqual([]);
  });

  test('payload counts for the new pair once it is selected, though it comes over the same 5-tuple', () => {
    const { network, a, b } = connectedPair();
    const talk = (): void => {
      for (let count = 0; count < 10; count++) b.send('data');
      network.clock.advanceBy(100);
    };
    talk();
    expect(a.agent.stats.pairs.map(({ packetsReceived }) => packetsReceived)).toEqual([10]);
    restartBoth(a, b);
    talk();
    network.clock.advanceBy(10_000);
    talk();
    const [pair, ...others] = a.agent.stats.pairs;
    expect([pair!.local.usernameFragment, others]).toEqual([a.agent.localParameters.usernameFragment, []]);
    expect(pair!.packetsReceived).toBeGreaterThanOrEqual(10);
  });

  test('a restart that never gets anywhere leaves the old pair in use', () => {
    const { network, a, b } = connectedPair();
    a.input((agent, now) => agent.restart(now));
    a.input((agent, now) => agent.setRemoteParameters({ usernameFragment: 'nowhere', password: 'p'.repeat(24) }, now));
    network.clock.advanceBy(120_000);
    expect(a.send('still')).toBe(true);
    network.clock.advanceBy(100);
    expect(b.texts()).toEqual(['still']);
  });

  test('new credentials of the peer alone are a restart too', () => {
    const { network, a, b } = connectedPair();
    b.input((agent, now) => agent.restart(now));
    b.input((agent, now) => agent.endOfSockets(now));
    const fragment = b.agent.localParameters.usernameFragment;
    exchangeParameters(a, b);
    network.clock.advanceBy(5_000);
    expect(a.agent.stats.pairs.some(({ selected, remote }) => selected && remote.usernameFragment === fragment)).toBe(true);
    expect(a.agent.stats.pairs).toHaveLength(1);
    a.send('new');
    network.clock.advanceBy(100);
    expect(b.texts()).toEqual(['new']);
  });

  test('the same credentials again are no restart', () => {
    const { a, b } = connectedPair();
    const [before] = a.agent.stats.pairs;
    exchangeParameters(a, b);
    expect(a.agent.stats.pairs[0]?.id).toBe(before?.id);
    expect(a.state).toBe('completed');
  });

  test('a restart to another socket, after the first one was lost', () => {
    const { network, a, b } = connectedPair();
    a.removeSocket(1);
    network.clock.advanceBy(3_000);
    a.addSocket(2, { address: '192.0.2.99', port: 9001 });
    restartBoth(a, b);
    expect(runUntilConnected({ network, a, b }, network.now() + 3_000)).toBe(true);
    network.clock.advanceBy(3_000);
    b.send('there');
    network.clock.advanceBy(100);
    expect([a.texts(), a.agent.selectedPair?.local.port]).toEqual([['there'], 9001]);
  });

  test('thirty restarts leave nothing behind', () => {
    const { network, a, b } = connectedPair();
    for (let count = 0; count < 30; count++) {
      restartBoth(a, b);
      network.clock.advanceBy(10_000);
    }
    expect([a.state, b.state]).toEqual(['completed', 'completed']);
    expect([a.agent.stats.pairs.length, a.agent.stats.localCandidates.length, a.agent.stats.remoteCandidates.length]).toEqual([1, 1, 1]);
    expect(a.agent.nextTimeout()).toBeLessThanOrEqual(network.now() + 6_000);
  });
});

describe('I15: closing and restarting at any time', () => {
  test('close stops everything at once, at every event of a connection', () => {
    for (let step = 0; step < 60; step++) {
      const { network, a, b } = connectedPairAfter(step);
      a.input((agent, now) => agent.close(now));
      network.packets.length = 0;
      const events = a.events.length;
      network.clock.advanceBy(60_000);
      expect(network.packets.filter(({ from }) => from.port === 5001)).toEqual([]);
      expect([a.state, a.agent.nextTimeout(), a.send('x'), a.events.length]).toEqual(['closed', Infinity, false, events]);
      a.payloads.length = 0;
      a.receive(1, Uint8Array.of(128, 1), { address: '192.0.2.2', port: 5002 });
      expect(a.payloads).toEqual([]);
      a.input((agent, now) => agent.close(now));
      a.input((agent, now) => agent.restart(now));
      a.input((agent, now) => agent.endOfSockets(now));
      expect([a.state, a.events.length]).toEqual(['closed', events]);
      void b;
    }
  });

  test('restarts in the middle of gathering and of checks', () => {
    for (let step = 0; step < 40; step++) {
      const { network, a, b } = connectedPairAfter(step);
      restartBoth(a, b);
      expect(runUntilConnected({ network, a, b }, network.now() + 5_000)).toBe(true);
      network.clock.advanceBy(3_000);
      a.send('fine');
      network.clock.advanceBy(100);
      expect(b.texts()).toEqual(['fine']);
    }
  });
});

/** Two peers that have run for so many events of their connection. */
function connectedPairAfter(steps: number): { network: Network; a: Peer; b: Peer } {
  const network = new Network();
  const a = new Peer(network, { role: 'controlling' }, 2);
  const b = new Peer(network, { role: 'controlled' }, 3);
  a.other = b;
  b.other = a;
  a.addSocket(1, { address: '192.0.2.1', port: 5001 });
  b.addSocket(1, { address: '192.0.2.2', port: 5002 });
  for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
  exchangeParameters(a, b);
  for (let count = 0; count < steps; count++) network.clock.step();
  return { network, a, b };
}
