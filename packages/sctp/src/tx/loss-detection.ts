/**
 * Time-based loss detection, RACK (RFC 8985) for SCTP: a chunk is lost when one that was sent a reordering window later has arrived. Unlike
 * counting gap reports (RFC 9260 §7.2.4), this finds lost retransmissions and needs no three packets after the lost one.
 */
import { compareSerial32 } from '@petrel/bytes';
import type { Instant, TimerTable } from '@petrel/sans-io';
import type { TimerName } from '../timers.ts';

/** Missing reports that make a fast retransmission (RFC 9260 §7.2.4); DupThresh of RFC 8985. */
const MISSING_REPORTS = 3;
/** The reordering window grows to this many quarters of the smallest round trip (RFC 8985 §6.2 step 4). */
const MAX_WINDOW_FACTOR = 8;
/** Chunks that must be acknowledged without a reported duplicate for the window to shrink again: about 16 recoveries there. */
const WINDOW_PERSIST = 16;

export class LossDetection {
  readonly #timers: TimerTable<TimerName>;
  /** Of the acknowledged chunk that was sent last. */
  #sentAt: Instant = -Infinity;
  #tsn = 0;
  #roundTrip = 0;
  #minRoundTrip = Infinity;
  #reorderingSeen = false;
  #windowFactor = 1;
  #windowPersist = 0;
  /** The chunk sent last among those of this SACK. */
  #newSentAt: Instant = -Infinity;
  #newTsn = 0;
  #newIsFirst = false;

  constructor(timers: TimerTable<TimerName>) {
    this.#timers = timers;
  }

  get minRoundTrip(): number {
    return this.#minRoundTrip;
  }

  beginSack(): void {
    this.#newSentAt = -Infinity;
  }

  /** A chunk is acknowledged for the first time. @param isReordered although one sent later already was, and this one was sent once */
  onAcknowledged(tsn: number, sentAt: Instant, isFirst: boolean, isReordered: boolean, now: Instant): void {
    if (isReordered) this.#reorderingSeen = true;
    // A retransmission that is acknowledged sooner than is possible: the original was (RFC 8985 §6.2 step 2).
    if (!isFirst && now - sentAt < this.#minRoundTrip) return;
    if (sentAt < this.#newSentAt || (sentAt === this.#newSentAt && compareSerial32(tsn, this.#newTsn) < 0)) return;
    this.#newSentAt = sentAt;
    this.#newTsn = tsn;
    this.#newIsFirst = isFirst;
  }

  /** @returns the round trip of the newest chunk of this SACK, if it is certain */
  endSack(now: Instant): number | undefined {
    if (this.#newSentAt === -Infinity) return undefined;
    const roundTrip = now - this.#newSentAt;
    if (this.#newIsFirst && roundTrip < this.#minRoundTrip) this.#minRoundTrip = roundTrip;
    const isOlder = this.#newSentAt < this.#sentAt || (this.#newSentAt === this.#sentAt && compareSerial32(this.#newTsn, this.#tsn) < 0);
    if (!isOlder) {
      this.#sentAt = this.#newSentAt;
      this.#tsn = this.#newTsn;
      this.#roundTrip = roundTrip;
    }
    return this.#newIsFirst && !isOlder ? roundTrip : undefined;
  }

  /** The peer has got a chunk twice: some retransmission was not needed, the window was too small (RFC 8985 §6.2 step 4). */
  onDuplicateReported(): void {
    this.#windowFactor = Math.min(this.#windowFactor + 1, MAX_WINDOW_FACTOR);
    this.#windowPersist = WINDOW_PERSIST;
  }

  /** A loss episode is over. */
  onRecovered(): void {
    if (this.#windowPersist > 0 && --this.#windowPersist === 0) this.#windowFactor = 1;
  }

  /** Milliseconds until a chunk in flight counts as lost; Infinity when nothing sent after it has arrived. */
  remaining(tsn: number, sentAt: Instant, missingReports: number, now: Instant): number {
    if (sentAt > this.#sentAt || (sentAt === this.#sentAt && compareSerial32(tsn, this.#tsn) >= 0)) return Infinity;
    if (!this.#reorderingSeen && missingReports >= MISSING_REPORTS) return 0;
    return sentAt + this.#roundTrip + this.#reorderingWindow - now;
  }

  setTimer(wait: number, now: Instant): void {
    if (wait > 0) this.#timers.start('loss-detection', now + wait);
    else this.cancelTimer();
  }

  cancelTimer(): void {
    this.#timers.stop('loss-detection');
  }

  /** The path is another one: what was measured means nothing. */
  reset(): void {
    this.#minRoundTrip = Infinity;
    this.#reorderingSeen = false;
  }

  get #reorderingWindow(): number {
    if (this.#minRoundTrip === Infinity) return this.#roundTrip / 4;
    return Math.min((this.#minRoundTrip / 4) * this.#windowFactor, this.#roundTrip);
  }
}
