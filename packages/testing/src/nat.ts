/** A network address translator as RFC 4787 classifies them. */
import type { Instant } from '@petrel/sans-io';
import { type Endpoint, endpointKey, type Packet } from './packet.ts';
import type { SeededRandom } from './seeded-random.ts';

/**
 * Which packets of one inner endpoint share an outer one (RFC 4787 §4.1): all; those to one address; those to one address and port. With
 * `one-to-one` every inner address has an outer address of its own, and ports do not change: an announced address in front of a container.
 */
export type NatMapping = 'one-to-one' | 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';
/** From where packets are let in (RFC 4787 §5): anyone; addresses that were sent to; addresses and ports that were sent to. */
export type NatFiltering = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

/** How it behaves; {@link NAT_TYPES} has the usual combinations. */
export interface NatOptions {
  readonly mapping?: NatMapping;
  readonly filtering?: NatFiltering;
  /** The outer address. `one-to-one` has one for each inner address, by the order of their first packets. */
  readonly addresses: readonly string[];
  /** Milliseconds without an outgoing packet after which a mapping is forgotten (RFC 4787 §4.3); 120,000 unless given. */
  readonly timeout?: number;
  /** Whether inner hosts reach each other by their outer addresses (RFC 4787 §6). True unless given. */
  readonly hairpinning?: boolean;
}

interface Mapping {
  readonly key: string;
  readonly inner: Endpoint;
  readonly outer: Endpoint;
  /** Where inner packets went: addresses and endpoints. */
  readonly permitted: Map<string, Instant>;
  usedAt: Instant;
}

/** Options of the four types of old (RFC 3489 §5). */
export const NAT_TYPES: Readonly<
  Record<'full cone' | 'restricted cone' | 'port restricted cone' | 'symmetric', { mapping: NatMapping; filtering: NatFiltering }>
> = {
  'full cone': { mapping: 'endpoint-independent', filtering: 'endpoint-independent' },
  'restricted cone': { mapping: 'endpoint-independent', filtering: 'address-dependent' },
  'port restricted cone': { mapping: 'endpoint-independent', filtering: 'address-and-port-dependent' },
  symmetric: { mapping: 'address-and-port-dependent', filtering: 'address-and-port-dependent' },
};

/**
 * Made by {@link SimulatedNetwork.addNat}: translates IPv4 addresses of UDP and TCP.
 *
 * @example
 * const nat = network.addNat({ ...NAT_TYPES.symmetric, addresses: ['203.0.113.1'] });
 * network.addHost('c', { interfaces: [{ addresses: ['10.0.0.2'], nat }] });
 */
export class Nat {
  readonly options: NatOptions;
  readonly #random: SeededRandom;
  readonly #byKey = new Map<string, Mapping>();
  readonly #byOuter = new Map<string, Mapping>();
  readonly #ownAddresses = new Map<string, string>();

  constructor(options: NatOptions, random: SeededRandom) {
    this.options = options;
    this.#random = random;
  }

  /** Mappings that exist now, for assertions. */
  mappings(now: Instant): { inner: Endpoint; outer: Endpoint }[] {
    return [...this.#byKey.values()].filter((mapping) => !this.#hasExpired(mapping, now)).map(({ inner, outer }) => ({ inner, outer }));
  }

  /** Forgets everything, as a restart does: the next packets get other ports. */
  rebind(): void {
    this.#byKey.clear();
    this.#byOuter.clear();
  }

  /** A packet on its way out, with its outer source. */
  outbound(packet: Packet, now: Instant): Packet | undefined {
    const mapping = this.#mappingFor(packet, now);
    if (mapping === undefined) return undefined;
    mapping.usedAt = now;
    mapping.permitted.set(packet.destination.address, now);
    mapping.permitted.set(endpointKey(packet.destination), now);
    return { ...packet, source: mapping.outer };
  }

  /** A packet from outside with its inner destination, or undefined when it is filtered. */
  inbound(packet: Packet, now: Instant): Packet | undefined {
    const mapping = this.#byOuter.get(protocolKey(packet, endpointKey(packet.destination)));
    if (mapping !== undefined && !this.#hasExpired(mapping, now)) {
      const permitted = this.#permits(mapping, packet.source, now);
      return permitted ? { ...packet, destination: mapping.inner } : undefined;
    }
    return this.#inboundOneToOne(packet);
  }

  #permits(mapping: Mapping, source: Endpoint, now: Instant): boolean {
    const { filtering = 'address-and-port-dependent', timeout = DEFAULT_TIMEOUT } = this.options;
    if (filtering === 'endpoint-independent') return true;
    const at = mapping.permitted.get(filtering === 'address-dependent' ? source.address : endpointKey(source));
    return at !== undefined && now - at <= timeout;
  }

  /** One to one without filtering, a packet needs no earlier one: the address belongs to the inner host. */
  #inboundOneToOne(packet: Packet): Packet | undefined {
    if (this.options.mapping !== 'one-to-one' || this.options.filtering !== 'endpoint-independent') return undefined;
    for (const [inner, outer] of this.#ownAddresses)
      if (outer === packet.destination.address) return { ...packet, destination: { address: inner, port: packet.destination.port } };
    return undefined;
  }

  /** Gives an inner address its outer one; the first packet does it otherwise. Undefined when there is none left. */
  outerAddress(inner: string): string | undefined {
    const { addresses, mapping } = this.options;
    if (mapping !== 'one-to-one') return addresses[0];
    const outer = this.#ownAddresses.get(inner) ?? addresses[this.#ownAddresses.size];
    if (outer !== undefined) this.#ownAddresses.set(inner, outer);
    return outer;
  }

  #mappingFor(packet: Packet, now: Instant): Mapping | undefined {
    const key = protocolKey(packet, this.#mappingKey(packet));
    const existing = this.#byKey.get(key);
    if (existing !== undefined && !this.#hasExpired(existing, now)) return existing;
    const address = this.outerAddress(packet.source.address);
    if (address === undefined) return undefined;
    if (existing !== undefined) this.#byOuter.delete(protocolKey(packet, endpointKey(existing.outer)));
    const outer = { address, port: this.#outerPort(packet, address) };
    const mapping = { key, inner: packet.source, outer, permitted: new Map<string, Instant>(), usedAt: now };
    this.#byKey.set(key, mapping);
    this.#byOuter.set(protocolKey(packet, endpointKey(outer)), mapping);
    return mapping;
  }

  #mappingKey({ source, destination }: Packet): string {
    const inner = endpointKey(source);
    if (this.options.mapping === 'address-dependent') return `${inner} to ${destination.address}`;
    if (this.options.mapping === 'address-and-port-dependent') return `${inner} to ${endpointKey(destination)}`;
    return inner;
  }

  #outerPort(packet: Packet, address: string): number {
    if (this.options.mapping === 'one-to-one') return packet.source.port;
    for (;;) {
      const port = 20_000 + this.#random.below(40_000);
      if (!this.#byOuter.has(protocolKey(packet, endpointKey({ address, port })))) return port;
    }
  }

  #hasExpired({ usedAt }: Mapping, now: Instant): boolean {
    return now - usedAt > (this.options.timeout ?? DEFAULT_TIMEOUT);
  }
}

const DEFAULT_TIMEOUT = 120_000;

function protocolKey({ segment }: Packet, key: string): string {
  return `${segment === undefined ? 'udp' : 'tcp'} ${key}`;
}
