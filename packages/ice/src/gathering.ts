/** Gathering of local candidates (RFC 8445 §5.1): host, server-reflexive and relayed ones, trickled as they are found (RFC 8838 §9). */
import { type Instant, NEVER } from '@petrel/sans-io';
import { addressFamily, addressScope, canonicalIpAddress, type TransportAddress } from '@petrel/stun';
import type { Base } from './base.ts';
import type { Candidate } from './candidate.ts';
import type { CheckListSet } from './check-list-set.ts';
import {
  FIRST_STREAM_ID,
  type IceAgentOptions,
  type IceEvent,
  type IceGatheringState,
  type IceServer,
  type IceTransmit,
  type LocalSocket,
} from './ice-types.ts';
import { LocalCandidates } from './local-candidates.ts';
import { localPreference } from './priority.ts';
import { RelayAllocations } from './relay-allocations.ts';
import type { RelayClient } from './relay-client.ts';
import { ReflexiveQueries } from './server-reflexive.ts';

/** What the gatherer needs from its agent. */
export interface GatheringContext {
  readonly usernameFragment: string;
  /** Whether mappings at NATs have to be kept although no pair does it yet. */
  readonly waitsForPeer: boolean;
  transmit(transmit: IceTransmit): void;
  event(event: IceEvent): void;
  baseAdded(base: Base, now: Instant): void;
  baseRemoved(base: Base, now: Instant): void;
  /** A datagram that a relay has passed on. @returns its payload for the layer above */
  relayed(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined;
}

const DEFAULT_TIMEOUT = 10_000;

export class Gatherer {
  readonly candidates: LocalCandidates;
  readonly #options: IceAgentOptions & { readonly checkLists: CheckListSet };
  readonly #context: GatheringContext;
  readonly #reflexive: ReflexiveQueries;
  readonly #relays: RelayAllocations;
  readonly #bases = new Map<number, Base>();
  readonly #bySocket = new Map<number, Base>();
  readonly #resolved = new Map<string, readonly string[]>();
  readonly #familyIndex = { 4: 0, 6: 0 };
  #servers: readonly IceServer[];
  #state: IceGatheringState = 'new';
  /** No more sockets are to come. */
  #ended = false;
  #closed = false;
  #deadline: Instant = NEVER;
  #baseIds = 0;
  #streamIds = FIRST_STREAM_ID;

  constructor(options: IceAgentOptions & { readonly checkLists: CheckListSet }, context: GatheringContext) {
    const { crypto } = options;
    this.#options = options;
    this.#context = context;
    this.#servers = options.servers ?? [];
    this.candidates = new LocalCandidates(options, (candidate) => context.event({ type: 'candidate', candidate }));
    const common = {
      crypto,
      transmit: (transmit: IceTransmit) => context.transmit(transmit),
      mapped: (base: Base, address: TransportAddress, server: IceServer) => {
        if (base.use !== 'relays') this.candidates.addReflexive(base, address, server, context.usernameFragment);
      },
      failed: (server: IceServer, address: TransportAddress, code: number, text: string) => this.#report(server, address, code, text),
    };
    this.#reflexive = new ReflexiveQueries(common);
    this.#relays = new RelayAllocations({
      ...common,
      event: (event) => context.event(event),
      newStreamId: () => this.newStreamId(),
      resume: (now) => this.#begin(now),
      addBase: (relay, relayed, now) => this.#addRelay(relay, relayed, now),
      removeBase: (base, now) => this.#removeBase(base, now),
      data: (base, data, address, port, now) => context.relayed(base, data, address, port, now),
    });
  }

  get state(): IceGatheringState {
    return this.#state;
  }

  /** Whether everything that was allocated has been released. */
  get released(): boolean {
    return this.#relays.size === 0;
  }

  /** Bases that pairs are made of. */
  bases(): Iterable<Base> {
    return [...this.#bases.values()].filter((base) => this.#isUsed(base));
  }

  ofSocket(socket: number): Base | undefined {
    return this.#bySocket.get(socket);
  }

  newStreamId(): number {
    return this.#streamIds++;
  }

  // Inputs -------------------------------------------------------------------------------------------------------------

  addSocket(id: number, socket: LocalSocket, now: Instant): void {
    const address = canonicalIpAddress(socket.address.replace(/%.*$/, ''));
    if (address === undefined) throw new TypeError(`a socket is bound to an IP address, not to ${JSON.stringify(socket.address)}`);
    if (this.#closed || this.#bySocket.has(id)) return;
    if (id >= FIRST_STREAM_ID) return this.#socketOpened(id, now);
    this.#begin(now);
    const family = addressFamily(address);
    const preference = localPreference(address, family, this.#familyIndex[family]++);
    const kind = socket.protocol === 'udp' ? 'udp' : 'tcp-passive';
    const base = this.#newBase({ kind, socket: id, address, port: socket.port, preference }, socket);
    this.#bySocket.set(id, base);
    if (base.use !== 'relays') this.#addBase(base, now);
    if (kind !== 'udp') return;
    if (this.#options.tcpActive === true && base.use !== 'relays') this.#addTcpActive(address, preference, now);
    for (const server of this.#servers) this.#ask(server, base, now);
  }

  /** One that was asked for, to reach a server from; it makes no candidates of its own. */
  #socketOpened(id: number, now: Instant): void {
    if (!this.#relays.socketOpened(id, now)) this.#context.event({ type: 'close-socket', id });
  }

  removeSocket(id: number, now: Instant): void {
    const base = this.#bySocket.get(id);
    if (base === undefined) {
      this.#relays.socketGone(id, now);
      return this.#settle();
    }
    this.#bySocket.delete(id);
    this.#reflexive.remove(base);
    this.#relays.remove(base, now);
    this.#removeBase(base, now);
    const last = ![...this.#bySocket.values()].some(({ kind, address }) => kind === 'udp' && address === base.address);
    const active = [...this.#bases.values()].find(({ kind, address }) => kind === 'tcp-active' && address === base.address);
    if (last && active !== undefined) this.#removeBase(active, now);
    this.#settle();
  }

  endOfSockets(now: Instant): void {
    if (this.#closed) return;
    this.#begin(now);
    this.#ended = true;
    for (const server of this.#servers) this.#askOverStream(server, now);
    this.#settle();
  }

  setServers(servers: readonly IceServer[]): void {
    this.#servers = servers;
  }

  resolveServer(host: string, addresses: readonly string[], now: Instant): void {
    const literals = addresses.map((address) => canonicalIpAddress(address)).filter((address) => address !== undefined);
    this.#resolved.set(host, literals);
    if (this.#state !== 'gathering') return;
    for (const server of this.#servers) {
      if (server.url.host !== host) continue;
      if (literals.length === 0) this.#report(server, undefined, 701, 'the host name could not be resolved');
      for (const base of this.#bySocket.values()) this.#ask(server, base, now);
      if (this.#ended) this.#askOverStream(server, now);
    }
    this.#settle();
  }

  /** Shows everything again, for new credentials, and asks the servers again. */
  restart(now: Instant): void {
    if (this.#closed || this.#state === 'new') return;
    this.candidates.clear();
    this.#reflexive.clear();
    this.#ended = false;
    this.#state = 'new';
    this.#begin(now);
    for (const base of this.#bases.values()) {
      base.candidate = { ...base.candidate, usernameFragment: this.#context.usernameFragment };
      this.candidates.addBase(base);
    }
    for (const base of this.#bySocket.values()) for (const server of this.#servers) this.#ask(server, base, now);
    this.#relays.verify(now);
  }

  close(now: Instant): void {
    this.#closed = true;
    this.#deadline = NEVER;
    this.#reflexive.clear();
    this.#relays.close(now);
  }

  // The network --------------------------------------------------------------------------------------------------------

  /**
   * A datagram that may have come from a server.
   * @returns undefined when it has not, else the payload that a relay has passed on, or `consumed`
   */
  receive(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | 'consumed' | undefined {
    const outcome = this.#reflexive.receive(base, data, address, port, now)
      ? 'consumed'
      : this.#relays.receive(base.socket, data, address, port, now);
    if (outcome !== undefined) this.#settle();
    return outcome;
  }

  /** The same for a socket that is no base. */
  receiveOverOwnSocket(socket: number, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | 'consumed' | undefined {
    const outcome = this.#relays.receive(socket, data, address, port, now);
    if (outcome !== undefined) this.#settle();
    return outcome;
  }

  streamOpened(id: number, now: Instant): void {
    this.#relays.streamOpened(id, now);
  }

  streamData(id: number, bytes: Uint8Array, now: Instant): readonly Uint8Array[] | undefined {
    const payloads = this.#relays.streamData(id, bytes, now);
    this.#settle();
    return payloads;
  }

  streamClosed(id: number, now: Instant): void {
    this.#relays.streamClosed(id, now);
    this.#settle();
  }

  handleTimeout(now: Instant): void {
    this.#reflexive.handleTimeout(now, this.#context.waitsForPeer);
    this.#relays.handleTimeout(now);
    if (this.#deadline <= now) this.#giveUp(now);
    else this.#settle();
  }

  nextTimeout(): Instant {
    return Math.min(this.#deadline, this.#reflexive.nextTimeout(), this.#relays.nextTimeout());
  }

  // Progress -----------------------------------------------------------------------------------------------------------

  #begin(now: Instant): void {
    if (this.#state === 'gathering') return;
    // A socket that comes after the end, for a new interface, is gathered from by itself.
    if (this.#state === 'new') this.#ended = false;
    this.#state = 'gathering';
    this.#deadline = now + (this.#options.gatheringTimeout ?? DEFAULT_TIMEOUT);
    this.#context.event({ type: 'gathering-state', state: 'gathering' });
  }

  #settle(): void {
    if (this.#state !== 'gathering' || this.#closed || !this.#ended) return;
    const resolving = this.#deadline !== NEVER && this.#servers.some((server) => this.#addressesOf(server) === undefined);
    if (resolving || this.#reflexive.pending || this.#relays.pending) return;
    this.#deadline = NEVER;
    this.#state = 'complete';
    this.#context.event({ type: 'gathering-state', state: 'complete' });
  }

  /** Gathering does not wait for ever for servers and name servers. */
  #giveUp(now: Instant): void {
    this.#deadline = NEVER;
    this.#reflexive.giveUp();
    this.#relays.giveUp(now);
    for (const server of this.#servers)
      if (this.#addressesOf(server) === undefined) this.#report(server, undefined, 701, 'the host name was not resolved in time');
    this.#settle();
  }

  #report({ text }: IceServer, server: TransportAddress | undefined, errorCode: number, errorText: string): void {
    this.#context.event({ type: 'candidate-error', address: server?.address, port: server?.port, url: text, errorCode, errorText });
  }

  // Servers ------------------------------------------------------------------------------------------------------------

  #ask(server: IceServer, base: Base, now: Instant): void {
    if (base.kind !== 'udp' || server.url.transport !== 'udp') return;
    const address = this.#addressesOf(server)?.find((candidate) => canReach(base, candidate));
    if (address === undefined) return;
    const target = { address, port: server.url.port };
    if (base.use === (isTurn(server) ? 'direct' : 'relays')) return;
    if (isTurn(server)) this.#relays.allocateOverUdp(server, base, target, now);
    else if (this.#options.transportPolicy !== 'relay') this.#reflexive.ask(server, base, target, now);
  }

  #askOverStream(server: IceServer, now: Instant): void {
    const address = this.#addressesOf(server)?.[0];
    if (!isTurn(server) || server.url.transport !== 'tcp' || address === undefined) return;
    this.#relays.allocateOverStream(server, { address, port: server.url.port }, now);
  }

  #addressesOf({ url, addresses }: IceServer): readonly string[] | undefined {
    const literal = canonicalIpAddress(url.host);
    return literal === undefined ? (addresses ?? this.#resolved.get(url.host)) : [literal];
  }

  // Bases --------------------------------------------------------------------------------------------------------------

  #newBase(fields: Pick<Base, 'kind' | 'socket' | 'address' | 'port'> & { readonly preference: number }, socket?: LocalSocket): Base {
    const { kind, address, port, preference } = fields;
    const candidate = this.candidates.host(kind, address, port, preference, socket, this.#context.usernameFragment);
    const id = ++this.#baseIds;
    const use = socket?.use && { use: socket.use };
    return {
      id,
      kind,
      socket: fields.socket,
      address,
      port,
      family: addressFamily(address),
      localPreference: preference,
      candidate,
      ...use,
    };
  }

  /** One for each address, not for each socket (RFC 6544 §5.1). */
  #addTcpActive(address: string, preference: number, now: Instant): void {
    if ([...this.#bases.values()].some((base) => base.kind === 'tcp-active' && base.address === address)) return;
    this.#addBase(this.#newBase({ kind: 'tcp-active', socket: -1, address, port: DISCARD_PORT, preference }), now);
  }

  #addRelay(relay: RelayClient, relayed: TransportAddress, now: Instant): Base {
    const { address, port } = relayed;
    const family = addressFamily(address);
    const preference = localPreference(address, family, this.#relays.size);
    const candidate: Candidate = this.candidates.relayed(relay, relayed, preference, this.#context.usernameFragment);
    const id = ++this.#baseIds;
    const base: Base = { id, kind: 'relay', socket: -1, address, port, family, localPreference: preference, candidate, relay };
    this.#addBase(base, now);
    return base;
  }

  #addBase(base: Base, now: Instant): void {
    this.#bases.set(base.id, base);
    this.candidates.addBase(base);
    if (this.#isUsed(base)) this.#context.baseAdded(base, now);
  }

  #removeBase(base: Base, now: Instant): void {
    this.#bases.delete(base.id);
    this.candidates.removeBase(base);
    this.#context.baseRemoved(base, now);
  }

  #isUsed(base: Base): boolean {
    return this.#options.transportPolicy !== 'relay' || base.kind === 'relay';
  }
}

/** The port of TCP active candidates, which is not known (RFC 6544 §4.5). */
const DISCARD_PORT = 9;

function isTurn({ url }: IceServer): boolean {
  return url.scheme === 'turn' || url.scheme === 'turns';
}

/** Whether a server's address is worth trying from a base. */
function canReach(base: Base, address: string): boolean {
  if (addressFamily(address) !== base.family) return false;
  const scope = addressScope(base.address);
  return scope !== 'link-local' && (scope === 'loopback') === (addressScope(address) === 'loopback');
}
