/** What a receiver knows about one source: RFC 3550 appendix A.1 (sequence numbers), A.3 (loss) and A.8 (jitter), to the letter. */
import type { ReportBlock } from './rtcp/reports.ts';

const SEQUENCE_MODULUS = 0x1_0000;
const MAX_DROPOUT = 3000;
const MAX_MISORDER = 100;
/** A.1's value. */
export const MIN_SEQUENTIAL = 2;

/**
 * Of one source.
 *
 * @example
 * if (statistics.update(header.sequenceNumber)) report = statistics.report(header.ssrc, lastSenderReport, delay);
 */
export class ReceptionStatistics {
  readonly #minimumSequential: number;
  #started = false;
  #baseSequence = 0;
  #maximumSequence = 0;
  #badSequence = SEQUENCE_MODULUS + 1;
  #probation = 0;
  #cycles = 0;
  #received = 0;
  #receivedPrior = 0;
  #expectedPrior = 0;
  #transit: number | undefined;
  #jitter = 0;

  /**
   * @param minimumSequential packets in sequence before a source counts as valid. 1 suits authenticated packets, which
   * are no strays: then the first is valid.
   */
  constructor(minimumSequential: number = MIN_SEQUENTIAL) {
    this.#minimumSequential = minimumSequential;
  }

  /**
   * Takes a packet's sequence number (update_seq of A.1).
   * @returns false while the source is on probation, and for a number out of range; two in sequence there restart the source
   */
  update(sequenceNumber: number): boolean {
    if (!this.#started) {
      this.#started = true;
      this.#initialize(sequenceNumber);
      this.#maximumSequence = (sequenceNumber - 1) & 0xffff;
      this.#probation = this.#minimumSequential;
    }
    if (this.#probation > 0) return this.#probe(sequenceNumber);
    const ahead = (sequenceNumber - this.#maximumSequence) & 0xffff;
    if (ahead < MAX_DROPOUT) {
      if (sequenceNumber < this.#maximumSequence) this.#cycles += SEQUENCE_MODULUS;
      this.#maximumSequence = sequenceNumber;
    } else if (ahead <= SEQUENCE_MODULUS - MAX_MISORDER) {
      if (sequenceNumber !== this.#badSequence) {
        this.#badSequence = (sequenceNumber + 1) & 0xffff;
        return false;
      }
      this.#initialize(sequenceNumber);
    }
    this.#received += 1;
    return true;
  }

  /**
   * Interarrival jitter (A.8).
   * @param arrival in the units of the RTP timestamp
   */
  updateJitter(timestamp: number, arrival: number): void {
    const transit = (Math.floor(arrival) - timestamp) | 0;
    if (this.#transit !== undefined) {
      const difference = Math.abs((transit - this.#transit) | 0);
      this.#jitter += (difference - this.#jitter) / 16;
    }
    this.#transit = transit;
  }

  /** The clock rate changed: transit times cannot be compared (RFC 7160 §4.2). */
  resetTransit(): void {
    this.#transit = undefined;
  }

  get received(): number {
    return this.#received;
  }

  get expected(): number {
    return this.#started && this.#probation === 0 ? this.extendedHighest - this.#baseSequence + 1 : 0;
  }

  /** Negative when duplicates outnumber losses. */
  get lost(): number {
    return this.expected - this.#received;
  }

  get extendedHighest(): number {
    return this.#cycles + this.#maximumSequence;
  }

  /** In timestamp units. */
  get jitter(): number {
    return this.#jitter;
  }

  get isValid(): boolean {
    return this.#started && this.#probation === 0;
  }

  /** A report block, and with it the end of an interval (A.3). */
  report(ssrc: number, lastSenderReport: number, delaySinceLastSenderReport: number): ReportBlock {
    const expected = this.expected;
    const expectedInterval = expected - this.#expectedPrior;
    const lostInterval = expectedInterval - (this.#received - this.#receivedPrior);
    this.#expectedPrior = expected;
    this.#receivedPrior = this.#received;
    return {
      ssrc,
      fractionLost: expectedInterval === 0 || lostInterval <= 0 ? 0 : Math.min(255, Math.floor((lostInterval * 256) / expectedInterval)),
      packetsLost: Math.max(-0x80_0000, Math.min(0x7f_ffff, expected - this.#received)),
      extendedHighestSequenceNumber: this.extendedHighest % 0x1_0000_0000,
      jitter: Math.floor(this.#jitter),
      lastSenderReport,
      delaySinceLastSenderReport,
    };
  }

  #probe(sequenceNumber: number): boolean {
    const inSequence = sequenceNumber === ((this.#maximumSequence + 1) & 0xffff);
    this.#maximumSequence = sequenceNumber;
    this.#probation = inSequence ? this.#probation - 1 : this.#minimumSequential - 1;
    if (this.#probation > 0) return false;
    this.#initialize(sequenceNumber);
    this.#received += 1;
    return true;
  }

  #initialize(sequenceNumber: number): void {
    this.#baseSequence = sequenceNumber;
    this.#maximumSequence = sequenceNumber;
    this.#badSequence = SEQUENCE_MODULUS + 1;
    this.#cycles = 0;
    this.#received = 0;
    this.#receivedPrior = 0;
    this.#expectedPrior = 0;
  }
}
