import { describe, expect, test } from '@jest/globals';
import type { IceServer } from '@petrel/ice';
import { addStunServer, exchangeParameters, type Nat, Network, newPair, type Peer } from './support/network.ts';

const SEEDS = Number(process.env['PETREL_SEEDS'] ?? 40);
const STUN = { address: '203.0.113.3', port: 3478 };
const stunServer: IceServer = { url: { scheme: 'stun', host: STUN.address, port: STUN.port, transport: 'udp' }, text: 'stun:203.0.113.3' };

/** W3C WebRTC §5.6.4, figure of RTCIceTransportState, with restarts. */
const LEGAL: Readonly<Record<string, readonly string[]>> = {
  new: ['checking', 'connected'],
  checking: ['connected', 'completed', 'failed', 'disconnected'],
  connected: ['completed', 'disconnected', 'failed'],
  completed: ['connected', 'disconnected', 'failed'],
  disconnected: ['connected', 'completed', 'failed', 'checking'],
  failed: ['checking', 'connected'],
};

interface World {
  readonly network: Network;
  readonly peers: readonly [Peer, Peer];
  readonly nats: readonly (Nat | undefined)[];
  readonly weather: { loss: number; cut: boolean };
  nextId: number;
}

function build(seed: number): World {
  const weather = { loss: 0, cut: false };
  const network: Network = new Network({
    seed,
    delay: 20,
    jitter: 30,
    filter: () => !weather.cut && network.random.fraction() >= weather.loss,
  });
  network.record = false;
  addStunServer(network, STUN);
  const natFor = (external: string): Nat | undefined =>
    network.random.below(2) === 0
      ? undefined
      : network.addNat({ external, mapping: 'endpoint-independent', filter: 'address-and-port-dependent', timeout: 30_000 });
  const nats = [natFor('198.51.100.1'), natFor('198.51.100.2')] as const;
  const options = { servers: [stunServer] };
  const nat = { ...(nats[0] && { natA: nats[0] }), ...(nats[1] && { natB: nats[1] }) };
  const { a, b } = newPair({ network, seed, a: options, b: options, ...nat });
  return { network, peers: [a, b], nats, weather, nextId: 1 };
}

function addSocket(world: World, index: number): void {
  const id = world.nextId++;
  world.peers[index]!.addSocket(id, { address: `${world.nats[index] === undefined ? '192.0' : '10.0'}.${index}.${id}`, port: 5000 + id });
}

function restart({ peers: [a, b] }: World): void {
  for (const peer of [a, b]) peer.input((agent, now) => agent.restart(now));
  for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
  exchangeParameters(a, b);
}

function disturb(world: World): void {
  const { network, peers, nats, weather } = world;
  const { random } = network;
  const index = random.below(2);
  const peer = peers[index]!;
  switch (random.below(8)) {
    case 0:
      return addSocket(world, index);
    case 1: {
      const ids = [...peer.sockets.keys()];
      return ids.length > 0 ? peer.removeSocket(ids[random.below(ids.length)]!) : undefined;
    }
    case 2:
      return restart(world);
    case 3:
      weather.cut = !weather.cut;
      return undefined;
    case 4:
      weather.loss = random.below(6) / 10;
      return undefined;
    case 5:
      return nats[index]?.rebind();
    case 6:
      return peer.input((agent, now) => agent.setRole(random.below(2) === 0 ? 'controlling' : 'controlled', now));
    default:
      for (let count = 0; count < 20; count++) peer.send('noise');
      return undefined;
  }
}

/** Everything on the wire in half a minute of troubles. */
function packetsOf(seed: number): string {
  const world = build(seed);
  world.network.record = true;
  for (const index of [0, 1]) addSocket(world, index);
  for (const peer of world.peers) peer.input((agent, now) => agent.endOfSockets(now));
  exchangeParameters(...world.peers);
  for (let step = 0; step < 10; step++) {
    world.network.clock.advanceBy(3_000);
    disturb(world);
  }
  return world.network.packets
    .map(({ at, from, to, data }) => [at, from.port, to.port, Buffer.from(data).toString('base64')].join())
    .join('\n');
}

describe('M02: random networks, random troubles', () => {
  test(`whatever happens, states are legal, no timer spins, and after a restart on a good network data flows (${SEEDS} seeds)`, () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const world = build(seed);
      const { network, peers, weather } = world;
      for (const index of [0, 1]) addSocket(world, index);
      for (const peer of peers) peer.input((agent, now) => agent.endOfSockets(now));
      exchangeParameters(...peers);
      for (let step = 0; step < 30; step++) {
        let events = 0;
        const end = network.now() + network.random.below(12_000);
        network.clock.runUntil(() => ++events > 5_000, end);
        expect([seed, events]).not.toEqual([seed, 5_001]);
        disturb(world);
      }
      weather.cut = false;
      weather.loss = 0;
      network.clock.advanceBy(1_000);
      for (const index of [0, 1]) addSocket(world, index);
      restart(world);
      network.clock.advanceBy(20_000);
      for (const peer of peers) peer.texts();
      peers[0].send('up');
      peers[1].send('down');
      network.clock.advanceBy(200);
      expect([seed, peers[0].texts(), peers[1].texts()]).toEqual([seed, ['down'], ['up']]);
      expect([seed, peers[0].agent.role === peers[1].agent.role]).toEqual([seed, false]);
      for (const peer of peers) {
        const illegal = peer.states.filter((state, index) => !LEGAL[peer.states[index - 1] ?? 'new']?.includes(state));
        expect([seed, illegal]).toEqual([seed, []]);
        expect(peer.agent.stats.pairs.length).toBeLessThanOrEqual(200);
        peer.input((agent, now) => agent.close(now));
      }
      network.clock.advanceBy(60_000);
      for (const peer of peers) expect(peer.agent.nextTimeout()).toBe(Infinity);
    }
  });

  test('M01: the same seed gives the same packets', () => {
    expect(packetsOf(7)).toBe(packetsOf(7));
  });
});
