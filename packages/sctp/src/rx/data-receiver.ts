/** Receiving user data: DATA and I-DATA, what they are acknowledged with, and FORWARD TSN (RFC 9260 §6.2, RFC 8260, RFC 3758 §3.6). */
import { compareSerial32, pieceOf, readUint16, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
import type { Discards, Instant, TimerTable } from '@petrel/sans-io';
import type { SctpDiscard } from '../events.ts';
import { DATA_FLAG, DATA_HEADER_LENGTH, type Fragment, I_DATA_HEADER_LENGTH } from '../packet/data.ts';
import { decodeForwardTsn, decodeIForwardTsn } from '../packet/forward-tsn.ts';
import { CHUNK_HEADER_LENGTH, CHUNK_TYPE, type PacketBuilder } from '../packet/packet.ts';
import { SACK_HEADER_LENGTH } from '../packet/sack.ts';
import type { TimerName } from '../timers.ts';
import { DataTracker } from './data-tracker.ts';
import type { Deliver } from './ordered-streams.ts';
import { ReassemblyQueue } from './reassembly-queue.ts';

export interface DataReceiverOptions {
  /** The peer's first TSN. */
  readonly initialTsn: number;
  readonly inboundStreams: number;
  readonly interleaving: boolean;
  readonly receiveBuffer: number;
  readonly maxReceivedMessageSize: number;
  readonly timers: TimerTable<TimerName>;
  readonly discards: Discards<SctpDiscard>;
  readonly deliver: Deliver;
  readonly onMessageTooLarge: (streamId: number) => void;
}

/** 'no-user-data' is punished with an ABORT (§6.2), 'invalid-stream' reported with an ERROR (§6.5). */
export type DataOutcome = 'accepted' | 'dropped' | 'no-user-data' | 'invalid-stream';

/** SACK.Delay (RFC 9260 §16). */
const SACK_DELAY = 200;
/** The most packets that one SACK answers when they came all at once. */
const SACK_BURST = 8;
/** So many packets are not taken together: a sender that begins, or has lost something, opens its window SACK by SACK (§7.2.1). */
const EAGER_PACKETS = 1000;
/** What a held piece costs besides its bytes: objects, and the packet that it is a view of. */
const PIECE_COST = 256;

export class DataReceiver {
  readonly #options: DataReceiverOptions;
  readonly #tracker: DataTracker;
  readonly #reassembly: ReassemblyQueue;
  readonly #headerLength: number;
  #heldBytes = 0;
  #lastWindow: number;
  #sackDue: 'no' | 'delayed' | 'now' = 'no';
  #packetsSinceSack = 0;
  #eagerPackets: number = EAGER_PACKETS;
  /** A stream reset waits for this TSN; what is beyond it on these streams waits too (RFC 6525 §5.2.2 E2). */
  #deferred: { readonly lastTsn: number; readonly streamIds: ReadonlySet<number>; readonly fragments: Fragment[] } | undefined;

  constructor(options: DataReceiverOptions) {
    this.#options = options;
    this.#tracker = new DataTracker(options.initialTsn);
    this.#reassembly = new ReassemblyQueue(options);
    this.#headerLength = options.interleaving ? I_DATA_HEADER_LENGTH : DATA_HEADER_LENGTH;
    this.#lastWindow = options.receiveBuffer;
  }

  get cumulativeTsn(): number {
    return this.#tracker.cumulativeTsn;
  }

  get gapCount(): number {
    return this.#tracker.gapCount;
  }

  get bufferedBytes(): number {
    return this.#reassembly.bufferedBytes;
  }

  get sackDue(): 'no' | 'delayed' | 'now' {
    return this.#sackDue;
  }

  /** The a_rwnd that a SACK would say now. */
  get window(): number {
    const { receiveBuffer } = this.#options;
    const room = Math.min(receiveBuffer - this.#reassembly.bufferedBytes, 2 * receiveBuffer - this.#memory);
    return Math.max(room - this.#heldBytes, 0);
  }

  /** A chunk whose header is at `start` of `bytes`. */
  onData(bytes: Uint8Array, flags: number, start: number, end: number): DataOutcome {
    const { discards, interleaving, inboundStreams } = this.#options;
    const dataStart = start + this.#headerLength;
    if (end < dataStart) {
      discards.count('malformed-chunk');
      return 'dropped';
    }
    if (end === dataStart) return 'no-user-data';
    const tsn = readUint32(bytes, start);
    const classification = this.#tracker.classify(tsn);
    if (classification !== 'new') {
      discards.count(classification === 'duplicate' ? 'duplicate-data' : 'data-out-of-window');
      this.#sackDue = 'now';
      return 'dropped';
    }
    if (!this.#hasRoom(tsn, end - dataStart)) {
      discards.count('receive-buffer-full');
      this.#sackDue = 'now';
      return 'dropped';
    }
    const hadGaps = this.#tracker.gapCount > 0;
    this.#tracker.add(tsn);
    // A gap, its end, and the I bit are acknowledged at once (§6.2, §6.7).
    if (hadGaps || this.#tracker.gapCount > 0 || (flags & DATA_FLAG.immediate) !== 0) this.#sackDue = 'now';
    const streamId = readUint16(bytes, start + 4);
    if (streamId >= inboundStreams) {
      discards.count('invalid-stream');
      return 'invalid-stream';
    }
    const data = pieceOf(bytes, dataStart, end); // so that PIECE_COST is the truth
    if (interleaving) {
      const begins = (flags & DATA_FLAG.begin) !== 0;
      const last = readUint32(bytes, start + 12);
      this.#add(tsn, flags, streamId, readUint32(bytes, start + 8), begins ? 0 : last, begins ? last : 0, data);
    } else this.#add(tsn, flags, streamId, readUint16(bytes, start + 6), 0, readUint32(bytes, start + 8), data);
    return 'accepted';
  }

  /** @returns false when nobody can have sent so much, or it is malformed */
  onForwardTsn(value: Uint8Array): boolean {
    const forward = this.#options.interleaving ? decodeIForwardTsn(value) : decodeForwardTsn(value);
    if (forward === undefined) return false;
    this.#sackDue = 'now'; // also for an old one: its SACK was lost (RFC 3758 §3.6)
    if (compareSerial32(forward.cumulativeTsn, this.#tracker.cumulativeTsn) <= 0) return true;
    if (!this.#tracker.isInWindow(forward.cumulativeTsn)) return false;
    this.#tracker.skipTo(forward.cumulativeTsn);
    this.#reassembly.forwardTo(forward.cumulativeTsn, forward.skipped);
    return true;
  }

  /**
   * §6.2: every second packet with data is acknowledged at once, a lone one within 200 ms. In a bulk transfer, one SACK answers what the driver has
   * received before it looks at the timers, for a SACK costs as much as a packet of data.
   */
  onPacketWithData(now: Instant): void {
    this.#packetsSinceSack += 1;
    if (this.#packetsSinceSack >= (this.#eagerPackets > 0 ? 2 : SACK_BURST)) this.#sackDue = 'now';
    if (this.#tracker.gapCount > 0) this.#eagerPackets = EAGER_PACKETS;
    else if (this.#eagerPackets > 0) this.#eagerPackets -= 1;
    if (this.#sackDue === 'now') return;
    this.#sackDue = 'delayed';
    const deadline = this.#packetsSinceSack >= 2 ? now : now + SACK_DELAY;
    if (deadline < this.#options.timers.deadline('sack')) this.#options.timers.start('sack', deadline);
  }

  acknowledgeNow(): void {
    this.#sackDue = 'now';
  }

  /** Bytes that were delivered and that the application has not read. A window that opens well is told at once (§6.2). */
  setHeldBytes(bytes: number): void {
    this.#heldBytes = bytes;
    const { window } = this;
    if (window > this.#lastWindow && window - this.#lastWindow >= this.#options.receiveBuffer / 4) this.#sackDue = 'now';
  }

  /** Data beyond the TSN on these streams waits until {@link resetStreams}. */
  deferReset(lastTsn: number, streamIds: readonly number[]): void {
    this.#deferred = { lastTsn, streamIds: new Set(streamIds), fragments: this.#deferred?.fragments ?? [] };
  }

  resetStreams(streamIds: readonly number[]): void {
    this.#reassembly.resetStreams(streamIds);
    this.endDeferral();
  }

  /** Nothing waits any more. */
  endDeferral(): void {
    const waiting = this.#deferred?.fragments ?? [];
    this.#deferred = undefined;
    for (const { tsn, flags, streamId, sequence, fragmentSequence, ppid, data } of waiting) {
      this.#reassembly.add(tsn, flags, streamId, sequence, fragmentSequence, ppid, data);
    }
  }

  addSack(packet: PacketBuilder): void {
    const tracker = this.#tracker;
    const { duplicates } = tracker;
    const entries = Math.max((packet.room - CHUNK_HEADER_LENGTH - SACK_HEADER_LENGTH) >> 2, 0);
    const gaps = Math.min(tracker.gapCount, entries);
    const repeated = Math.min(duplicates.length, entries - gaps);
    const offset = packet.beginChunk(CHUNK_TYPE.sack, 0, SACK_HEADER_LENGTH + (gaps + repeated) * 4);
    const { bytes } = packet;
    this.#lastWindow = this.window;
    writeUint32(bytes, offset, tracker.cumulativeTsn);
    writeUint32(bytes, offset + 4, this.#lastWindow);
    writeUint16(bytes, offset + 8, gaps);
    writeUint16(bytes, offset + 10, repeated);
    let at = offset + SACK_HEADER_LENGTH;
    for (let i = 0; i < gaps; i++, at += 4) {
      const { start, end } = tracker.gap(i);
      writeUint16(bytes, at, start);
      writeUint16(bytes, at + 2, end);
    }
    for (let i = 0; i < repeated; i++, at += 4) writeUint32(bytes, at, duplicates[i]!);
    tracker.clearDuplicates();
    this.#sackDue = 'no';
    this.#packetsSinceSack = 0;
    this.#options.timers.stop('sack');
  }

  get #memory(): number {
    return this.#reassembly.bufferedBytes + this.#reassembly.bufferedPieces * PIECE_COST;
  }

  /**
   * Whether a chunk may be kept. The one that is due is, also beyond the window, as long as the application reads: it may complete what is
   * held. Twice the buffer is the end of it for a peer that ignores the window.
   */
  #hasRoom(tsn: number, length: number): boolean {
    if (length <= this.window) return true;
    const isNext = ((tsn - this.#tracker.cumulativeTsn) | 0) === 1;
    return isNext && this.#heldBytes === 0 && this.#memory < 2 * this.#options.receiveBuffer;
  }

  #add(tsn: number, flags: number, streamId: number, sequence: number, fragmentSequence: number, ppid: number, data: Uint8Array): void {
    const deferred = this.#deferred;
    if (
      deferred !== undefined &&
      compareSerial32(tsn, deferred.lastTsn) > 0 &&
      (deferred.streamIds.size === 0 || deferred.streamIds.has(streamId))
    ) {
      if (deferred.fragments.length < MAX_DEFERRED)
        deferred.fragments.push({ tsn, streamId, flags, sequence, fragmentSequence, ppid, data });
    } else this.#reassembly.add(tsn, flags, streamId, sequence, fragmentSequence, ppid, data);
  }
}

/** A peer sends nothing on a stream whose reset is not answered (RFC 6525 §5.1.2 A1): more than this is an attack. */
const MAX_DEFERRED = 256;
