/**
 * Counts what was dropped, by reason. Network input never throws: what cannot be parsed or authenticated
 * is dropped, and the reason is data that statistics show and tests match on.
 *
 * @example
 * readonly discards: Discards<'bad-checksum' | 'replayed'> = new Discards();
 * // in receive(): if (!isValid) return this.discards.count('bad-checksum');
 */
export class Discards<Reason extends string> {
  readonly #counts = new Map<Reason, number>();

  count(reason: Reason): void {
    this.#counts.set(reason, this.of(reason) + 1);
  }

  of(reason: Reason): number {
    return this.#counts.get(reason) ?? 0;
  }

  /** Everything dropped so far, for any reason. */
  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
