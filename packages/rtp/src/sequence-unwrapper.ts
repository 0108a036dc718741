/**
 * Makes numbers that wrap into numbers that do not: each is taken as the one nearest to the latest
 * (RFC 3550 §5.1 for sequence numbers and timestamps; the rule is that of RFC 3711 appendix A).
 *
 * @example
 * const unwrapper = new Unwrapper(16);
 * unwrapper.unwrap(65_535);
 * unwrapper.unwrap(0); // 65_536
 */
export class Unwrapper {
  /** So that a shift left and right again leaves the signed distance of two numbers. */
  readonly #shift: number;
  #latest: number | undefined;

  /** @param bits 16 for sequence numbers, 32 for timestamps */
  constructor(bits: 16 | 32) {
    this.#shift = 32 - bits;
  }

  /** The first number is itself; later ones may go below zero when packets from before the first arrive. */
  unwrap(value: number): number {
    const unwrapped = this.peek(value);
    if (this.#latest === undefined || unwrapped > this.#latest) this.#latest = unwrapped;
    return unwrapped;
  }

  /** What {@link unwrap} would give, without moving. */
  peek(value: number): number {
    if (this.#latest === undefined) return value;
    return this.#latest + (((value - this.#latest) << this.#shift) >> this.#shift);
  }

  reset(): void {
    this.#latest = undefined;
  }
}
