/** A host of the simulated network: interfaces with their links, and what has bound their ports. */
import { isIPv6 } from 'node:net';
import type { CryptoProvider } from '@petrel/crypto';
import type { NetworkInterface } from '@petrel/peer-connection';
import { corrupted, Link, type LinkConditions } from './link.ts';
import type { Nat } from './nat.ts';
import { canonicalAddress, type Endpoint, type Packet, packetSize } from './packet.ts';
import { seededCrypto } from './seeded-crypto.ts';
import { seededRandom, type SeededRandom } from './seeded-random.ts';
import type { SimulatedNetwork } from './simulated-network.ts';
import { SimulatedRuntime } from './simulated-runtime.ts';
import type { WireEntry } from './wire-log.ts';

/** One interface of a host, as it is made. */
export interface InterfaceOptions {
  /** `eth0`, `eth1`, … unless given. */
  readonly name?: string;
  /** IPv4 and IPv6 addresses. */
  readonly addresses: readonly string[];
  /** The NAT that the IPv4 addresses are behind; IPv6 addresses are outside of it. */
  readonly nat?: Nat;
  /** Instead of the network's `link`. */
  readonly egress?: LinkConditions;
  /** Nothing happens to incoming packets unless given. */
  readonly ingress?: LinkConditions;
}

/** The second argument of {@link SimulatedNetwork.addHost}. */
export interface HostOptions {
  readonly interfaces: readonly InterfaceOptions[];
}

/** What a host does with packets for one of its ports. */
export type PortHandler = (packet: Packet) => void;

const LOOPBACK = ['127.0.0.1', '::1'] as const;

/**
 * A host of a {@link SimulatedNetwork}; `runtime` is what a peer connection on it is given.
 *
 * @example
 * const pc = new RTCPeerConnection({}, network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] }).runtime);
 */
export class SimulatedHost {
  readonly name: string;
  readonly runtime: SimulatedRuntime;
  readonly network: SimulatedNetwork;
  readonly random: SeededRandom;
  readonly #defaultLink: LinkConditions;
  readonly #interfaces: SimulatedInterface[] = [];
  /** By protocol, address and port; the address may be `0.0.0.0` or `::`. */
  readonly #ports = new Map<string, PortHandler>();

  constructor(
    network: SimulatedNetwork,
    name: string,
    seed: number,
    options: HostOptions,
    defaults: { readonly link: LinkConditions; readonly crypto: CryptoProvider },
  ) {
    this.name = name;
    this.network = network;
    this.random = seededRandom(seed);
    this.#defaultLink = defaults.link;
    this.runtime = new SimulatedRuntime(this, seededCrypto(defaults.crypto, seed));
    for (const each of options.interfaces) this.addInterface(each);
  }

  /** @throws Error when there is none of that name */
  interface(name: string): SimulatedInterface {
    const found = this.#interfaces.find((each) => each.name === name);
    if (found === undefined) throw new Error(`${this.name} has no interface ${name}`);
    return found;
  }

  addInterface(options: InterfaceOptions): SimulatedInterface {
    const name = options.name ?? `eth${this.#interfaces.length}`;
    const link = { egress: options.egress ?? this.#defaultLink, ingress: options.ingress ?? {} };
    const added = new SimulatedInterface(this, name, options.addresses.map(canonicalAddress), options.nat, link);
    this.#interfaces.push(added);
    return added;
  }

  /** Takes an interface away: its sockets stay open, but nothing gets through any more. */
  removeInterface(name: string): void {
    const removed = this.interface(name);
    this.#interfaces.splice(this.#interfaces.indexOf(removed), 1);
    removed.detach();
  }

  networkInterfaces(): NetworkInterface[] {
    return [
      ...LOOPBACK.map((address) => describe('lo', address, true)),
      ...this.#interfaces.flatMap(({ name, addresses }) => addresses.map((address) => describe(name, address, false))),
    ];
  }

  // For sockets --------------------------------------------------------------------------------------------------------

  /**
   * @param port 0: any free one
   * @returns the port
   * @throws an Error with code EADDRNOTAVAIL or EADDRINUSE
   */
  bind(protocol: 'udp' | 'tcp', address: string, port: number, handler: PortHandler): number {
    if (!isWildcard(address) && !this.#owns(address)) throw failure('EADDRNOTAVAIL', `bind EADDRNOTAVAIL ${address}`);
    const taken = (candidate: number): boolean => this.#ports.has(portKey(protocol, address, candidate));
    if (port !== 0 && taken(port)) throw failure('EADDRINUSE', `bind EADDRINUSE ${address}:${port}`);
    const ephemeral = (): number => 49_152 + this.random.below(16_384);
    let chosen = port === 0 ? ephemeral() : port;
    while (taken(chosen)) chosen = ephemeral();
    this.#ports.set(portKey(protocol, address, chosen), handler);
    return chosen;
  }

  unbind(protocol: 'udp' | 'tcp', { address, port }: Endpoint): void {
    this.#ports.delete(portKey(protocol, address, port));
  }

  /** The address that packets to `destination` come from, for sockets that are bound to none. */
  sourceFor(destination: string): string | undefined {
    if (this.#owns(destination)) return destination;
    const family = isIPv6(destination) ? 6 : 4;
    return this.networkInterfaces().find((each) => each.family === family && !each.internal)?.address;
  }

  /** Puts a packet on the wire of the interface that has its source address. @returns false when there is none */
  transmit(packet: Packet): boolean {
    const { network } = this;
    const now = network.now();
    const entry = network.log.add(packet, now, this.name);
    const filtered = network.filter === undefined ? packet : network.filter(packet, this.name);
    if (filtered === undefined) entry.outcome = 'filtered';
    else if (this.#owns(filtered.destination.address)) network.clock.schedule(now, () => this.deliver(filtered, entry));
    else return this.#leave(filtered, entry);
    return true;
  }

  #leave(packet: Packet, entry: WireEntry): boolean {
    const over = this.#interfaces.find(({ addresses }) => addresses.includes(packet.source.address));
    if (over === undefined) entry.outcome = 'unreachable';
    else over.transmit(packet, entry);
    return over !== undefined;
  }

  /** A packet has arrived. */
  deliver(packet: Packet, entry: WireEntry): void {
    const { address, port } = packet.destination;
    const protocol = packet.segment === undefined ? 'udp' : 'tcp';
    const wildcard = isIPv6(address) ? '::' : '0.0.0.0';
    const handler = this.#ports.get(portKey(protocol, address, port)) ?? this.#ports.get(portKey(protocol, wildcard, port));
    entry.outcome = handler === undefined ? 'no-socket' : 'delivered';
    if (handler !== undefined) handler(packet);
    else if (packet.segment !== undefined && packet.segment.kind !== 'rst') this.#refuse(packet);
  }

  #refuse({ source, destination, segment }: Packet): void {
    const rst = { kind: 'rst', sequence: segment!.acknowledgement, acknowledgement: segment!.sequence } as const;
    this.transmit({ source: destination, destination: source, data: new Uint8Array(0), segment: rst });
  }

  #owns(address: string): boolean {
    return LOOPBACK.some((loopback) => loopback === address) || this.#interfaces.some(({ addresses }) => addresses.includes(address));
  }
}

/** A network interface and its link, in both directions. */
export class SimulatedInterface {
  readonly name: string;
  readonly addresses: readonly string[];
  readonly egress: Link;
  readonly ingress: Link;
  readonly #host: SimulatedHost;
  readonly #nat: Nat | undefined;

  constructor(
    host: SimulatedHost,
    name: string,
    addresses: readonly string[],
    nat: Nat | undefined,
    link: { readonly egress: LinkConditions; readonly ingress: LinkConditions },
  ) {
    this.#host = host;
    this.name = name;
    this.addresses = addresses;
    this.#nat = nat;
    this.egress = new Link(link.egress);
    this.ingress = new Link(link.ingress);
    for (const address of addresses) this.#realm(address).owners.set(address, (packet, entry) => this.#accept(packet, entry));
  }

  /** Nothing passes for so many milliseconds from now on. */
  outage(milliseconds: number, direction: 'in' | 'out' | 'both' = 'both'): void {
    const until = this.#host.network.now() + milliseconds;
    if (direction !== 'in') this.egress.cut(until);
    if (direction !== 'out') this.ingress.cut(until);
  }

  transmit(packet: Packet, entry: WireEntry): void {
    const realm = this.#realm(packet.source.address);
    this.#pass(this.egress, packet, entry, (arrived) => this.#host.network.route(realm, arrived, entry));
  }

  /** Called by the host when the interface is removed. */
  detach(): void {
    for (const address of this.addresses) this.#realm(address).owners.delete(address);
  }

  #accept(packet: Packet, entry: WireEntry): void {
    this.#pass(this.ingress, packet, entry, (arrived) => this.#host.deliver(arrived, entry));
  }

  #pass(link: Link, packet: Packet, entry: WireEntry, then: (packet: Packet) => void): void {
    const { clock, random } = this.#host.network;
    const now = clock.now();
    const arrivals = link.transit(packetSize(packet), now, random);
    if (typeof arrivals === 'string') return void (entry.outcome = arrivals);
    for (const arrival of arrivals) {
      if (arrival.corrupted && packet.segment !== undefined) continue; // TCP's checksum finds it
      const arrived = arrival.corrupted ? { ...packet, data: corrupted(packet.data, random) } : packet;
      // What is sent never arrives inside of the call that sends it.
      if (arrival.at <= now && link === this.ingress) then(arrived);
      else clock.schedule(arrival.at, () => then(arrived));
    }
  }

  #realm(address: string): ReturnType<SimulatedNetwork['realmOf']> {
    return this.#host.network.realmOf(isIPv6(address) ? undefined : this.#nat);
  }
}

function describe(name: string, address: string, internal: boolean): NetworkInterface {
  return { name, address, family: isIPv6(address) ? 6 : 4, internal, linkLocal: /^(?:fe[89ab][0-9a-f]:|169\.254\.)/.test(address) };
}

/** An error with the operating system's code. */
export function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

function portKey(protocol: string, address: string, port: number): string {
  return `${protocol} ${address} ${port}`;
}
