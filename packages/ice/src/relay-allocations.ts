/** Allocations on TURN servers: relayed addresses to send from (RFC 8445 §5.1.1.2, RFC 8656). */
import type { CryptoProvider } from '@petrel/crypto';
import { type Instant, NEVER } from '@petrel/sans-io';
import { addressFamily, RedirectHistory, type TransportAddress } from '@petrel/stun';
import type { TurnEvent } from '@petrel/turn';
import type { Base } from './base.ts';
import type { IceEvent, IceServer, IceTransmit } from './ice-types.ts';
import { RelayClient, type RelayTransport } from './relay-client.ts';

export interface RelayContext {
  readonly crypto: CryptoProvider;
  transmit(transmit: IceTransmit): void;
  event(event: IceEvent): void;
  newStreamId(): number;
  /** There will be other candidates: gathering goes on. */
  resume(now: Instant): void;
  /** Makes a base of a relayed address. */
  addBase(relay: RelayClient, relayed: TransportAddress, now: Instant): Base;
  removeBase(base: Base, now: Instant): void;
  /** Our address as the server sees it, over UDP. */
  mapped(base: Base, address: TransportAddress, server: IceServer): void;
  failed(server: IceServer, address: TransportAddress, code: number, text: string): void;
  /** @returns payload for the layer above */
  data(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined;
}

/** Nothing is gained from more. */
const MAX_RELAYS = 16;
/** Allocations in a row that a server may forget, until the next ICE restart. */
const MAX_LOST = 3;
/** So many ports of ours are tried on a server that has something else on them; then it is left alone for so many milliseconds (RFC 8656 §7.4). */
const MAX_PORTS = 3;
const GIVEN_UP_FOR = 120_000;

export class RelayAllocations {
  readonly #context: RelayContext;
  /** Servers that are left alone: until when. */
  readonly #givenUp = new Map<string, Instant>();
  #relays: RelayClient[] = [];
  #closed = false;

  constructor(context: RelayContext) {
    this.#context = context;
  }

  get pending(): boolean {
    return this.#relays.some(({ pending }) => pending);
  }

  get size(): number {
    return this.#relays.length;
  }

  /** An allocation from a UDP base, one for each server. */
  allocateOverUdp(server: IceServer, base: Base, target: TransportAddress, now: Instant): void {
    const known = this.#relays.find((relay) => isOver(relay, base) && isAt(relay, target.address, target.port));
    // After an ICE restart what it has told is told again.
    if (known?.mappedAddress !== undefined && !known.hasOwnSocket) this.#context.mapped(base, known.mappedAddress, server);
    if (known !== undefined || this.#isGivenUp(server, target, now)) return;
    this.#start(server, target, { kind: 'udp', id: base.socket, base }, new RedirectHistory(target, now), now);
  }

  /** An allocation over a TCP or TLS stream, one for each server. */
  allocateOverStream(server: IceServer, target: TransportAddress, now: Instant): void {
    const known = this.#relays.some((relay) => relay.transport.kind === 'stream' && relay.server.text === server.text);
    if (known || this.#isGivenUp(server, target, now)) return;
    this.#openStream(server, target, new RedirectHistory(target, now), now);
  }

  /** @returns undefined when the datagram is from none of our servers, else the payload that was relayed, or `consumed` */
  receive(socket: number, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | 'consumed' | undefined {
    const relay = this.#relays.find(
      (candidate) => candidate.transport.kind === 'udp' && candidate.transport.id === socket && isAt(candidate, address, port),
    );
    if (relay === undefined) return undefined;
    relay.receive(data, now);
    return this.#onEvents(relay, now) ?? 'consumed';
  }

  /** The socket that an `open-socket` event asked for. @returns false when nobody wants it any more */
  socketOpened(id: number, now: Instant): boolean {
    const relay = this.#ofOwnSocket(id);
    relay?.start(now);
    return relay !== undefined;
  }

  /** That socket could not be opened, or has gone. */
  socketGone(id: number, now: Instant): void {
    const relay = this.#ofOwnSocket(id);
    if (relay === undefined) return;
    if (relay.pending) this.#context.failed(relay.server, relay.address, 701, 'there is no socket to ask the server with');
    this.#drop(relay, now);
  }

  streamOpened(id: number, now: Instant): void {
    this.#ofStream(id)?.start(now);
  }

  /** @returns undefined when the stream is none of ours */
  streamData(id: number, bytes: Uint8Array, now: Instant): readonly Uint8Array[] | undefined {
    const relay = this.#ofStream(id);
    if (relay === undefined) return undefined;
    relay.receive(bytes, now);
    const payloads: Uint8Array[] = [];
    this.#onEvents(relay, now, payloads);
    return payloads;
  }

  streamClosed(id: number, now: Instant): void {
    const relay = this.#ofStream(id);
    if (relay === undefined) return;
    if (relay.pending) this.#context.failed(relay.server, relay.address, 701, 'the connection to the server failed');
    this.#drop(relay, now);
  }

  /** The base's socket has gone, and its allocations cannot be reached any more. */
  remove(base: Base, now: Instant): void {
    for (const relay of this.#relays.filter((candidate) => isOver(candidate, base))) this.#drop(relay, now);
  }

  /** An ICE restart relies on them: a server that was restarted, or that sees another address of ours, has forgotten them (RFC 8656 §8.3). */
  verify(now: Instant): void {
    for (const relay of this.#relays) {
      relay.lost = 0;
      relay.refresh(now);
    }
  }

  /** Does not wait any longer for those that are not allocated. */
  giveUp(now: Instant): void {
    for (const relay of this.#relays.filter(({ pending }) => pending)) {
      this.#context.failed(relay.server, relay.address, 701, 'the TURN server did not answer in time');
      this.#drop(relay, now);
    }
  }

  /** Releases everything; the requests are repeated while `handleTimeout` is called. */
  close(now: Instant): void {
    this.#closed = true;
    for (const relay of this.#relays) relay.close(now);
    this.#drain(now);
  }

  handleTimeout(now: Instant): void {
    for (const relay of this.#relays) relay.handleTimeout(now);
    this.#drain(now);
  }

  nextTimeout(): Instant {
    let next = NEVER;
    for (const relay of this.#relays) next = Math.min(next, relay.nextTimeout());
    return next;
  }

  #ofStream(id: number): RelayClient | undefined {
    return this.#relays.find(({ transport }) => transport.kind === 'stream' && transport.id === id);
  }

  #ofOwnSocket(id: number): RelayClient | undefined {
    return this.#relays.find((relay) => relay.hasOwnSocket && relay.transport.id === id);
  }

  #openStream(server: IceServer, target: TransportAddress, redirects: RedirectHistory, now: Instant): void {
    const id = this.#context.newStreamId();
    const protocol = server.url.scheme === 'turns' ? 'tls' : 'tcp';
    if (!this.#start(server, target, { kind: 'stream', id, protocol }, redirects, now)) return;
    const servername = protocol === 'tls' ? { servername: server.url.host } : {};
    this.#context.event({ type: 'open-stream', id, protocol, address: target.address, port: target.port, ...servername });
  }

  #start(server: IceServer, target: TransportAddress, transport: RelayTransport, redirects: RedirectHistory, now: Instant): boolean {
    if (this.#relays.length >= MAX_RELAYS) return false;
    const { crypto } = this.#context;
    const relay = new RelayClient(crypto, server, target, transport, redirects, (transmit) => this.#context.transmit(transmit));
    this.#relays.push(relay);
    if (transport.kind === 'udp' && !relay.hasOwnSocket) relay.start(now);
    return true;
  }

  #drain(now: Instant): void {
    for (const relay of this.#relays.slice()) this.#onEvents(relay, now);
  }

  /** @returns the (last) payload that was relayed; all of them are pushed to `payloads` */
  #onEvents(relay: RelayClient, now: Instant, payloads?: Uint8Array[]): Uint8Array | undefined {
    let last: Uint8Array | undefined;
    for (let event = relay.pollEvent(); event !== undefined; event = relay.pollEvent()) {
      const payload = event.type === 'data' ? this.#onData(relay, event, now) : this.#onEvent(relay, event, now);
      if (payload === undefined) continue;
      last = payload;
      payloads?.push(payload);
    }
    return last;
  }

  #onData(relay: RelayClient, { peerAddress, peerPort, data }: TurnEvent & { type: 'data' }, now: Instant): Uint8Array | undefined {
    const family = addressFamily(peerAddress);
    const base = relay.bases.find((candidate) => candidate.family === family);
    return base && this.#context.data(base, data, peerAddress, peerPort, now);
  }

  #onEvent(relay: RelayClient, event: TurnEvent, now: Instant): undefined {
    switch (event.type) {
      case 'allocated':
        return this.#onAllocated(relay, event, now);
      case 'failed':
        if (relay.pending && !this.#closed && event.alternateServer !== undefined && this.#follow(relay, event.alternateServer, now))
          return;
        if (relay.pending && !this.#closed && event.code === 437 && this.#tryAnotherPort(relay, now)) return;
        if (relay.pending) this.#context.failed(relay.server, relay.address, event.code ?? 701, event.phrase ?? event.reason);
        this.#drop(relay, now);
        if (event.reason === 'allocation-lost' && !this.#closed) this.#replace(relay, now);
        return;
      case 'closed':
        return this.#drop(relay, now);
      default:
        return undefined;
    }
  }

  #onAllocated(relay: RelayClient, { relayedAddresses, mappedAddress }: TurnEvent & { type: 'allocated' }, now: Instant): undefined {
    const { transport, server } = relay;
    relay.pending = false;
    relay.mappedAddress = mappedAddress;
    for (const address of relayedAddresses) relay.bases.push(this.#context.addBase(relay, address, now));
    if (mappedAddress !== undefined && transport.kind === 'udp' && !relay.hasOwnSocket)
      this.#context.mapped(transport.base, mappedAddress, server);
  }

  /** Another allocation in place of one that the server has forgotten. */
  #replace({ server, address, transport, lost }: RelayClient, now: Instant): void {
    if (lost >= MAX_LOST || this.#relays.length >= MAX_RELAYS) return;
    this.#context.resume(now);
    this.#startAnew(server, transport, address, new RedirectHistory(address, now), now);
    this.#relays.at(-1)!.lost = lost + 1;
  }

  /**
   * RFC 8656 §7.4: the server has something else on our 5-tuple, such as what another client behind our NAT has left there. Three different ports are
   * tried, then it gets no more requests for two minutes.
   */
  #tryAnotherPort(relay: RelayClient, now: Instant): boolean {
    const { server, address, transport, redirects, mismatches } = relay;
    if (mismatches + 1 >= MAX_PORTS) {
      this.#givenUp.set(givenUpKey(server, address), now + GIVEN_UP_FOR);
      return false;
    }
    this.#drop(relay, now);
    if (transport.kind === 'stream') this.#openStream(server, address, redirects, now);
    else this.#openSocket(server, address, transport.base, redirects, now);
    this.#relays.at(-1)!.mismatches = mismatches + 1;
    return true;
  }

  #openSocket(server: IceServer, target: TransportAddress, base: Base, redirects: RedirectHistory, now: Instant): void {
    const id = this.#context.newStreamId();
    if (!this.#start(server, target, { kind: 'udp', id, base }, redirects, now)) return;
    this.#context.event({ type: 'open-socket', id, address: base.address });
  }

  #isGivenUp(server: IceServer, target: TransportAddress, now: Instant): boolean {
    if (now >= (this.#givenUp.get(givenUpKey(server, target)) ?? -NEVER)) return false;
    this.#context.failed(server, target, 437, 'the server refused three ports in a row, less than two minutes ago');
    return true;
  }

  /** RFC 8489 §10. */
  #follow(relay: RelayClient, alternate: TransportAddress, now: Instant): boolean {
    if (!relay.redirects.follow(alternate, now)) return false;
    this.#drop(relay, now);
    this.#startAnew(relay.server, relay.transport, alternate, relay.redirects, now);
    return true;
  }

  /** Over another stream, or the base's own socket. */
  #startAnew(server: IceServer, transport: RelayTransport, target: TransportAddress, redirects: RedirectHistory, now: Instant): void {
    if (transport.kind === 'stream') this.#openStream(server, target, redirects, now);
    else this.#start(server, target, { ...transport, id: transport.base.socket }, redirects, now);
  }

  #drop(relay: RelayClient, now: Instant): undefined {
    if (!this.#relays.includes(relay)) return;
    this.#relays = this.#relays.filter((other) => other !== relay);
    relay.pending = false;
    for (const base of relay.bases) this.#context.removeBase(base, now);
    if (relay.transport.kind === 'stream') this.#context.event({ type: 'close-stream', id: relay.transport.id });
    else if (relay.hasOwnSocket) this.#context.event({ type: 'close-socket', id: relay.transport.id });
  }
}

function isOver({ transport }: RelayClient, base: Base): boolean {
  return transport.kind === 'udp' && transport.base === base;
}

function givenUpKey({ url }: IceServer, { address, port }: TransportAddress): string {
  return `${url.scheme} ${url.transport} ${address} ${port}`;
}

function isAt({ address }: RelayClient, host: string, port: number): boolean {
  return address.port === port && address.address === host;
}
