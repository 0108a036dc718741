const SLAB_SIZE = 65536;
/** There are arenas that are never used: thousands of connections have several each. */
const NO_SLAB = new Uint8Array(0);

/**
 * Hands out small buffers as views of 64 KiB slabs: a view costs a fraction of a `new Uint8Array`.
 * A slab is freed by the garbage collector when its last view is; buffers are never handed out twice.
 *
 * @example
 * const arena = new Arena(); // one for each path
 * const packet = arena.allocate(1200);
 */
export class Arena {
  #slab: Uint8Array = NO_SLAB;
  #offset = SLAB_SIZE;

  /** `length` zero bytes that belong to the caller. */
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
}
