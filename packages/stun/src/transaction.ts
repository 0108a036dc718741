/** When a request is sent again, and when it has failed (RFC 8489 §6.2). */
import { type Instant, NEVER } from '@petrel/sans-io';

/** Times in milliseconds; the defaults are RFC 8489's. */
export interface RetransmissionOptions {
  /** Over TCP or TLS: sent once, and given up after `reliableTimeout` (§6.2.2). */
  readonly reliable?: boolean;
  /** The first interval, doubled after each transmission: at least 500 unless congestion is controlled otherwise. */
  readonly initialRto?: number;
  /** Rc. */
  readonly maxTransmissions?: number;
  /** Rm: how many initial intervals the last transmission is given. */
  readonly lastWait?: number;
  /** Ti. */
  readonly reliableTimeout?: number;
}

/**
 * The schedule of one request: with the defaults it is sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and has failed at 39.5 s (§6.2.1).
 */
export class RetransmissionSchedule {
  readonly startedAt: Instant;
  #deadline: Instant;
  #transmissions = 0;
  #interval: number;
  readonly #initialRto: number;
  readonly #maxTransmissions: number;
  readonly #lastWait: number;
  readonly #reliableTimeout: number;

  constructor(now: Instant, options: RetransmissionOptions = {}) {
    this.startedAt = now;
    this.#deadline = now;
    this.#initialRto = options.initialRto ?? 500;
    this.#interval = this.#initialRto;
    this.#maxTransmissions = options.reliable === true ? 1 : (options.maxTransmissions ?? 7);
    this.#lastWait = options.lastWait ?? 16;
    this.#reliableTimeout = options.reliable === true ? (options.reliableTimeout ?? 39_500) : 0;
  }

  /** When {@link advance} has something to say; NEVER after it said `failed`. */
  get deadline(): Instant {
    return this.#deadline;
  }

  get transmissions(): number {
    return this.#transmissions;
  }

  /** What is due at `now`: a transmission (the first one at once), or the end. */
  advance(now: Instant): 'transmit' | 'failed' | undefined {
    if (now < this.#deadline) return undefined;
    if (this.#transmissions === this.#maxTransmissions) {
      this.#deadline = NEVER;
      return 'failed';
    }
    this.#transmissions += 1;
    const last = this.#transmissions === this.#maxTransmissions;
    if (last) this.#deadline = now + (this.#reliableTimeout || this.#lastWait * this.#initialRto);
    else this.#deadline = now + this.#interval;
    this.#interval *= 2;
    return 'transmit';
  }
}

/** A retransmission timeout from measured round trips (RFC 6298 §2, with RFC 8489 §6.2.1's exceptions). */
export class RtoEstimator {
  readonly #minimum: number;
  #smoothed: number | undefined;
  #variation = 0;
  #lastSampleAt: Instant = 0;

  constructor(minimum: number = 500) {
    this.#minimum = minimum;
  }

  /** Only from requests that were sent once (Karn's algorithm). */
  sample(roundTripTime: number, now: Instant): void {
    if (this.#smoothed === undefined) {
      this.#smoothed = roundTripTime;
      this.#variation = roundTripTime / 2;
    } else {
      this.#variation += (Math.abs(this.#smoothed - roundTripTime) - this.#variation) / 4;
      this.#smoothed += (roundTripTime - this.#smoothed) / 8;
    }
    this.#lastSampleAt = now;
  }

  /** Milliseconds. What was measured more than ten minutes ago is forgotten. */
  rto(now: Instant): number {
    if (this.#smoothed === undefined || now - this.#lastSampleAt > 600_000) return this.#minimum;
    return Math.max(this.#minimum, Math.round(this.#smoothed + 4 * this.#variation));
  }
}
