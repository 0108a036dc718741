import { addSerial32, compareSerial32 } from '@petrel/bytes';
import type { Instant } from '@petrel/sans-io';
import { DATA_FLAG } from '../packet/data.ts';
import type { SkippedMessage } from '../packet/forward-tsn.ts';
import { gapEnd, gapStart, type Sack } from '../packet/sack.ts';
import type { OutgoingMessage } from './outgoing-message.ts';
import type { LossDetection } from './loss-detection.ts';

/** What is known of a chunk. */
const STATE = { inFlight: 1, lost: 2, acknowledged: 3, abandoned: 4 } as const;
const INITIAL_CAPACITY = 64;
/** Milliseconds: less is not worth a timer, and rounding must not make it fire for ever. */
const TIMER_RESOLUTION = 0.01;

/** What a SACK meant for the sender. One object, filled anew each time. */
export interface SackOutcome {
  cumulativeAdvanced: boolean;
  /** Bytes newly acknowledged, cumulatively or by a gap block. */
  bytesAcknowledged: number;
  /** Of the chunk sent last among those newly acknowledged, if it was sent once only (Karn's algorithm, RFC 9260 §6.3.1 C5). */
  roundTrip: number | undefined;
  lossDetected: boolean;
}

/**
 * Chunks that were sent and are not yet acknowledged cumulatively (RFC 9260 §6.1, §6.2.1, §6.3): a ring of parallel arrays indexed by TSN,
 * so that a chunk costs no object.
 */
export class OutstandingData {
  readonly #losses: LossDetection;
  readonly #onAbandoned: (message: OutgoingMessage) => boolean;
  readonly #outcome: SackOutcome = { cumulativeAdvanced: false, bytesAcknowledged: 0, roundTrip: undefined, lossDetected: false };
  #mask = INITIAL_CAPACITY - 1;
  #states = new Uint8Array(INITIAL_CAPACITY);
  #flags = new Uint8Array(INITIAL_CAPACITY);
  #transmissions = new Uint16Array(INITIAL_CAPACITY);
  #missingReports = new Uint8Array(INITIAL_CAPACITY);
  #lengths = new Uint16Array(INITIAL_CAPACITY);
  #offsets = new Float64Array(INITIAL_CAPACITY);
  #fragments = new Uint32Array(INITIAL_CAPACITY);
  #sentAt = new Float64Array(INITIAL_CAPACITY);
  #messages: (OutgoingMessage | undefined)[] = Array.from<undefined>({ length: INITIAL_CAPACITY });
  /** The lowest TSN that is not acknowledged cumulatively. */
  #first: number;
  #next: number;
  #bytesInFlight = 0;
  #chunksInFlight = 0;
  #lostChunks = 0;
  #abandonedChunks = 0;
  /** Chunks in flight that were sent more than once. */
  #repeatedInFlight = 0;
  /** No lost chunk is below this TSN. */
  #lostFrom: number;
  #highestAcknowledged: number;
  /** The peer can be told to skip messages (RFC 3758); otherwise all are reliable. */
  #mayAbandon = true;

  /** @param onAbandoned a message is given up; returns whether a part of it had not been sent yet */
  constructor(initialTsn: number, losses: LossDetection, onAbandoned: (message: OutgoingMessage) => boolean) {
    this.#losses = losses;
    this.#onAbandoned = onAbandoned;
    this.#first = initialTsn;
    this.#next = initialTsn;
    this.#lostFrom = initialTsn;
    this.#highestAcknowledged = addSerial32(initialTsn, -1);
  }

  configure(mayAbandon: boolean): void {
    this.#mayAbandon = mayAbandon;
  }

  get nextTsn(): number {
    return this.#next;
  }

  get lastAssignedTsn(): number {
    return addSerial32(this.#next, -1);
  }

  get cumulativeTsn(): number {
    return addSerial32(this.#first, -1);
  }

  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  get chunksInFlight(): number {
    return this.#chunksInFlight;
  }

  get isEmpty(): boolean {
    return this.#first === this.#next;
  }

  get hasLost(): boolean {
    return this.#lostChunks > 0;
  }

  get hasAbandoned(): boolean {
    return this.#abandonedChunks > 0;
  }

  /** Notes the next fragment of a message, and gives it its TSN. */
  add(message: OutgoingMessage, length: number, immediate: boolean, now: Instant): number {
    const tsn = this.#next;
    if ((tsn - this.#first) >>> 0 > this.#mask - 1) this.#grow();
    const i = tsn & this.#mask;
    const { offset } = message;
    this.#states[i] = STATE.inFlight;
    this.#flags[i] =
      (offset === 0 ? DATA_FLAG.begin : 0) |
      (offset + length === message.data.length ? DATA_FLAG.end : 0) |
      (message.unordered ? DATA_FLAG.unordered : 0) |
      (immediate ? DATA_FLAG.immediate : 0);
    this.#transmissions[i] = 1;
    this.#missingReports[i] = 0;
    this.#lengths[i] = length;
    this.#offsets[i] = offset;
    this.#fragments[i] = message.fragments;
    this.#sentAt[i] = now;
    this.#messages[i] = message;
    if (offset === 0) message.firstTsn = tsn;
    message.lastTsn = tsn;
    this.#next = (tsn + 1) >>> 0;
    this.#bytesInFlight += length;
    this.#chunksInFlight += 1;
    return tsn;
  }

  /** The earliest lost chunk; messages that may not be sent again are given up on the way. */
  nextLost(now: Instant): number | undefined {
    if (this.#lostChunks === 0) return undefined;
    for (let tsn = this.#lostFrom; tsn !== this.#next; tsn = (tsn + 1) >>> 0) {
      const i = tsn & this.#mask;
      if (this.#states[i] !== STATE.lost) continue;
      this.#lostFrom = tsn;
      if (!this.#isExhausted(i, now)) return tsn;
      this.#abandon(this.#messages[i]!);
      if (this.#lostChunks === 0) return undefined;
    }
    return undefined;
  }

  /** The last chunk in flight, to probe for the loss of a tail (RFC 8985 §7.3); none when its message may not be sent again. */
  probeCandidate(now: Instant): number | undefined {
    for (let tsn = addSerial32(this.#next, -1); compareSerial32(tsn, this.#first) >= 0; tsn = (tsn - 1) >>> 0) {
      const i = tsn & this.#mask;
      if (this.#states[i] === STATE.inFlight) return this.#isExhausted(i, now) ? undefined : tsn;
    }
    return undefined;
  }

  /** The chunk is sent again. */
  retransmit(tsn: number, now: Instant): void {
    const i = tsn & this.#mask;
    this.#setState(i, STATE.inFlight);
    this.#sentAt[i] = now;
    if (this.#transmissions[i]! < 0xffff) this.#transmissions[i]! += 1;
    this.#missingReports[i] = 0;
    this.#flags[i]! |= DATA_FLAG.immediate; // acknowledged without delay, so that the next loss is found soon
    this.#repeatedInFlight += 1;
  }

  flags(tsn: number): number {
    return this.#flags[tsn & this.#mask]!;
  }

  length(tsn: number): number {
    return this.#lengths[tsn & this.#mask]!;
  }

  offset(tsn: number): number {
    return this.#offsets[tsn & this.#mask]!;
  }

  fragment(tsn: number): number {
    return this.#fragments[tsn & this.#mask]!;
  }

  message(tsn: number): OutgoingMessage {
    return this.#messages[tsn & this.#mask]!;
  }

  isAcknowledged(tsn: number): boolean {
    const offset = compareSerial32(tsn, this.#first);
    return offset < 0 || this.#states[tsn & this.#mask] === STATE.acknowledged;
  }

  /** @returns undefined when the SACK is old, or acknowledges what was never sent (§6.2.1): it means nothing then. Valid until the next call */
  onSack(sack: Sack, now: Instant): SackOutcome | undefined {
    const advance = compareSerial32(sack.cumulativeTsn, this.#first) + 1;
    const outstanding = (this.#next - this.#first) >>> 0;
    if (advance < 0 || advance > outstanding) return undefined;
    if (sack.gapCount > 0 && advance + gapEnd(sack.value, sack.gapCount - 1) > outstanding) return undefined;
    const outcome = this.#outcome;
    outcome.cumulativeAdvanced = advance > 0;
    outcome.bytesAcknowledged = 0;
    outcome.roundTrip = undefined;
    outcome.lossDetected = false;
    this.#losses.beginSack();
    this.#acknowledgeUpTo(addSerial32(sack.cumulativeTsn, 1), now, outcome);
    const highestNew = this.#acknowledgeGaps(sack, now, outcome);
    outcome.roundTrip = this.#losses.endSack(now);
    if (sack.gapCount > 0 || this.#repeatedInFlight > 0) {
      if (highestNew !== undefined) this.#countMissing(highestNew);
      outcome.lossDetected = this.detectLosses(now);
    } else this.#losses.cancelTimer();
    return outcome;
  }

  /** Marks what must have been lost by now, and sets the time to look again. @returns whether anything was */
  detectLosses(now: Instant): boolean {
    const losses = this.#losses;
    let found = false;
    let wait = 0;
    for (let tsn = this.#first; tsn !== this.#next; tsn = (tsn + 1) >>> 0) {
      const i = tsn & this.#mask;
      if (this.#states[i] !== STATE.inFlight) continue;
      const remaining = losses.remaining(tsn, this.#sentAt[i]!, this.#missingReports[i]!, now);
      if (remaining < TIMER_RESOLUTION) {
        this.#lose(tsn, i, now);
        found = true;
      } else if (remaining !== Infinity && remaining > wait) wait = remaining;
    }
    losses.setTimer(wait, now);
    return found;
  }

  /** T3-rtx fired: everything in flight is taken for lost (§6.3.3 E3). */
  loseAll(now: Instant): void {
    for (let tsn = this.#first; tsn !== this.#next; tsn = (tsn + 1) >>> 0) {
      const i = tsn & this.#mask;
      if (this.#states[i] === STATE.inFlight) this.#lose(tsn, i, now);
    }
  }

  /** Gives a message up (RFC 3758 §3.5): what was sent of it is no longer waited for. */
  abandon(message: OutgoingMessage): void {
    if (!message.abandoned) this.#abandon(message);
  }

  /**
   * How far the receiver may be told to skip (RFC 3758 §3.5 C1): the last of the abandoned chunks right after the cumulative TSN.
   * @returns undefined when there is nothing to skip
   */
  forwardPoint(maxSkipped: number): { readonly cumulativeTsn: number; readonly skipped: readonly SkippedMessage[] } | undefined {
    if (this.#abandonedChunks === 0) return undefined;
    const skipped = new Map<number, SkippedMessage>();
    let last: number | undefined;
    for (let tsn = this.#first; tsn !== this.#next && this.#states[tsn & this.#mask] === STATE.abandoned; tsn = (tsn + 1) >>> 0) {
      const { stream, unordered, sequence } = this.#messages[tsn & this.#mask]!;
      const key = stream.id * 2 + (unordered ? 1 : 0);
      if (!skipped.has(key) && skipped.size >= maxSkipped) break; // the rest with the next one
      skipped.set(key, { streamId: stream.id, unordered, sequence });
      last = tsn;
    }
    return last === undefined ? undefined : { cumulativeTsn: last, skipped: [...skipped.values()] };
  }

  /** What does not hold, for the invariants. */
  inconsistencies(): string[] {
    const counts = { bytes: 0, inFlight: 0, lost: 0, abandoned: 0, repeated: 0 };
    for (let tsn = this.#first; tsn !== this.#next; tsn = (tsn + 1) >>> 0) {
      const i = tsn & this.#mask;
      if (this.#states[i] === STATE.inFlight) {
        counts.bytes += this.#lengths[i]!;
        counts.inFlight += 1;
        if (this.#transmissions[i]! > 1) counts.repeated += 1;
      } else if (this.#states[i] === STATE.lost) counts.lost += 1;
      else if (this.#states[i] === STATE.abandoned) counts.abandoned += 1;
    }
    const kept = {
      bytes: this.#bytesInFlight,
      inFlight: this.#chunksInFlight,
      lost: this.#lostChunks,
      abandoned: this.#abandonedChunks,
      repeated: this.#repeatedInFlight,
    };
    return Object.entries(counts).flatMap(([name, count]) =>
      count === kept[name as keyof typeof kept] ? [] : [`outstanding ${name}: ${count} counted, ${kept[name as keyof typeof kept]} kept`],
    );
  }

  #acknowledgeUpTo(end: number, now: Instant, outcome: SackOutcome): void {
    for (let tsn = this.#first; tsn !== end; tsn = (tsn + 1) >>> 0) {
      const i = tsn & this.#mask;
      this.#acknowledge(tsn, i, now, outcome);
      if (this.#states[i] === STATE.abandoned) this.#abandonedChunks -= 1;
      this.#states[i] = 0;
      this.#messages[i] = undefined;
    }
    this.#first = end;
    if (compareSerial32(this.#lostFrom, end) < 0) this.#lostFrom = end;
  }

  /** @returns the highest TSN newly acknowledged by a gap block (HTNA, §7.2.4) */
  #acknowledgeGaps({ value, gapCount }: Sack, now: Instant, outcome: SackOutcome): number | undefined {
    let highest: number | undefined;
    const cumulative = this.cumulativeTsn;
    for (let block = 0; block < gapCount; block++) {
      const end = gapEnd(value, block);
      for (let offset = gapStart(value, block); offset <= end; offset++) {
        const tsn = (cumulative + offset) >>> 0;
        if (this.#acknowledge(tsn, tsn & this.#mask, now, outcome)) highest = tsn;
      }
    }
    return highest;
  }

  #acknowledge(tsn: number, i: number, now: Instant, outcome: SackOutcome): boolean {
    const state = this.#states[i];
    if (state !== STATE.inFlight && state !== STATE.lost) return false;
    const sentAt = this.#sentAt[i]!;
    const isFirst = this.#transmissions[i] === 1;
    const isReordered = isFirst && compareSerial32(tsn, this.#highestAcknowledged) < 0;
    if (compareSerial32(tsn, this.#highestAcknowledged) > 0) this.#highestAcknowledged = tsn;
    outcome.bytesAcknowledged += this.#lengths[i]!;
    this.#losses.onAcknowledged(tsn, sentAt, isFirst, isReordered, now);
    this.#setState(i, STATE.acknowledged);
    return true;
  }

  /** Counts only reports by newly acknowledged higher TSNs (§7.2.4, HTNA). */
  #countMissing(highest: number): void {
    for (let tsn = this.#first; tsn !== highest; tsn = (tsn + 1) >>> 0) {
      const i = tsn & this.#mask;
      if (this.#states[i] === STATE.inFlight && this.#missingReports[i]! < 0xff) this.#missingReports[i]! += 1;
    }
  }

  #isExhausted(i: number, now: Instant): boolean {
    const message = this.#messages[i]!;
    return this.#mayAbandon && (message.abandoned || this.#transmissions[i]! > message.maxRetransmits || message.expires <= now);
  }

  #lose(tsn: number, i: number, now: Instant): void {
    this.#setState(i, STATE.lost);
    if (compareSerial32(tsn, this.#lostFrom) < 0) this.#lostFrom = tsn;
    if (this.#isExhausted(i, now)) this.#abandon(this.#messages[i]!);
  }

  #abandon(message: OutgoingMessage): void {
    message.abandoned = true;
    for (let tsn = message.firstTsn; ; tsn = (tsn + 1) >>> 0) {
      const i = tsn & this.#mask;
      if (compareSerial32(tsn, this.#first) >= 0 && this.#messages[i] === message && this.#states[i] !== STATE.abandoned) {
        this.#setState(i, STATE.abandoned);
        this.#abandonedChunks += 1;
      }
      if (tsn === message.lastTsn) break;
    }
    if (this.#onAbandoned(message)) this.#addPlaceholder(message);
  }

  /**
   * The rest of a message that is never sent gets a TSN too, to be skipped: the receiver may have all that was sent, and has to be told that
   * the message does not go on.
   */
  #addPlaceholder(message: OutgoingMessage): void {
    const tsn = this.#next;
    if ((tsn - this.#first) >>> 0 > this.#mask - 1) this.#grow();
    const i = tsn & this.#mask;
    this.#states[i] = STATE.abandoned;
    this.#lengths[i] = 0;
    this.#transmissions[i] = 1;
    this.#messages[i] = message;
    this.#abandonedChunks += 1;
    message.lastTsn = tsn;
    this.#next = (tsn + 1) >>> 0;
  }

  #setState(i: number, state: number): void {
    const before = this.#states[i];
    if (before === STATE.inFlight) {
      this.#bytesInFlight -= this.#lengths[i]!;
      this.#chunksInFlight -= 1;
      if (this.#transmissions[i]! > 1) this.#repeatedInFlight -= 1;
    } else if (before === STATE.lost) this.#lostChunks -= 1;
    this.#states[i] = state;
    if (state === STATE.inFlight) {
      this.#bytesInFlight += this.#lengths[i]!;
      this.#chunksInFlight += 1;
    } else if (state === STATE.lost) this.#lostChunks += 1;
  }

  #grow(): void {
    const before = this.#mask;
    const capacity = (before + 1) * 2;
    const move = <T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(from: T, to: T): T => {
      for (let tsn = this.#first; tsn !== this.#next; tsn = (tsn + 1) >>> 0) to[tsn & (capacity - 1)] = from[tsn & before]!;
      return to;
    };
    this.#states = move(this.#states, new Uint8Array(capacity));
    this.#flags = move(this.#flags, new Uint8Array(capacity));
    this.#transmissions = move(this.#transmissions, new Uint16Array(capacity));
    this.#missingReports = move(this.#missingReports, new Uint8Array(capacity));
    this.#lengths = move(this.#lengths, new Uint16Array(capacity));
    this.#offsets = move(this.#offsets, new Float64Array(capacity));
    this.#fragments = move(this.#fragments, new Uint32Array(capacity));
    this.#sentAt = move(this.#sentAt, new Float64Array(capacity));
    const messages: (OutgoingMessage | undefined)[] = Array.from<undefined>({ length: capacity });
    for (let tsn = this.#first; tsn !== this.#next; tsn = (tsn + 1) >>> 0) messages[tsn & (capacity - 1)] = this.#messages[tsn & before];
    this.#messages = messages;
    this.#mask = capacity - 1;
  }
}
