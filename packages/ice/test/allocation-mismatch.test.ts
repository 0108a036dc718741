import { beforeEach, describe, expect, test } from '@jest/globals';
import type { IceAgentOptions, IceServer } from '@petrel/ice';
import { NAT_TYPES, type SimulatedHost, SimulatedNetwork, SimulatedTurnServer } from '@petrel/testing';
import { iceServer, SimulatedPeer } from './support/simulated-peer.ts';

const CREDENTIALS = { username: 'alice', credential: 'secret' };
const SERVER = '203.0.113.9';
const turnUdp = iceServer(`turn:${SERVER}`, CREDENTIALS);
const turnTcp = iceServer(`turn:${SERVER}?transport=tcp`, CREDENTIALS);
const stun = iceServer(`stun:${SERVER}`);

let network: SimulatedNetwork;
let server: SimulatedTurnServer;
let hostA: SimulatedHost;
let hostB: SimulatedHost;

beforeEach(async () => {
  network = new SimulatedNetwork({ seed: 3 });
  server = await SimulatedTurnServer.start(network.addHost('turn', { interfaces: [{ addresses: [SERVER] }] }), {
    users: { alice: 'secret' },
  });
  const nat = (address: string): ReturnType<SimulatedNetwork['addNat']> => network.addNat({ addresses: [address], ...NAT_TYPES.symmetric });
  hostA = network.addHost('a', { interfaces: [{ addresses: ['10.0.0.1'], nat: nat('198.51.100.1') }] });
  hostB = network.addHost('b', { interfaces: [{ addresses: ['10.0.0.2'], nat: nat('198.51.100.2') }] });
});

/** On ports from 50,000 on. */
function newPeer(servers: readonly IceServer[], options: Partial<IceAgentOptions> = {}, host: SimulatedHost = hostA): SimulatedPeer {
  const peer = new SimulatedPeer(host, { role: host === hostA ? 'controlling' : 'controlled', servers, ...options });
  peer.portRange = { min: 50_000, max: 50_010 };
  return peer;
}

async function gathered(peer: SimulatedPeer): Promise<SimulatedPeer> {
  await peer.gather([peer.runtime === hostA.runtime ? '10.0.0.1' : '10.0.0.2']);
  expect(await network.runUntil(() => peer.agent.gatheringState === 'complete', 15_000)).toBe(true);
  return peer;
}

/** A client that has crashed: its allocations stay for ten minutes. */
async function occupy(...ports: number[]): Promise<void> {
  for (const port of ports) {
    const crashed = newPeer([turnUdp]);
    crashed.portRange = { min: port, max: port };
    await gathered(crashed);
    expect(crashed.candidates()).toContain(`relay udp ${SERVER}`);
    for (const socket of crashed.sockets.values()) socket.close();
    crashed.sockets.clear();
  }
}

const opened = (peer: SimulatedPeer, type: 'open-socket' | 'open-stream' | 'close-socket'): number =>
  peer.events.filter((event) => event.type === type).length;
const errors = (peer: SimulatedPeer): number[] =>
  peer.events.flatMap((event) => (event.type === 'candidate-error' ? [event.errorCode] : []));
const allocates = (): number =>
  server.requests.filter(({ message }) => message.method === 'allocate' && message.attributes.nonce !== undefined).length;

describe('RFC 8656 §7.4, T05: 437 to the first Allocate', () => {
  test('another port is asked from, which makes no other candidates; the relay works and is released', async () => {
    await occupy(50_000);
    const [a, b] = [newPeer([turnUdp], { transportPolicy: 'relay' }), newPeer([turnTcp], { transportPolicy: 'relay' }, hostB)];
    await gathered(a);
    await gathered(b);
    expect([a.candidates(), errors(a), opened(a, 'open-socket')]).toEqual([[`relay udp ${SERVER}`], [], 1]);
    SimulatedPeer.signal(a, b);
    expect(await network.runUntil(() => a.connected && b.connected, 15_000)).toBe(true);
    a.send('up');
    b.send('down');
    await network.run(500);
    expect([a.texts(), b.texts()]).toEqual([['down'], ['up']]);
    a.input((agent, now) => agent.restart(now));
    a.input((agent, now) => agent.endOfSockets(now));
    await network.run(2000);
    expect([opened(a, 'open-socket'), server.allocations.length]).toEqual([1, 3]);
    for (const peer of [a, b]) peer.input((agent, now) => agent.close(now));
    await network.run(2000);
    expect([server.allocations.length, a.agent.released, a.sockets.size]).toEqual([1, true, 1]);
  });

  test('host and server-reflexive candidates are those of the first port', async () => {
    await occupy(50_000);
    const peer = newPeer([turnUdp, stun]);
    await gathered(peer);
    const { localCandidates } = peer.agent.stats;
    expect(localCandidates.map(({ type }) => type).toSorted()).toEqual(['host', 'relay', 'srflx']);
    expect(localCandidates.find(({ type }) => type === 'host')!.port).toBe(50_000);
  });

  test('after three ports it fails, and the server is left alone for two minutes', async () => {
    await occupy(50_000, 50_001, 50_002);
    const before = allocates();
    const peer = newPeer([turnUdp]);
    await gathered(peer);
    expect([errors(peer), allocates() - before, opened(peer, 'close-socket'), peer.sockets.size]).toEqual([[437], 3, 2, 1]);
    const restart = async (): Promise<void> => {
      peer.input((agent, now) => agent.restart(now));
      peer.input((agent, now) => agent.endOfSockets(now));
      await network.run(2000);
    };
    await restart();
    expect([errors(peer), allocates() - before, peer.agent.gatheringState]).toEqual([[437, 437], 3, 'complete']);
    await network.run(120_000);
    await restart();
    // The NAT has forgotten the ports meanwhile, so that they look new to the server.
    expect([errors(peer), allocates() - before]).toEqual([[437, 437], 4]);
    expect(peer.candidates()).toContain(`relay udp ${SERVER}`);
  });

  test('over TCP it is another connection', async () => {
    let mismatches = 2;
    server.onResponse = (response, { method, attributes: { nonce } }) => {
      if (method !== 'allocate' || nonce === undefined || mismatches-- <= 0) return response;
      return { ...response, class: 'error', attributes: { errorCode: { code: 437, reason: 'Mismatch' } } };
    };
    const peer = await gathered(newPeer([turnTcp]));
    expect([errors(peer), opened(peer, 'open-stream'), peer.candidates().at(-1)]).toEqual([[], 3, `relay tcp ${SERVER}`]);
  });

  test('without another port gathering ends with an error', async () => {
    await occupy(50_000);
    const peer = newPeer([turnUdp]);
    peer.portRange = { min: 50_000, max: 50_000 };
    await gathered(peer);
    expect(errors(peer)).toEqual([701]);
  });

  test('the socket goes with the interface, and one that comes too late is closed', async () => {
    await occupy(50_000);
    const peer = newPeer([turnUdp]);
    await gathered(peer);
    peer.input((agent, now) => agent.removeSocket(1, now));
    expect([opened(peer, 'close-socket'), peer.candidates().at(-1)]).toEqual([1, `relay udp ${SERVER}`]);
    const late = peer.events.find((event) => event.type === 'open-socket')!.id;
    peer.input((agent, now) => agent.addSocket(late, { protocol: 'udp', address: '10.0.0.1', port: 50_001 }, now));
    expect([opened(peer, 'close-socket'), peer.agent.stats.localCandidates]).toEqual([2, []]);
  });
});
