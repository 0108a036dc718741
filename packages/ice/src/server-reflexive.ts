/** Binding requests to STUN servers: which address a base has beyond its NAT (RFC 8445 §5.1.1.2). */
import type { CryptoProvider } from '@petrel/crypto';
import { type Instant, NEVER } from '@petrel/sans-io';
import { BindingClient, type StunFailure, type TransportAddress } from '@petrel/stun';
import type { Base } from './base.ts';
import type { IceServer, IceTransmit } from './ice-types.ts';

export interface ReflexiveContext {
  readonly crypto: CryptoProvider;
  transmit(transmit: IceTransmit): void;
  mapped(base: Base, address: TransportAddress, server: IceServer): void;
  failed(server: IceServer, address: TransportAddress, code: number, text: string): void;
}

/** The requests of one base to one server. */
interface Query {
  readonly server: IceServer;
  readonly base: Base;
  readonly address: TransportAddress;
  readonly client: BindingClient;
  pending: boolean;
  refreshAt: Instant;
}

/** NATs often forget a UDP mapping after 30 s; RFC 8445 §11 says to refresh it every 15. */
const REFRESH_INTERVAL = 15_000;

export class ReflexiveQueries {
  readonly #context: ReflexiveContext;
  #queries: Query[] = [];

  constructor(context: ReflexiveContext) {
    this.#context = context;
  }

  /** Whether a server has still not answered for the first time. */
  get pending(): boolean {
    return this.#queries.some(({ pending }) => pending);
  }

  /** Asks a server, once for each base. */
  ask(server: IceServer, base: Base, address: TransportAddress, now: Instant): void {
    if (this.#queries.some((query) => query.base === base && isAddress(query.address, address.address, address.port))) return;
    const client = new BindingClient({ crypto: this.#context.crypto });
    const query = { server, base, address, client, pending: true, refreshAt: NEVER };
    this.#queries.push(query);
    client.start(now);
    this.#send(query);
  }

  /** @returns whether the datagram was a response to one of our requests */
  receive(base: Base, data: Uint8Array, address: string, port: number, now: Instant): boolean {
    const query = this.#queries.find(
      (candidate) => candidate.base === base && isAddress(candidate.address, address, port) && candidate.client.expects(data),
    );
    if (query === undefined) return false;
    query.client.receive(data, now);
    this.#onEvents(query, now);
    return true;
  }

  /** @param keep whether the mappings are to be refreshed: the answer to our offer may take minutes, and nothing else keeps them */
  handleTimeout(now: Instant, keep: boolean): void {
    for (const query of this.#queries) {
      query.client.handleTimeout(now);
      if (query.refreshAt <= now) {
        query.refreshAt = keep ? now + REFRESH_INTERVAL : NEVER;
        if (keep) query.client.start(now);
      }
      this.#send(query);
      this.#onEvents(query, now);
    }
  }

  nextTimeout(): Instant {
    let next = NEVER;
    for (const { client, refreshAt } of this.#queries) next = Math.min(next, client.nextTimeout(), refreshAt);
    return next;
  }

  /** Does not wait any longer. */
  giveUp(): void {
    for (const query of this.#queries) {
      if (!query.pending) continue;
      query.pending = false;
      query.client.close();
      this.#context.failed(query.server, query.address, 701, 'the STUN server did not answer in time');
    }
  }

  remove(base: Base): void {
    this.#queries = this.#queries.filter((query) => query.base !== base);
  }

  clear(): void {
    this.#queries = [];
  }

  #send({ base, address, client }: Query): void {
    for (let data = client.pollTransmit(); data !== undefined; data = client.pollTransmit())
      this.#context.transmit({ socket: base.socket, data, address: address.address, port: address.port });
  }

  #onEvents(query: Query, now: Instant): void {
    for (let event = query.client.pollEvent(); event !== undefined; event = query.client.pollEvent()) {
      const first = query.pending;
      query.pending = false;
      if (event.type === 'mapped') query.refreshAt = now + REFRESH_INTERVAL;
      if (!first) continue; // a refresh
      if (event.type === 'mapped') this.#context.mapped(query.base, event.mappedAddress, query.server);
      else this.#context.failed(query.server, query.address, ...describe(event.failure));
    }
  }
}

function isAddress(server: TransportAddress, address: string, port: number): boolean {
  return server.port === port && server.address === address;
}

function describe(failure: StunFailure): [number, string] {
  if (failure.reason === 'timeout') return [701, 'the STUN server did not answer'];
  return [failure.code ?? 701, failure.phrase ?? failure.reason];
}
