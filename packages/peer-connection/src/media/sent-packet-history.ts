/** What was sent under which transport-wide sequence number, until feedback about it comes. */
import { ARRIVAL_UNIT, NOT_RECEIVED, type TransportFeedback } from '@petrel/rtp';
import type { Instant } from '@petrel/sans-io';

/** Packets that are remembered: a second at 8,000 packets/s. */
const CAPACITY = 8192;
const REFERENCE_TIME_UNIT = 64;

export interface SentPacketFeedback {
  readonly sequenceNumber: number;
  readonly size: number;
  readonly sentAt: Instant;
  /** On the receiver's clock, in milliseconds with an arbitrary origin; undefined: lost. */
  readonly receivedAt: number | undefined;
}

export class SentPacketHistory {
  #next = 0;
  /** NaN: nothing, or feedback came already. Made for the first packet: there are connections without media. */
  #sentAt = new Float64Array(0);
  #sizes = new Uint16Array(0);

  /** The number for the next packet. */
  add(size: number, now: Instant): number {
    if (this.#next === 0) {
      this.#sentAt = new Float64Array(CAPACITY).fill(Number.NaN);
      this.#sizes = new Uint16Array(CAPACITY);
    }
    const slot = this.#next % CAPACITY;
    this.#sentAt[slot] = now;
    this.#sizes[slot] = size;
    const sequenceNumber = this.#next & 0xffff;
    this.#next += 1;
    return sequenceNumber;
  }

  /** Joins feedback with what was sent. Each packet is reported as received once; a lost one may still be reported as received later. */
  match(feedback: TransportFeedback): SentPacketFeedback[] {
    const matched: SentPacketFeedback[] = [];
    const behind = (this.#next - feedback.baseSequenceNumber) & 0xffff;
    const base = this.#next - behind;
    for (let i = Math.max(0, this.#next - CAPACITY - base); i < feedback.arrivals.length; i++) {
      const extended = base + i;
      if (extended >= this.#next) break;
      if (extended < 0) continue;
      const slot = extended % CAPACITY;
      const sentAt = this.#sentAt[slot]!;
      if (Number.isNaN(sentAt)) continue;
      const arrival = feedback.arrivals[i]!;
      const lost = arrival === NOT_RECEIVED;
      const receivedAt = lost ? undefined : feedback.referenceTime * REFERENCE_TIME_UNIT + arrival * ARRIVAL_UNIT;
      if (!lost) this.#sentAt[slot] = Number.NaN;
      matched.push({ sequenceNumber: extended & 0xffff, size: this.#sizes[slot]!, sentAt, receivedAt });
    }
    return matched;
  }
}
