/** A network on a virtual clock: hosts whose runtimes peer connections cannot tell from real ones, links that misbehave, NATs. */
import type { CryptoProvider } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import type { Instant } from '@petrel/sans-io';
import type { LinkConditions } from './link.ts';
import { Nat, type NatOptions } from './nat.ts';
import { canonicalAddress, type Packet } from './packet.ts';
import { seededRandom, type SeededRandom } from './seeded-random.ts';
import { type HostOptions, SimulatedHost } from './simulated-host.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type WireEntry, WireLog } from './wire-log.ts';

/** The argument of the constructor of {@link SimulatedNetwork}. */
export interface NetworkOptions {
  /** Everything random follows from it. */
  readonly seed?: number;
  /** What every host's way out does to packets, unless the host says otherwise; `{ delay: 10 }` if absent, a round trip of 20 ms. */
  readonly link?: LinkConditions;
  /** What the hosts' providers compute with; see {@link seededCrypto}. `nodeCrypto()` unless given. */
  readonly crypto?: CryptoProvider;
  /** How many packets the wire log keeps; 100,000 unless given. */
  readonly logLimit?: number;
}

/** Where addresses are unique: the public network, or the inner side of a NAT. */
export class Realm {
  readonly owners: Map<string, (packet: Packet, entry: WireEntry) => void> = new Map();
  readonly gateway: { readonly nat: Nat; readonly outer: Realm } | undefined;

  constructor(gateway?: { nat: Nat; outer: Realm }) {
    this.gateway = gateway;
  }
}

/** Real milliseconds that {@link SimulatedNetwork.runUntil} waits for promises of the outside world when nothing is left to simulate. */
const PATIENCE = 300;

/**
 * @example
 * const network = new SimulatedNetwork({ seed: 7, link: { delay: 50, loss: 0.1 } });
 * const a = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] });
 * const b = network.addHost('b', { interfaces: [{ addresses: ['192.0.2.2'] }] });
 * const socket = await a.runtime.bindUdp({ address: '192.0.2.1' }, (data) => console.log(data));
 */
export class SimulatedNetwork {
  readonly clock: VirtualClock = new VirtualClock();
  readonly log: WireLog;
  readonly random: SeededRandom;
  /** Sees every packet as it leaves a host; return undefined to drop it, or another one in its place. */
  filter: ((packet: Packet, host: string) => Packet | undefined) | undefined;
  readonly #options: NetworkOptions;
  readonly #seed: number;
  readonly #hosts: SimulatedHost[] = [];
  readonly #names = new Map<string, readonly string[] | 'never'>();
  readonly #public = new Realm();
  readonly #realms = new Map<Nat, Realm>();

  constructor(options: NetworkOptions = {}) {
    this.#options = options;
    this.#seed = options.seed ?? 1;
    this.random = seededRandom(this.#seed);
    this.log = new WireLog(options.logLimit ?? 100_000);
  }

  now(): Instant {
    return this.clock.now();
  }

  addHost(name: string, options: HostOptions): SimulatedHost {
    const defaults = { link: this.#options.link ?? { delay: 10 }, crypto: this.#options.crypto ?? nodeCrypto() };
    const host = new SimulatedHost(this, name, this.#seed * 1009 + this.#hosts.length, options, defaults);
    this.#hosts.push(host);
    return host;
  }

  /** @throws Error when there is none of that name */
  host(name: string): SimulatedHost {
    const host = this.#hosts.find((each) => each.name === name);
    if (host === undefined) throw new Error(`there is no host ${name}`);
    return host;
  }

  /** A NAT; its outer side is public, or inside of another NAT. Give it to the interfaces of the hosts behind it. */
  addNat(options: NatOptions & { readonly behind?: Nat }): Nat {
    const nat = new Nat(options, this.random);
    const outer = this.realmOf(options.behind);
    const inner = new Realm({ nat, outer });
    this.#realms.set(nat, inner);
    for (const address of options.addresses)
      outer.owners.set(canonicalAddress(address), (packet, entry) => {
        const translated = nat.inbound(packet, this.now());
        if (translated === undefined) entry.outcome = 'filtered';
        else this.route(inner, translated, entry);
      });
    return nat;
  }

  /** Gives a name addresses, for every host's `resolve`; `never`: there is no answer, not even a bad one. */
  addName(name: string, addresses: readonly string[] | 'never'): void {
    this.#names.set(name.toLowerCase(), addresses);
  }

  /** Puts a packet on the public network, as an attacker does who can forge its source. */
  inject(packet: Packet): void {
    const entry = this.log.add(packet, this.now(), '(injected)');
    this.clock.schedule(this.now(), () => this.route(this.#public, packet, entry));
  }

  /** Lets so many milliseconds pass; promises settle between any two tasks. */
  async run(milliseconds: number): Promise<void> {
    const end = this.now() + milliseconds;
    await promisesSettle();
    while (this.clock.nextAt <= end) {
      this.clock.step();
      await promisesSettle();
    }
    this.clock.advanceTo(end);
  }

  /**
   * Runs until the condition holds, which is asked after every task.
   * @param within milliseconds of virtual time
   * @returns false when they passed, or nothing is left to do
   */
  async runUntil(condition: () => boolean, within: number = 60_000): Promise<boolean> {
    const end = this.now() + within;
    let idle = 0;
    await promisesSettle();
    while (!condition()) {
      if (this.clock.nextAt > end) {
        if (this.clock.nextAt === Infinity && idle++ < PATIENCE) await outsideWorld();
        else {
          this.clock.advanceTo(end);
          return false;
        }
      } else {
        idle = 0;
        this.clock.step();
        await promisesSettle();
      }
    }
    return true;
  }

  /**
   * Waits for a promise that may depend on the outside world (WebCrypto, files): tasks that are due run, but time stands still until it
   * settles. For promises that need time to pass there is {@link resolved}.
   */
  async settled<T>(promise: Promise<T>): Promise<T> {
    const state = observe(promise);
    for (;;) {
      await promisesSettle();
      if (state.settled) return await promise;
      if (this.clock.nextAt <= this.now()) this.clock.step();
      else await outsideWorld();
    }
  }

  /** Runs until the promise settles. @throws what it rejects with, or an Error when it is still pending after `within` ms */
  async resolved<T>(promise: Promise<T>, within: number = 60_000): Promise<T> {
    const state = observe(promise);
    if (!(await this.runUntil(() => state.settled, within))) throw new Error(`still pending after ${within} ms of virtual time`);
    return await promise;
  }

  /** Names of every socket, stream, listener, timer and task that is open, by host; empty when nothing leaks. */
  openHandles(): string[] {
    return this.#hosts.flatMap((host) => host.runtime.openHandles().map((handle) => `${host.name}: ${handle}`));
  }

  // For hosts ----------------------------------------------------------------------------------------------------------

  /** The realm that an interface is in: behind the NAT, or public. */
  realmOf(nat: Nat | undefined): Realm {
    return (nat && this.#realms.get(nat)) ?? this.#public;
  }

  /** A packet that has got through its sender's link, on its way to an address of the realm or through its gateway. */
  route(realm: Realm, packet: Packet, entry: WireEntry): void {
    const owner = realm.owners.get(packet.destination.address);
    if (owner !== undefined) return owner(packet, entry);
    if (realm.gateway === undefined) return void (entry.outcome = 'unreachable');
    const { nat, outer } = realm.gateway;
    const translated = nat.outbound(packet, this.now());
    if (translated === undefined) return void (entry.outcome = 'unreachable');
    const hairpin = nat.options.addresses.includes(packet.destination.address);
    if (hairpin && nat.options.hairpinning === false) return void (entry.outcome = 'filtered');
    this.route(outer, translated, entry);
  }

  lookUp(name: string): readonly string[] | 'never' | undefined {
    return this.#names.get(name.toLowerCase());
  }
}

/** One turn of the real event loop: every promise reaction that can run has run after it. */
function promisesSettle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function outsideWorld(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

function observe(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false };
  const settle = (): void => void (state.settled = true);
  promise.then(settle, settle);
  return state;
}
