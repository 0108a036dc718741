/**
 * A map by SSRC. As signed numbers they are small integers in V8, which are found without an allocation; half of all SSRCs would not be.
 */
export class SsrcMap<Value> {
  readonly #values = new Map<number, Value>();

  get size(): number {
    return this.#values.size;
  }

  get(ssrc: number): Value | undefined {
    return this.#values.get(ssrc | 0);
  }

  has(ssrc: number): boolean {
    return this.#values.has(ssrc | 0);
  }

  set(ssrc: number, value: Value): void {
    this.#values.set(ssrc | 0, value);
  }

  delete(ssrc: number): boolean {
    return this.#values.delete(ssrc | 0);
  }

  values(): MapIterator<Value> {
    return this.#values.values();
  }
}
