/**
 * Anti-replay of one epoch (RFC 6347 §4.1.2.6): which of the latest 64 record sequence numbers were received.
 * The window moves only after a record is authenticated.
 */
export class ReplayWindow {
  #highest = -1;
  /** Bit n: highest - n was received. Two words of 32 bits. */
  #recent = 0;
  #older = 0;

  /** Whether the number is neither in the window already nor too old to tell. */
  isFresh(sequenceNumber: number): boolean {
    const age = this.#highest - sequenceNumber;
    if (age < 0) return true;
    if (age >= 64) return false;
    return age < 32 ? (this.#recent & (1 << age)) === 0 : (this.#older & (1 << (age - 32))) === 0;
  }

  accept(sequenceNumber: number): void {
    const ahead = sequenceNumber - this.#highest;
    if (ahead > 0) {
      this.#shift(ahead);
      this.#highest = sequenceNumber;
      this.#recent |= 1;
    } else if (-ahead < 32) this.#recent |= 1 << -ahead;
    else this.#older |= 1 << (-ahead - 32);
  }

  #shift(count: number): void {
    if (count >= 64) {
      this.#recent = 0;
      this.#older = 0;
    } else if (count >= 32) {
      this.#older = count === 32 ? this.#recent : this.#recent << (count - 32);
      this.#recent = 0;
    } else {
      this.#older = (this.#older << count) | (this.#recent >>> (32 - count));
      this.#recent <<= count;
    }
  }
}
