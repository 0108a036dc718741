/**
 * Which requests have come before. Whoever sees a check of the peer's can send it again from another address, and its integrity is right; but its
 * transaction is not a new one (RFC 8489 §5: a transaction id is chosen at random for each).
 */
import { readUint32 } from '@petrel/bytes';

/** Of those that come every few seconds, the last hour or more. Older ones are forgotten. */
const MAX_SEEN = 4096;
const FIRST_SIZE = 64;

export class SeenRequests {
  /** The first 64 bits of each transaction id. */
  #ids: Uint32Array = new Uint32Array(2 * FIRST_SIZE);
  #count = 0;

  add(transactionId: Uint8Array): void {
    if (2 * this.#count === this.#ids.length && this.#count < MAX_SEEN) this.#grow();
    const at = (2 * this.#count++) % this.#ids.length;
    this.#ids[at] = readUint32(transactionId, 0);
    this.#ids[at + 1] = readUint32(transactionId, 4);
  }

  has(transactionId: Uint8Array): boolean {
    const first = readUint32(transactionId, 0);
    const second = readUint32(transactionId, 4);
    const end = Math.min(2 * this.#count, this.#ids.length);
    for (let at = 0; at < end; at += 2) if (this.#ids[at] === first && this.#ids[at + 1] === second) return true;
    return false;
  }

  #grow(): void {
    const larger = new Uint32Array(2 * this.#ids.length);
    larger.set(this.#ids);
    this.#ids = larger;
  }
}
