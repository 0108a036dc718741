/** Bounds what a server's 300 responses can make a client do (RFC 8489 §10). */
import type { Instant } from '@petrel/sans-io';
import type { TransportAddress } from './ip-address.ts';

/** A server that was asked in the last five minutes is not asked again. */
const REMEMBERED = 300_000;
const MAX_REDIRECTS = 3;

/**
 * The servers that one request has been sent to.
 *
 * @example
 * const history = new RedirectHistory({ address: '192.0.2.1', port: 3478 }, now);
 * if (history.follow(alternate, now)) connect(alternate);
 */
export class RedirectHistory {
  readonly #visited = new Map<string, Instant>();
  #redirects = 0;

  constructor(server: TransportAddress, now: Instant) {
    this.#visited.set(keyOf(server), now);
  }

  /** Whether to follow a redirection to `server`; remembers that it was followed. */
  follow(server: TransportAddress, now: Instant): boolean {
    const earlier = this.#visited.get(keyOf(server));
    if (this.#redirects === MAX_REDIRECTS || (earlier !== undefined && now - earlier < REMEMBERED)) return false;
    this.#redirects += 1;
    this.#visited.set(keyOf(server), now);
    return true;
  }
}

function keyOf({ address, port }: TransportAddress): string {
  return `${address}|${port}`;
}
