/** One TURN allocation as part of gathering: over a UDP socket of ours, or over a stream of its own (RFC 8656, RFC 8445 §5.1.1.2). */
import type { CryptoProvider } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
import { RedirectHistory, type TransportAddress } from '@petrel/stun';
import { TurnClient, type TurnEvent } from '@petrel/turn';
import type { Base } from './base.ts';
import type { IceServer, IceTransmit } from './ice-types.ts';

/** How the server is reached. `id` is the driver's socket (the base's own, or another one on its address), or the stream. */
export type RelayTransport =
  | { readonly kind: 'udp'; readonly id: number; readonly base: Base }
  | { readonly kind: 'stream'; readonly id: number; readonly protocol: 'tcp' | 'tls' };

export class RelayClient {
  readonly server: IceServer;
  readonly address: TransportAddress;
  readonly transport: RelayTransport;
  readonly redirects: RedirectHistory;
  /** The bases of its relayed addresses, one for each family. */
  readonly bases: Base[] = [];
  /** Until the allocation is made or refused, gathering is not complete. */
  pending: boolean = true;
  mappedAddress: TransportAddress | undefined;
  /** How many allocations before this one the server has forgotten, since the last ICE restart. */
  lost = 0;
  /** How many of our ports the server has refused before, because something else has them there. */
  mismatches = 0;
  readonly #turn: TurnClient;
  readonly #transmit: (transmit: IceTransmit) => void;

  constructor(
    crypto: CryptoProvider,
    server: IceServer,
    address: TransportAddress,
    transport: RelayTransport,
    redirects: RedirectHistory,
    transmit: (transmit: IceTransmit) => void,
  ) {
    this.server = server;
    this.address = address;
    this.transport = transport;
    this.redirects = redirects;
    this.#transmit = transmit;
    this.#turn = new TurnClient({
      crypto,
      username: server.username ?? '',
      credential: server.credential ?? '',
      transport: transport.kind,
      serverAddress: address.address,
      addressFamilies: [4, 6],
    });
  }

  /** Whether it has a socket for itself, besides the base's. */
  get hasOwnSocket(): boolean {
    return this.transport.kind === 'udp' && this.transport.id !== this.transport.base.socket;
  }

  get relayProtocol(): 'udp' | 'tcp' | 'tls' {
    return this.transport.kind === 'udp' ? 'udp' : this.transport.protocol;
  }

  start(now: Instant): void {
    this.#turn.start(now);
    this.#flush();
  }

  receive(bytes: Uint8Array, now: Instant): void {
    this.#turn.receive(bytes, now);
    this.#flush();
  }

  send(address: string, port: number, data: Uint8Array, now: Instant): boolean {
    const sent = this.#turn.send(address, port, data, now);
    this.#flush();
    return sent;
  }

  permit(address: string, now: Instant): void {
    this.#turn.createPermission([address], now);
    this.#flush();
  }

  bind(address: string, port: number, now: Instant): void {
    this.#turn.bindChannel(address, port, now);
    this.#flush();
  }

  refresh(now: Instant): void {
    this.#turn.refresh(now);
  }

  close(now: Instant): void {
    this.pending = false;
    this.#turn.close(now);
    this.#flush();
  }

  handleTimeout(now: Instant): void {
    this.#turn.handleTimeout(now);
    this.#flush();
  }

  nextTimeout(): Instant {
    return this.#turn.nextTimeout();
  }

  pollEvent(): TurnEvent | undefined {
    return this.#turn.pollEvent();
  }

  #flush(): void {
    const { address, port } = this.address;
    for (let data = this.#turn.pollTransmit(); data !== undefined; data = this.#turn.pollTransmit())
      this.#transmit({ socket: this.transport.id, data, address, port });
  }
}
