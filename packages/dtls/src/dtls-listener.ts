/**
 * A DTLS server without ICE: many clients on one socket. An address costs no memory before it has returned a cookie (RFC 6347 §4.2.1).
 */
import { Discards, type Instant, Queue } from '@petrel/sans-io';
import { CookieExchange } from './cookie-exchange.ts';
import { DtlsConnection, type DtlsOptions } from './dtls-connection.ts';

/** A datagram for a client that has no connection yet; `address` is what the driver calls it. */
export interface ListenerTransmit {
  readonly address: string;
  readonly datagram: Uint8Array;
}

/** The argument of the constructor of {@link DtlsListener}. */
export interface DtlsListenerOptions {
  /** For every connection; `remoteFingerprints` can be set later, on the connection. */
  readonly connection: Omit<DtlsOptions, 'role' | 'helloVerify' | 'verifiedHello'>;
  /** Connections at the same time, 10,000 unless given. Further clients are left without an answer. */
  readonly maxConnections?: number;
}

/**
 * It finds or makes the connection that a datagram belongs to. Driving the connections (timers, transmits, events) is the caller's part, as is
 * telling when one is over.
 *
 * @example
 * const connection = listener.receive(datagram, `${address}:${port}`, now);
 * for (let out; (out = listener.pollTransmit()); ) send(out.datagram, out.address);
 */
export class DtlsListener {
  readonly discards: Discards<'no-cookie' | 'too-many-connections'> = new Discards();
  readonly #options: DtlsListenerOptions;
  readonly #cookies: CookieExchange;
  readonly #connections = new Map<string, DtlsConnection>();
  readonly #transmits = new Queue<ListenerTransmit>();

  constructor(options: DtlsListenerOptions) {
    this.#options = options;
    this.#cookies = new CookieExchange(options.connection.crypto);
  }

  get connections(): ReadonlyMap<string, DtlsConnection> {
    return this.#connections;
  }

  /** @returns the connection that the datagram went to; undefined while its sender has not returned a cookie */
  receive(datagram: Uint8Array, address: string, now: Instant): DtlsConnection | undefined {
    const connection = this.#connections.get(address) ?? this.#accept(datagram, address, now);
    connection?.receive(datagram, now);
    return connection;
  }

  /** Forgets a connection that is over. */
  remove(address: string): void {
    this.#connections.delete(address);
  }

  /** The next HelloVerifyRequest. What connections send is polled from them. */
  pollTransmit(): ListenerTransmit | undefined {
    return this.#transmits.shift();
  }

  #accept(datagram: Uint8Array, address: string, now: Instant): DtlsConnection | undefined {
    const verdict = this.#cookies.check(datagram, address, now);
    if (verdict.type === 'challenge') this.#transmits.push({ address, datagram: verdict.datagram });
    if (verdict.type !== 'verified') {
      this.discards.count('no-cookie');
      return undefined;
    }
    if (this.#connections.size >= (this.#options.maxConnections ?? 10_000)) {
      this.discards.count('too-many-connections');
      return undefined;
    }
    const connection = new DtlsConnection({ ...this.#options.connection, role: 'server', verifiedHello: verdict });
    this.#connections.set(address, connection);
    connection.start(now);
    return connection;
  }
}
