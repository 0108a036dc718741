import type { RedundantBlock } from '@petrel/rtp';

const MAX_BLOCKS = 8;

/** The payloads that were sent last, for repetition in RED (RFC 2198). */
export class RedundancyHistory {
  readonly #payloads: { readonly data: Uint8Array; readonly timestamp: number }[] = [];

  /** Keeps a copy. */
  add(payload: Uint8Array, timestamp: number): void {
    this.#payloads.push({ data: payload.slice(), timestamp });
    if (this.#payloads.length > MAX_BLOCKS) this.#payloads.shift();
  }

  /** The latest `count`, oldest first, as seen from a packet with this timestamp. */
  blocks(payloadType: number, timestamp: number, count: number): RedundantBlock[] {
    if (count <= 0) return [];
    return this.#payloads
      .slice(-count)
      .map((payload) => ({ payloadType, timestampOffset: (timestamp - payload.timestamp) >>> 0, data: payload.data }));
  }
}
