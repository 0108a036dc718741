/** An emptied queue keeps so many slots; a longer array is given back. */
const KEPT_SLOTS = 1024;

/**
 * First in, first out, without the linear cost of `Array.prototype.shift`. The array is not shortened when the queue runs empty, which happens after
 * nearly every packet: growing it again would cost more than everything else.
 *
 * @example
 * const events = new Queue<MyEvent>();
 * events.push({ type: 'connected' });
 * events.shift(); // undefined when it is empty
 */
export class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #head = 0;
  /** Where the next item goes; the slots outside of [head, tail) are undefined. */
  #tail = 0;

  get length(): number {
    return this.#tail - this.#head;
  }

  push(item: Item): void {
    this.#items[this.#tail++] = item;
  }

  peek(): Item | undefined {
    return this.#items[this.#head];
  }

  shift(): Item | undefined {
    if (this.#head === this.#tail) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#tail) this.#reset();
    else if (this.#head >= KEPT_SLOTS && this.#head * 2 >= this.#tail) this.#compact();
    return item;
  }

  clear(): void {
    this.#items.fill(undefined, this.#head, this.#tail);
    this.#reset();
  }

  *[Symbol.iterator](): IterableIterator<Item> {
    for (let i = this.#head; i < this.#tail; i++) yield this.#items[i] as Item;
  }

  #reset(): void {
    if (this.#items.length > KEPT_SLOTS) this.#items = [];
    this.#head = this.#tail = 0;
  }

  #compact(): void {
    this.#items = this.#items.slice(this.#head, this.#tail);
    this.#tail -= this.#head;
    this.#head = 0;
  }
}
