import type { FeedEntry } from '../feed.ts';

const LIMIT = 4000;

/** A connection's feed so far, and whoever wants to hear the rest. Entries are numbered from 0, for readers that come back. */
export class FeedLog {
  #entries: FeedEntry[] = [];
  #first = 0;
  readonly #readers = new Set<() => void>();

  add(entries: readonly FeedEntry[]): void {
    this.#entries.push(...entries);
    const excess = this.#entries.length - LIMIT;
    if (excess > 0) {
      this.#entries = this.#entries.slice(excess);
      this.#first += excess;
    }
    for (const reader of this.#readers) reader();
  }

  get entries(): readonly FeedEntry[] {
    return this.#entries;
  }

  /** Calls `read` with every entry from number `from` on, those that are there and those to come. @returns ends it. */
  follow(from: number, read: (entry: FeedEntry, number: number) => void): () => void {
    let next = from;
    const reader = (): void => {
      for (next = Math.max(next, this.#first); next < this.#first + this.#entries.length; next++) {
        const entry = this.#entries[next - this.#first];
        if (entry) read(entry, next);
      }
    };
    reader();
    this.#readers.add(reader);
    return () => this.#readers.delete(reader);
  }
}
