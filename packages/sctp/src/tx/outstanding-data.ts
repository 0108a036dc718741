import { addSerial32, compareSerial32 } from '@petrel/bytes';
import type { Instant } from '@petrel/sans-io';
import { DATA_FLAG } from '../packet/data.ts';
import type { GapBlock, Sack } from '../packet/sack.ts';
import type { Fragment, OutgoingMessage } from './send-queue.ts';

/** Missing reports that make a fast retransmission (RFC 9260 §7.2.4). */
const FAST_RETRANSMIT_REPORTS = 3;

type ChunkState = 'in-flight' | 'to-retransmit' | 'acknowledged' | 'abandoned';

export interface OutstandingChunk {
  readonly tsn: number;
  readonly flags: number;
  readonly message: OutgoingMessage;
  readonly data: Uint8Array;
  sentAt: Instant;
  transmissions: number;
  missingReports: number;
  state: ChunkState;
}

/** What a SACK meant for the sender. */
export interface SackOutcome {
  readonly cumulativeAdvanced: boolean;
  /** Bytes newly acknowledged, cumulatively or by a gap block. */
  readonly bytesAcknowledged: number;
  readonly fastRetransmit: boolean;
  /** Of a chunk sent once only (Karn's algorithm, §6.3.1 C5). */
  readonly roundTrip: number | undefined;
}

/** Chunks that were sent and are not yet acknowledged cumulatively, in TSN order (RFC 9260 §6.1, §6.2.1, §6.3). */
export class OutstandingData {
  #chunks: OutstandingChunk[] = [];
  #head = 0;
  #nextTsn: number;
  #bytesInFlight = 0;
  #toRetransmit = 0;
  readonly #onAbandoned: (message: OutgoingMessage) => void;

  constructor(initialTsn: number, onAbandoned: (message: OutgoingMessage) => void) {
    this.#nextTsn = initialTsn;
    this.#onAbandoned = onAbandoned;
  }

  get nextTsn(): number {
    return this.#nextTsn;
  }

  get lastAssignedTsn(): number {
    return addSerial32(this.#nextTsn, -1);
  }

  get cumulativeTsn(): number {
    return addSerial32(this.#nextTsn, -(this.#chunks.length - this.#head) - 1);
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  get isEmpty(): boolean {
    return this.#head === this.#chunks.length;
  }

  get hasRetransmissions(): boolean {
    return this.#toRetransmit > 0;
  }

  /** Notes a fragment that is being sent, and gives it its TSN. */
  add(fragment: Fragment, now: Instant): OutstandingChunk {
    const { message, data, begin, end } = fragment;
    const flags = (end ? DATA_FLAG.end : 0) | (begin ? DATA_FLAG.begin : 0) | (message.unordered ? DATA_FLAG.unordered : 0);
    const chunk: OutstandingChunk = {
      tsn: this.#nextTsn,
      flags,
      message,
      data,
      sentAt: now,
      transmissions: 1,
      missingReports: 0,
      state: 'in-flight',
    };
    this.#nextTsn = addSerial32(this.#nextTsn, 1);
    this.#chunks.push(chunk);
    this.#bytesInFlight += data.length;
    return chunk;
  }

  /** The earliest chunk to send again, if it fits; it is in flight again then. Messages that may not be sent again are given up. */
  nextRetransmission(maxLength: number, now: Instant): OutstandingChunk | undefined {
    if (this.#toRetransmit === 0) return undefined;
    for (let i = this.#head; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      if (chunk.state !== 'to-retransmit') continue;
      if (this.#isExhausted(chunk, now)) {
        this.#abandon(chunk.message);
        continue;
      }
      if (chunk.data.length > maxLength) return undefined;
      this.#setState(chunk, 'in-flight');
      chunk.sentAt = now;
      chunk.transmissions += 1;
      chunk.missingReports = 0;
      return chunk;
    }
    return undefined;
  }

  /** @returns undefined when the SACK acknowledges what was never sent (§6.2.1): it means nothing then. */
  onSack({ cumulativeTsn, gaps }: Sack, now: Instant): SackOutcome | undefined {
    const advance = compareSerial32(cumulativeTsn, this.cumulativeTsn);
    if (advance < 0 || advance > this.#chunks.length - this.#head) return undefined;
    const before = { bytes: 0, roundTrip: undefined as number | undefined };
    for (let i = 0; i < advance; i++) this.#acknowledge(this.#chunks[this.#head + i]!, now, before);
    this.#dropFirst(advance);
    const highest = this.#acknowledgeGaps(gaps, now, before);
    const fastRetransmit = highest >= 0 && this.#countMissing(gaps, highest, now);
    return { cumulativeAdvanced: advance > 0, bytesAcknowledged: before.bytes, fastRetransmit, roundTrip: before.roundTrip };
  }

  /** T3-rtx fired: everything in flight is taken for lost (§6.3.3 E3). */
  retransmitAll(now: Instant): void {
    for (let i = this.#head; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      if (chunk.state === 'in-flight') this.#lose(chunk, now);
    }
  }

  /**
   * How far the receiver may be told to skip (RFC 3758 §3.5 C1): the last of the abandoned chunks right after the cumulative TSN.
   * @returns undefined when there is nothing to skip
   */
  forwardPoint(): { readonly cumulativeTsn: number; readonly skipped: Map<number, number> } | undefined {
    const skipped = new Map<number, number>();
    let last: number | undefined;
    for (let i = this.#head; i < this.#chunks.length && this.#chunks[i]!.state === 'abandoned'; i++) {
      const { tsn, message } = this.#chunks[i]!;
      last = tsn;
      if (!message.unordered) skipped.set(message.streamId, message.streamSequence);
    }
    return last === undefined ? undefined : { cumulativeTsn: last, skipped };
  }

  #isExhausted({ message, transmissions }: OutstandingChunk, now: Instant): boolean {
    return message.abandoned || transmissions > message.maxRetransmits || message.expires <= now;
  }

  #acknowledge(chunk: OutstandingChunk, now: Instant, result: { bytes: number; roundTrip: number | undefined }): void {
    if (chunk.state === 'acknowledged' || chunk.state === 'abandoned') return;
    if (chunk.transmissions === 1) result.roundTrip = now - chunk.sentAt;
    result.bytes += chunk.data.length;
    this.#setState(chunk, 'acknowledged');
  }

  /** @returns the highest offset newly acknowledged by a gap block, or -1 */
  #acknowledgeGaps(gaps: readonly GapBlock[], now: Instant, result: { bytes: number; roundTrip: number | undefined }): number {
    let highest = -1;
    for (const { start, end } of gaps)
      for (let offset = start; offset <= end; offset++) {
        const chunk = this.#chunks[this.#head + offset - 1];
        if (chunk === undefined) return highest;
        if (chunk.state === 'in-flight' || chunk.state === 'to-retransmit') {
          highest = offset;
          this.#acknowledge(chunk, now, result);
        }
      }
    return highest;
  }

  /** Counts only reports by newly acknowledged higher TSNs (§7.2.4, HTNA). */
  #countMissing(gaps: readonly GapBlock[], highest: number, now: Instant): boolean {
    let lost = false;
    let gap = 0;
    for (let offset = 1; offset < highest; offset++) {
      while (gap < gaps.length && gaps[gap]!.end < offset) gap += 1;
      if (gap < gaps.length && gaps[gap]!.start <= offset) continue;
      const chunk = this.#chunks[this.#head + offset - 1]!;
      if (chunk.state !== 'in-flight') continue;
      chunk.missingReports += 1;
      if (chunk.missingReports < FAST_RETRANSMIT_REPORTS) continue;
      this.#lose(chunk, now);
      lost = true;
    }
    return lost;
  }

  #lose(chunk: OutstandingChunk, now: Instant): void {
    this.#setState(chunk, 'to-retransmit');
    if (this.#isExhausted(chunk, now)) this.#abandon(chunk.message);
  }

  #abandon(message: OutgoingMessage): void {
    message.abandoned = true;
    for (let i = this.#head; i < this.#chunks.length; i++) {
      const chunk = this.#chunks[i]!;
      if (chunk.message === message && chunk.state !== 'acknowledged') this.#setState(chunk, 'abandoned');
    }
    this.#onAbandoned(message);
  }

  #setState(chunk: OutstandingChunk, state: ChunkState): void {
    if (chunk.state === 'in-flight') this.#bytesInFlight -= chunk.data.length;
    if (chunk.state === 'to-retransmit') this.#toRetransmit -= 1;
    chunk.state = state;
    if (state === 'in-flight') this.#bytesInFlight += chunk.data.length;
    if (state === 'to-retransmit') this.#toRetransmit += 1;
  }

  #dropFirst(count: number): void {
    for (let i = 0; i < count; i++) this.#chunks[this.#head + i] = undefined as never;
    this.#head += count;
    if (this.#head === this.#chunks.length) {
      this.#chunks = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
  }
}
