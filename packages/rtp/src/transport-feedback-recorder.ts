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

export class TransportFeedbackRecorder {
  readonly #unwrapper = new Unwrapper(16);
  /** Arrival by extended sequence number, since the last feedback. */
  #pending = new Map<number, Instant>();
  /** First number that no feedback has covered. */
  #next: number | undefined;
  #feedbackCount = 0;

  receive(transportSequenceNumber: number, now: Instant): void {
    const sequenceNumber = this.#unwrapper.unwrap(transportSequenceNumber);
    if (this.#pending.size >= MAX_PENDING || this.#pending.has(sequenceNumber)) return;
    this.#pending.set(sequenceNumber, now);
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** Feedback about everything since the last call, in as many packets as it takes. */
  build(senderSsrc: number, mediaSsrc: number): TransportFeedback[] {
    const received = [...this.#pending.keys()].toSorted((a, b) => a - b);
    const feedback: TransportFeedback[] = [];
    let index = 0;
    while (index < received.length) {
      const base = this.#baseFor(received[index]!);
      const end = this.#endOfPacket(received, index, base);
      feedback.push(this.#packet(received.slice(index, end), base, senderSsrc, mediaSsrc));
      this.#next = Math.max(this.#next ?? 0, received[end - 1]! + 1);
      index = end;
    }
    this.#pending.clear();
    return feedback;
  }

  /** Everything between the last feedback and the first arrival was lost; a late arrival gets feedback of its own. */
  #baseFor(first: number): number {
    const next = this.#next;
    return next === undefined || first < next ? first : Math.max(next, first - MAX_STATUSES + 1);
  }

  #endOfPacket(received: readonly number[], start: number, base: number): number {
    // What lies between late arrivals was reported on before: it must not be called lost now.
    const late = this.#next !== undefined && base < this.#next;
    let end = start + 1;
    while (end < received.length) {
      const [previous, current] = [received[end - 1]!, received[end]!];
      if ((late && current !== previous + 1) || current - base >= MAX_STATUSES || !this.#isEncodable(previous, current)) break;
      end += 1;
    }
    return end;
  }

  #isEncodable(previous: number, current: number): boolean {
    return Math.abs(this.#pending.get(current)! - this.#pending.get(previous)!) / ARRIVAL_UNIT < MAX_DELTA_UNITS;
  }

  #packet(received: readonly number[], base: number, senderSsrc: number, mediaSsrc: number): TransportFeedback {
    const arrivals = new Int32Array(received[received.length - 1]! - base + 1).fill(NOT_RECEIVED);
    const { referenceTime, originUnits } = referenceTimeOf(this.#pending.get(received[0]!)!);
    for (const sequenceNumber of received)
      arrivals[sequenceNumber - base] = Math.floor(this.#pending.get(sequenceNumber)! / ARRIVAL_UNIT) - originUnits;
    const feedbackCount = this.#feedbackCount;
    this.#feedbackCount = (feedbackCount + 1) & 0xff;
    const baseSequenceNumber = ((base % 0x1_0000) + 0x1_0000) % 0x1_0000;
    return { type: 'transport-feedback', senderSsrc, mediaSsrc, baseSequenceNumber, referenceTime, feedbackCount, arrivals };
  }
}
