import { type Instant, NEVER } from '@petrel/sans-io';
import type { SeededRandom } from './seeded-random.ts';

/** What one direction of a link does to packets. Times in milliseconds, shares from 0 to 1; what is absent does nothing. */
export interface LinkConditions {
  readonly delay?: number;
  /** Up to so much more, for each packet by itself: packets may overtake each other. */
  readonly jitter?: number;
  /** Share of packets lost, independently of each other. */
  readonly loss?: number;
  /** Gilbert-Elliott: so large a share is lost in runs of `length` packets on average. */
  readonly burstLoss?: { readonly share: number; readonly length: number };
  readonly duplicate?: number;
  /** Share of packets that are held back by `reorderDelay` (default 50). */
  readonly reorder?: number;
  readonly reorderDelay?: number;
  /** Share of packets in which one to eight bits are flipped. */
  readonly corrupt?: number;
  /** The largest IP packet, in bytes; larger ones vanish. 1500 unless given. */
  readonly mtu?: number;
  /** Bits per second; without it the link is infinitely fast. */
  readonly rate?: number;
  /** Milliseconds that a packet may wait for its turn (with `rate`); beyond it is dropped. 1000 unless given. */
  readonly queue?: number;
}

/** Why a packet did not arrive. */
export type LinkLoss = 'lost' | 'too-big' | 'queue-full' | 'outage';

/** One copy of a packet that gets through. */
export interface Arrival {
  readonly at: Instant;
  readonly corrupted: boolean;
}

/**
 * One direction of a link. Its conditions may change at any time.
 *
 * @example
 * network.host('a').interface('eth0').egress.conditions = { delay: 50, loss: 0.1 };
 */
export class Link {
  conditions: LinkConditions;
  #downUntil: Instant = 0;
  /** When the last bit of the last packet has left. */
  #busyUntil: Instant = 0;
  #inBurst = false;

  constructor(conditions: LinkConditions = {}) {
    this.conditions = conditions;
  }

  /** Nothing passes until then; NEVER unless given, and 0 ends the outage. */
  cut(until: Instant = NEVER): void {
    this.#downUntil = until;
  }

  isDown(now: Instant): boolean {
    return now < this.#downUntil;
  }

  /** When the copies of a packet of `size` bytes (with its headers) arrive, or why none does. */
  transit(size: number, now: Instant, random: SeededRandom): readonly Arrival[] | LinkLoss {
    const { delay = 0, jitter = 0, mtu = 1500, duplicate = 0 } = this.conditions;
    if (this.isDown(now)) return 'outage';
    if (size > mtu) return 'too-big';
    const sentAt = this.#serialize(size, now);
    if (sentAt === undefined) return 'queue-full';
    if (this.#loses(random)) return 'lost';
    const copies = happens(duplicate, random) ? 2 : 1;
    return Array.from({ length: copies }, () => ({
      at: sentAt + delay + (jitter > 0 ? random.fraction() * jitter : 0) + this.#holdBack(random),
      corrupted: happens(this.conditions.corrupt, random),
    }));
  }

  #serialize(size: number, now: Instant): Instant | undefined {
    const { rate, queue = 1000 } = this.conditions;
    if (rate === undefined) return now;
    const start = Math.max(now, this.#busyUntil);
    if (start - now > queue) return undefined;
    this.#busyUntil = start + (size * 8 * 1000) / rate;
    return this.#busyUntil;
  }

  #loses(random: SeededRandom): boolean {
    const { loss, burstLoss } = this.conditions;
    if (burstLoss !== undefined) {
      const { share, length } = burstLoss;
      const change = this.#inBurst ? 1 / length : share / (length * (1 - share));
      if (random.fraction() < change) this.#inBurst = !this.#inBurst;
      if (this.#inBurst) return true;
    }
    return happens(loss, random);
  }

  #holdBack(random: SeededRandom): number {
    const { reorder, reorderDelay = 50 } = this.conditions;
    return happens(reorder, random) ? reorderDelay : 0;
  }
}

/** Draws only when the share is not zero, so that a condition that is absent does not change the rest of a run. */
function happens(share: number | undefined, random: SeededRandom): boolean {
  return share !== undefined && share > 0 && random.fraction() < share;
}

/** A copy with one to eight bits flipped. */
export function corrupted(data: Uint8Array, random: SeededRandom): Uint8Array {
  const copy = data.slice();
  if (copy.length > 0) for (let flips = 1 + random.below(8); flips > 0; flips--) copy[random.below(copy.length)]! ^= 1 << random.below(8);
  return copy;
}
