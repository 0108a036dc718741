/**
 * Makes numbers that wrap into numbers that do not: each is taken as the one nearest to the latest
 * (RFC 3550 §5.1 for sequence numbers and timestamps; the rule is that of RFC 3711 appendix A).
 */
export class Unwrapper {
  readonly #modulus: number;
  #latest: number | undefined;

  /** @param bits 16 for sequence numbers, 32 for timestamps */
  constructor(bits: 16 | 32) {
    this.#modulus = 2 ** bits;
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
    const half = this.#modulus / 2;
    let ahead = (value - this.#latest) % this.#modulus;
    if (ahead < -half) ahead += this.#modulus;
    else if (ahead >= half) ahead -= this.#modulus;
    return this.#latest + ahead;
  }

  reset(): void {
    this.#latest = undefined;
  }
}
