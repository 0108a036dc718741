/** Gathering of local candidates (RFC 8445 §5.1): host, server-reflexive and relayed ones, trickled as they are found (RFC 8838 §9). */
import { type Instant, NEVER } from '@petrel/sans-io';
import {
  addressFamily,
  addressScope,
  BindingClient,
  canonicalIpAddress,
  RedirectHistory,
  type StunFailure,
  type TransportAddress,
} from '@petrel/stun';
import type { TurnEvent } from '@petrel/turn';
import { type Base, peerReflexivePriority } from './base.ts';
import type { Candidate, CandidateType } from './candidate.ts';
import {
  FIRST_STREAM_ID,
  type IceAgentOptions,
  type IceEvent,
  type IceGatheringState,
  type IceServer,
  type IceTransmit,
  type LocalSocket,
} from './ice-types.ts';
import { candidatePriority, localPreference, tcpLocalPreference, typePreference } from './priority.ts';
import { RelayClient, type RelayTransport } from './relay-client.ts';

/** What the gatherer needs from its agent. */
export interface GatheringContext {
  readonly usernameFragment: string;
  transmit(transmit: IceTransmit): void;
  event(event: IceEvent): void;
  baseAdded(base: Base, now: Instant): void;
  baseRemoved(base: Base, now: Instant): void;
  /** A datagram that a relay has passed on. @returns its payload for the layer above */
  relayed(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined;
  /** Whether mappings at NATs have to be kept although no pair does it yet. */
  readonly waitsForPeer: boolean;
}

/** A candidate of ours, with the addresses that it really has: what is shown may be a name. */
export interface LocalCandidate {
  readonly candidate: Candidate;
  readonly base: Base;
  readonly address: string;
  readonly port: number;
}

/** One Binding request to one server from one base. */
interface ReflexiveQuery {
  readonly server: IceServer;
  readonly base: Base;
  readonly address: TransportAddress;
  readonly client: BindingClient;
  pending: boolean;
  refreshAt: Instant;
}

/** A NAT keeps a UDP mapping for 30 s at least, often; RFC 8445 §11 says 15. */
const MAPPING_REFRESH = 15_000;
const DEFAULT_GATHERING_TIMEOUT = 10_000;
/** Nothing is gained from more. */
const MAX_RELAYS = 16;
/** The peer sees us from no more addresses than this, or we do not remember them all. */
const MAX_LOCAL_PEER_REFLEXIVE = 32;
/** The port of TCP active candidates, which is not known (RFC 6544 §4.5). */
const DISCARD_PORT = 9;

export class Gatherer {
  readonly #options: IceAgentOptions;
  readonly #context: GatheringContext;
  readonly #bases = new Map<number, Base>();
  readonly #bySocket = new Map<number, Base>();
  readonly #sockets = new Map<number, LocalSocket>();
  readonly #foundations = new Map<string, string>();
  readonly #resolved = new Map<string, readonly string[]>();
  #servers: readonly IceServer[];
  #queries: ReflexiveQuery[] = [];
  #relays: RelayClient[] = [];
  #candidates: LocalCandidate[] = [];
  readonly #peerReflexive: LocalCandidate[] = [];
  #state: IceGatheringState = 'new';
  #ended = false;
  #closed = false;
  #deadline: Instant = NEVER;
  #baseIds = 0;
  #streamIds = FIRST_STREAM_ID;
  readonly #familyIndex = { 4: 0, 6: 0 };

  constructor(options: IceAgentOptions, context: GatheringContext) {
    this.#options = options;
    this.#context = context;
    this.#servers = options.servers ?? [];
  }

  get state(): IceGatheringState {
    return this.#state;
  }

  get candidates(): readonly Candidate[] {
    return this.#candidates.map(({ candidate }) => candidate);
  }

  /** Bases that pairs are made of. */
  bases(): Iterable<Base> {
    return this.#options.transportPolicy === 'relay'
      ? [...this.#bases.values()].filter(({ kind }) => kind === 'relay')
      : this.#bases.values();
  }

  ofSocket(socket: number): Base | undefined {
    return this.#bySocket.get(socket);
  }

  /** Whether everything that was allocated has been released. */
  get released(): boolean {
    return this.#relays.length === 0;
  }

  newStreamId(): number {
    return this.#streamIds++;
  }

  // Inputs -------------------------------------------------------------------------------------------------------------

  addSocket(id: number, socket: LocalSocket, now: Instant): void {
    const address = canonicalIpAddress(socket.address.replace(/%.*$/, ''));
    if (address === undefined) throw new TypeError(`a socket is bound to an IP address, not to ${JSON.stringify(socket.address)}`);
    if (this.#closed || this.#sockets.has(id)) return;
    this.#begin(now);
    this.#sockets.set(id, socket);
    const family = addressFamily(address);
    const preference = localPreference(address, family, this.#familyIndex[family]++);
    const kind = socket.protocol === 'udp' ? 'udp' : 'tcp-passive';
    const base = this.#addBase(kind, id, address, socket.port, preference, now);
    if (kind !== 'udp') return;
    if (this.#options.tcpActive === true) this.#addTcpActiveBase(address, preference, now);
    for (const server of this.#servers) this.#query(server, base, now);
  }

  removeSocket(id: number, now: Instant): void {
    const base = this.#bySocket.get(id);
    this.#sockets.delete(id);
    if (base === undefined) return;
    for (const relay of this.#relays.filter(({ transport }) => transport.kind === 'udp' && transport.base === base))
      this.#dropRelay(relay, now);
    this.#queries = this.#queries.filter((query) => query.base !== base);
    this.#bySocket.delete(id);
    this.#removeBase(base, now);
    const sibling = [...this.#bases.values()].find(({ kind, address }) => kind === 'tcp-active' && address === base.address);
    if (sibling !== undefined && base.kind === 'udp') this.#removeBase(sibling, now);
    this.#settle();
  }

  endOfSockets(now: Instant): void {
    if (this.#closed) return;
    this.#begin(now);
    this.#ended = true;
    for (const server of this.#servers) if (isTurn(server) && server.url.transport === 'tcp') this.#allocateOverStream(server, now);
    this.#settle();
  }

  setServers(servers: readonly IceServer[]): void {
    this.#servers = servers;
  }

  resolveServer(host: string, addresses: readonly string[], now: Instant): void {
    const literals = addresses.map((address) => canonicalIpAddress(address)).filter((address) => address !== undefined);
    this.#resolved.set(host, literals);
    for (const server of this.#servers) {
      if (server.url.host !== host || this.#state === 'new') continue;
      if (literals.length === 0) this.#reportError(server, undefined, 701, 'the host name could not be resolved');
      for (const base of this.#bySocket.values()) if (base.kind === 'udp') this.#query(server, base, now);
      if (this.#ended && isTurn(server) && server.url.transport === 'tcp') this.#allocateOverStream(server, now);
    }
    this.#settle();
  }

  /** Shows everything again, for new credentials, and asks the servers again. */
  restart(now: Instant): void {
    if (this.#closed || this.#state === 'new') return;
    this.#candidates = [];
    this.#queries = [];
    this.#ended = false;
    this.#state = 'new';
    this.#begin(now);
    for (const base of this.#bases.values()) {
      base.candidate = { ...base.candidate, usernameFragment: this.#context.usernameFragment };
      this.#show(base.candidate, base, base.address, base.port);
    }
    for (const base of this.#bySocket.values()) if (base.kind === 'udp') for (const server of this.#servers) this.#query(server, base, now);
  }

  close(now: Instant): void {
    this.#closed = true;
    this.#queries = [];
    for (const relay of this.#relays) relay.close(now);
    this.#drainRelays(now);
    this.#deadline = NEVER;
  }

  // Datagrams ----------------------------------------------------------------------------------------------------------

  /**
   * A datagram that may have come from a server.
   * @returns `undefined` when it has not, else the payload that a relay has passed on, or `consumed`
   */
  receive(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | 'consumed' | undefined {
    for (const query of this.#queries) {
      if (query.base !== base || !isFrom(query.address, address, port) || !query.client.expects(data)) continue;
      query.client.receive(data, now);
      this.#onBindingEvents(query, now);
      return 'consumed';
    }
    for (const relay of this.#relays) {
      if (relay.transport.kind !== 'udp' || relay.transport.base !== base || !isFrom(relay.address, address, port)) continue;
      relay.receive(data, now);
      return this.#onRelayEvents(relay, now) ?? 'consumed';
    }
    return undefined;
  }

  streamOpened(id: number, now: Instant): boolean {
    const relay = this.#relayOfStream(id);
    relay?.start(now);
    return relay !== undefined;
  }

  streamData(id: number, bytes: Uint8Array, now: Instant): readonly Uint8Array[] | undefined {
    const relay = this.#relayOfStream(id);
    if (relay === undefined) return undefined;
    relay.receive(bytes, now);
    const payloads: Uint8Array[] = [];
    this.#onRelayEvents(relay, now, payloads);
    return payloads;
  }

  streamClosed(id: number, now: Instant): boolean {
    const relay = this.#relayOfStream(id);
    if (relay === undefined) return false;
    if (relay.pending) this.#reportError(relay.server, relay.address, 701, 'the connection to the server failed');
    this.#dropRelay(relay, now);
    return true;
  }

  #relayOfStream(id: number): RelayClient | undefined {
    return this.#relays.find(({ transport }) => transport.kind === 'stream' && transport.id === id);
  }

  // Time ---------------------------------------------------------------------------------------------------------------

  handleTimeout(now: Instant): void {
    for (const query of this.#queries) {
      query.client.handleTimeout(now);
      if (query.refreshAt <= now) this.#refresh(query, now);
      this.#sendQuery(query);
      this.#onBindingEvents(query, now);
    }
    for (const relay of this.#relays) relay.handleTimeout(now);
    this.#drainRelays(now);
    if (this.#deadline <= now) this.#giveUp(now);
  }

  nextTimeout(): Instant {
    let next = this.#deadline;
    for (const { client, refreshAt } of this.#queries) next = Math.min(next, client.nextTimeout(), refreshAt);
    for (const relay of this.#relays) next = Math.min(next, relay.nextTimeout());
    return next;
  }

  /** Keeps a mapping alive while nothing else does: the answer to our offer may take minutes. */
  #refresh(query: ReflexiveQuery, now: Instant): void {
    query.refreshAt = this.#context.waitsForPeer ? now + MAPPING_REFRESH : NEVER;
    if (this.#context.waitsForPeer) query.client.start(now);
  }

  /** Gathering does not wait for servers that do not answer. */
  #giveUp(now: Instant): void {
    for (const query of this.#queries) {
      if (!query.pending) continue;
      query.pending = false;
      query.client.close();
      this.#reportError(query.server, query.address, 701, 'the STUN server did not answer in time');
    }
    for (const relay of this.#relays.filter(({ pending }) => pending)) {
      this.#reportError(relay.server, relay.address, 701, 'the TURN server did not answer in time');
      this.#dropRelay(relay, now);
    }
    for (const server of this.#servers.filter((candidate) => this.#addressesOf(candidate) === undefined))
      this.#reportError(server, undefined, 701, 'the host name was not resolved in time');
    this.#settle(true);
  }

  // Progress -----------------------------------------------------------------------------------------------------------

  #begin(now: Instant): void {
    if (this.#state === 'gathering') return;
    const late = this.#state === 'complete';
    this.#state = 'gathering';
    this.#ended = late && this.#ended;
    this.#deadline = now + (this.#options.gatheringTimeout ?? DEFAULT_GATHERING_TIMEOUT);
    this.#context.event({ type: 'gathering-state', state: 'gathering' });
  }

  #settle(givenUp: boolean = false): void {
    if (this.#state !== 'gathering' || this.#closed || !this.#ended) return;
    if (!givenUp && this.#waiting()) return;
    this.#deadline = NEVER;
    this.#state = 'complete';
    this.#context.event({ type: 'gathering-state', state: 'complete' });
  }

  #waiting(): boolean {
    return (
      this.#queries.some(({ pending }) => pending) ||
      this.#relays.some(({ pending }) => pending) ||
      this.#servers.some((server) => this.#addressesOf(server) === undefined)
    );
  }

  #reportError({ text }: IceServer, server: TransportAddress | undefined, errorCode: number, errorText: string): void {
    this.#context.event({ type: 'candidate-error', address: server?.address, port: server?.port, url: text, errorCode, errorText });
  }

  // Host candidates ----------------------------------------------------------------------------------------------------

  #addBase(kind: 'udp' | 'tcp-passive', socket: number, address: string, port: number, preference: number, now: Instant): Base {
    const { announcedAddress, announcedPort, networkInterface } = this.#sockets.get(socket)!;
    const protocol = kind === 'udp' ? 'udp' : 'tcp';
    const local = kind === 'udp' ? preference : tcpLocalPreference('host', 'passive', preference >>> 3);
    const shown = announcedAddress ?? this.#options.concealAddress?.(address) ?? address;
    const candidate: Candidate = {
      ...this.#candidateFields('host', protocol, address, undefined),
      priority: candidatePriority(typePreference('host', protocol), local, 1),
      address: shown,
      port: announcedPort ?? port,
      ...(kind === 'tcp-passive' ? { tcpType: 'passive' as const } : {}),
    };
    void networkInterface;
    const base: Base = {
      id: ++this.#baseIds,
      kind,
      socket,
      address,
      port,
      family: addressFamily(address),
      localPreference: preference,
      candidate,
    };
    this.#bySocket.set(socket, base);
    this.#register(base, now);
    return base;
  }

  #addTcpActiveBase(address: string, preference: number, now: Instant): void {
    if ([...this.#bases.values()].some((base) => base.kind === 'tcp-active' && base.address === address)) return;
    const candidate: Candidate = {
      ...this.#candidateFields('host', 'tcp', address, undefined),
      priority: candidatePriority(typePreference('host', 'tcp'), tcpLocalPreference('host', 'active', preference >>> 3), 1),
      address: this.#options.concealAddress?.(address) ?? address,
      port: DISCARD_PORT,
      tcpType: 'active',
    };
    const id = ++this.#baseIds;
    const family = addressFamily(address);
    this.#register(
      { id, kind: 'tcp-active', socket: -1, address, port: DISCARD_PORT, family, localPreference: preference, candidate },
      now,
    );
  }

  #register(base: Base, now: Instant): void {
    this.#bases.set(base.id, base);
    this.#show(base.candidate, base, base.address, base.port);
    if (this.#options.transportPolicy !== 'relay' || base.kind === 'relay') this.#context.baseAdded(base, now);
  }

  #removeBase(base: Base, now: Instant): void {
    this.#bases.delete(base.id);
    this.#candidates = this.#candidates.filter((local) => local.base !== base);
    this.#context.baseRemoved(base, now);
  }

  /** Surfaces a candidate, unless the policy hides it or it says nothing new (RFC 8445 §5.1.3). */
  #show(candidate: Candidate, base: Base, address: string, port: number): void {
    const redundant = this.#candidates.some((other) => other.base === base && other.address === address && other.port === port);
    if (redundant) return;
    if (this.#options.transportPolicy === 'relay' && candidate.type !== 'relay') return;
    this.#candidates.push({ candidate, base, address, port });
    this.#context.event({ type: 'candidate', candidate });
  }

  #candidateFields(
    type: CandidateType,
    protocol: 'udp' | 'tcp',
    baseAddress: string,
    server: string | undefined,
  ): Pick<Candidate, 'foundation' | 'component' | 'protocol' | 'type' | 'usernameFragment'> {
    const foundation = this.#foundation(`${type}|${protocol}|${baseAddress}|${server ?? ''}`);
    return { foundation, component: 1, protocol, type, usernameFragment: this.#context.usernameFragment };
  }

  #foundation(key: string): string {
    const known = this.#foundations.get(key);
    if (known !== undefined) return known;
    const foundation = String(this.#foundations.size + 1);
    this.#foundations.set(key, foundation);
    return foundation;
  }

  // Servers ------------------------------------------------------------------------------------------------------------

  #query(server: IceServer, base: Base, now: Instant): void {
    if (server.url.transport !== 'udp') return;
    const address = this.#addressesOf(server)?.find((candidate) => canReach(base, candidate));
    if (address === undefined) return;
    const target = { address, port: server.url.port };
    if (isTurn(server)) this.#allocateOverUdp(server, base, target, now);
    else if (this.#options.transportPolicy !== 'relay') this.#askForMapping(server, base, target, now);
  }

  #addressesOf({ url, addresses }: IceServer): readonly string[] | undefined {
    const literal = canonicalIpAddress(url.host);
    return literal === undefined ? (addresses ?? this.#resolved.get(url.host)) : [literal];
  }

  #askForMapping(server: IceServer, base: Base, address: TransportAddress, now: Instant): void {
    const known = this.#queries.some((query) => query.base === base && isFrom(query.address, address.address, address.port));
    if (known || base.kind !== 'udp') return;
    const client = new BindingClient({ crypto: this.#options.crypto });
    const query = { server, base, address, client, pending: true, refreshAt: NEVER };
    this.#queries.push(query);
    client.start(now);
    this.#sendQuery(query);
  }

  #sendQuery({ base, address, client }: ReflexiveQuery): void {
    for (let data = client.pollTransmit(); data !== undefined; data = client.pollTransmit())
      this.#context.transmit({ socket: base.socket, data, address: address.address, port: address.port });
  }

  #onBindingEvents(query: ReflexiveQuery, now: Instant): void {
    for (let event = query.client.pollEvent(); event !== undefined; event = query.client.pollEvent()) {
      const first = query.pending;
      query.pending = false;
      if (event.type === 'mapped') {
        query.refreshAt = now + MAPPING_REFRESH;
        if (first) this.#addReflexive(query.base, event.mappedAddress, query.server);
      } else if (first) this.#reportError(query.server, query.address, ...describe(event.failure));
    }
    this.#settle();
  }

  /** RFC 8445 §5.1.1.2. Its pairs are those of its base, so that it is shown and nothing else. */
  #addReflexive(base: Base, mapped: TransportAddress, server: IceServer): void {
    const candidate: Candidate = {
      ...this.#candidateFields('srflx', 'udp', base.address, server.url.host),
      priority: candidatePriority(typePreference('srflx', 'udp'), base.localPreference, 1),
      ...mapped,
      ...this.#related({ address: base.address, port: base.port }),
      url: server.text,
    };
    this.#show(candidate, base, mapped.address, mapped.port);
  }

  /** The address that a candidate was derived from, or that there is one, when addresses are hidden. */
  #related(address: TransportAddress): { relatedAddress: string; relatedPort: number } {
    const hidden = this.#options.concealAddress !== undefined || this.#options.transportPolicy === 'relay';
    if (!hidden) return { relatedAddress: address.address, relatedPort: address.port };
    return { relatedAddress: addressFamily(address.address) === 4 ? '0.0.0.0' : '::', relatedPort: 0 };
  }

  // Relays -------------------------------------------------------------------------------------------------------------

  #allocateOverUdp(server: IceServer, base: Base, target: TransportAddress, now: Instant): void {
    const known = this.#relays.some((relay) => {
      const { transport, address } = relay;
      return transport.kind === 'udp' && transport.base === base && isFrom(address, target.address, target.port);
    });
    if (!known) this.#startRelay(server, target, { kind: 'udp', id: base.socket, base }, new RedirectHistory(target, now), now);
  }

  #allocateOverStream(server: IceServer, now: Instant): void {
    const address = this.#addressesOf(server)?.[0];
    if (address === undefined) return;
    const target = { address, port: server.url.port };
    if (this.#relays.some((relay) => relay.transport.kind === 'stream' && relay.server.text === server.text)) return;
    this.#openRelayStream(server, target, new RedirectHistory(target, now), now);
  }

  #openRelayStream(server: IceServer, target: TransportAddress, redirects: RedirectHistory, now: Instant): void {
    const id = this.newStreamId();
    const protocol = server.url.scheme === 'turns' ? 'tls' : 'tcp';
    if (!this.#startRelay(server, target, { kind: 'stream', id, protocol }, redirects, now)) return;
    const servername = protocol === 'tls' ? { servername: server.url.host } : {};
    this.#context.event({ type: 'open-stream', id, protocol, address: target.address, port: target.port, ...servername });
  }

  #startRelay(server: IceServer, target: TransportAddress, transport: RelayTransport, redirects: RedirectHistory, now: Instant): boolean {
    if (this.#relays.length >= MAX_RELAYS) return false;
    const relay = new RelayClient(this.#options.crypto, server, target, transport, redirects, (transmit) =>
      this.#context.transmit(transmit),
    );
    this.#relays.push(relay);
    if (transport.kind === 'udp') relay.start(now);
    return true;
  }

  #drainRelays(now: Instant): void {
    for (const relay of this.#relays.slice()) this.#onRelayEvents(relay, now);
  }

  /** @returns the (last) payload that the relay has passed on; all of them are pushed to `payloads` */
  #onRelayEvents(relay: RelayClient, now: Instant, payloads?: Uint8Array[]): Uint8Array | undefined {
    let last: Uint8Array | undefined;
    for (let event = relay.pollEvent(); event !== undefined; event = relay.pollEvent()) {
      if (event.type !== 'data') this.#onRelayEvent(relay, event, now);
      else {
        const payload = this.#onRelayedData(relay, event, now);
        if (payload === undefined) continue;
        last = payload;
        payloads?.push(payload);
      }
    }
    return last;
  }

  #onRelayedData(relay: RelayClient, event: TurnEvent & { type: 'data' }, now: Instant): Uint8Array | undefined {
    const family = addressFamily(event.peerAddress);
    const base = relay.bases.find((candidate) => candidate.family === family);
    return base && this.#context.relayed(base, event.data, event.peerAddress, event.peerPort, now);
  }

  #onRelayEvent(relay: RelayClient, event: TurnEvent, now: Instant): void {
    switch (event.type) {
      case 'allocated':
        relay.pending = false;
        relay.mappedAddress = event.mappedAddress;
        for (const address of event.relayedAddresses) this.#addRelayBase(relay, address, now);
        if (event.mappedAddress !== undefined && relay.transport.kind === 'udp')
          this.#addReflexive(relay.transport.base, event.mappedAddress, relay.server);
        return this.#settle();
      case 'failed':
        if (relay.pending && !this.#closed && event.alternateServer !== undefined && this.#follow(relay, event.alternateServer, now))
          return;
        if (relay.pending) this.#reportError(relay.server, relay.address, event.code ?? 701, event.phrase ?? event.reason);
        return this.#dropRelay(relay, now);
      case 'closed':
        return this.#dropRelay(relay, now);
      default:
        return undefined;
    }
  }

  /** RFC 8489 §10. */
  #follow(relay: RelayClient, alternate: TransportAddress, now: Instant): boolean {
    if (!relay.redirects.follow(alternate, now)) return false;
    this.#dropRelay(relay, now, false);
    if (relay.transport.kind === 'stream') this.#openRelayStream(relay.server, alternate, relay.redirects, now);
    else this.#startRelay(relay.server, alternate, relay.transport, relay.redirects, now);
    return true;
  }

  #dropRelay(relay: RelayClient, now: Instant, settle: boolean = true): void {
    const index = this.#relays.indexOf(relay);
    if (index === -1) return;
    this.#relays.splice(index, 1);
    relay.pending = false;
    for (const base of relay.bases) this.#removeBase(base, now);
    if (relay.transport.kind === 'stream') this.#context.event({ type: 'close-stream', id: relay.transport.id });
    if (settle) this.#settle();
  }

  #addRelayBase(relay: RelayClient, relayed: TransportAddress, now: Instant): void {
    const { relayProtocol, server } = relay;
    const preference = localPreference(relayed.address, addressFamily(relayed.address), this.#relays.indexOf(relay));
    const candidate: Candidate = {
      ...this.#candidateFields('relay', 'udp', relay.transport.kind === 'udp' ? relay.transport.base.address : '', server.url.host),
      priority: candidatePriority(typePreference('relay', 'udp', relayProtocol), preference, 1),
      ...relayed,
      ...this.#related(relay.mappedAddress ?? relayed),
      ...{ url: server.text, relayProtocol },
    };
    const family = addressFamily(relayed.address);
    const base: Base = {
      id: ++this.#baseIds,
      kind: 'relay',
      socket: -1,
      ...relayed,
      family,
      localPreference: preference,
      candidate,
      relay,
    };
    relay.bases.push(base);
    this.#register(base, now);
  }

  // What the peer sees -------------------------------------------------------------------------------------------------

  /** RFC 8445 §7.2.5.3.1: the candidate with the address that a response says, or a new peer-reflexive one. */
  candidateAt(base: Base, mapped: TransportAddress): Candidate {
    const isIt = (local: LocalCandidate): boolean => local.base === base && local.address === mapped.address && local.port === mapped.port;
    const known = this.#candidates.find(isIt) ?? this.#peerReflexive.find(isIt);
    if (known !== undefined) return known.candidate;
    // TCP active candidates have no port of their own, and announced addresses are not the socket's.
    const { candidate } = base;
    if (base.kind === 'tcp-active' || (candidate.address === mapped.address && candidate.port === mapped.port)) return candidate;
    const protocol = base.kind === 'tcp-passive' ? 'tcp' : 'udp';
    const learned: Candidate = {
      ...this.#candidateFields('prflx', protocol, base.address, undefined),
      priority: peerReflexivePriority(base),
      ...mapped,
      ...this.#related({ address: base.address, port: base.port }),
      ...(protocol === 'tcp' ? { tcpType: 'passive' as const } : {}),
    };
    if (this.#peerReflexive.length === MAX_LOCAL_PEER_REFLEXIVE) this.#peerReflexive.shift();
    this.#peerReflexive.push({ candidate: learned, base, address: mapped.address, port: mapped.port });
    return learned;
  }
}

function isTurn({ url }: IceServer): boolean {
  return url.scheme === 'turn' || url.scheme === 'turns';
}

function isFrom(server: TransportAddress, address: string, port: number): boolean {
  return server.port === port && server.address === address;
}

/** Whether a server's address is worth trying from a base. */
function canReach(base: Base, address: string): boolean {
  if (addressFamily(address) !== base.family) return false;
  return (
    (addressScope(base.address) === 'loopback') === (addressScope(address) === 'loopback') && addressScope(base.address) !== 'link-local'
  );
}

function describe(failure: StunFailure): [number, string] {
  if (failure.reason === 'timeout') return [701, 'the STUN server did not answer'];
  return [failure.code ?? 701, failure.phrase ?? failure.reason];
}
