/** Retransmission timeout from measured round trips (RFC 9260 §6.3.1), in milliseconds. */
const ALPHA = 1 / 8;
const BETA = 1 / 4;

export interface RtoOptions {
  readonly initial: number;
  readonly minimum: number;
  readonly maximum: number;
  /** The least that is added to the round trip: a receiver may delay its SACK so long. */
  readonly minimumMargin: number;
}

export class RetransmissionTimeout {
  readonly #options: RtoOptions;
  #value: number;
  #smoothed = 0;
  #variation = 0;

  constructor(options: RtoOptions) {
    this.#options = options;
    this.#value = options.initial;
  }

  get value(): number {
    return this.#value;
  }

  /** Smoothed round-trip time; 0 before the first measurement. */
  get smoothedRoundTrip(): number {
    return this.#smoothed;
  }

  /** Rules C2 and C3. */
  measure(roundTrip: number): void {
    if (this.#smoothed === 0) {
      this.#smoothed = Math.max(roundTrip, 0.01);
      this.#variation = roundTrip / 2;
    } else {
      this.#variation += BETA * (Math.abs(this.#smoothed - roundTrip) - this.#variation);
      this.#smoothed += ALPHA * (roundTrip - this.#smoothed);
    }
    this.#value = this.#bounded(this.#smoothed + Math.max(4 * this.#variation, this.#options.minimumMargin));
  }

  /** Rule E2: the timer fired. */
  backOff(): void {
    this.#value = this.#bounded(this.#value * 2);
  }

  /** The path is another one. */
  reset(): void {
    this.#value = this.#options.initial;
    this.#smoothed = 0;
    this.#variation = 0;
  }

  #bounded(value: number): number {
    return Math.min(Math.max(value, this.#options.minimum), this.#options.maximum);
  }
}
