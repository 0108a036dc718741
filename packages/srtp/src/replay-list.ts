/** How many packets before the newest one are told apart (RFC 3711 §3.3.2 asks for 64 at least). */
export const REPLAY_WINDOW = 1024;
const WORDS = REPLAY_WINDOW / 32;

/**
 * Which of the latest 1,024 packet indices were seen (RFC 3711 §3.3.2). A ring of bits: index n has bit n mod 1,024.
 * It moves only when told so, after a packet was authenticated.
 */
export class ReplayList {
  /** -1: nothing yet. */
  highest: number = -1;
  readonly #bits = new Int32Array(WORDS);

  /** `fresh`, or why the index may not be used. */
  check(index: number): 'fresh' | 'seen' | 'too-old' {
    const age = this.highest - index;
    if (age < 0) return 'fresh';
    if (age >= REPLAY_WINDOW) return 'too-old';
    const bit = index & (REPLAY_WINDOW - 1);
    return (this.#bits[bit >> 5]! & (1 << (bit & 31))) === 0 ? 'fresh' : 'seen';
  }

  add(index: number): void {
    if (index > this.highest) this.#advance(index);
    const bit = index & (REPLAY_WINDOW - 1);
    this.#bits[bit >> 5]! |= 1 << (bit & 31);
  }

  #advance(index: number): void {
    if (index - this.highest >= REPLAY_WINDOW || this.highest < 0) this.#bits.fill(0);
    else {
      for (let skipped = this.highest + 1; skipped <= index; skipped++) {
        const bit = skipped & (REPLAY_WINDOW - 1);
        this.#bits[bit >> 5]! &= ~(1 << (bit & 31));
      }
    }
    this.highest = index;
  }
}
