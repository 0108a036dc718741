import type { CryptoProvider } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import { IceAgent, type IceAgentOptions, type IceEvent, type IceTransmit, type LocalSocket } from '@petrel/ice';
import { encodeStunMessage, parseStunMessage, shortTermKey } from '@petrel/stun';
import { type SeededRandom, seededRandom, VirtualClock } from '@petrel/testing';

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export interface Packet {
  readonly at: number;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly data: Uint8Array;
}

export interface NetworkOptions {
  readonly seed?: number;
  readonly loss?: number;
  /** Milliseconds, one way. */
  readonly delay?: number;
  readonly jitter?: number;
  /** Sees every packet on its way between two NATs (or hosts); false loses it. */
  filter?: (packet: Packet) => boolean;
}

type Handler = (data: Uint8Array, from: Endpoint, to: Endpoint) => void;

/** RFC 4787 §4.1: what a mapping depends on. Symmetric NATs also give every mapping another port at random. */
export type NatMapping = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent' | 'symmetric';
/** RFC 4787 §5: whose packets get in. */
export type NatFilter = 'endpoint-independent' | 'address-dependent' | 'address-and-port-dependent';

export interface NatOptions {
  readonly external: string;
  readonly mapping: NatMapping;
  readonly filter: NatFilter;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly hairpin?: boolean;
}

interface Mapping {
  readonly inside: Endpoint;
  readonly outside: Endpoint;
  readonly key: string;
  readonly peers: Set<string>;
  usedAt: number;
}

const keyOf = ({ address, port }: Endpoint): string => `${address}|${port}`;

/** A simulated internet for one test: hosts, NATs in front of them, one link everywhere. */
export class Network {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: SeededRandom;
  readonly options: NetworkOptions;
  readonly packets: Packet[] = [];
  /** Packets that nobody has: addresses that do not exist, and what NATs refuse. */
  undeliverable = 0;
  record = true;
  readonly #sockets = new Map<string, { handler: Handler; nat: Nat | undefined }>();
  readonly #nats = new Map<string, Nat>();

  constructor(options: NetworkOptions = {}) {
    this.options = options;
    this.random = seededRandom(options.seed ?? 1);
  }

  now(): number {
    return this.clock.now();
  }

  addNat(options: NatOptions): Nat {
    const nat = new Nat(this, options);
    this.#nats.set(options.external, nat);
    return nat;
  }

  bind(endpoint: Endpoint, handler: Handler, nat?: Nat): void {
    this.#sockets.set(keyOf(endpoint), { handler, nat });
  }

  unbind(endpoint: Endpoint): void {
    this.#sockets.delete(keyOf(endpoint));
  }

  send(from: Endpoint, to: Endpoint, data: Uint8Array): void {
    const sender = this.#sockets.get(keyOf(from));
    const neighbour = this.#sockets.get(keyOf(to));
    if (sender === undefined) return;
    if (neighbour !== undefined && neighbour.nat === sender.nat) return this.#carry(from, to, data, neighbour.handler);
    if (sender.nat !== undefined && neighbour !== undefined && neighbour.nat !== undefined) return void this.undeliverable++;
    const source = sender.nat === undefined ? from : sender.nat.outbound(from, to);
    if (sender.nat?.options.external === to.address && sender.nat.options.hairpin !== true) return void this.undeliverable++;
    this.#carry(source, to, data, (bytes) => this.#deliver(source, to, bytes));
  }

  /** Sends as if from an address that is not ours. */
  spoof(from: Endpoint, to: Endpoint, data: Uint8Array): void {
    this.#carry(from, to, data, (bytes) => this.#deliver(from, to, bytes));
  }

  #carry(from: Endpoint, to: Endpoint, data: Uint8Array, deliver: Handler): void {
    const { loss = 0, delay = 10, jitter = 0, filter } = this.options;
    const packet = { at: this.now(), from, to, data: data.slice() };
    if (this.record) this.packets.push(packet);
    const lost = this.random.fraction() < loss;
    const arrival = this.now() + delay + this.random.fraction() * jitter;
    if (lost || filter?.(packet) === false) return;
    this.clock.schedule(arrival, () => deliver(packet.data.slice(), from, to));
  }

  #deliver(from: Endpoint, to: Endpoint, data: Uint8Array): void {
    const nat = this.#nats.get(to.address);
    const inside = nat === undefined ? to : nat.inbound(from, to);
    const socket = inside && this.#sockets.get(keyOf(inside));
    if (inside === undefined || socket === undefined || socket.nat !== nat) this.undeliverable++;
    else socket.handler(data, from, inside);
  }
}

export class Nat {
  readonly options: NatOptions;
  readonly #network: Network;
  #mappings: Mapping[] = [];
  #nextPort = 20_000;

  constructor(network: Network, options: NatOptions) {
    this.#network = network;
    this.options = options;
  }

  /** Forgets everything: the next packets get new ports. */
  rebind(): void {
    this.#mappings = [];
    this.#nextPort += 1_000;
  }

  outbound(inside: Endpoint, to: Endpoint): Endpoint {
    this.#expire();
    const key = `${keyOf(inside)}>${this.#dependence(to)}`;
    let mapping = this.#mappings.find((candidate) => candidate.key === key);
    if (mapping === undefined) {
      const port = this.options.mapping === 'symmetric' ? 30_000 + this.#network.random.below(20_000) : this.#nextPort++;
      mapping = { inside, outside: { address: this.options.external, port }, key, peers: new Set(), usedAt: 0 };
      this.#mappings.push(mapping);
    }
    mapping.usedAt = this.#network.now();
    mapping.peers.add(to.address).add(keyOf(to));
    return mapping.outside;
  }

  inbound(from: Endpoint, outside: Endpoint): Endpoint | undefined {
    this.#expire();
    const mapping = this.#mappings.find((candidate) => candidate.outside.port === outside.port);
    if (mapping === undefined) return undefined;
    const { filter } = this.options;
    if (filter === 'address-dependent' && !mapping.peers.has(from.address)) return undefined;
    if (filter === 'address-and-port-dependent' && !mapping.peers.has(keyOf(from))) return undefined;
    return mapping.inside;
  }

  #dependence(to: Endpoint): string {
    if (this.options.mapping === 'endpoint-independent') return '*';
    return this.options.mapping === 'address-dependent' ? to.address : keyOf(to);
  }

  #expire(): void {
    const { timeout = Infinity } = this.options;
    this.#mappings = this.#mappings.filter(({ usedAt }) => this.#network.now() - usedAt < timeout);
  }
}

/** A STUN server that answers Binding requests. */
export function addStunServer(network: Network, endpoint: Endpoint, otherAddress?: Endpoint): void {
  const answer: Handler = (data, from, to) => {
    const { message } = parseStunMessage(data, { keyFor: () => 'unprotected' });
    if (message?.class !== 'request' || message.method !== 'binding') return;
    const attributes = { xorMappedAddress: otherAddress ?? from };
    network.send(to, from, encodeStunMessage({ ...message, class: 'success', attributes }));
  };
  network.bind(endpoint, answer);
}

/** The response of a peer with this password to a check, if that is one. */
export function answerCheck(data: Uint8Array, source: Endpoint, password: string): Uint8Array | undefined {
  const { message } = parseStunMessage(data, { keyFor: () => 'unprotected' });
  if (message?.class !== 'request') return undefined;
  const attributes = { xorMappedAddress: source };
  const key = shortTermKey(seededCrypto(0), password);
  return encodeStunMessage({ ...message, class: 'success', attributes }, { key, fingerprint: true });
}

export function seededCrypto(seed: number): CryptoProvider {
  return nodeCrypto(seededRandom(seed));
}

/** One agent on a host, with what drives it. */
export class Peer {
  readonly agent: IceAgent;
  readonly events: IceEvent[] = [];
  readonly payloads: Uint8Array[] = [];
  readonly network: Network;
  readonly nat: Nat | undefined;
  readonly sockets: Map<number, Endpoint> = new Map();
  /** Streams that the agent has asked for, for tests of TCP. */
  onStreamEvent: ((event: IceEvent & { type: 'open-stream' | 'close-stream' }) => void) | undefined;
  onStreamTransmit: ((transmit: IceTransmit) => void) | undefined;
  other: Peer | undefined;
  #cancel: (() => void) | undefined;
  #armed = Infinity;

  constructor(network: Network, options: Partial<IceAgentOptions> & { role: IceAgentOptions['role'] }, seed = 1, nat?: Nat) {
    this.network = network;
    this.nat = nat;
    this.agent = new IceAgent({ crypto: seededCrypto(seed), ...options });
  }

  get state(): string {
    return this.agent.state;
  }

  get states(): string[] {
    return this.events.flatMap((event) => (event.type === 'state' ? [event.state] : []));
  }

  input<T>(change: (agent: IceAgent, now: number) => T): T {
    const result = change(this.agent, this.network.now());
    this.flush();
    return result;
  }

  addSocket(id: number, endpoint: Endpoint, extra: Partial<LocalSocket> = {}): void {
    this.sockets.set(id, endpoint);
    this.network.bind(endpoint, (data, from) => this.receive(id, data, from), this.nat);
    this.input((agent, now) => agent.addSocket(id, { protocol: 'udp', ...endpoint, ...extra }, now));
  }

  removeSocket(id: number): void {
    this.network.unbind(this.sockets.get(id)!);
    this.sockets.delete(id);
    this.input((agent, now) => agent.removeSocket(id, now));
  }

  receive(id: number, data: Uint8Array, from: Endpoint): void {
    const payload = this.input((agent, now) => agent.receive(id, data, from.address, from.port, now));
    if (payload !== undefined) this.payloads.push(payload);
  }

  send(text: string): boolean {
    return this.input((agent, now) => agent.send(new TextEncoder().encode(`~${text}`), now));
  }

  texts(): string[] {
    return this.payloads.splice(0).map((payload) => new TextDecoder().decode(payload.subarray(1)));
  }

  flush(): void {
    const { agent, network } = this;
    for (let transmit = agent.pollTransmit(network.now()); transmit; transmit = agent.pollTransmit(network.now())) {
      const from = this.sockets.get(transmit.socket);
      if (from === undefined) this.onStreamTransmit?.(transmit);
      else network.send(from, transmit, transmit.data);
    }
    for (let payload = agent.pollPayload(network.now()); payload; payload = agent.pollPayload(network.now())) this.payloads.push(payload);
    for (let event = agent.pollEvent(); event; event = agent.pollEvent()) this.#onEvent(event);
    this.#arm();
  }

  #onEvent(event: IceEvent): void {
    this.events.push(event);
    if (event.type === 'open-stream' || event.type === 'close-stream') this.onStreamEvent?.(event);
    const { other } = this;
    if (other === undefined) return;
    // Signalling that takes 20 ms and loses nothing.
    if (event.type === 'candidate')
      this.network.clock.schedule(this.network.now() + 20, () =>
        other.input((agent, now) => agent.addRemoteCandidate(event.candidate, now)),
      );
    if (event.type === 'gathering-state' && event.state === 'complete')
      this.network.clock.schedule(this.network.now() + 20, () => other.input((agent, now) => agent.endOfRemoteCandidates(now)));
  }

  #arm(): void {
    const deadline = this.agent.nextTimeout();
    if (deadline === this.#armed) return;
    this.#cancel?.();
    this.#armed = deadline;
    if (deadline === Infinity) return;
    this.#cancel = this.network.clock.schedule(deadline, () => {
      this.#armed = Infinity;
      this.input((agent, now) => agent.handleTimeout(now));
    });
  }
}

export interface PairOptions {
  readonly network?: Network;
  readonly a?: Partial<IceAgentOptions>;
  readonly b?: Partial<IceAgentOptions>;
  readonly natA?: Nat;
  readonly natB?: Nat;
  readonly seed?: number;
}

/** Two peers whose signalling is connected: candidates trickle, credentials are known from the start. */
export function newPair(options: PairOptions = {}): { network: Network; a: Peer; b: Peer } {
  const network = options.network ?? new Network({ seed: options.seed ?? 1 });
  const seed = options.seed ?? 1;
  const a = new Peer(network, { role: 'controlling', ...options.a }, 2 * seed, options.natA);
  const b = new Peer(network, { role: 'controlled', ...options.b }, 2 * seed + 1, options.natB);
  a.other = b;
  b.other = a;
  return { network, a, b };
}

/** Exchanges credentials: what setLocalDescription and setRemoteDescription do. */
export function exchangeParameters(a: Peer, b: Peer): void {
  a.input((agent, now) => agent.setRemoteParameters(b.agent.localParameters, now));
  b.input((agent, now) => agent.setRemoteParameters(a.agent.localParameters, now));
}

/** One host candidate each, on one network. */
export function startHosts(a: Peer, b: Peer): void {
  a.addSocket(1, { address: '192.0.2.1', port: 5001 });
  b.addSocket(1, { address: '192.0.2.2', port: 5002 });
  for (const peer of [a, b]) peer.input((agent, now) => agent.endOfSockets(now));
  exchangeParameters(a, b);
}

/** Runs until both are connected (or completed); false when that takes too long. */
export function runUntilConnected({ network, a, b }: { network: Network; a: Peer; b: Peer }, deadline = 60_000): boolean {
  const connected = ({ state }: Peer): boolean => state === 'connected' || state === 'completed';
  return network.clock.runUntil(() => connected(a) && connected(b), deadline);
}

/** Two connected peers on one network. */
export function connectedPair(options: PairOptions = {}): { network: Network; a: Peer; b: Peer } {
  const pair = newPair(options);
  startHosts(pair.a, pair.b);
  if (!runUntilConnected(pair)) throw new Error(`not connected: ${pair.a.state}, ${pair.b.state}`);
  pair.network.clock.advanceBy(2_000);
  return pair;
}
