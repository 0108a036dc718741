/** Records arrivals by transport-wide sequence number and turns them into feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3). */
import type { Instant } from '@petrel/sans-io';
import { ARRIVAL_UNIT, NOT_RECEIVED, referenceTimeOf, type TransportFeedback } from './rtcp/transport-feedback.ts';
import { Unwrapper } from './sequence-unwrapper.ts';

/** Statuses in one feedback packet: with two bytes of delta each, it still fits into a datagram of 1,200 bytes. */
const MAX_STATUSES = 480;
/** Arrivals that wait for feedback; with more, the oldest are forgotten. */
const MAX_PENDING = 4096;
/** Largest difference between arrivals that a delta holds, with a margin. */
const MAX_DELTA_UNITS = 0x7f00;

/** Of one transport, over all of its streams. */
export class TransportFeedbackRecorder {
  readonly #unwrapper = new Unwrapper(16);
  /** What arrived since the last feedback: extended sequence numbers, and when. Made for the first packet: there are connections without media. */
  #sequenceNumbers = new Float64Array(0);
  #arrivals = new Float64Array(0);
  #pending = 0;
  #inOrder = true;
  /** First number that no feedback has covered. */
  #next: number | undefined;
  #feedbackCount = 0;

  receive(transportSequenceNumber: number, now: Instant): void {
    const sequenceNumber = this.#unwrapper.unwrap(transportSequenceNumber);
    const index = this.#pending;
    if (index === MAX_PENDING) return;
    if (this.#arrivals.length === 0) {
      this.#sequenceNumbers = new Float64Array(MAX_PENDING);
      this.#arrivals = new Float64Array(MAX_PENDING);
    }
    if (index > 0 && sequenceNumber <= this.#sequenceNumbers[index - 1]!) this.#inOrder = false;
    this.#sequenceNumbers[index] = sequenceNumber;
    this.#arrivals[index] = now;
    this.#pending = index + 1;
  }

  get hasPending(): boolean {
    return this.#pending > 0;
  }

  /** Feedback about everything since the last call, in as many packets as it takes. */
  build(senderSsrc: number, mediaSsrc: number): TransportFeedback[] {
    if (!this.#inOrder) this.#sort();
    const received = this.#sequenceNumbers;
    const feedback: TransportFeedback[] = [];
    let index = 0;
    while (index < this.#pending) {
      const base = this.#baseFor(received[index]!);
      const end = this.#endOfPacket(index, base);
      feedback.push(this.#packet(index, end, base, senderSsrc, mediaSsrc));
      this.#next = Math.max(this.#next ?? 0, received[end - 1]! + 1);
      index = end;
    }
    this.#pending = 0;
    this.#inOrder = true;
    return feedback;
  }

  /** Everything between the last feedback and the first arrival was lost; a late arrival gets feedback of its own. */
  #baseFor(first: number): number {
    const next = this.#next;
    return next === undefined || first < next ? first : Math.max(next, first - MAX_STATUSES + 1);
  }

  #endOfPacket(start: number, base: number): number {
    const received = this.#sequenceNumbers;
    // What lies between late arrivals was reported on before: it must not be called lost now.
    const late = this.#next !== undefined && base < this.#next;
    let end = start + 1;
    while (end < this.#pending) {
      const current = received[end]!;
      if ((late && current !== received[end - 1]! + 1) || current - base >= MAX_STATUSES || !this.#isEncodable(end)) break;
      end += 1;
    }
    return end;
  }

  #isEncodable(index: number): boolean {
    return Math.abs(this.#arrivals[index]! - this.#arrivals[index - 1]!) / ARRIVAL_UNIT < MAX_DELTA_UNITS;
  }

  #packet(start: number, end: number, base: number, senderSsrc: number, mediaSsrc: number): TransportFeedback {
    const arrivals = new Int32Array(this.#sequenceNumbers[end - 1]! - base + 1).fill(NOT_RECEIVED);
    const { referenceTime, originUnits } = referenceTimeOf(this.#arrivals[start]!);
    for (let index = start; index < end; index++)
      arrivals[this.#sequenceNumbers[index]! - base] = Math.floor(this.#arrivals[index]! / ARRIVAL_UNIT) - originUnits;
    const feedbackCount = this.#feedbackCount;
    this.#feedbackCount = (feedbackCount + 1) & 0xff;
    const baseSequenceNumber = ((base % 0x1_0000) + 0x1_0000) % 0x1_0000;
    return { type: 'transport-feedback', senderSsrc, mediaSsrc, baseSequenceNumber, referenceTime, feedbackCount, arrivals };
  }

  /** Ascending; of two with one number the first counts. */
  #sort(): void {
    const [sequenceNumbers, arrivals] = [this.#sequenceNumbers.slice(0, this.#pending), this.#arrivals.slice(0, this.#pending)];
    const order = [...sequenceNumbers.keys()].toSorted((a, b) => sequenceNumbers[a]! - sequenceNumbers[b]! || a - b);
    this.#pending = 0;
    for (const index of order) {
      if (this.#pending > 0 && this.#sequenceNumbers[this.#pending - 1] === sequenceNumbers[index]) continue;
      this.#sequenceNumbers[this.#pending] = sequenceNumbers[index]!;
      this.#arrivals[this.#pending++] = arrivals[index]!;
    }
  }
}
