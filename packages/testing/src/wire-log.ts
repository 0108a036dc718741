import type { Instant } from '@petrel/sans-io';
import type { Packet } from './packet.ts';

/** `sent`: it is on its way (and seen at the sender, before any translation); otherwise why it will not arrive. */
export type WireOutcome = 'sent' | 'lost' | 'too-big' | 'queue-full' | 'outage' | 'filtered' | 'unreachable' | 'no-socket';

/** A packet as its sender's network interface saw it. */
export interface WireEntry extends Packet {
  readonly at: Instant;
  /** The name of the host that sent it. */
  readonly host: string;
  /** The last thing that is known of it. */
  outcome: WireOutcome | 'delivered';
}

/** Everything that hosts put on the wire, oldest first; the oldest entries go when there are too many. */
export class WireLog {
  readonly #limit: number;
  #entries: WireEntry[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get entries(): readonly WireEntry[] {
    return this.#entries;
  }

  add(packet: Packet, at: Instant, host: string): WireEntry {
    const entry: WireEntry = { ...packet, at, host, outcome: 'sent' };
    if (this.#limit > 0) this.#entries.push(entry);
    if (this.#entries.length > 2 * this.#limit) this.#entries = this.#entries.slice(-this.#limit);
    return entry;
  }

  clear(): void {
    this.#entries = [];
  }
}
