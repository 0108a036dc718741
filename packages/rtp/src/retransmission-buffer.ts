/** The packets that were sent last, for retransmission (RFC 4585 §6.2.1). Bounded by count and by age. */
import { readUint16 } from '@petrel/bytes';
import type { Instant } from '@petrel/sans-io';

/** Least time between two retransmissions of one packet when the round-trip time is not known or shorter; milliseconds. */
const MINIMUM_INTERVAL = 10;
const DEFAULT_INTERVAL = 100;

export class RetransmissionBuffer {
  readonly #mask: number;
  readonly #maximumAge: number;
  readonly #packets: (Uint8Array | undefined)[];
  readonly #sentAt: Float64Array;
  readonly #resentAt: Float64Array;

  /**
   * @param capacity in packets, a power of two
   * @param maximumAge in milliseconds: what is older is not wanted any more
   */
  constructor(capacity: number = 1024, maximumAge: number = 3000) {
    this.#mask = capacity - 1;
    this.#maximumAge = maximumAge;
    this.#packets = Array.from({ length: capacity }, () => undefined);
    this.#sentAt = new Float64Array(capacity);
    this.#resentAt = new Float64Array(capacity);
  }

  /** Keeps the packet itself, not a copy. */
  add(packet: Uint8Array, now: Instant): void {
    const slot = readUint16(packet, 2) & this.#mask;
    this.#packets[slot] = packet;
    this.#sentAt[slot] = now;
    this.#resentAt[slot] = -Infinity;
  }

  /**
   * The packet to send again; undefined when it is not kept any more, or was sent again less than a round trip ago
   * (the request and the retransmission crossed each other).
   */
  take(sequenceNumber: number, now: Instant, roundTripTime: number | undefined): Uint8Array | undefined {
    const slot = sequenceNumber & this.#mask;
    const packet = this.#packets[slot];
    if (packet === undefined || readUint16(packet, 2) !== sequenceNumber) return undefined;
    if (now - this.#sentAt[slot]! > this.#maximumAge) return undefined;
    const interval = roundTripTime === undefined ? DEFAULT_INTERVAL : Math.max(MINIMUM_INTERVAL, roundTripTime);
    if (now - this.#resentAt[slot]! < interval) return undefined;
    this.#resentAt[slot] = now;
    return packet;
  }

  clear(): void {
    this.#packets.fill(undefined);
  }
}
