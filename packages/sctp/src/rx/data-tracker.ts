import { addSerial32, compareSerial32 } from '@petrel/bytes';

/** How far ahead of the cumulative TSN a chunk may be: offsets in a SACK have 16 bits, and gaps cost memory. */
const WINDOW = 0x4000;
/** Separate runs beyond the cumulative TSN that are tracked, and reported. */
const MAX_GAPS = 256;
/** Duplicates reported in one SACK. */
const MAX_DUPLICATES = 16;

/** A run of TSNs beyond the cumulative TSN. */
interface Gap {
  first: number;
  last: number;
}

/** Which TSNs have been received (RFC 9260 §6.2): everything up to the cumulative TSN, and runs beyond it. */
export class DataTracker {
  #cumulative: number;
  /** Ascending, not touching each other or the cumulative TSN. */
  readonly #gaps: Gap[] = [];
  #duplicates: number[] = [];

  /** @param initialTsn the peer's first TSN */
  constructor(initialTsn: number) {
    this.#cumulative = addSerial32(initialTsn, -1);
  }

  get cumulativeTsn(): number {
    return this.#cumulative;
  }

  get gapCount(): number {
    return this.#gaps.length;
  }

  /** Received more than once since the last {@link clearDuplicates}. */
  get duplicates(): readonly number[] {
    return this.#duplicates;
  }

  /** Offsets from the cumulative TSN, as a SACK reports them. */
  gap(index: number): { readonly start: number; readonly end: number } {
    const { first, last } = this.#gaps[index]!;
    return { start: compareSerial32(first, this.#cumulative), end: compareSerial32(last, this.#cumulative) };
  }

  clearDuplicates(): void {
    if (this.#duplicates.length > 0) this.#duplicates = [];
  }

  /** Whether a sender can have come so far. */
  isInWindow(tsn: number): boolean {
    return compareSerial32(tsn, this.#cumulative) <= WINDOW;
  }

  /** Whether the chunk is new, seen, or outside what is tracked. */
  classify(tsn: number): 'new' | 'duplicate' | 'out-of-window' {
    const offset = compareSerial32(tsn, this.#cumulative);
    if (offset === 1) return 'new';
    if (offset <= 0) return this.#noteDuplicate(tsn);
    if (offset > WINDOW) return 'out-of-window';
    const gap = this.#gaps[this.#indexOfGapEndingAtOrAfter(tsn)];
    if (gap !== undefined && compareSerial32(gap.first, tsn) <= 0) return this.#noteDuplicate(tsn);
    return this.#gaps.length >= MAX_GAPS ? 'out-of-window' : 'new';
  }

  /** Notes a new TSN. */
  add(tsn: number): void {
    if (tsn === addSerial32(this.#cumulative, 1)) {
      this.#cumulative = tsn;
      if (this.#gaps.length > 0) this.#absorbFirstGap();
    } else this.#insert(tsn);
  }

  /** The sender has given up everything up to here (RFC 3758 §3.6). */
  skipTo(tsn: number): void {
    if (compareSerial32(tsn, this.#cumulative) <= 0) return;
    this.#cumulative = tsn;
    while (this.#gaps.length > 0 && compareSerial32(this.#gaps[0]!.last, tsn) <= 0) this.#gaps.shift();
    this.#absorbFirstGap();
  }

  #absorbFirstGap(): void {
    const gap = this.#gaps[0];
    if (gap === undefined || compareSerial32(gap.first, addSerial32(this.#cumulative, 1)) > 0) return;
    this.#cumulative = gap.last;
    this.#gaps.shift();
  }

  #insert(tsn: number): void {
    const gaps = this.#gaps;
    const index = this.#indexOfGapEndingAtOrAfter(addSerial32(tsn, -1));
    const gap = gaps[index];
    if (gap === undefined || compareSerial32(gap.first, addSerial32(tsn, 1)) > 0) {
      gaps.splice(index, 0, { first: tsn, last: tsn });
      return;
    }
    if (compareSerial32(tsn, gap.first) < 0) gap.first = tsn;
    else if (compareSerial32(tsn, gap.last) > 0) gap.last = tsn;
    const next = gaps[index + 1];
    if (next !== undefined && next.first === addSerial32(gap.last, 1)) {
      gap.last = next.last;
      gaps.splice(index + 1, 1);
    }
  }

  /** Chunks arrive in order mostly: looks from the end. */
  #indexOfGapEndingAtOrAfter(tsn: number): number {
    const gaps = this.#gaps;
    let index = gaps.length;
    while (index > 0 && compareSerial32(gaps[index - 1]!.last, tsn) >= 0) index -= 1;
    return index;
  }

  #noteDuplicate(tsn: number): 'duplicate' {
    if (this.#duplicates.length < MAX_DUPLICATES) this.#duplicates.push(tsn);
    return 'duplicate';
  }
}
