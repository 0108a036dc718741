/**
 * The packets that were sent last, for retransmission (RFC 4585 §6.2.1). Bounded by count and by age. They are written into memory of the buffer's own,
 * which each place uses again: buffers that live for 1,024 packets would be what the garbage collector does most of its work for.
 */
import { Arena, readUint16, writeUint16 } from '@petrel/bytes';
import type { Instant } from '@petrel/sans-io';

/** Least time between two retransmissions of one packet when the round-trip time is not known or shorter; milliseconds. */
const MINIMUM_INTERVAL = 10;
const DEFAULT_INTERVAL = 100;
/** A place has room for a packet of audio or, once it had to hold more, for any that a path without fragmentation takes; in bytes. */
const SMALL = 256;
const LARGE = 1536;

/** Of one stream that is sent: packets by sequence number. */
export class RetransmissionBuffer {
  readonly #mask: number;
  readonly #maximumAge: number;
  readonly #arena = new Arena();
  /** The memory of each place, and the packet at its start. */
  readonly #memory: (Uint8Array | undefined)[];
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
    this.#memory = Array.from({ length: capacity }, () => undefined);
    this.#packets = Array.from({ length: capacity }, () => undefined);
    this.#sentAt = new Float64Array(capacity);
    this.#resentAt = new Float64Array(capacity);
  }

  /**
   * Memory for the packet with this sequence number, which is in it already; the rest is the caller's to write, all of it.
   * @returns `length` bytes that stay as they are for the next `capacity` packets
   */
  allocate(sequenceNumber: number, length: number, now: Instant): Uint8Array {
    const slot = sequenceNumber & this.#mask;
    let packet = this.#packets[slot];
    if (packet?.length !== length) packet = this.#packets[slot] = this.#memoryFor(slot, length).subarray(0, length);
    writeUint16(packet, 2, sequenceNumber);
    this.#sentAt[slot] = now;
    this.#resentAt[slot] = -Infinity;
    return packet;
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

  #memoryFor(slot: number, length: number): Uint8Array {
    const memory = this.#memory[slot];
    if (memory !== undefined && memory.length >= length) return memory;
    return (this.#memory[slot] = this.#arena.allocate(length <= SMALL ? SMALL : Math.max(length, LARGE)));
  }
}
