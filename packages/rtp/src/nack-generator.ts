/**
 * Decides which lost packets to ask for (RFC 4585 §6.2.1): at once when a gap shows, then once per round trip until
 * the packet is there or was asked for ten times.
 */
import { type Instant, NEVER } from '@petrel/sans-io';

/** More than this many missing packets are not worth asking for: the stream needs a key frame. */
const MAX_MISSING = 1000;
const MAX_REQUESTS = 10;
/** Between requests for one packet when the round-trip time is not known, and the least when it is; milliseconds. */
const DEFAULT_INTERVAL = 100;
const MINIMUM_INTERVAL = 20;

interface Missing {
  requests: number;
  nextRequest: Instant;
}

/**
 * Of one source. Sequence numbers are extended: see {@link Unwrapper}.
 *
 * @example
 * nack.receive(unwrapper.unwrap(header.sequenceNumber), now);
 * const missing = nack.poll(now, roundTripTime); // 16-bit numbers, for a packet { type: 'nack' }
 */
export class NackGenerator {
  #highest: number | undefined;
  /** By extended sequence number, in ascending order. */
  readonly #missing = new Map<number, Missing>();
  /** Nothing is due before. */
  #next: Instant = NEVER;
  #gaveUp = false;

  /**
   * Takes a packet that arrived, whichever way.
   * @param sequenceNumber extended
   * @returns `gap`: packets before it are missing; `filled`: it was missing; `old`: neither newer nor missing
   */
  receive(sequenceNumber: number, now: Instant): 'next' | 'gap' | 'filled' | 'old' {
    const highest = this.#highest;
    if (highest !== undefined && sequenceNumber <= highest) return this.#missing.delete(sequenceNumber) ? 'filled' : 'old';
    this.#highest = sequenceNumber;
    if (highest === undefined || sequenceNumber === highest + 1) return 'next';
    if (this.#missing.size + sequenceNumber - highest - 1 > MAX_MISSING) {
      this.#missing.clear();
      this.#gaveUp = true;
      return 'gap';
    }
    for (let lost = highest + 1; lost < sequenceNumber; lost++) this.#missing.set(lost, { requests: 0, nextRequest: now });
    this.#next = Math.min(this.#next, now);
    return 'gap';
  }

  /**
   * The packets to ask for now, as 16-bit sequence numbers in ascending order.
   * @param roundTripTime in milliseconds, if it is known
   */
  poll(now: Instant, roundTripTime: number | undefined): number[] {
    const interval = roundTripTime === undefined ? DEFAULT_INTERVAL : Math.max(MINIMUM_INTERVAL, roundTripTime);
    const due: number[] = [];
    if (now < this.#next) return due;
    this.#next = NEVER;
    for (const [sequenceNumber, missing] of this.#missing) {
      if (missing.nextRequest > now) {
        this.#next = Math.min(this.#next, missing.nextRequest);
        continue;
      }
      if (missing.requests === MAX_REQUESTS) {
        this.#missing.delete(sequenceNumber);
        this.#gaveUp = true;
        continue;
      }
      missing.requests += 1;
      missing.nextRequest = now + interval;
      this.#next = Math.min(this.#next, missing.nextRequest);
      due.push(((sequenceNumber % 0x1_0000) + 0x1_0000) % 0x1_0000);
    }
    return due;
  }

  /** When {@link poll} next has something to do, or earlier if what was missing has come. */
  nextTimeout(): Instant {
    return this.#missing.size === 0 ? NEVER : this.#next;
  }

  /** True once after packets were given up: a video decoder then needs a key frame. */
  takeGaveUp(): boolean {
    const gaveUp = this.#gaveUp;
    this.#gaveUp = false;
    return gaveUp;
  }

  /** @param sequenceNumber extended */
  isMissing(sequenceNumber: number): boolean {
    return this.#missing.has(sequenceNumber);
  }

  get missing(): number {
    return this.#missing.size;
  }

  /** After a key frame nothing from before it is needed. */
  clear(): void {
    this.#missing.clear();
  }
}
