import { compareSerial16 } from '@petrel/bytes';
import { type Random, randomUint32 } from '@petrel/sans-io';

/** A jump of more than this ahead is a restart of the source, not loss (RFC 3550 A.1: MAX_DROPOUT). */
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 100;

/**
 * Gives a stream sequence numbers and timestamps without a break when its source changes: another track, an encoder that
 * restarted. Within one source, gaps and reordering stay as they are.
 */
export class SequenceMapper {
  #sourceSsrc = -1;
  #sequenceOffset = 0;
  #timestampOffset = 0;
  #highestIn = 0;
  /** Below 2^15 at first, so that loss of the first packets cannot hide a wrap from an SRTP receiver (RFC 3711 §3.3.1). */
  #highestOut: number;
  /** The first number of this source; numbers before it belong to the one before. */
  #sourceStart = 0;
  #badSequence = -1;
  #latestTimestamp = 0;
  #latestAt = -1;

  constructor(random: Random) {
    this.#highestOut = randomUint32(random) & 0x7fff;
  }

  /** The outgoing sequence number; -1 for one from before the source's first packet. */
  map(ssrc: number, sequenceNumber: number, timestamp: number, clockRate: number, now: number): number {
    const ahead = compareSerial16(sequenceNumber, this.#highestIn);
    if (ssrc !== this.#sourceSsrc || ahead > MAX_DROPOUT) this.#switchSource(ssrc, sequenceNumber, timestamp, clockRate, now);
    else if (ahead > 0) this.#highestIn = sequenceNumber;
    else if (ahead < -MAX_MISORDER) {
      // Far behind: a restart if two follow each other (RFC 3550 A.1), else a packet that is too late.
      const restarted = sequenceNumber === this.#badSequence;
      this.#badSequence = (sequenceNumber + 1) & 0xffff;
      if (!restarted) return -1;
      this.#switchSource(ssrc, sequenceNumber, timestamp, clockRate, now);
    }
    const out = (sequenceNumber + this.#sequenceOffset) & 0xffff;
    if (compareSerial16(out, this.#sourceStart) < 0) return -1;
    if (compareSerial16(out, this.#highestOut) > 0) {
      this.#highestOut = out;
      this.#latestTimestamp = (timestamp + this.#timestampOffset) >>> 0;
      this.#latestAt = now;
      // Only the last numbers matter, and serial numbers compare over half the space.
      if (compareSerial16(out, this.#sourceStart) > 2 * MAX_MISORDER) this.#sourceStart = (out - MAX_MISORDER) & 0xffff;
    }
    return out;
  }

  /** The outgoing timestamp of the source that was last mapped. */
  mapTimestamp(timestamp: number): number {
    return (timestamp + this.#timestampOffset) >>> 0;
  }

  #switchSource(ssrc: number, sequenceNumber: number, timestamp: number, clockRate: number, now: number): void {
    const next = (this.#highestOut + 1) & 0xffff;
    this.#sourceSsrc = ssrc;
    this.#sequenceOffset = (next - sequenceNumber) & 0xffff;
    this.#highestIn = sequenceNumber;
    this.#sourceStart = next;
    if (this.#latestAt < 0) return; // The first source keeps its timestamps.
    const elapsed = Math.max(1, Math.round(((now - this.#latestAt) * clockRate) / 1000));
    this.#timestampOffset = (this.#latestTimestamp + elapsed - timestamp) >>> 0;
  }
}
