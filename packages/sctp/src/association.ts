/**
 * An SCTP association (RFC 9260) over one path, as WebRTC runs it inside DTLS (RFC 8261, RFC 8831).
 *
 * ```
 *                    CLOSED ── connect / INIT ──> COOKIE-WAIT ── INIT ACK / COOKIE ECHO ──> COOKIE-ECHOED
 *                      │                                                                        │ COOKIE ACK
 *                      └── COOKIE ECHO (valid) / COOKIE ACK ────────> ESTABLISHED <─────────────┘
 *                                        shutdown │          │ SHUTDOWN
 *                                  SHUTDOWN-PENDING          SHUTDOWN-RECEIVED
 *                 all acknowledged / SHUTDOWN │              │ all acknowledged / SHUTDOWN ACK
 *                                     SHUTDOWN-SENT          SHUTDOWN-ACK-SENT
 *                SHUTDOWN ACK / SHUTDOWN COMPLETE └─> CLOSED <─┘ SHUTDOWN COMPLETE          (RFC 9260 §4)
 * ```
 */
import { Arena, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import { type Core, Discards, type Instant, Queue, randomUint32, TimerTable } from '@petrel/sans-io';
import { DATA_HEADER_LENGTH, decodeData } from './packet/data.ts';
import { CAUSE, decodeCause, encodeCause, encodeUserInitiatedAbort } from './packet/error-cause.ts';
import { decodeForwardTsn, encodeForwardTsn } from './packet/forward-tsn.ts';
import { decodeInit, encodeInit, type Init } from './packet/init.ts';
import {
  type Chunk,
  CHUNK_HEADER_LENGTH,
  CHUNK_TYPE,
  COMMON_HEADER_LENGTH,
  decodePacket,
  PacketBuilder,
  type PacketDiscard,
} from './packet/packet.ts';
import { decodeSack } from './packet/sack.ts';
import { DataTracker } from './rx/data-tracker.ts';
import { type Message, ReassemblyQueue } from './rx/reassembly-queue.ts';
import { type CookieContents, CookieJar } from './state-cookie.ts';
import { StreamReset } from './stream-reset.ts';
import { CongestionControl } from './tx/congestion-control.ts';
import { OutstandingData, type OutstandingChunk } from './tx/outstanding-data.ts';
import { RetransmissionTimeout } from './tx/rto.ts';
import { type SendOptions, SendQueue } from './tx/send-queue.ts';

export type AssociationState =
  | 'closed'
  | 'cookie-wait'
  | 'cookie-echoed'
  | 'established'
  | 'shutdown-pending'
  | 'shutdown-sent'
  | 'shutdown-received'
  | 'shutdown-ack-sent';

export type SctpEvent =
  | { readonly type: 'connected'; readonly outboundStreams: number; readonly inboundStreams: number }
  | ({ readonly type: 'message' } & Message)
  /** Our request to reset outgoing streams was answered. */
  | { readonly type: 'outgoing-streams-reset'; readonly streamIds: readonly number[]; readonly performed: boolean }
  /** The peer has reset its outgoing streams; no ids: all. */
  | { readonly type: 'incoming-streams-reset'; readonly streamIds: readonly number[] }
  | { readonly type: 'buffered-amount-low'; readonly streamId: number }
  /** Messages were sent a first time: `amount` bytes of the stream's still wait. At most one for each stream and round of polling. */
  | { readonly type: 'buffered-amount'; readonly streamId: number; readonly amount: number }
  /** The peer sends a message larger than `maxMessageSize`; it is dropped. */
  | { readonly type: 'message-too-large'; readonly streamId: number }
  /** The peer has lost its state and begun again (§5.2.4.1): nothing from before will be delivered. */
  | { readonly type: 'restarted' }
  /** Ended by an ABORT of the peer's, with the reason that it gave. */
  | { readonly type: 'aborted'; readonly code: number | undefined; readonly reason: string }
  /** Ended by the SHUTDOWN procedure. */
  | { readonly type: 'closed' }
  /** Ended because the peer does not answer, or broke the protocol. */
  | { readonly type: 'failed'; readonly reason: string; readonly code?: number };

export type SctpDiscard =
  | PacketDiscard
  | 'wrong-port'
  | 'wrong-verification-tag'
  | 'init-not-alone'
  | 'malformed-init'
  | 'unexpected-chunk'
  | 'forged-cookie'
  | 'stale-cookie'
  | 'cookie-for-another-association'
  | 'duplicate-data'
  | 'data-out-of-window'
  | 'receive-buffer-full'
  | 'invalid-stream'
  | 'bad-sack'
  | 'unknown-chunk'
  | 'after-end';

export interface SctpOptions {
  readonly crypto: CryptoProvider;
  readonly localPort?: number;
  readonly remotePort?: number;
  /** Largest packet, in bytes, with the SCTP header and without that of DTLS. */
  readonly maxPacket?: number;
  /** Bytes that may wait for the application or for missing fragments; advertised as a_rwnd. */
  readonly receiveBuffer?: number;
  readonly streams?: number;
  /** Max.Init.Retransmits (RFC 9260 §16); Infinity where a layer below watches the peer, as ICE consent does. */
  readonly maxInitRetransmits?: number;
  /** Association.Max.Retrans. */
  readonly maxRetransmits?: number;
}

type TimerName = 't1-init' | 't1-cookie' | 't2-shutdown' | 't3-rtx' | 'reconfig' | 'sack' | 'heartbeat';

/** RFC 9260 §16, with the faster timers that a path which ICE has verified allows. */
const RTO = { initial: 500, minimum: 120, maximum: 3000 };
const SACK_DELAY = 200;
const HEARTBEAT_INTERVAL = 30_000;

/**
 * @example
 * const association = new SctpAssociation({ crypto });
 * association.connect(now);
 * association.send(1, 51, new TextEncoder().encode('hello'), {}, now);
 */
export class SctpAssociation implements Core<Uint8Array, SctpEvent> {
  readonly discards: Discards<SctpDiscard> = new Discards();
  readonly #localPort: number;
  readonly #remotePort: number;
  readonly #maxPacket: number;
  readonly #receiveBuffer: number;
  readonly #streams: number;
  readonly #maxInitRetransmits: number;
  readonly #maxRetransmits: number;
  readonly #cookies: CookieJar;
  readonly #timers = new TimerTable<TimerName>(['t1-init', 't1-cookie', 't2-shutdown', 't3-rtx', 'reconfig', 'sack', 'heartbeat']);
  readonly #rto = new RetransmissionTimeout(RTO);
  readonly #events = new Queue<SctpEvent>();
  /** Control chunks that wait for the next packet. */
  readonly #control = new Queue<{ readonly type: number; readonly flags: number; readonly value: Uint8Array }>();
  /** Whole packets, for what must not be bundled or has another tag. */
  readonly #packets = new Queue<Uint8Array>();
  readonly #arena = new Arena();
  readonly #sendQueue: SendQueue;
  readonly #localTag: number;
  readonly #localInitialTsn: number;
  readonly #outstanding: OutstandingData;
  #state: AssociationState = 'closed';
  #ended = false;
  #remoteTag = 0;
  #peerWindow = 0;
  #peerForwardTsn = false;
  #peerReConfig = false;
  #outboundStreams: number;
  #inboundStreams: number;
  #congestion: CongestionControl;
  #tracker: DataTracker | undefined;
  #reassembly: ReassemblyQueue;
  #streamReset: StreamReset | undefined;
  #cookieEcho: Uint8Array | undefined;
  #errors = 0;
  #initAttempts = 0;
  #sackPending: 'no' | 'delayed' | 'now' = 'no';
  #packetsSinceSack = 0;
  #forwardPending = false;
  #heartbeatSentAt: Instant = 0;

  constructor(options: SctpOptions) {
    this.#localPort = options.localPort ?? 5000;
    this.#remotePort = options.remotePort ?? 5000;
    this.#maxPacket = (options.maxPacket ?? 1160) & ~3;
    this.#receiveBuffer = options.receiveBuffer ?? 1_048_576;
    this.#streams = options.streams ?? 65_535;
    this.#maxInitRetransmits = options.maxInitRetransmits ?? 8;
    this.#maxRetransmits = options.maxRetransmits ?? 10;
    this.#outboundStreams = this.#streams;
    this.#inboundStreams = this.#streams;
    this.#cookies = new CookieJar(options.crypto);
    this.#localTag = nonZero(randomUint32(options.crypto));
    this.#localInitialTsn = randomUint32(options.crypto);
    this.#sendQueue = new SendQueue((streamId) => this.#events.push({ type: 'buffered-amount-low', streamId }));
    this.#outstanding = new OutstandingData(this.#localInitialTsn, (message) => {
      this.#sendQueue.discardRest(message);
      this.#forwardPending = true;
    });
    this.#congestion = new CongestionControl(this.#maxPacket, this.#receiveBuffer);
    this.#reassembly = new ReassemblyQueue((message) => this.#events.push({ type: 'message', ...message }));
  }

  get state(): AssociationState {
    return this.#state;
  }

  /** Bytes accepted by `send` on this stream that have not been sent a first time. */
  bufferedAmount(streamId: number): number {
    return this.#sendQueue.bufferedAmount(streamId);
  }

  /** A `buffered-amount-low` event is due when the amount falls from above this to it or below. */
  setBufferedAmountLowThreshold(streamId: number, bytes: number): void {
    this.#sendQueue.setBufferedAmountLowThreshold(streamId, bytes);
  }

  /** Figures for statistics: bytes and milliseconds. */
  get stats(): {
    readonly congestionWindow: number;
    readonly receiverWindow: number;
    readonly bytesInFlight: number;
    readonly smoothedRoundTripTime: number;
    readonly maxPacket: number;
  } {
    return {
      congestionWindow: this.#congestion.window,
      receiverWindow: this.#peerWindow,
      bytesInFlight: this.#outstanding.bytesInFlight,
      smoothedRoundTripTime: this.#rto.smoothedRoundTrip,
      maxPacket: this.#maxPacket,
    };
  }

  /** Streams that we may send on, once the handshake says so. */
  get outboundStreams(): number {
    return this.#outboundStreams;
  }

  /** Streams that the peer may send on. */
  get inboundStreams(): number {
    return this.#inboundStreams;
  }

  /** The stream's weight among the others (RFC 8260 §3.6); 256 unless set. */
  setStreamPriority(streamId: number, weight: number): void {
    void streamId;
    void weight;
  }

  /** Throws away the messages of a stream that have not been begun. */
  discardWaiting(streamId: number): void {
    void streamId;
  }

  /** Bytes of delivered messages that the application has not read: they count against the receive window (§6.2). */
  setHeldBytes(bytes: number, now: Instant): void {
    void bytes;
    void now;
  }

  /** Begins the handshake; both ends of a WebRTC association do (RFC 8841 §9.3 and RFC 9260 §5.2.1 make one association of it). */
  connect(now: Instant): void {
    if (this.#state !== 'closed' || this.#ended) return;
    this.#state = 'cookie-wait';
    this.#sendInit(now);
  }

  /**
   * Queues a message; it is sent as windows allow, from `connect` on.
   * @throws RangeError for an empty message (SCTP has none; RFC 8831 §6.6 says what to send instead) and for a stream that does not exist
   */
  send(streamId: number, ppid: number, data: Uint8Array, options: SendOptions, now: Instant): void {
    if (data.length === 0) throw new RangeError('an SCTP message has at least one byte');
    if (streamId >= this.#outboundStreams)
      throw new RangeError(`stream ${streamId} does not exist: the association has ${this.#outboundStreams}`);
    if (!this.#ended) this.#sendQueue.add(streamId, ppid, data, options, now);
  }

  /** Resets outgoing streams once everything sent on them is on its way (RFC 6525 §5.1); nothing new may be sent on them until then. */
  resetStreams(streamIds: readonly number[], now: Instant): void {
    for (const id of streamIds) this.#sendQueue.pause(id);
    if (this.#streamReset === undefined || !this.#peerReConfig)
      this.#events.push({ type: 'outgoing-streams-reset', streamIds, performed: false });
    else {
      this.#streamReset.reset(streamIds);
      this.#sendStreamReset(now);
    }
  }

  /** The SHUTDOWN procedure (§9.2): what is queued is still delivered. */
  shutdown(now: Instant): void {
    if (this.#state === 'established') {
      this.#state = 'shutdown-pending';
      this.#advanceShutdown(now);
    } else if (this.#state !== 'closed' && !this.#state.startsWith('shutdown')) this.abort('shutdown before the association was up');
  }

  /** Ends the association at once with an ABORT (§9.1); everything queued is thrown away. */
  abort(reason: string): void {
    const packet = this.createAbort(reason);
    this.#end();
    if (packet) this.#packets.push(packet);
  }

  /**
   * A user-initiated ABORT, also after the end: the shutdown sequencer repeats it. Undefined while the peer has no association: there is
   * nothing to abort then (§9.1).
   */
  createAbort(reason: string): Uint8Array | undefined {
    if (this.#remoteTag === 0) return undefined;
    const cause = encodeUserInitiatedAbort(reason, this.#maxPacket - COMMON_HEADER_LENGTH - CHUNK_HEADER_LENGTH - 8);
    return this.#packetWith(this.#remoteTag, CHUNK_TYPE.abort, 0, cause);
  }

  receive(bytes: Uint8Array, now: Instant): void {
    const packet = decodePacket(bytes);
    if (typeof packet === 'string') return this.discards.count(packet);
    if (packet.sourcePort !== this.#remotePort || packet.destinationPort !== this.#localPort) return this.discards.count('wrong-port');
    const [first] = packet.chunks;
    if (first!.type === CHUNK_TYPE.init) {
      // §8.5.1 A: alone, and with a verification tag of zero.
      if (packet.chunks.length > 1 || packet.verificationTag !== 0) return this.discards.count('init-not-alone');
      return this.#onInit(first!, now);
    }
    if (!this.#hasValidTag(packet.verificationTag, first!)) return this.discards.count('wrong-verification-tag');
    if (this.#ended) return this.#onPacketAfterEnd(first!, packet.verificationTag);
    let hasData = false;
    for (const chunk of packet.chunks) {
      if (chunk.type === CHUNK_TYPE.data) hasData = true;
      if (!this.#onChunk(chunk, now)) break;
    }
    if (hasData) this.#scheduleSack(now);
    if (!this.#ended) this.#advanceShutdown(now);
  }

  handleTimeout(now: Instant): void {
    if (this.#timers.expire('t1-init', now)) this.#retryHandshake(() => this.#sendInit(now));
    if (this.#timers.expire('t1-cookie', now)) this.#retryHandshake(() => this.#sendCookieEcho(now));
    if (this.#timers.expire('t2-shutdown', now) && this.#countError()) this.#sendShutdown(now);
    if (this.#timers.expire('t3-rtx', now)) this.#onRetransmissionTimeout(now);
    if (this.#timers.expire('reconfig', now) && this.#countError()) {
      this.#rto.backOff();
      this.#streamReset?.retransmit();
      this.#timers.start('reconfig', now + this.#rto.value);
    }
    if (this.#timers.expire('sack', now)) this.#sackPending = 'now';
    if (this.#timers.expire('heartbeat', now)) this.#sendHeartbeat(now);
  }

  nextTimeout(): Instant {
    return this.#timers.next();
  }

  pollEvent(): SctpEvent | undefined {
    return this.#events.shift();
  }

  /** Builds the next packet: control chunks, the SACK, retransmissions, then new data (§6.10 bundling). */
  pollTransmit(now: Instant): Uint8Array | undefined {
    const whole = this.#packets.shift();
    if (whole !== undefined || this.#ended) return whole;
    if (!this.#hasSomethingToSend()) return undefined;
    const packet = new PacketBuilder(this.#localPort, this.#remotePort, this.#remoteTag, this.#arena.allocate(this.#maxPacket));
    for (let chunk = this.#control.peek(); chunk && packet.room >= CHUNK_HEADER_LENGTH + chunk.value.length; chunk = this.#control.peek()) {
      packet.addChunk(chunk.type, chunk.flags, chunk.value);
      this.#control.shift();
    }
    const sackedOnly = packet.isEmpty;
    if (this.#canSendData()) this.#addData(packet, now);
    if (this.#sackPending === 'now' && sackedOnly && packet.isEmpty) this.#addSack(packet);
    if (packet.isEmpty) return undefined;
    return packet.finish();
  }

  #hasSomethingToSend(): boolean {
    if (this.#control.length > 0 || this.#sackPending === 'now') return true;
    return this.#canSendData() && (this.#forwardPending || this.#outstanding.hasRetransmissions || !this.#sendQueue.isEmpty);
  }

  #canSendData(): boolean {
    return this.#state === 'established' || this.#state === 'shutdown-pending' || this.#state === 'shutdown-received';
  }

  // Sending ----------------------------------------------------------------------------------------------------------

  /** A SACK first, if one is due and data goes with it; then FORWARD TSN, lost chunks, new chunks (§6.1). */
  #addData(packet: PacketBuilder, now: Instant): void {
    if (this.#forwardPending) this.#addForwardTsn(packet);
    if (this.#sackPending !== 'no' && (this.#outstanding.hasRetransmissions || this.#canSendNew() || this.#sackPending === 'now'))
      this.#addSack(packet);
    const maxData = (): number => packet.room - CHUNK_HEADER_LENGTH - DATA_HEADER_LENGTH;
    while (this.#outstanding.hasRetransmissions && this.#outstanding.bytesInFlight < this.#congestion.window) {
      const chunk = this.#outstanding.nextRetransmission(maxData(), now);
      if (chunk === undefined) break;
      this.#addDataChunk(packet, chunk, now);
    }
    if (this.#outstanding.hasRetransmissions) return;
    while (this.#canSendNew() && this.#worthBeginning(maxData(), packet)) {
      const fragment = this.#sendQueue.next(maxData(), now);
      if (fragment === undefined) break;
      this.#addDataChunk(packet, this.#outstanding.add(fragment, now), now);
    }
    this.#sendStreamReset(now);
  }

  /** The congestion window has room, and so has the peer; one chunk may probe a closed receive window (§6.1 A, B). */
  #canSendNew(): boolean {
    if (this.#sendQueue.isEmpty || this.#outstanding.hasRetransmissions) return false;
    if (this.#outstanding.bytesInFlight >= this.#congestion.window) return false;
    return this.#peerWindow > 0 || this.#outstanding.bytesInFlight === 0;
  }

  /** A short first fragment at the end of a packet would only make more packets. */
  #worthBeginning(room: number, packet: PacketBuilder): boolean {
    return packet.isEmpty || room >= Math.min(this.#sendQueue.nextLength, 256);
  }

  #addDataChunk(packet: PacketBuilder, { tsn, flags, message, data }: OutstandingChunk, now: Instant): void {
    const offset = packet.beginChunk(CHUNK_TYPE.data, flags, DATA_HEADER_LENGTH + data.length);
    const { bytes } = packet;
    writeUint32(bytes, offset, tsn);
    writeUint16(bytes, offset + 4, message.streamId);
    writeUint16(bytes, offset + 6, message.unordered ? 0 : message.streamSequence);
    writeUint32(bytes, offset + 8, message.ppid);
    bytes.set(data, offset + DATA_HEADER_LENGTH);
    this.#peerWindow = Math.max(this.#peerWindow - data.length, 0);
    if (!this.#timers.isRunning('t3-rtx')) this.#timers.start('t3-rtx', now + this.#rto.value); // §6.3.2 R1
  }

  #addSack(packet: PacketBuilder): void {
    const tracker = this.#tracker!;
    const gaps = tracker.gaps.slice(0, Math.max(Math.floor((packet.room - CHUNK_HEADER_LENGTH - 12) / 4), 0));
    const offset = packet.beginChunk(CHUNK_TYPE.sack, 0, 12 + gaps.length * 4);
    const { bytes } = packet;
    writeUint32(bytes, offset, tracker.cumulativeTsn);
    writeUint32(bytes, offset + 4, Math.max(this.#receiveBuffer - this.#reassembly.bufferedBytes, 0));
    writeUint16(bytes, offset + 8, gaps.length);
    writeUint16(bytes, offset + 10, 0);
    gaps.forEach(({ start, end }, index) => {
      writeUint16(bytes, offset + 12 + index * 4, start);
      writeUint16(bytes, offset + 14 + index * 4, end);
    });
    this.#sackPending = 'no';
    this.#packetsSinceSack = 0;
    this.#timers.stop('sack');
  }

  #addForwardTsn(packet: PacketBuilder): void {
    this.#forwardPending = false;
    const point = this.#outstanding.forwardPoint();
    if (point !== undefined && this.#peerForwardTsn) packet.addChunk(CHUNK_TYPE.forwardTsn, 0, encodeForwardTsn(point));
  }

  #sendStreamReset(now: Instant): void {
    if (this.#streamReset?.sendPending()) this.#timers.start('reconfig', now + this.#rto.value);
  }

  #sendControl(type: number, value: Uint8Array = new Uint8Array(0), flags: number = 0): void {
    this.#control.push({ type, flags, value });
  }

  /** A packet with one chunk, made now: its tag may not be that of the association. */
  #packetWith(tag: number, type: number, flags: number, value: Uint8Array): Uint8Array {
    const packet = new PacketBuilder(this.#localPort, this.#remotePort, tag, new Uint8Array(this.#maxPacket));
    packet.addChunk(type, flags, value);
    return packet.finish();
  }

  // Handshake (§5.1) -------------------------------------------------------------------------------------------------

  #localInit(initiateTag: number): Init {
    return {
      initiateTag,
      receiverWindow: this.#receiveBuffer,
      outboundStreams: this.#streams,
      inboundStreams: this.#streams,
      initialTsn: this.#localInitialTsn,
      forwardTsn: true,
      reConfig: true,
    };
  }

  #sendInit(now: Instant): void {
    this.#packets.push(this.#packetWith(0, CHUNK_TYPE.init, 0, encodeInit(this.#localInit(this.#localTag))));
    this.#timers.start('t1-init', now + this.#rto.value);
  }

  #sendCookieEcho(now: Instant): void {
    this.#packets.push(this.#packetWith(this.#remoteTag, CHUNK_TYPE.cookieEcho, 0, this.#cookieEcho!));
    this.#timers.start('t1-cookie', now + this.#rto.value);
  }

  #retryHandshake(send: () => void): void {
    this.#initAttempts += 1;
    if (this.#initAttempts > this.#maxInitRetransmits) return this.#fail('the peer does not answer');
    this.#rto.backOff();
    send();
  }

  /** Answers statelessly, also while a handshake of our own is under way (§5.2.1). */
  #onInit(chunk: Chunk, now: Instant): void {
    const init = decodeInit(chunk.value);
    if (init === undefined) return this.discards.count('malformed-init');
    // Inside DTLS nobody else can begin again: a late INIT of this association, or of one that we ended.
    if (this.#ended || (this.#state !== 'closed' && this.#state !== 'cookie-wait' && this.#state !== 'cookie-echoed'))
      return this.discards.count('unexpected-chunk');
    const cookie = this.#cookies.bake(
      {
        localTag: this.#localTag,
        remoteTag: init.initiateTag,
        localInitialTsn: this.#localInitialTsn,
        remoteInitialTsn: init.initialTsn,
        remoteWindow: init.receiverWindow,
        outboundStreams: Math.min(this.#streams, init.inboundStreams),
        inboundStreams: Math.min(this.#streams, init.outboundStreams),
        forwardTsn: init.forwardTsn,
        reConfig: init.reConfig,
      },
      now,
    );
    this.#packets.push(
      this.#packetWith(init.initiateTag, CHUNK_TYPE.initAck, 0, encodeInit({ ...this.#localInit(this.#localTag), cookie })),
    );
  }

  #onInitAck(chunk: Chunk, now: Instant): void {
    if (this.#state !== 'cookie-wait') return this.discards.count('unexpected-chunk'); // §5.2.3
    const init = decodeInit(chunk.value);
    if (init?.cookie === undefined) return this.discards.count('malformed-init');
    this.#adopt({
      localTag: this.#localTag,
      remoteTag: init.initiateTag,
      localInitialTsn: this.#localInitialTsn,
      remoteInitialTsn: init.initialTsn,
      remoteWindow: init.receiverWindow,
      outboundStreams: Math.min(this.#streams, init.inboundStreams),
      inboundStreams: Math.min(this.#streams, init.outboundStreams),
      forwardTsn: init.forwardTsn,
      reConfig: init.reConfig,
    });
    this.#cookieEcho = init.cookie.slice();
    this.#timers.stop('t1-init');
    this.#initAttempts = 0;
    this.#state = 'cookie-echoed';
    this.#sendCookieEcho(now);
  }

  #onCookieEcho(chunk: Chunk, now: Instant): void {
    const cookie = this.#cookies.open(chunk.value, now);
    if (cookie === 'forged') return this.discards.count('forged-cookie');
    if (cookie === 'stale') {
      this.#sendControl(CHUNK_TYPE.error, encodeCause(CAUSE.staleCookie, new Uint8Array(4)));
      return this.discards.count('stale-cookie');
    }
    const isNew = this.#state === 'closed' || this.#state === 'cookie-wait' || this.#state === 'cookie-echoed';
    // §5.2.4: both tags are ours (D), or only the local one and the peer has begun again meanwhile (B).
    if (!isNew && cookie.remoteTag !== this.#remoteTag) return this.discards.count('cookie-for-another-association');
    if (isNew) {
      if (cookie.remoteTag !== this.#remoteTag) this.#adopt(cookie);
      this.#establish(now);
    }
    this.#sendControl(CHUNK_TYPE.cookieAck);
  }

  /** Takes over what the peer's INIT or INIT ACK said. */
  #adopt(peer: CookieContents): void {
    this.#remoteTag = peer.remoteTag;
    this.#peerWindow = peer.remoteWindow;
    this.#peerForwardTsn = peer.forwardTsn;
    this.#peerReConfig = peer.reConfig;
    this.#outboundStreams = peer.outboundStreams;
    this.#inboundStreams = peer.inboundStreams;
    this.#congestion = new CongestionControl(this.#maxPacket, peer.remoteWindow);
    this.#tracker = new DataTracker(peer.remoteInitialTsn);
    this.#streamReset = new StreamReset(this.#localInitialTsn, peer.remoteInitialTsn, {
      isIdle: (streamId) => this.#sendQueue.isIdle(streamId),
      lastAssignedTsn: () => this.#outstanding.lastAssignedTsn,
      send: (parameter) => this.#sendControl(CHUNK_TYPE.reConfig, parameter),
      onOutgoingReset: (streamIds, performed) => {
        for (const id of streamIds) this.#sendQueue.reset(id);
        this.#events.push({ type: 'outgoing-streams-reset', streamIds, performed });
      },
      onIncomingReset: (streamIds) => {
        this.#reassembly.resetStreams(streamIds);
        this.#events.push({ type: 'incoming-streams-reset', streamIds });
      },
    });
  }

  #establish(now: Instant): void {
    this.#timers.stop('t1-init');
    this.#timers.stop('t1-cookie');
    this.#cookieEcho = undefined;
    this.#errors = 0;
    this.#state = 'established';
    this.#timers.start('heartbeat', now + HEARTBEAT_INTERVAL);
    this.#events.push({ type: 'connected', outboundStreams: this.#outboundStreams, inboundStreams: this.#inboundStreams });
  }

  // Receiving --------------------------------------------------------------------------------------------------------

  /** §8.5.1: the tag is ours; ABORT and SHUTDOWN COMPLETE may reflect the peer's instead, with the T bit. */
  #hasValidTag(tag: number, { type, flags }: Chunk): boolean {
    const reflected = (type === CHUNK_TYPE.abort || type === CHUNK_TYPE.shutdownComplete) && (flags & 1) === 1;
    return reflected ? tag === this.#remoteTag && tag !== 0 : tag === this.#localTag;
  }

  /** @returns whether to go on with the packet */
  #onChunk(chunk: Chunk, now: Instant): boolean {
    switch (chunk.type) {
      case CHUNK_TYPE.data:
        return this.#onData(chunk);
      case CHUNK_TYPE.sack:
        return this.#onSack(chunk, now);
      case CHUNK_TYPE.initAck:
        this.#onInitAck(chunk, now);
        return false; // §6.10: alone in its packet
      case CHUNK_TYPE.cookieEcho:
        this.#onCookieEcho(chunk, now);
        return true;
      case CHUNK_TYPE.cookieAck:
        if (this.#state === 'cookie-echoed') this.#establish(now);
        return true;
      case CHUNK_TYPE.heartbeat:
        this.#sendControl(CHUNK_TYPE.heartbeatAck, chunk.value.slice());
        return true;
      case CHUNK_TYPE.heartbeatAck:
        return this.#onHeartbeatAck(chunk, now);
      case CHUNK_TYPE.abort:
        return this.#onAbort(chunk);
      case CHUNK_TYPE.error:
        return this.#onError(chunk);
      case CHUNK_TYPE.shutdown:
      case CHUNK_TYPE.shutdownAck:
      case CHUNK_TYPE.shutdownComplete:
        return this.#onShutdownChunk(chunk, now);
      case CHUNK_TYPE.reConfig:
        return this.#onReConfig(chunk, now);
      case CHUNK_TYPE.forwardTsn:
        return this.#onForwardTsn(chunk);
      default:
        return this.#onUnknownChunk(chunk);
    }
  }

  #onData(chunk: Chunk): boolean {
    const tracker = this.#tracker;
    if (
      tracker === undefined ||
      this.#state === 'cookie-wait' ||
      this.#state === 'shutdown-received' ||
      this.#state === 'shutdown-ack-sent'
    ) {
      this.discards.count('unexpected-chunk');
      return true;
    }
    const data = decodeData(chunk.flags, chunk.value);
    if (data === undefined) {
      this.#violation('a DATA chunk without user data'); // §6.2
      return false;
    }
    const classification = tracker.classify(data.tsn);
    if (classification !== 'new') {
      this.discards.count(classification === 'duplicate' ? 'duplicate-data' : 'data-out-of-window');
      this.#sackPending = 'now';
    } else if (this.#reassembly.bufferedBytes + data.data.length > this.#receiveBuffer && !(data.begin && data.end)) {
      // The window was closed: a peer that respects it sends this again later (§6.2).
      this.discards.count('receive-buffer-full');
      if (this.#reassembly.bufferedBytes >= this.#receiveBuffer && tracker.gaps.length === 0)
        this.#violation('a message larger than the receive window');
    } else {
      tracker.add(data.tsn);
      if (data.streamId >= this.#inboundStreams) this.discards.count('invalid-stream');
      else this.#reassembly.add(data);
      if (data.immediate || tracker.gaps.length > 0) this.#sackPending = 'now';
      this.#streamReset!.onCumulativeTsn(tracker.cumulativeTsn);
    }
    return !this.#ended;
  }

  /** §6.2: every second packet at least, and within 200 ms. */
  #scheduleSack(now: Instant): void {
    if (this.#tracker === undefined || this.#ended) return;
    this.#packetsSinceSack += 1;
    if (this.#packetsSinceSack >= 2 || this.#state === 'shutdown-sent') this.#sackPending = 'now';
    if (this.#sackPending === 'now') return;
    this.#sackPending = 'delayed';
    if (!this.#timers.isRunning('sack')) this.#timers.start('sack', now + SACK_DELAY);
  }

  #onSack(chunk: Chunk, now: Instant): boolean {
    const sack = this.#tracker && decodeSack(chunk.value);
    const inFlightBefore = this.#outstanding.bytesInFlight;
    const outcome = sack && this.#outstanding.onSack(sack, now);
    if (sack === undefined || outcome === undefined) {
      this.discards.count('bad-sack');
      return true;
    }
    this.#peerWindow = Math.max(sack.receiverWindow - this.#outstanding.bytesInFlight, 0);
    if (outcome.roundTrip !== undefined) this.#rto.measure(outcome.roundTrip);
    if (outcome.bytesAcknowledged > 0) this.#errors = 0;
    if (outcome.cumulativeAdvanced) {
      this.#congestion.onAcknowledged(sack.cumulativeTsn, outcome.bytesAcknowledged, inFlightBefore, this.#outstanding.isEmpty);
      // §6.3.2 R3: restart for the earliest chunk that is still out; R2: none, stop.
      if (this.#outstanding.isEmpty) this.#timers.stop('t3-rtx');
      else this.#timers.start('t3-rtx', now + this.#rto.value);
    }
    if (outcome.fastRetransmit) this.#congestion.onFastRetransmit(this.#outstanding.lastAssignedTsn);
    if (this.#outstanding.forwardPoint() !== undefined) this.#forwardPending = true;
    this.#sendStreamReset(now);
    return true;
  }

  /** §6.3.3. */
  #onRetransmissionTimeout(now: Instant): void {
    if (this.#outstanding.isEmpty || !this.#countError()) return;
    this.#congestion.onTimeout();
    this.#rto.backOff();
    this.#outstanding.retransmitAll(now);
    if (this.#outstanding.forwardPoint() !== undefined) this.#forwardPending = true;
    this.#timers.start('t3-rtx', now + this.#rto.value);
  }

  #onReConfig(chunk: Chunk, now: Instant): boolean {
    if (this.#streamReset === undefined || this.#state === 'cookie-wait') this.discards.count('unexpected-chunk');
    else if (this.#streamReset.receive(chunk.value, this.#tracker!.cumulativeTsn)) {
      this.#timers.stop('reconfig');
      this.#errors = 0;
      this.#sendStreamReset(now);
    }
    return true;
  }

  /** RFC 3758 §3.6. */
  #onForwardTsn(chunk: Chunk): boolean {
    const forward = decodeForwardTsn(chunk.value);
    // Further ahead than any window: nobody has sent that much.
    if (forward === undefined || this.#tracker === undefined || this.#tracker.classify(forward.cumulativeTsn) === 'out-of-window') {
      this.discards.count('unexpected-chunk');
      return true;
    }
    this.#tracker.skipTo(forward.cumulativeTsn);
    this.#reassembly.forwardTo(forward.cumulativeTsn, forward.skipped);
    this.#streamReset!.onCumulativeTsn(this.#tracker.cumulativeTsn);
    this.#sackPending = 'now';
    return true;
  }

  #sendHeartbeat(now: Instant): void {
    if (this.#state !== 'established') return;
    if (this.#outstanding.isEmpty) {
      if (this.#heartbeatSentAt > 0 && !this.#countError()) return;
      this.#heartbeatSentAt = now;
      const value = new Uint8Array(8);
      writeUint16(value, 0, 1); // Heartbeat Info (§3.3.5): opaque to the peer
      writeUint16(value, 2, 8);
      writeUint32(value, 4, Math.floor(now) >>> 0);
      this.#sendControl(CHUNK_TYPE.heartbeat, value);
    }
    this.#timers.start('heartbeat', now + HEARTBEAT_INTERVAL);
  }

  #onHeartbeatAck({ value }: Chunk, now: Instant): boolean {
    if (this.#heartbeatSentAt === 0 || value.length < 8 || readUint32(value, 4) !== Math.floor(this.#heartbeatSentAt) >>> 0) {
      this.discards.count('unexpected-chunk');
      return true;
    }
    this.#rto.measure(now - this.#heartbeatSentAt);
    this.#heartbeatSentAt = 0;
    this.#errors = 0;
    return true;
  }

  #onError({ value }: Chunk): boolean {
    // A stale cookie (§5.2.6): begin again, with a new one.
    if (this.#state === 'cookie-echoed' && decodeCause(value)?.code === CAUSE.staleCookie) {
      this.#timers.stop('t1-cookie');
      this.#state = 'cookie-wait';
      this.#timers.start('t1-init', 0);
    }
    return true;
  }

  /** §3.2: the two highest bits of the type say whether to go on, and whether to report. */
  #onUnknownChunk({ type, flags, value }: Chunk): boolean {
    this.discards.count('unknown-chunk');
    if ((type & 0x40) !== 0) {
      const report = new Uint8Array(Math.min(value.length, 64) + 4);
      report.set([type, flags, (value.length + 4) >>> 8, value.length + 4]);
      report.set(value.subarray(0, 64), 4);
      this.#sendControl(CHUNK_TYPE.error, encodeCause(CAUSE.unrecognizedChunk, report));
    }
    return (type & 0x80) !== 0;
  }

  // Ending (§9) ------------------------------------------------------------------------------------------------------

  #onAbort({ value }: Chunk): boolean {
    const cause = decodeCause(value);
    this.#end();
    this.#events.push({ type: 'aborted', code: cause?.code, reason: cause?.reason ?? '' });
    return false;
  }

  #onShutdownChunk({ type, value }: Chunk, now: Instant): boolean {
    if (type === CHUNK_TYPE.shutdown && this.#tracker !== undefined && this.#state !== 'cookie-wait') {
      if (value.length === 4) this.#outstanding.onSack({ cumulativeTsn: readUint32(value, 0), receiverWindow: 0, gaps: [] }, now);
      if (this.#state === 'established' || this.#state === 'shutdown-pending') this.#state = 'shutdown-received';
      else if (this.#state === 'shutdown-sent') this.#enterShutdownAckSent(now); // both at once (§9.2)
    } else if (type === CHUNK_TYPE.shutdownAck && (this.#state === 'shutdown-sent' || this.#state === 'shutdown-ack-sent')) {
      const complete = this.#packetWith(this.#remoteTag, CHUNK_TYPE.shutdownComplete, 0, new Uint8Array(0));
      this.#close();
      this.#packets.push(complete);
    } else if (type === CHUNK_TYPE.shutdownComplete && this.#state === 'shutdown-ack-sent') this.#close();
    else this.discards.count('unexpected-chunk');
    return !this.#ended;
  }

  /** Our SHUTDOWN COMPLETE was lost: the repeated SHUTDOWN ACK gets another, with the T bit (§8.4 rule 5). */
  #onPacketAfterEnd({ type }: Chunk, tag: number): void {
    this.discards.count('after-end');
    if (type === CHUNK_TYPE.shutdownAck) this.#packets.push(this.#packetWith(tag, CHUNK_TYPE.shutdownComplete, 1, new Uint8Array(0)));
  }

  /** The next step, once everything sent is acknowledged. */
  #advanceShutdown(now: Instant): void {
    if (!this.#outstanding.isEmpty || !this.#sendQueue.isEmpty) return;
    if (this.#state === 'shutdown-pending') {
      this.#state = 'shutdown-sent';
      this.#sendShutdown(now);
    } else if (this.#state === 'shutdown-received') this.#enterShutdownAckSent(now);
  }

  #enterShutdownAckSent(now: Instant): void {
    this.#state = 'shutdown-ack-sent';
    this.#sendShutdown(now);
  }

  #sendShutdown(now: Instant): void {
    if (this.#state === 'shutdown-ack-sent') this.#sendControl(CHUNK_TYPE.shutdownAck);
    else {
      const value = new Uint8Array(4);
      writeUint32(value, 0, this.#tracker!.cumulativeTsn);
      this.#sendControl(CHUNK_TYPE.shutdown, value);
    }
    this.#timers.start('t2-shutdown', now + this.#rto.value);
  }

  /** Counts a transmission without an answer (§8.1). @returns false when it was one too many and the association is over */
  #countError(): boolean {
    this.#errors += 1;
    if (this.#errors <= this.#maxRetransmits) return true;
    this.#fail('the peer does not answer');
    return false;
  }

  #violation(text: string): void {
    const information = Uint8Array.from(text, (character) => character.charCodeAt(0));
    const packet = this.#packetWith(this.#remoteTag, CHUNK_TYPE.abort, 0, encodeCause(CAUSE.protocolViolation, information));
    this.#fail(text);
    this.#packets.push(packet);
  }

  #fail(reason: string): void {
    this.#end();
    this.#events.push({ type: 'failed', reason });
  }

  #close(): void {
    this.#end();
    this.#events.push({ type: 'closed' });
  }

  #end(): void {
    this.#ended = true;
    this.#state = 'closed';
    this.#timers.stopAll();
    this.#control.clear();
    this.#sendQueue.clear();
  }
}

function nonZero(value: number): number {
  return value === 0 ? 1 : value;
}
