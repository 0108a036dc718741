/** Sending user data: DATA and I-DATA, their retransmission, and FORWARD TSN (RFC 9260 §6.1 and §6.3, RFC 8260, RFC 3758 §3.5). */
import { writeUint16, writeUint32 } from '@petrel/bytes';
import type { Instant, TimerTable } from '@petrel/sans-io';
import { DATA_FLAG, DATA_HEADER_LENGTH, I_DATA_HEADER_LENGTH } from '../packet/data.ts';
import { encodeForwardTsn, encodeIForwardTsn } from '../packet/forward-tsn.ts';
import { CHUNK_HEADER_LENGTH, CHUNK_TYPE, COMMON_HEADER_LENGTH, type PacketBuilder } from '../packet/packet.ts';
import { duplicateTsn, type Sack } from '../packet/sack.ts';
import type { TimerName } from '../timers.ts';
import { CongestionControl } from './congestion-control.ts';
import { LossDetection } from './loss-detection.ts';
import type { OutgoingMessage } from './outgoing-message.ts';
import { OutstandingData } from './outstanding-data.ts';
import type { RetransmissionTimeout } from './rto.ts';
import type { SendQueue } from './send-queue.ts';

export interface DataSenderOptions {
  readonly queue: SendQueue;
  readonly rto: RetransmissionTimeout;
  readonly timers: TimerTable<TimerName>;
  readonly initialTsn: number;
  readonly maxPacket: number;
}

/** New packets that one SACK may set free, or that follow a silence (Max.Burst, RFC 9260 §6.1 D; here the initial window). */
const MAX_BURST = 10;
/** Less of a message than this is not worth beginning at the end of a packet. */
const SMALL_FRAGMENT = 256;
/** Milliseconds of round trip from which on the last chunk asks for a SACK at once: a lost one is missed so much sooner. */
const IMMEDIATE_SACK_ROUND_TRIP = 5;
/** What a receiver may delay a SACK by (RFC 9260 §6.2). */
const MAX_SACK_DELAY = 200;
/** Skipped streams in one FORWARD TSN. */
const MAX_SKIPPED = 128;

export class DataSender {
  readonly #queue: SendQueue;
  readonly #rto: RetransmissionTimeout;
  readonly #timers: TimerTable<TimerName>;
  readonly #losses: LossDetection;
  readonly #outstanding: OutstandingData;
  readonly #congestion: CongestionControl;
  #maxPacket: number;
  #interleaving = false;
  #headerLength = CHUNK_HEADER_LENGTH + DATA_HEADER_LENGTH;
  #peerWindow = 0;
  #peerForwardTsn = false;
  #burst = MAX_BURST;
  /** The first lost packet of a recovery goes at once, whatever the window (§7.2.4 rule 3). */
  #fastRetransmit = false;
  #forwardPending = false;
  /** Sent because nothing came back; acknowledged, it tells whether the tail had been lost (RFC 8985 §7.4). */
  #probe: { readonly tsn: number; readonly isRetransmission: boolean } | undefined;
  #probeDue = false;
  /** T3-rtx has fired, and nothing was acknowledged since. */
  #timeouts = 0;
  #lastSentAt: Instant = 0;

  constructor(options: DataSenderOptions) {
    this.#queue = options.queue;
    this.#rto = options.rto;
    this.#timers = options.timers;
    this.#maxPacket = options.maxPacket;
    this.#losses = new LossDetection(options.timers);
    this.#outstanding = new OutstandingData(options.initialTsn, this.#losses, (message) => {
      this.#forwardPending = true;
      return this.#queue.discardRest(message);
    });
    this.#congestion = new CongestionControl(this.#payload);
  }

  /** What the peer's INIT or INIT ACK said. */
  configure(peer: { readonly window: number; readonly interleaving: boolean; readonly forwardTsn: boolean }): void {
    this.#peerWindow = peer.window;
    this.#peerForwardTsn = peer.forwardTsn;
    this.#interleaving = peer.interleaving;
    this.#headerLength = CHUNK_HEADER_LENGTH + (peer.interleaving ? I_DATA_HEADER_LENGTH : DATA_HEADER_LENGTH);
    this.#outstanding.configure(peer.forwardTsn);
    this.#queue.configure(peer.interleaving, peer.window / 2);
    this.#congestion.setPacket(this.#payload);
  }

  get lastAssignedTsn(): number {
    return this.#outstanding.lastAssignedTsn;
  }

  get cumulativeTsn(): number {
    return this.#outstanding.cumulativeTsn;
  }

  /** Nothing waits, and nothing is unacknowledged. */
  get isDone(): boolean {
    return this.#outstanding.isEmpty && this.#queue.isEmpty;
  }

  get hasOutstanding(): boolean {
    return !this.#outstanding.isEmpty;
  }

  get figures(): {
    readonly congestionWindow: number;
    readonly slowStartThreshold: number;
    readonly peerWindow: number;
    readonly bytesInFlight: number;
  } {
    return {
      congestionWindow: this.#congestion.window,
      slowStartThreshold: this.#congestion.slowStartThreshold,
      peerWindow: this.#peerWindow,
      bytesInFlight: this.#outstanding.bytesInFlight,
    };
  }

  inconsistencies(): string[] {
    const problems = this.#outstanding.inconsistencies();
    if (!this.#outstanding.isEmpty !== this.#timers.isRunning('t3-rtx'))
      problems.push(`t3-rtx ${this.#timers.isRunning('t3-rtx') ? 'runs without' : 'does not run with'} outstanding data`);
    return problems;
  }

  /** A message that was begun has expired. @returns whether it is given up: the peer must understand FORWARD TSN */
  giveUp(message: OutgoingMessage): boolean {
    if (this.#peerForwardTsn) this.#outstanding.abandon(message);
    return this.#peerForwardTsn;
  }

  setMaxPacket(bytes: number): void {
    this.#maxPacket = bytes;
    this.#congestion.setPacket(this.#payload);
  }

  /** Another path (§7.2.5.2). */
  reset(maxPacket: number): void {
    this.#maxPacket = maxPacket;
    this.#congestion.reset(this.#payload);
    this.#losses.reset();
    this.#burst = MAX_BURST;
  }

  /** Whether {@link addTo} would add something. */
  isReady(now: Instant): boolean {
    if (this.#forwardPending || this.#probeDue) return true;
    if (this.#outstanding.hasLost) return this.#mayRetransmit();
    if (this.#queue.isEmpty || !this.#mayBegin()) return false;
    const message = this.#queue.next(now);
    return (message !== undefined && this.#fitsWindow(Math.min(message.remaining, this.#payload))) || this.#forwardPending;
  }

  /** FORWARD TSN, lost chunks, new chunks (§6.1). @returns the bytes of user data that were added */
  addTo(packet: PacketBuilder, now: Instant): number {
    this.#noteIdle(now);
    if (this.#forwardPending) this.#addForwardTsn(packet);
    let bytes = this.#addLost(packet, now);
    if (!this.#outstanding.hasLost) bytes += this.#addNew(packet, now);
    if (this.#probeDue) bytes += this.#addProbe(packet, bytes > 0, now);
    if (this.#forwardPending) this.#addForwardTsn(packet); // given up on the way
    if (!this.#outstanding.isEmpty && !this.#timers.isRunning('t3-rtx')) this.#timers.start('t3-rtx', now + this.#rto.value); // §6.3.2 R1
    if (bytes === 0) return 0;
    this.#burst -= 1;
    this.#lastSentAt = now;
    this.#armProbe(now);
    return bytes;
  }

  /** @returns whether anything was acknowledged; undefined when the SACK means nothing */
  onSack(sack: Sack, now: Instant): boolean | undefined {
    const outstanding = this.#outstanding;
    const inFlightBefore = outstanding.bytesInFlight;
    const probe = this.#probe;
    const outcome = outstanding.onSack(sack, now);
    if (outcome === undefined) return undefined;
    for (let i = 0; i < sack.duplicateCount && i < MAX_BURST; i++) this.#onDuplicate(duplicateTsn(sack, i));
    // A SACK that brings nothing sets nothing free: probes of a closed window go by the timer.
    const isProgress = outcome.bytesAcknowledged > 0 || outcome.cumulativeAdvanced;
    if (isProgress || sack.receiverWindow >= this.#payload) this.#burst = MAX_BURST;
    if (outcome.roundTrip !== undefined) this.#rto.measure(outcome.roundTrip);
    if (outcome.bytesAcknowledged > 0) {
      this.#timeouts = 0;
      if (this.#congestion.onAcknowledged(sack.cumulativeTsn, outcome.bytesAcknowledged, inFlightBefore, outstanding.isEmpty))
        this.#losses.onRecovered();
    }
    if (outcome.lossDetected) this.#onLoss();
    if (probe !== undefined && outstanding.isAcknowledged(probe.tsn)) this.#onProbeAcknowledged();
    this.#peerWindow = Math.max(sack.receiverWindow - outstanding.bytesInFlight, 0);
    // §6.3.2 R3: restart for the earliest chunk that is still out; R2: none, stop.
    if (outstanding.isEmpty) this.#stopTimers();
    else if (outcome.cumulativeAdvanced || !this.#timers.isRunning('t3-rtx')) this.#timers.start('t3-rtx', now + this.#rto.value);
    if (outcome.bytesAcknowledged > 0) this.#armProbe(now);
    if (outstanding.hasAbandoned) this.#forwardPending ||= outstanding.forwardPoint(1) !== undefined;
    return isProgress;
  }

  /** T3-rtx fired (§6.3.3). */
  onTimeout(now: Instant): void {
    this.#congestion.onTimeout(this.#timeouts > 0);
    this.#timeouts += 1;
    this.#rto.backOff();
    this.#outstanding.loseAll(now);
    this.#losses.cancelTimer();
    this.#timers.stop('tail-loss-probe');
    this.#probe = undefined;
    this.#probeDue = false;
    this.#burst = 1; // §7.2.3: one packet, until there is an answer
    if (this.#outstanding.hasAbandoned) this.#forwardPending = true;
    if (!this.#outstanding.isEmpty) this.#timers.start('t3-rtx', now + this.#rto.value);
  }

  /** A chunk has been missing for longer than reordering explains. */
  onLossTimer(now: Instant): void {
    if (!this.#outstanding.detectLosses(now)) return;
    this.#burst = Math.max(this.#burst, 1);
    this.#onLoss();
  }

  /** Nothing was acknowledged for two round trips: something is sent to find out (RFC 8985 §7). */
  onProbeTimer(): void {
    if (this.#outstanding.chunksInFlight === 0 || this.#outstanding.hasLost) return;
    this.#probeDue = true;
    this.#burst = Math.max(this.#burst, 1);
  }

  /** Consecutive timeouts, to see whether large packets still get through. */
  get timeouts(): number {
    return this.#timeouts;
  }

  get #payload(): number {
    return (this.#maxPacket - COMMON_HEADER_LENGTH - this.#headerLength) & ~3;
  }

  #mayRetransmit(): boolean {
    return this.#fastRetransmit || (this.#burst > 0 && this.#outstanding.bytesInFlight < this.#congestion.window);
  }

  /** The congestion window has room (§6.1 B: also for the last packet that exceeds it), and the burst limit too. */
  #mayBegin(): boolean {
    const outstanding = this.#outstanding;
    if (outstanding.isEmpty) this.#burst = Math.max(this.#burst, MAX_BURST);
    return this.#burst > 0 && outstanding.bytesInFlight < this.#congestion.window;
  }

  /** The peer has room; one chunk may probe a closed window (§6.1 A). */
  #fitsWindow(length: number): boolean {
    return length <= this.#peerWindow || this.#outstanding.chunksInFlight === 0;
  }

  #addLost(packet: PacketBuilder, now: Instant): number {
    let bytes = 0;
    while (this.#outstanding.hasLost && this.#mayRetransmit()) {
      const tsn = this.#outstanding.nextLost(now);
      if (tsn === undefined) break;
      // A chunk that was made for larger packets goes alone, as large as it is.
      if (this.#outstanding.length(tsn) > packet.room - this.#headerLength && !packet.isEmpty) break;
      this.#outstanding.retransmit(tsn, now);
      bytes += this.#writeChunk(packet, tsn);
    }
    if (bytes > 0) this.#fastRetransmit = false;
    return bytes;
  }

  #addNew(packet: PacketBuilder, now: Instant): number {
    const queue = this.#queue;
    let bytes = 0;
    while (!queue.isEmpty && this.#mayBegin()) {
      const message = queue.next(now);
      if (message === undefined) break;
      const room = packet.room - this.#headerLength;
      const length = Math.min(room, message.remaining);
      if (length <= 0 || (length < message.remaining && length < SMALL_FRAGMENT && !packet.isEmpty)) break;
      if (!this.#fitsWindow(length)) break;
      bytes += this.#writeNewChunk(packet, message, length, now);
    }
    return bytes;
  }

  #writeNewChunk(packet: PacketBuilder, message: OutgoingMessage, length: number, now: Instant): number {
    if (message.offset === 0) this.#queue.begin(message);
    const isLast = length === this.#queue.waitingBytes;
    const roundTrip = this.#rto.smoothedRoundTrip;
    const immediate = isLast && (roundTrip === 0 || roundTrip >= IMMEDIATE_SACK_ROUND_TRIP);
    const tsn = this.#outstanding.add(message, length, immediate, now);
    this.#writeChunk(packet, tsn);
    this.#queue.consume(message, length);
    return length;
  }

  #addProbe(packet: PacketBuilder, hasData: boolean, now: Instant): number {
    this.#probeDue = false;
    const outstanding = this.#outstanding;
    if (hasData) {
      this.#probe = { tsn: outstanding.lastAssignedTsn, isRetransmission: false };
      return 0;
    }
    const tsn = outstanding.probeCandidate(now);
    if (tsn === undefined || outstanding.length(tsn) > packet.room - this.#headerLength) return 0;
    outstanding.retransmit(tsn, now);
    this.#probe = { tsn, isRetransmission: true };
    this.#timers.start('t3-rtx', now + this.#rto.value); // RFC 8985 §7.3: the probe comes before the timeout
    return this.#writeChunk(packet, tsn);
  }

  #writeChunk(packet: PacketBuilder, tsn: number): number {
    const outstanding = this.#outstanding;
    const message = outstanding.message(tsn);
    const length = outstanding.length(tsn);
    const start = outstanding.offset(tsn);
    const flags = outstanding.flags(tsn);
    const type = this.#interleaving ? CHUNK_TYPE.iData : CHUNK_TYPE.data;
    const offset = packet.beginChunk(type, flags, this.#headerLength - CHUNK_HEADER_LENGTH + length);
    const { bytes } = packet;
    writeUint32(bytes, offset, tsn);
    writeUint16(bytes, offset + 4, message.stream.id);
    if (this.#interleaving) {
      writeUint16(bytes, offset + 6, 0);
      writeUint32(bytes, offset + 8, message.sequence);
      writeUint32(bytes, offset + 12, (flags & DATA_FLAG.begin) !== 0 ? message.ppid : outstanding.fragment(tsn));
    } else {
      writeUint16(bytes, offset + 6, message.sequence);
      writeUint32(bytes, offset + 8, message.ppid);
    }
    const { data } = message;
    bytes.set(length === data.length ? data : data.subarray(start, start + length), offset + this.#headerLength - CHUNK_HEADER_LENGTH);
    this.#peerWindow = Math.max(this.#peerWindow - length, 0);
    return length;
  }

  #addForwardTsn(packet: PacketBuilder): void {
    const entry = this.#interleaving ? 8 : 4;
    const maxSkipped = Math.min(Math.floor((packet.room - CHUNK_HEADER_LENGTH - 4) / entry), MAX_SKIPPED);
    if (maxSkipped < 1) return; // in the next packet
    this.#forwardPending = false;
    const point = this.#outstanding.forwardPoint(maxSkipped);
    if (point === undefined || !this.#peerForwardTsn) return;
    if (this.#interleaving) packet.addChunk(CHUNK_TYPE.iForwardTsn, 0, encodeIForwardTsn(point));
    else
      packet.addChunk(
        CHUNK_TYPE.forwardTsn,
        0,
        encodeForwardTsn({ ...point, skipped: point.skipped.filter(({ unordered }) => !unordered) }),
      );
  }

  #onLoss(): void {
    if (this.#congestion.onLoss(this.#outstanding.lastAssignedTsn)) this.#fastRetransmit = true;
    this.#timers.stop('tail-loss-probe');
  }

  #onDuplicate(tsn: number): void {
    this.#losses.onDuplicateReported();
    if (this.#probe?.tsn === tsn) this.#probe = undefined; // both arrived: nothing was lost
  }

  #onProbeAcknowledged(): void {
    // One copy only has arrived: the tail was lost, and that is a sign of congestion.
    if (this.#probe?.isRetransmission === true) this.#congestion.onLoss(this.#outstanding.lastAssignedTsn);
    this.#probe = undefined;
  }

  /** RFC 8985 §7.2. One probe for each tail. */
  #armProbe(now: Instant): void {
    const roundTrip = this.#rto.smoothedRoundTrip;
    if (this.#probe !== undefined || roundTrip === 0 || this.#congestion.inFastRecovery || this.#outstanding.chunksInFlight === 0)
      return this.#timers.stop('tail-loss-probe');
    const mayBeDelayed = this.#outstanding.bytesInFlight <= this.#payload && roundTrip < IMMEDIATE_SACK_ROUND_TRIP;
    const deadline = now + Math.max(2 * roundTrip, 1) + (mayBeDelayed ? MAX_SACK_DELAY : 0);
    if (deadline < this.#timers.deadline('t3-rtx')) this.#timers.start('tail-loss-probe', deadline);
    else this.#timers.stop('tail-loss-probe');
  }

  #noteIdle(now: Instant): void {
    if (!this.#outstanding.isEmpty || this.#lastSentAt === 0) return;
    this.#congestion.onIdle(Math.floor((now - this.#lastSentAt) / this.#rto.value));
  }

  #stopTimers(): void {
    this.#timers.stop('t3-rtx');
    this.#timers.stop('tail-loss-probe');
    this.#losses.cancelTimer();
    this.#probe = undefined;
    this.#probeDue = false;
  }
}
