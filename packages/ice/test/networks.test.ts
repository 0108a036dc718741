import { describe, expect, test } from '@jest/globals';
import { type IceServer, parseCandidate } from '@petrel/ice';
import { encodeStunMessage, newTransactionId, shortTermKey } from '@petrel/stun';
import {
  addStunServer,
  connectedPair,
  type Endpoint,
  exchangeParameters,
  type NatFilter,
  type NatMapping,
  Network,
  newPair,
  Peer,
  runUntilConnected,
  seededCrypto,
  startHosts,
} from './support/network.ts';

const STUN: Endpoint = { address: '203.0.113.3', port: 3478 };
const stunServer: IceServer = {
  url: { scheme: 'stun', host: '203.0.113.3', port: 3478, transport: 'udp' },
  text: 'stun:203.0.113.3',
};
const MAPPINGS: readonly NatMapping[] = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent', 'symmetric'];
const FILTERS: readonly NatFilter[] = ['endpoint-independent', 'address-dependent', 'address-and-port-dependent'];

interface Behind {
  readonly network: Network;
  readonly a: Peer;
  readonly b: Peer;
  readonly natA: ReturnType<Network['addNat']>;
  readonly natB: ReturnType<Network['addNat']> | undefined;
}

/** Two peers behind NATs of their own (or b on the public network), who know a STUN server. */
function behindNats(
  mappings: readonly [NatMapping, NatMapping] | readonly [NatMapping],
  filters: readonly [NatFilter, NatFilter?],
  options: { readonly seed?: number; readonly timeout?: number; readonly loss?: number } = {},
): Behind {
  const { seed = 1, timeout = 30_000, loss = 0 } = options;
  const network = new Network({ seed, loss });
  addStunServer(network, STUN);
  const natA = network.addNat({ external: '198.51.100.1', mapping: mappings[0], filter: filters[0], timeout });
  const natB =
    mappings[1] &&
    network.addNat({ external: '198.51.100.2', mapping: mappings[1], filter: filters[1] ?? 'endpoint-independent', timeout });
  const servers = { servers: [stunServer] };
  const { a, b } = newPair({ network, seed, a: servers, b: servers, natA, ...(natB === undefined ? {} : { natB }) });
  a.addSocket(1, { address: '10.0.0.1', port: 5001 });
  b.addSocket(1, natB === undefined ? { address: '192.0.2.2', port: 5002 } : { address: '10.0.0.2', port: 5002 });
  for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
  exchangeParameters(a, b);
  return { network, a, b, natA, natB };
}

/** Whether both get what the other one sends. */
function talk({ network, a, b }: { network: Network; a: Peer; b: Peer }): boolean {
  a.texts();
  b.texts();
  a.send('up');
  b.send('down');
  network.clock.advanceBy(100);
  return a.texts().join() === 'down' && b.texts().join() === 'up';
}

describe('L07, RFC 4787: NATs of all kinds', () => {
  const CASES = MAPPINGS.flatMap((mapping) => FILTERS.map((filter) => [mapping, filter] as const));

  test.each(CASES)('one peer behind %s mapping with %s filtering: connects without a relay', (mapping, filter) => {
    for (let seed = 1; seed <= 5; seed++) {
      const pair = behindNats([mapping], [filter], { seed });
      expect(runUntilConnected(pair, 10_000)).toBe(true);
      pair.network.clock.advanceBy(120_000);
      expect(talk(pair)).toBe(true);
    }
  });

  test('both behind NATs, all 144 combinations: connect exactly where theory says so', () => {
    const wrong: string[] = [];
    for (const [mappingA, filterA] of CASES)
      for (const [mappingB, filterB] of CASES) {
        const pair = behindNats([mappingA, mappingB], [filterA, filterB]);
        const connected = runUntilConnected(pair, 15_000);
        const expected = couldConnect(mappingA, filterA, mappingB, filterB);
        if (connected !== expected) wrong.push(`${mappingA}/${filterA} - ${mappingB}/${filterB}: ${connected}`);
        else if (connected && !talk(pair)) wrong.push(`${mappingA}/${filterA} - ${mappingB}/${filterB}: no data`);
      }
    expect(wrong).toEqual([]);
  });

  test('mappings that live for 30 s stay for an hour, and a rebinding every 60 s is survived', () => {
    const pair = behindNats(['endpoint-independent', 'endpoint-independent'], ['address-and-port-dependent', 'endpoint-independent'], {
      timeout: 30_000,
    });
    expect(runUntilConnected(pair, 10_000)).toBe(true);
    for (let minute = 0; minute < 60; minute++) {
      pair.network.clock.advanceBy(60_000);
      expect(talk(pair)).toBe(true);
      pair.natA.rebind();
      pair.network.clock.advanceBy(10_000);
      expect(talk(pair)).toBe(true);
    }
    expect([pair.a.state, pair.b.state]).not.toContain('failed');
  });

  test('a mapping is kept until the answer comes, minutes later (RFC 8445 §11)', () => {
    const network = new Network();
    addStunServer(network, STUN);
    const natA = network.addNat({
      external: '198.51.100.1',
      mapping: 'endpoint-independent',
      filter: 'endpoint-independent',
      timeout: 30_000,
    });
    const { a, b } = newPair({ network, natA, a: { servers: [stunServer] } });
    a.addSocket(1, { address: '10.0.0.1', port: 5001 });
    a.input((agent, now) => agent.endOfSockets(now));
    network.clock.advanceBy(300_000);
    b.addSocket(1, { address: '192.0.2.2', port: 5002 });
    b.input((agent, now) => agent.endOfSockets(now));
    // Only b checks at first: a's mapping must still be there.
    b.input((agent, now) => agent.setRemoteParameters(a.agent.localParameters, now));
    network.clock.advanceBy(1_000);
    expect(a.agent.discards.total).toBe(0);
    a.input((agent, now) => agent.setRemoteParameters(b.agent.localParameters, now));
    expect(runUntilConnected({ network, a, b }, network.now() + 5_000)).toBe(true);
    expect(b.agent.selectedPair?.remote.type).toBe('srflx');
  });
});

/**
 * Hole punching by the definitions of RFC 4787, when each side knows the address of the other that a STUN server on another host has seen: it is the
 * right one if the mapping does not depend on the destination.
 */
function couldConnect(mappingA: NatMapping, filterA: NatFilter, mappingB: NatMapping, filterB: NatFilter): boolean {
  const knownA = mappingA === 'endpoint-independent';
  const knownB = mappingB === 'endpoint-independent';
  if (knownA && knownB) return true;
  // The known side is reached from an unknown port of an address that it has sent to.
  if (knownA) return filterA !== 'address-and-port-dependent';
  if (knownB) return filterB !== 'address-and-port-dependent';
  // Only a filter that lets everybody in lets the first check in. The answer to it comes from a new port of a known address, which the other
  // filter has to let in; and one of the mappings has to stay the same for all ports of the other side, or every answer comes from a new one.
  const stays = mappingA === 'address-dependent' || mappingB === 'address-dependent';
  const filters = [filterA, filterB];
  return stays && filters.includes('endpoint-independent') && !filters.includes('address-and-port-dependent');
}

describe('I13: the peer’s NAT gives it another address in the middle of a call', () => {
  test.each([
    ['controlling', true],
    ['controlled', false],
  ] as const)('behind the NAT is the %s agent: data flows within 1 s of its first check, and the move is seen', (_, aControls) => {
    for (let seed = 1; seed <= 20; seed++) {
      const pair = behindNats(['endpoint-independent'], ['address-and-port-dependent'], { seed });
      const { network, a, b, natA } = pair;
      if (!aControls) {
        a.input((agent, now) => agent.setRole('controlled', now));
        b.input((agent, now) => agent.setRole('controlling', now));
      }
      expect(runUntilConnected(pair, 10_000)).toBe(true);
      network.clock.advanceBy(3_000 + 400 * seed);
      const before = b.agent.selectedPair!.remote.port;
      natA.rebind();
      network.packets.length = 0;
      // The peer is talking all the time, but payload from a new address counts for nothing.
      const firstCheck = (): number | undefined =>
        network.packets.find(({ from, data }) => from.address === '198.51.100.1' && data[0] === 0 && data[1] === 1)?.at;
      let sent = 0;
      while (firstCheck() === undefined) {
        a.send(`lost ${sent++}`);
        network.clock.advanceBy(100);
      }
      b.texts();
      network.clock.advanceTo(firstCheck()! + 500);
      b.send('back');
      a.send('new');
      network.clock.advanceBy(500);
      expect([b.texts().includes('new'), a.texts()]).toEqual([true, ['back']]);
      expect(b.agent.selectedPair!.remote.port).not.toBe(before);
      expect([a.state, b.state]).not.toContain('failed');
      network.clock.advanceBy(60_000);
      expect(talk(pair)).toBe(true);
    }
  });

  test('packets of somebody else, and checks with another password, do not move the path', () => {
    const { network, a, b } = connectedPair();
    const attacker = { address: '198.51.100.66', port: 6 };
    const key = shortTermKey(seededCrypto(3), 'wrong');
    const attributes = {
      username: `${b.agent.localParameters.usernameFragment}:${a.agent.localParameters.usernameFragment}`,
      priority: 1,
      useCandidate: true as const,
    };
    for (let count = 0; count < 50; count++) {
      const transactionId = newTransactionId(seededCrypto(count));
      const check = encodeStunMessage({ class: 'request', method: 'binding', transactionId, attributes }, { key, fingerprint: true });
      network.spoof(attacker, { address: '192.0.2.2', port: 5002 }, check);
      network.spoof(attacker, { address: '192.0.2.2', port: 5002 }, Uint8Array.of(128, 0));
      network.clock.advanceBy(100);
    }
    expect(b.agent.selectedPair?.remote.address).toBe('192.0.2.1');
    b.send('private');
    network.clock.advanceBy(20);
    expect(a.texts()).toEqual(['private']);
  });
});

/** a has three interfaces with two families, b one. */
function threeInterfaces(options: { readonly seed: number; readonly dead?: (endpoint: Endpoint) => boolean }): {
  network: Network;
  a: Peer;
  b: Peer;
} {
  const { seed, dead } = options;
  const network = new Network({ seed, filter: ({ from, to }) => !(dead?.(from) ?? false) && !(dead?.(to) ?? false) });
  const { a, b } = newPair({ network, seed });
  const addresses = ['192.0.2.1', '192.0.2.11', '192.0.2.21', '2001:db8::1', '2001:db8::11', '2001:db8::21'];
  addresses.forEach((address, index) => a.addSocket(index, { address, port: 5001 + index }));
  b.addSocket(1, { address: '192.0.2.2', port: 6001 });
  b.addSocket(2, { address: '2001:db8::2', port: 6002 });
  for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
  exchangeParameters(a, b);
  return { network, a, b };
}

describe('L10: several interfaces', () => {
  test('RFC 8421: a black-holed IPv6, and a black-holed first interface, do not keep it from connecting', () => {
    for (const dead of [
      ({ address }: Endpoint) => address.includes(':'),
      ({ address }: Endpoint) => address === '192.0.2.1' || address === '2001:db8::1',
    ])
      for (let seed = 1; seed <= 10; seed++) {
        const pair = threeInterfaces({ seed, dead });
        expect(runUntilConnected(pair, 3_000)).toBe(true);
        pair.network.clock.advanceBy(5_000);
        expect(talk(pair)).toBe(true);
      }
  });

  test('the interface in use vanishes: data goes on over another one at once, in both directions within 5 s', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const pair = threeInterfaces({ seed });
      const { network, a, b } = pair;
      expect(runUntilConnected(pair, 3_000)).toBe(true);
      network.clock.advanceBy(20_000);
      const used = [...a.sockets].find(([, { address, port }]) => {
        const { local } = a.agent.selectedPair!;
        return local.address === address && local.port === port;
      })![0];
      a.removeSocket(used);
      expect(['connected', 'completed']).toContain(a.state);
      a.send('still here');
      network.clock.advanceBy(100);
      expect(b.texts()).toEqual(['still here']);
      network.clock.advanceBy(4_900);
      expect(talk(pair)).toBe(true);
    }
  });

  test('the path in use is black-holed: another one is taken when it has been silent for 7 s', () => {
    for (let seed = 1; seed <= 10; seed++) {
      let dead: string | undefined;
      const pair = threeInterfaces({ seed, dead: ({ address }) => address === dead });
      const { network, a } = pair;
      expect(runUntilConnected(pair, 3_000)).toBe(true);
      network.clock.advanceBy(20_000);
      dead = a.agent.selectedPair!.local.address;
      network.clock.advanceBy(14_000);
      expect(a.agent.selectedPair!.local.address).not.toBe(dead);
      expect(talk(pair)).toBe(true);
      network.clock.advanceBy(60_000);
      expect(talk(pair)).toBe(true);
    }
  });

  test('the only interface vanishes and another one comes: it connects again without a restart', () => {
    const { network, a, b } = connectedPair();
    a.removeSocket(1);
    expect([a.state, a.send('lost')]).toEqual(['disconnected', false]);
    network.clock.advanceBy(5_000);
    a.addSocket(2, { address: '192.0.2.77', port: 7001 });
    expect(runUntilConnected({ network, a, b }, network.now() + 5_000)).toBe(true);
    network.clock.advanceBy(3_000);
    expect(talk({ network, a, b })).toBe(true);
  });

  test('the only interface vanishes for good: disconnected, then failed', () => {
    const { network, a } = connectedPair();
    a.removeSocket(1);
    network.clock.advanceBy(35_000);
    expect(a.states.slice(-2)).toEqual(['disconnected', 'failed']);
    expect(a.agent.nextTimeout()).toBe(Infinity);
  });
});

describe('L02, TEST-CATALOGUE 6: loss', () => {
  test.each([
    [0, 1_000],
    [0.1, 2_000],
    [0.3, 8_000],
    [0.5, 30_000],
  ])('of %d both ways, 100 ms round trip: every seed of 60 connects within %i ms', (loss, limit) => {
    for (let seed = 1; seed <= 60; seed++) {
      const network = new Network({ seed, loss, delay: 50 });
      network.record = false;
      const pair = newPair({ network, seed });
      startHosts(pair.a, pair.b);
      expect([seed, runUntilConnected(pair, limit)]).toEqual([seed, true]);
    }
  });

  test('a connection lives through an hour of 30 % loss', () => {
    const network = new Network({ seed: 4, loss: 0.3, delay: 50 });
    network.record = false;
    const { a, b } = connectedPair({ network });
    for (let minute = 0; minute < 60; minute++) {
      network.clock.advanceBy(60_000);
      expect([a.state, b.state]).not.toContain('failed');
    }
  });
});

test('ICE-lite peer (RFC 8445 §2.5): it answers and is controlled, whatever the descriptions said; consent goes on', () => {
  const { network, a, b } = newPair({ a: { lite: true, role: 'controlling' }, b: { role: 'controlled' } });
  startHosts(a, b);
  a.input((agent, now) => agent.setRole('controlled', now));
  expect(runUntilConnected({ network, a, b }, 3_000)).toBe(true);
  network.clock.advanceBy(120_000);
  expect([a.agent.role, b.agent.role, b.state]).toEqual(['controlled', 'controlling', 'completed']);
  expect(talk({ network, a, b })).toBe(true);
  const fromLite = network.packets.filter(({ from, data }) => from.port === 5001 && data[0] === 0 && data[1] === 1);
  expect(fromLite).toEqual([]);
});

test('RFC 8445 §8.1.2: an aggressive peer nominates every pair; the best one is used', () => {
  const network = new Network();
  const peer = new Peer(network, { role: 'controlled' });
  peer.addSocket(1, { address: '192.0.2.1', port: 5001 });
  peer.addSocket(2, { address: '192.0.2.11', port: 5002 });
  const remote = { usernameFragment: 'aggr', password: 'p'.repeat(24) };
  peer.input((agent, now) => agent.setRemoteParameters(remote, now));
  const crypto = seededCrypto(12);
  const ownKey = shortTermKey(crypto, remote.password);
  const peerKey = shortTermKey(crypto, peer.agent.localParameters.password);
  // It answers every check, and nominates the worse pair first.
  const endpoints = [1, 2].map((index) => ({ address: '192.0.2.2', port: 6000 + index }));
  for (const endpoint of endpoints)
    network.bind(endpoint, (data, from, to) => {
      if (data[0] !== 0 || data[1] !== 1) return;
      const response = {
        class: 'success',
        method: 'binding',
        transactionId: data.slice(8, 20),
        attributes: { xorMappedAddress: from },
      } as const;
      network.send(to, from, encodeStunMessage(response, { key: ownKey, fingerprint: true }));
    });
  endpoints.forEach((endpoint, index) =>
    peer.input((agent, now) =>
      agent.addRemoteCandidate(
        parseCandidate(`${index} 1 udp ${2_000_000_000 + index} ${endpoint.address} ${endpoint.port} typ host`)!,
        now,
      ),
    ),
  );
  const nominate = (from: Endpoint, to: Endpoint): void => {
    const attributes = {
      username: `${peer.agent.localParameters.usernameFragment}:aggr`,
      priority: 1,
      iceControlling: 1n,
      useCandidate: true as const,
    };
    const check = { class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes } as const;
    network.send(from, to, encodeStunMessage(check, { key: peerKey, fingerprint: true }));
  };
  for (let round = 0; round < 20; round++) {
    for (const from of endpoints) for (const to of peer.sockets.values()) nominate(from, to);
    network.clock.advanceBy(100);
  }
  const best = peer.agent.stats.pairs[0]!;
  expect([best.selected, best.nominated, best.remote.port]).toEqual([true, true, 6002]);
  expect(peer.agent.stats.pairs.every(({ state }) => state === 'succeeded')).toBe(true);
});
