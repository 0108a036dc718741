/** The network of a run: who is where, behind what, and what goes wrong there. */
import {
  NAT_TYPES,
  type LinkConditions,
  type Nat,
  type SeededRandom,
  type SimulatedHost,
  SimulatedNetwork,
  SimulatedTurnServer,
} from '@petrel/testing';
import type { RTCConfiguration } from '../../src/index.ts';

export type Name = 'a' | 'b';
type NatType = 'none' | keyof typeof NAT_TYPES;

/** How much a path may misbehave. */
interface Weather {
  readonly name: string;
  readonly conditions: (random: SeededRandom) => LinkConditions;
}

const between = (random: SeededRandom, low: number, high: number): number => low + Math.floor(random.fraction() * (high - low));

const WEATHER: readonly Weather[] = [
  { name: 'fine', conditions: (random) => ({ delay: between(random, 1, 60) }) },
  { name: 'lossy', conditions: (random) => ({ delay: between(random, 5, 80), loss: random.fraction() * 0.25 }) },
  { name: 'bursty', conditions: (random) => ({ delay: 20, burstLoss: { share: random.fraction() * 0.1, length: between(random, 2, 8) } }) },
  { name: 'shuffled', conditions: (random) => ({ delay: 20, jitter: between(random, 5, 150), reorder: 0.3, duplicate: 0.1 }) },
  { name: 'corrupting', conditions: () => ({ delay: 20, corrupt: 0.01 }) },
  { name: 'narrow', conditions: (random) => ({ delay: 30, rate: between(random, 200_000, 3_000_000), queue: 500 }) },
  { name: 'small packets', conditions: () => ({ delay: 15, mtu: 1280 }) },
  {
    name: 'everything',
    conditions: (random) => ({
      delay: between(random, 5, 100),
      jitter: 50,
      loss: 0.1,
      duplicate: 0.05,
      reorder: 0.2,
      corrupt: 0.01,
      rate: 2_000_000,
    }),
  },
];

export class World {
  readonly network: SimulatedNetwork;
  readonly hosts: Readonly<Record<Name, SimulatedHost>>;
  readonly nats: Readonly<Record<Name, Nat | undefined>>;
  readonly description: string;
  turn: SimulatedTurnServer | undefined;
  /** Whether datagrams were ever altered on the way, which UDP's checksum finds almost always in the real world. */
  corrupts = false;
  /** Whether an interface was lost: only an ICE restart finds the new one. */
  hasMoved = false;
  readonly #random: SeededRandom;
  readonly #hasTurn: boolean;
  #addresses = 50;

  constructor(seed: number, random: SeededRandom) {
    this.#random = random;
    const weather = this.#pick(WEATHER);
    this.network = new SimulatedNetwork({ seed, link: { delay: 10 }, logLimit: 0 });
    const types: readonly NatType[] = ['none', 'none', 'full cone', 'restricted cone', 'port restricted cone', 'symmetric'];
    const kinds = { a: this.#pick(types), b: this.#pick(types) };
    const isHard = kinds.a !== 'none' && kinds.b !== 'none';
    this.#hasTurn = isHard || random.fraction() < 0.3;
    const nat = (kind: NatType, outer: string): Nat | undefined =>
      kind === 'none' ? undefined : this.network.addNat({ ...NAT_TYPES[kind], addresses: [outer], timeout: this.#pick([30_000, 120_000]) });
    this.nats = { a: nat(kinds.a, '203.0.113.1'), b: nat(kinds.b, '203.0.113.2') };
    this.hosts = { a: this.#host('a', weather), b: this.#host('b', weather) };
    this.description = `${weather.name}, NATs ${kinds.a} and ${kinds.b}${this.#hasTurn ? ', TURN' : ''}`;
  }

  /** The servers have to be there before the peers. */
  async start(): Promise<void> {
    this.network.addName('turn.example', ['198.51.100.9']);
    this.network.addName('gone.example', 'never');
    if (!this.#hasTurn) return;
    const host = this.network.addHost('turn', { interfaces: [{ addresses: ['198.51.100.9'] }] });
    this.turn = await SimulatedTurnServer.start(host, { users: { user: 'secret' }, maxLifetime: this.#pick([60, 600]) });
  }

  configuration(): RTCConfiguration {
    const random = this.#random;
    const iceServers: RTCConfiguration['iceServers'] = [];
    if (this.#hasTurn) {
      const urls = this.#pick([
        ['turn:turn.example'],
        ['turn:turn.example?transport=tcp', 'turn:turn.example'],
        ['stun:turn.example', 'turn:198.51.100.9'],
      ]);
      iceServers.push({ urls, username: 'user', credential: 'secret' });
    }
    if (random.fraction() < 0.1) iceServers.push({ urls: 'stun:gone.example' });
    return {
      iceServers,
      bundlePolicy: this.#pick(['balanced', 'balanced', 'max-compat', 'max-bundle']),
      ...(this.#hasTurn && random.fraction() < 0.15 && { iceTransportPolicy: 'relay' as const }),
      ...(random.fraction() < 0.2 && { iceCandidatePoolSize: 1 }),
      ...(random.fraction() < 0.2 && { alwaysNegotiateDataChannels: true }),
      ...(random.fraction() < 0.3 && { autoClose: true }),
      ...(random.fraction() < 0.1 && { iceTcp: 'both' as const }),
    };
  }

  /** One thing goes wrong. @returns what */
  fault(): string {
    const name = this.#pick(['a', 'b'] as const);
    const interfaces = this.#interfaces(name);
    const kind = this.#pick(['weather', 'weather', 'outage', 'one-way outage', 'rebind', 'lose interface', 'turn restart', 'stale nonces']);
    switch (kind) {
      case 'weather': {
        const weather = this.#pick(WEATHER);
        for (const each of interfaces) each.egress.conditions = this.#conditions(weather);
        return `${name}: ${weather.name}`;
      }
      case 'outage':
      case 'one-way outage': {
        const milliseconds = this.#pick([200, 1000, 5000, 14_000]);
        for (const each of interfaces) each.outage(milliseconds, kind === 'outage' ? 'both' : this.#pick(['in', 'out']));
        return `${name}: ${kind} of ${milliseconds} ms`;
      }
      case 'rebind':
        this.nats[name]?.rebind();
        return `${name}: NAT rebinding`;
      case 'lose interface': {
        const lost = this.#pick(interfaces);
        this.hasMoved = true;
        this.hosts[name].removeInterface(lost.name);
        const family = this.nats[name] === undefined ? '192.0.2' : name === 'a' ? '10.0.1' : '10.0.2';
        const nat = this.nats[name];
        const address = `${family}.${this.#addresses++}`;
        this.hosts[name].addInterface({
          name: `wlan${this.#addresses}`,
          addresses: [address],
          ...(nat && { nat }),
          egress: lost.egress.conditions,
        });
        return `${name}: ${lost.name} gone, ${address} new`;
      }
      case 'turn restart':
        this.turn?.restart();
        return 'TURN restart';
      default:
        this.turn?.expireNonces();
        return 'stale nonces';
    }
  }

  /** Everything works from now on. */
  heal(): void {
    for (const name of ['a', 'b'] as const)
      for (const each of this.#interfaces(name)) {
        each.egress.cut(0);
        each.ingress.cut(0);
        each.egress.conditions = { delay: 10 };
      }
  }

  #interfaces(name: Name): ReturnType<SimulatedHost['interface']>[] {
    const host = this.hosts[name];
    const names = new Set(
      host
        .networkInterfaces()
        .filter(({ internal }) => !internal)
        .map((each) => each.name),
    );
    return [...names].map((each) => host.interface(each));
  }

  #host(name: Name, weather: Weather): SimulatedHost {
    const random = this.#random;
    const nat = this.nats[name];
    const net = name === 'a' ? 1 : 2;
    const address = (count: number): string => (nat === undefined ? `192.0.2.${net * 10 + count}` : `10.0.${net}.${10 + count}`);
    const interfaces = Array.from({ length: random.fraction() < 0.25 ? 2 : 1 }, (_, index) => ({
      addresses: [address(index), ...(random.fraction() < 0.3 ? [`2001:db8::${net}${index}`] : [])],
      egress: this.#conditions(weather),
      ...(nat && { nat }),
    }));
    return this.network.addHost(name, { interfaces });
  }

  #conditions(weather: Weather): LinkConditions {
    const conditions = weather.conditions(this.#random);
    this.corrupts ||= (conditions.corrupt ?? 0) > 0;
    return conditions;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!;
  }
}
