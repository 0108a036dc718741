import { describe, expect, test } from '@jest/globals';
import { CheckListSet, type IceAgentOptions, parseCandidate } from '@petrel/ice';
import { Network, type NetworkOptions, Peer } from './support/network.ts';

interface World {
  readonly network: Network;
  /** Audio, video and data of each side, not bundled: an agent each. */
  readonly a: Peer[];
  readonly b: Peer[];
}

/** Three pairs of agents between two hosts with so many addresses each. */
function unbundled(options: NetworkOptions & { addresses?: number; together?: boolean } = {}, agent: Partial<IceAgentOptions> = {}): World {
  const { addresses = 1, together = true, ...networkOptions } = options;
  const network = new Network({ seed: 5, ...networkOptions });
  const side = (role: 'controlling' | 'controlled', host: number): Peer[] => {
    const checkLists = new CheckListSet();
    return [0, 1, 2].map((stream) => {
      const peer = new Peer(network, { role, ...agent, ...(together && { checkLists }) }, 10 * host + stream);
      for (let index = 0; index < addresses; index++)
        peer.addSocket(index + 1, { address: `192.0.2.${10 * host + index}`, port: 5000 + stream });
      return peer;
    });
  };
  return { network, a: side('controlling', 1), b: side('controlled', 2) };
}

/** Everything is known at once: what an answer without trickling does. */
function exchange({ a, b }: World): void {
  for (const [one, other] of [...a.map((peer, index) => [peer, b[index]!] as const), ...b.map((peer, index) => [peer, a[index]!] as const)])
    one.input((agent, now) => {
      for (const candidate of other.agent.stats.localCandidates) agent.addRemoteCandidate(candidate, now);
      agent.endOfSockets(now);
      agent.setRemoteParameters(other.agent.localParameters, now);
      agent.endOfRemoteCandidates(now);
    });
}

const states = ({ agent }: Peer): string[] => agent.stats.pairs.map(({ state }) => state);
const foundations = ({ agent }: Peer): Record<string, string> =>
  Object.fromEntries(agent.stats.localCandidates.map(({ address, foundation }) => [address, foundation]));
/** Where nobody answers. */
const silent = (stream: number, index: number): string =>
  `candidate:s${stream}x${index} 1 UDP ${2_130_706_431 - index} 198.51.100.${10 * stream + index} 9 typ host`;
const isConnected = ({ state }: Peer): boolean => state === 'connected' || state === 'completed';

/** When the checks of one side's agents have left, and whose each was. */
function checks({ network }: World, host: number): { at: number; stream: number }[] {
  return network.packets
    .filter(({ from, data }) => from.address.startsWith(`192.0.2.${host}`) && data[0] === 0 && data[1] === 1)
    .map(({ at, from }) => ({ at, stream: from.port - 5000 }));
}

describe('RFC 8445 §6.1.2.6: three transports that are not bundled', () => {
  test('of each foundation one pair is checked, in the first list; when it succeeds those of the others are', () => {
    const world = unbundled();
    exchange(world);
    expect(world.a.map(states)).toEqual([['in-progress'], ['frozen'], ['frozen']]);
    world.network.clock.advanceBy(19);
    expect(checks(world, 1)).toEqual([{ at: 0, stream: 0 }]);
    world.network.clock.advanceBy(1);
    expect(world.a.map(states)).toEqual([['succeeded'], ['waiting'], ['waiting']]);
    expect(world.network.clock.runUntil(() => [...world.a, ...world.b].every(isConnected), 1_000)).toBe(true);
    expect(world.network.now()).toBeLessThan(300);
  });

  test('a foundation that the first list has not is checked in the list that has it', () => {
    const world = unbundled();
    world.b[2]!.addSocket(2, { address: '192.0.2.21', port: 5002 });
    exchange(world);
    expect(world.a.map(states)).toEqual([['in-progress'], ['frozen'], ['frozen', 'waiting']]);
  });

  test('RFC 8838 §12: a pair that comes after one of its foundation has succeeded waits for its turn only', () => {
    const world = unbundled();
    exchange({ ...world, a: world.a.slice(0, 1), b: world.b.slice(0, 1) });
    world.network.clock.advanceBy(500);
    exchange({ ...world, a: world.a.slice(1), b: world.b.slice(1) });
    expect(world.a.slice(1).map(states)).toEqual([['in-progress'], ['waiting']]);
  });

  test('a list without a response holds the others up for a second, and no longer', () => {
    const world = unbundled({ filter: ({ from, to }) => from.port !== 5000 && to.port !== 5000 });
    exchange(world);
    world.network.clock.advanceBy(990);
    expect(world.a.map(states)).toEqual([['in-progress'], ['frozen'], ['frozen']]);
    expect(world.network.clock.runUntil(() => [1, 2].every((index) => isConnected(world.a[index]!)), 1_300)).toBe(true);
    expect(world.a[0]!.state).toBe('checking');
  });

  test.each<[string, (world: World) => void]>([
    ['is closed', ({ a }) => a[0]!.input((agent, now) => agent.close(now))],
    ['restarts', ({ a }) => a[0]!.input((agent, now) => agent.restart(now))],
    ['loses its socket', ({ a }) => a[0]!.removeSocket(1)],
  ])('a list whose agent %s holds nobody up', (_, end) => {
    const world = unbundled({ filter: ({ from, to }) => from.port !== 5000 && to.port !== 5000 });
    exchange(world);
    world.network.clock.advanceBy(200);
    end(world);
    world.network.clock.advanceBy(100);
    expect([1, 2].map((index) => world.a[index]!.agent.stats.pairs[0]!.state)).not.toContain('frozen');
  });

  test('without a common set each agent begins by itself', () => {
    const world = unbundled({ together: false });
    exchange(world);
    expect(world.a.map(states)).toEqual([['in-progress'], ['in-progress'], ['in-progress']]);
  });
});

describe('RFC 8445 §6.1.4.2: one Ta for all lists', () => {
  test.each([0, 0.3])('checks of all agents are 50 ms apart, at a loss of %d', (loss) => {
    const world = unbundled({ addresses: 3, loss });
    exchange(world);
    world.network.clock.advanceBy(3_000);
    for (const host of [1, 2]) {
      const times = checks(world, host).map(({ at }) => at);
      expect(times.length).toBeGreaterThan(20);
      for (const [index, at] of times.slice(1).entries()) expect(at - times[index]!).toBeGreaterThanOrEqual(50 - 1e-6);
    }
  });

  test('lists that have something to check take turns', () => {
    const world = unbundled({ filter: () => false });
    for (const [stream, peer] of world.a.entries())
      peer.input((agent, now) => {
        for (let index = 0; index < 3; index++) agent.addRemoteCandidate(parseCandidate(silent(stream, index))!, now);
        agent.setRemoteParameters({ usernameFragment: 'peer', password: 'p'.repeat(24) }, now);
      });
    world.network.clock.advanceBy(1_000);
    const order = checks(world, 1).map(({ stream }) => stream);
    // The first one had claimed the second time before the others had anything to check.
    expect(order.slice(1, 19)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
  });

  test('time that a list has claimed and does not need is used by another one', () => {
    const set = new CheckListSet();
    const first = set.claim(50, 0);
    const second = set.claim(50, 0);
    set.used(50, 0);
    expect([first, second, set.nextSlot]).toEqual([0, 50, 100]);
    set.giveBack(second, 50);
    expect(set.claim(50, 20)).toBe(50);
  });
});

describe('to the peer the agents of a set are one', () => {
  test('RFC 8445 §5.1.1.3: the same foundation for the same interface, in whichever order it is found', () => {
    const network = new Network();
    const checkLists = new CheckListSet();
    const [one, other] = [0, 1].map((index) => new Peer(network, { role: 'controlling', checkLists }, index)) as [Peer, Peer];
    const addresses = ['192.0.2.1', '192.0.2.2'];
    for (const [index, address] of addresses.entries()) one.addSocket(index, { address, port: 1 });
    for (const [index, address] of addresses.toReversed().entries()) other.addSocket(index, { address, port: 2 });
    expect(foundations(one)).toEqual(foundations(other));
    expect(new Set(Object.values(foundations(one))).size).toBe(2);
  });

  test('RFC 8445 §16.1: the same tie-breaker in all checks', () => {
    const world = unbundled();
    exchange(world);
    world.network.clock.advanceBy(1_000);
    const tieBreakers = world.network.packets
      .filter(({ from, data }) => from.address === '192.0.2.10' && data[0] === 0 && data[1] === 1)
      .map(({ data }) => /802a0008(.{16})/.exec(Buffer.from(data).toString('hex'))?.[1]);
    expect(tieBreakers.length).toBeGreaterThan(3);
    expect(new Set(tieBreakers).size).toBe(1);
  });
});

test('L02: at 50 % loss all three transports connect, 20 seeds', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = unbundled({ seed, loss: 0.5, delay: 50, addresses: 2 });
    world.network.record = false;
    exchange(world);
    expect(world.network.clock.runUntil(() => [...world.a, ...world.b].every(isConnected), 30_000)).toBe(true);
  }
});
