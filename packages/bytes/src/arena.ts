const SLAB_SIZE = 65536;
/** There are arenas that are never used: thousands of connections have several each. */
const NO_SLAB = new Uint8Array(0);

/**
 * Hands out small buffers as views of 64 KiB slabs: a view costs a fraction of a `new Uint8Array`.
 * A slab is freed by the garbage collector when its last view is; buffers are handed out once, unless the owner says {@link rewind}.
 *
 * @example
 * const arena = new Arena(); // one for each path
 * const packet = arena.allocate(1200);
 */
export class Arena {
  #slab: Uint8Array = NO_SLAB;
  #offset = SLAB_SIZE;

  /** `length` bytes that belong to the caller; zero, as long as nothing was handed out again. */
  allocate(length: number): Uint8Array {
    if (length > SLAB_SIZE / 4) return new Uint8Array(length);
    if (this.#offset + length > SLAB_SIZE) {
      this.#slab = new Uint8Array(SLAB_SIZE);
      this.#offset = 0;
    }
    const start = this.#offset;
    this.#offset += length;
    return this.#slab.subarray(start, this.#offset);
  }

  /** Whether more than half of the slab has been handed out. */
  get isHalfUsed(): boolean {
    return this.#slab.length > 0 && this.#offset > SLAB_SIZE / 2;
  }

  /** Hands the same slab out again: nothing of it is in use any more. Packets then make no work for the garbage collector. */
  rewind(): void {
    if (this.#slab.length > 0) this.#offset = 0;
  }
}
