import { addSerial32, compareSerial32 } from '@petrel/bytes';
import type { GapBlock } from '../packet/sack.ts';

/** How far ahead of the cumulative TSN a chunk may be: offsets in a SACK have 16 bits, and gaps cost memory. */
const WINDOW = 0x4000;
/** Separate runs beyond the cumulative TSN that are tracked, and reported. */
const MAX_GAPS = 256;

/** Which TSNs have been received (RFC 9260 §6.2): everything up to the cumulative TSN, and runs beyond it. */
export class DataTracker {
  #cumulative: number;
  /** Runs beyond the cumulative TSN, as offsets from it, ascending and not touching. */
  #gaps: { start: number; end: number }[] = [];

  /** @param initialTsn the peer's first TSN */
  constructor(initialTsn: number) {
    this.#cumulative = addSerial32(initialTsn, -1);
  }

  get cumulativeTsn(): number {
    return this.#cumulative;
  }

  get gaps(): readonly GapBlock[] {
    return this.#gaps;
  }

  /** Whether the chunk is new, seen, or outside what is tracked. Does not change anything. */
  classify(tsn: number): 'new' | 'duplicate' | 'out-of-window' {
    const offset = compareSerial32(tsn, this.#cumulative);
    if (offset <= 0) return 'duplicate';
    if (offset > WINDOW) return 'out-of-window';
    if (this.#gaps.some(({ start, end }) => start <= offset && offset <= end)) return 'duplicate';
    return this.#gaps.length >= MAX_GAPS && offset !== 1 ? 'out-of-window' : 'new';
  }

  /** Notes a new TSN. */
  add(tsn: number): void {
    const offset = compareSerial32(tsn, this.#cumulative);
    if (offset === 1 && this.#gaps.length === 0) {
      this.#cumulative = tsn;
      return;
    }
    this.#insert(offset);
    if (this.#gaps[0]!.start === 1) this.#advance(this.#gaps[0]!.end);
  }

  /** The sender has given up everything up to here (RFC 3758 §3.6). */
  skipTo(tsn: number): void {
    const distance = compareSerial32(tsn, this.#cumulative);
    if (distance <= 0) return;
    this.#advance(distance);
    if (this.#gaps[0]?.start === 1) this.#advance(this.#gaps[0].end);
  }

  #insert(offset: number): void {
    const index = this.#gaps.findIndex(({ end }) => end >= offset - 1);
    const gap = this.#gaps[index];
    if (gap === undefined) this.#gaps.push({ start: offset, end: offset });
    else if (gap.start > offset + 1) this.#gaps.splice(index, 0, { start: offset, end: offset });
    else {
      gap.start = Math.min(gap.start, offset);
      gap.end = Math.max(gap.end, offset);
      const next = this.#gaps[index + 1];
      if (next !== undefined && next.start === gap.end + 1) {
        gap.end = next.end;
        this.#gaps.splice(index + 1, 1);
      }
    }
  }

  #advance(distance: number): void {
    this.#cumulative = addSerial32(this.#cumulative, distance);
    this.#gaps = this.#gaps
      .filter(({ end }) => end > distance)
      .map(({ start, end }) => ({ start: Math.max(start - distance, 1), end: end - distance }));
  }
}
