import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { formatCandidate, type IceAgentOptions, type IceServer } from '@petrel/ice';
import { NAT_TYPES, type SimulatedHost, SimulatedNetwork, SimulatedTurnServer, type TurnServerOptions } from '@petrel/testing';
import { iceServer, SimulatedPeer } from './support/simulated-peer.ts';

const CREDENTIALS = { username: 'alice', credential: 'secret' };
const SERVER = '203.0.113.9';
const turnUdp = iceServer(`turn:${SERVER}`, CREDENTIALS);
const turnTcp = iceServer(`turn:${SERVER}?transport=tcp`, CREDENTIALS);
const turnTls = iceServer('turns:turn.example.org?transport=tcp', CREDENTIALS);
const stun = iceServer(`stun:${SERVER}`);

let network: SimulatedNetwork;
let server: SimulatedTurnServer;
let hostA: SimulatedHost;
let hostB: SimulatedHost;

async function build(options: TurnServerOptions = {}): Promise<void> {
  network = new SimulatedNetwork({ seed: 3 });
  const tls = { tlsPort: 5349, tlsNames: ['turn.example.org'] };
  const serverHost = network.addHost('turn', { interfaces: [{ addresses: [SERVER] }] });
  server = await SimulatedTurnServer.start(serverHost, { users: { alice: 'secret' }, ...tls, ...options });
  const nat = (address: string): ReturnType<SimulatedNetwork['addNat']> => network.addNat({ addresses: [address], ...NAT_TYPES.symmetric });
  hostA = network.addHost('a', { interfaces: [{ addresses: ['10.0.0.1'], nat: nat('198.51.100.1') }] });
  hostB = network.addHost('b', { interfaces: [{ addresses: ['10.0.0.2'], nat: nat('198.51.100.2') }] });
  network.addName('turn.example.org', [SERVER]);
}

beforeEach(() => build());

function newPeer(servers: readonly IceServer[], options: Partial<IceAgentOptions> = {}, host: SimulatedHost = hostA): SimulatedPeer {
  return new SimulatedPeer(host, { role: host === hostA ? 'controlling' : 'controlled', servers, ...options });
}

/** Gathers until it is complete. */
async function gathered(
  peer: SimulatedPeer,
  addresses: readonly string[] = [peer.runtime === hostA.runtime ? '10.0.0.1' : '10.0.0.2'],
): Promise<SimulatedPeer> {
  await peer.gather(addresses);
  expect(await network.runUntil(() => peer.agent.gatheringState === 'complete', 15_000)).toBe(true);
  return peer;
}

async function talk(a: SimulatedPeer, b: SimulatedPeer): Promise<boolean> {
  a.texts();
  b.texts();
  a.send('up');
  b.send('down');
  await network.run(500);
  return a.texts().join() === 'down' && b.texts().join() === 'up';
}

describe('RFC 8445 §5.1.1: candidates', () => {
  test('host, server-reflexive and relayed ones; their related addresses, servers and priorities', async () => {
    const peer = await gathered(newPeer([stun, turnUdp]));
    const candidates = peer.agent.stats.localCandidates;
    expect(candidates.map(({ type }) => type).toSorted()).toEqual(['host', 'relay', 'srflx']);
    const host = candidates.find(({ type }) => type === 'host')!;
    const relay = candidates.find(({ type }) => type === 'relay')!;
    const reflexive = candidates.filter(({ type }) => type === 'srflx');
    expect(reflexive[0]).toMatchObject({ address: '198.51.100.1', relatedAddress: '10.0.0.1', relatedPort: host.port });
    expect(reflexive.map(({ url }) => url)).toEqual(['stun:203.0.113.9']); // TURN's Allocate has found the same one
    expect(relay).toMatchObject({ address: SERVER, relatedAddress: '198.51.100.1', relayProtocol: 'udp', url: 'turn:203.0.113.9' });
    expect(new Set(candidates.map(({ foundation }) => foundation)).size).toBe(3);
    expect(host.priority).toBeGreaterThan(reflexive[0]!.priority);
    expect(reflexive[0]!.priority).toBeGreaterThan(relay.priority);
    expect(peer.events.filter(({ type }) => type === 'gathering-state')).toEqual([
      { type: 'gathering-state', state: 'gathering' },
      { type: 'gathering-state', state: 'complete' },
    ]);
  });

  test('RFC 8445 §9: after a restart the server-reflexive candidate that TURN has told is there again', async () => {
    const peer = await gathered(newPeer([turnUdp]));
    const shown = (): string[] => peer.agent.stats.localCandidates.map(({ type }) => type).toSorted();
    expect(shown()).toEqual(['host', 'relay', 'srflx']);
    peer.events.length = 0;
    peer.input((agent, now) => agent.restart(now));
    peer.input((agent, now) => agent.endOfSockets(now));
    expect(await network.runUntil(() => peer.agent.gatheringState === 'complete', 15_000)).toBe(true);
    expect(shown()).toEqual(['host', 'relay', 'srflx']);
    expect(peer.events.filter(({ type }) => type === 'candidate')).toHaveLength(3);
  });

  test('§5.1.3: a server-reflexive candidate that is the host candidate is none', async () => {
    const host = network.addHost('c', { interfaces: [{ addresses: ['192.0.2.3'] }] });
    const peer = await gathered(newPeer([stun], {}, host), ['192.0.2.3']);
    expect(peer.candidates()).toEqual(['host udp 192.0.2.3']);
  });

  test('an announced address takes the place of the socket’s', () => {
    const peer = newPeer([]);
    peer.input((agent, now) =>
      agent.addSocket(1, { protocol: 'udp', address: '10.0.0.1', port: 5000, announcedAddress: '198.51.100.50', announcedPort: 6000 }, now),
    );
    expect(peer.agent.stats.localCandidates).toMatchObject([{ type: 'host', address: '198.51.100.50', port: 6000 }]);
  });

  test('a socket is bound to an address', () => {
    const peer = newPeer([]);
    expect(() => peer.agent.addSocket(1, { protocol: 'udp', address: 'localhost', port: 1 }, 0)).toThrow(TypeError);
  });

  test('a server is asked from the bases that can reach it: by family, and not from loopback', async () => {
    const host = network.addHost('d', { interfaces: [{ addresses: ['192.0.2.4', '2001:db8::4'] }] });
    const peer = newPeer([stun], {}, host);
    await peer.gather(['192.0.2.4', '2001:db8::4', '127.0.0.1']);
    await network.run(2_000);
    expect(server.requests.length).toBe(1);
    expect(peer.agent.gatheringState).toBe('complete');
  });
});

describe('sockets that are shared among agents', () => {
  test('RFC 8656 §3.1: a direct one has no allocation, one for relays has nothing else', async () => {
    const peer = newPeer([stun, turnUdp]);
    const addSocket = async (id: number, use: 'direct' | 'relays'): Promise<void> => {
      const socket = await peer.runtime.bindUdp({ address: '10.0.0.1' }, (data, address, port) =>
        peer.input((agent, now) => void agent.receive(id, data, address, port, now)),
      );
      peer.sockets.set(id, socket);
      peer.input((agent, now) => agent.addSocket(id, { protocol: 'udp', address: '10.0.0.1', port: socket.port, use }, now));
    };
    await addSocket(1, 'direct');
    await addSocket(2, 'relays');
    peer.input((agent, now) => agent.endOfSockets(now));
    expect(await network.runUntil(() => peer.agent.gatheringState === 'complete', 15_000)).toBe(true);
    const candidates = peer.agent.stats.localCandidates;
    expect(candidates.map(({ type }) => type).toSorted()).toEqual(['host', 'relay', 'srflx']);
    const direct = candidates.find(({ type }) => type === 'host')!;
    expect(candidates.find(({ type }) => type === 'srflx')!.relatedPort).toBe(direct.port);
  });
});

describe('I15: servers that do not answer, and names that do not resolve', () => {
  test('gathering is complete after 10 s, with an error for each; the host candidates were there at once', async () => {
    const silent = iceServer('stun:203.0.113.77');
    const unresolved = iceServer('turn:never.example.org', CREDENTIALS);
    const peer = newPeer([silent, unresolved, iceServer('turn:203.0.113.78', CREDENTIALS)]);
    await peer.gather(['10.0.0.1']);
    expect(peer.candidates()).toEqual(['host udp 10.0.0.1']);
    await network.run(9_900);
    expect(peer.agent.gatheringState).toBe('gathering');
    await network.run(200);
    expect(peer.agent.gatheringState).toBe('complete');
    expect(peer.events.filter(({ type }) => type === 'candidate-error')).toMatchObject([
      { errorCode: 701, url: 'stun:203.0.113.77', address: '203.0.113.77', port: 3478 },
      { errorCode: 701, url: 'turn:203.0.113.78' },
      { errorCode: 701, url: 'turn:never.example.org', address: undefined },
    ]);
    await network.run(60_000);
    expect(peer.agent.nextTimeout()).toBe(Infinity);
  });

  test('a name that is resolved later is asked then; one without addresses is an error', async () => {
    const named = iceServer('stun:stun.example.org');
    const peer = newPeer([named, iceServer('stun:nothing.example.org')]);
    await peer.gather(['10.0.0.1']);
    await network.run(1_000);
    peer.input((agent, now) => agent.resolveServer('nothing.example.org', [], now));
    peer.input((agent, now) => agent.resolveServer('stun.example.org', ['2001:db8::9', SERVER], now));
    await network.run(500);
    expect([peer.candidates(), peer.agent.gatheringState]).toEqual([['host udp 10.0.0.1', 'srflx udp 198.51.100.1'], 'complete']);
    expect(peer.events.filter(({ type }) => type === 'candidate-error')).toMatchObject([
      { errorCode: 701, url: 'stun:nothing.example.org' },
    ]);
  });

  test('wrong credentials are an error with the server’s code', async () => {
    const peer = await gathered(newPeer([iceServer(`turn:${SERVER}`, { username: 'alice', credential: 'wrong' })]));
    expect(peer.events.filter(({ type }) => type === 'candidate-error')).toMatchObject([{ errorCode: 401, address: SERVER, port: 3478 }]);
  });

  test('a stream that cannot be opened is an error', async () => {
    const peer = await gathered(newPeer([iceServer(`turn:${SERVER}:1?transport=tcp`, CREDENTIALS)]));
    expect(peer.events.filter(({ type }) => type === 'candidate-error')).toMatchObject([{ errorCode: 701 }]);
  });

  test('closing in the middle of it ends it, and releases what was allocated', async () => {
    for (const after of [0, 5, 15, 25, 35, 45, 70, 200]) {
      await build();
      const peer = newPeer([stun, turnUdp, turnTcp]);
      await peer.gather(['10.0.0.1']);
      await network.run(after);
      peer.input((agent, now) => agent.close(now));
      await network.run(60_000);
      expect([peer.agent.nextTimeout(), peer.agent.released, server.allocations.length]).toEqual([Infinity, true, 0]);
    }
  });
});

describe('relays (RFC 8656)', () => {
  test.each([
    ['UDP', turnUdp, 'udp'],
    ['TCP', turnTcp, 'tcp'],
    ['TLS', turnTls, 'tls'],
  ] as const)(
    'over %s: two symmetric NATs connect through it, data flows for ten minutes, and closing releases it',
    async (_, turn, protocol) => {
      const [a, b] = [newPeer([turn]), newPeer([turn], {}, hostB)];
      for (const [peer, host] of [
        [a, '10.0.0.1'],
        [b, '10.0.0.2'],
      ] as const) {
        await peer.gather([host]);
        peer.input((agent, now) => agent.resolveServer('turn.example.org', [SERVER], now));
      }
      expect(await network.runUntil(() => [a, b].every(({ agent }) => agent.gatheringState === 'complete'), 15_000)).toBe(true);
      expect(a.candidates()).toContain(`relay ${protocol} ${SERVER}`);
      SimulatedPeer.signal(a, b);
      expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
      await network.run(5_000);
      expect([a.agent.selectedPair!.local.type, a.agent.selectedPair!.remote.type]).toContain('relay');
      for (let minute = 0; minute < 10; minute++) {
        expect(await talk(a, b)).toBe(true);
        await network.run(60_000);
      }
      expect(await talk(a, b)).toBe(true);
      for (const peer of [a, b]) peer.input((agent, now) => agent.close(now));
      await network.run(2_000);
      expect([server.allocations.length, a.agent.released, b.agent.released]).toEqual([0, true, true]);
    },
  );

  test('I16: relay only: nothing else is shown, used or answered', async () => {
    const [a, b] = [newPeer([stun, turnUdp], { transportPolicy: 'relay' }), newPeer([stun, turnUdp], { transportPolicy: 'relay' }, hostB)];
    await gathered(a);
    await gathered(b);
    expect(a.candidates()).toEqual([`relay udp ${SERVER}`]);
    const shown = a.agent.stats.localCandidates.map((candidate) => formatCandidate(candidate)).join('\n');
    expect(shown).not.toMatch(/10\.0\.0\.1|198\.51\.100\.1/);
    expect(shown).toContain('raddr 0.0.0.0 rport 0');
    SimulatedPeer.signal(a, b);
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    await network.run(3_000);
    expect(await talk(a, b)).toBe(true);
    const everything = JSON.stringify([a.events, a.agent.stats, a.agent.selectedPair], (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    expect(everything).not.toMatch(/10\.0\.0\.1|198\.51\.100\.1/);
    // Everything went to the server.
    expect(network.log.entries.every(({ source, destination }) => [source, destination].some(({ address }) => address === SERVER))).toBe(
      true,
    );
  });

  test('S08, RFC 8489 §10: an authenticated redirection is followed to another server, and not in circles', async () => {
    const other = await SimulatedTurnServer.start(network.addHost('turn2', { interfaces: [{ addresses: ['203.0.113.10'] }] }), {
      users: { alice: 'secret' },
    });
    server.onResponse = (response, request) => {
      if (request.method !== 'allocate' || request.attributes.username === undefined) return response;
      const alternateServers = [{ address: '203.0.113.10', port: 3478 }];
      return { ...response, class: 'error', attributes: { errorCode: { code: 300, reason: 'Try Alternate' }, alternateServers } };
    };
    for (const turn of [turnUdp, turnTcp]) {
      const peer = await gathered(newPeer([turn]));
      expect(peer.candidates().some((candidate) => candidate.startsWith('relay') && candidate.endsWith('203.0.113.10'))).toBe(true);
      peer.input((agent, now) => agent.close(now));
      await network.run(1_000);
    }
    const back = [{ address: SERVER, port: 3478 }];
    other.onResponse = (response, request) => {
      if (request.method !== 'allocate' || request.attributes.username === undefined) return response;
      return { ...response, class: 'error', attributes: { errorCode: { code: 300, reason: 'Try Alternate' }, alternateServers: back } };
    };
    const peer = await gathered(newPeer([turnUdp]));
    expect(peer.events.filter(({ type }) => type === 'candidate-error')).toMatchObject([{ errorCode: 300, address: '203.0.113.10' }]);
  });

  test('T05: an allocation that is lost in mid-call takes its pairs with it, and another one is made; other candidates go on', async () => {
    await build();
    const open = network.addHost('open', { interfaces: [{ addresses: ['192.0.2.7'] }] });
    const [a, b] = [newPeer([turnUdp]), newPeer([], {}, open)];
    await gathered(a);
    await b.gather(['192.0.2.7']);
    SimulatedPeer.signal(a, b);
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    await network.run(2_000);
    expect(a.agent.selectedPair!.local.type).not.toBe('relay');
    const relays = (): number[] => a.agent.stats.localCandidates.filter(({ type }) => type === 'relay').map(({ port }) => port);
    const before = relays();
    server.restart();
    await network.run(900_000);
    expect(await talk(a, b)).toBe(true);
    expect(relays()).toHaveLength(1);
    expect(relays()).not.toEqual(before);
    expect(server.allocations).toHaveLength(1);
  });

  test('T05, RFC 8656 §8.3: an ICE restart does not rely on allocations that the server has forgotten', async () => {
    await build();
    const [a, b] = [newPeer([turnUdp], { transportPolicy: 'relay' }), newPeer([turnTcp], { transportPolicy: 'relay' }, hostB)];
    await gathered(a);
    await gathered(b);
    SimulatedPeer.signal(a, b);
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    server.restart();
    for (const peer of [a, b]) peer.input((agent, now) => agent.restart(now));
    for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
    await network.run(1000);
    SimulatedPeer.signal(a, b);
    await network.run(10_000);
    expect(await talk(a, b)).toBe(true);
  });

  test('T05: a server that forgets each allocation gets four', async () => {
    await build();
    const peer = await gathered(newPeer([turnUdp]));
    let made = 0;
    for (let i = 0; i < 10; i++) {
      made += server.allocations.length;
      server.restart();
      await network.run(600_000);
    }
    expect([made, peer.candidates().filter((candidate) => candidate.startsWith('relay')).length]).toEqual([4, 4]);
  });

  test('a candidate on loopback is nothing that a relay is asked for', async () => {
    await build();
    const peer = await gathered(newPeer([turnUdp]));
    peer.input((agent, now) => agent.setRemoteParameters({ usernameFragment: 'peer', password: 'p'.repeat(24) }, now));
    const candidate = { foundation: '1', component: 1, protocol: 'udp', priority: 9, address: '127.0.0.1', port: 9, type: 'host' } as const;
    peer.input((agent, now) => agent.addRemoteCandidate(candidate, now));
    await network.run(1000);
    expect(peer.agent.stats.pairs).toEqual([]);
  });

  test('a direct path is preferred to a relay, and taken when it answers late', async () => {
    const lan = network.addHost('lan', { interfaces: [{ addresses: ['192.0.2.20'] }] });
    const other = network.addHost('other', { interfaces: [{ addresses: ['192.0.2.21'] }] });
    const a = new SimulatedPeer(lan, { role: 'controlling', servers: [turnUdp] });
    const b = new SimulatedPeer(other, { role: 'controlled', servers: [turnUdp] });
    await gathered(a, ['192.0.2.20']);
    await gathered(b, ['192.0.2.21']);
    let direct = false;
    network.filter = (packet) => (direct || [packet.source.address, packet.destination.address].includes(SERVER) ? packet : undefined);
    SimulatedPeer.signal(a, b);
    await network.run(6_000);
    expect([a.agent.selectedPair!.local.type, a.agent.selectedPair!.remote.type]).toContain('relay');
    direct = true;
    await network.run(5_000);
    for (const peer of [a, b]) expect([peer.agent.selectedPair!.local.type, peer.agent.selectedPair!.remote.type]).not.toContain('relay');
    expect(await talk(a, b)).toBe(true);
  });
});

describe('I16, draft-ietf-mmusic-mdns-ice-candidates: hidden addresses', () => {
  test('names in the place of host addresses, everywhere; the connection is made all the same', async () => {
    const names: string[] = [];
    const concealAddress = (address: string): string => {
      const index = names.indexOf(address);
      return `name-${index === -1 ? names.push(address) - 1 : index}.local`;
    };
    const a = await gathered(newPeer([stun], { concealAddress }));
    expect(a.candidates()).toEqual(['host udp name-0.local', 'srflx udp 198.51.100.1']);
    expect(a.agent.stats.localCandidates[1]).toMatchObject({ relatedAddress: '0.0.0.0', relatedPort: 0 });
    const open = network.addHost('open', { interfaces: [{ addresses: ['192.0.2.7'] }] });
    const b = newPeer([], {}, open);
    await b.gather(['192.0.2.7']);
    SimulatedPeer.signal(a, b);
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    const everything = JSON.stringify([a.events, a.agent.stats, a.agent.selectedPair], (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    expect(everything).not.toContain('10.0.0.1');
  });

  test('no name: no host candidate, neither shown nor in statistics, but checks are sent from it', async () => {
    const a = await gathered(newPeer([stun], { concealAddress: () => undefined }));
    expect(a.candidates()).toEqual(['srflx udp 198.51.100.1']);
    const open = network.addHost('open', { interfaces: [{ addresses: ['192.0.2.7'] }] });
    const b = newPeer([], {}, open);
    await b.gather(['192.0.2.7']);
    SimulatedPeer.signal(a, b);
    expect(await network.runUntil(() => a.connected && b.connected, 10_000)).toBe(true);
    const everything = JSON.stringify([a.events, a.agent.stats, a.agent.selectedPair], (_, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    expect(everything).not.toContain('10.0.0.1');
  });
});

test('T09, W09: passwords and credentials are in no event, no statistic, and nothing that inspect shows', async () => {
  const peer = await gathered(newPeer([turnUdp, iceServer(`turn:${SERVER}`, { username: 'alice', credential: 'wrong-secret' })]));
  const { agent } = peer;
  const everything = inspect([agent, peer.events, agent.stats, agent.discards], { depth: 20, showHidden: true, getters: false });
  expect(everything).not.toContain(agent.localParameters.password);
  expect(everything).not.toContain('secret');
});

describe('restarts', () => {
  test('the allocation is kept and shown again, the STUN server is asked again', async () => {
    const peer = await gathered(newPeer([stun, turnUdp]));
    const relay = peer.agent.stats.localCandidates.find(({ type }) => type === 'relay')!;
    peer.events.length = 0;
    peer.input((agent, now) => agent.restart(now));
    peer.input((agent, now) => agent.endOfSockets(now));
    await network.run(1_000);
    expect(peer.candidates().toSorted()).toEqual(['host udp 10.0.0.1', `relay udp ${SERVER}`, 'srflx udp 198.51.100.1']);
    const again = peer.agent.stats.localCandidates.find(({ type }) => type === 'relay')!;
    expect([again.port, again.usernameFragment]).toEqual([relay.port, peer.agent.localParameters.usernameFragment]);
    expect(server.allocations).toHaveLength(1);
    expect(peer.agent.gatheringState).toBe('complete');
  });
});
