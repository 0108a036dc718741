/**
 * Exponential back-off: doubles from `initial` up to `maximum`, in milliseconds.
 *
 * @example
 * const backoff = new Backoff(500, 4000);
 * timers.start('retry', now + backoff.next()); // 500, 1000, 2000, 4000, 4000, …
 */
export class Backoff {
  readonly #initial: number;
  readonly #maximum: number;
  #next: number;

  constructor(initial: number, maximum: number) {
    this.#initial = initial;
    this.#maximum = maximum;
    this.#next = initial;
  }

  /** The interval to wait now; the following one is twice as long. */
  next(): number {
    const interval = this.#next;
    this.#next = Math.min(interval * 2, this.#maximum);
    return interval;
  }

  reset(): void {
    this.#next = this.#initial;
  }
}
