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
 *
 * This file dispatches. Setting up is in `init-handshake.ts`, user data in `tx/` and `rx/`, the reset of streams in `reconfiguration.ts`, ending in
 * `shutdown.ts`.
 */
import { readUint16, readUint32 } from '@petrel/bytes';
import type { Core, Discards, Instant } from '@petrel/sans-io';
import { ErrorReport } from './error-report.ts';
import type { SctpDiscard, SctpEvent } from './events.ts';
import { Heartbeat } from './heartbeat.ts';
import { InitHandshake } from './init-handshake.ts';
import { answerOutOfTheBlue } from './out-of-the-blue.ts';
import { resolveOptions, type SctpOptions } from './options.ts';
import { CAUSE, decodeCause, encodeCause, encodeUserInitiatedAbort } from './packet/error-cause.ts';
import { CHUNK_HEADER_LENGTH, CHUNK_TYPE, COMMON_HEADER_LENGTH, packetProblem, padded } from './packet/packet.ts';
import { decodeSack, type Sack } from './packet/sack.ts';
import { PathMtu } from './path-mtu.ts';
import { Reconfiguration } from './reconfiguration.ts';
import { DataReceiver } from './rx/data-receiver.ts';
import { Shutdown } from './shutdown.ts';
import type { CookieContents } from './state-cookie.ts';
import { type AssociationState, Tcb } from './tcb.ts';
import { DataSender } from './tx/data-sender.ts';
import type { SendOptions } from './tx/outgoing-message.ts';

/** Heartbeat information that is sent back, at most: no honest peer needs more, and the answer has to fit into a packet. */
const MAX_ECHO = 1500;

/**
 * @example
 * const association = new SctpAssociation({ crypto });
 * association.connect(now);
 * association.send(1, 51, new TextEncoder().encode('hello'), {}, now);
 */
export class SctpAssociation implements Core<Uint8Array, SctpEvent> {
  readonly #tcb: Tcb;
  readonly #handshake: InitHandshake;
  readonly #shutdown: Shutdown;
  readonly #heartbeat: Heartbeat;
  readonly #pathMtu: PathMtu;
  readonly #reconfiguration: Reconfiguration;
  readonly #errors: ErrorReport = new ErrorReport();

  constructor(options: SctpOptions) {
    this.#tcb = new Tcb(resolveOptions(options), newSender);
    this.#handshake = new InitHandshake(this.#tcb, {
      adopt: (peer) => this.#adopt(peer),
      establish: (now) => this.#establish(now),
      restart: (peer, now) => this.#restart(peer, now),
    });
    this.#shutdown = new Shutdown(this.#tcb);
    this.#heartbeat = new Heartbeat(this.#tcb);
    this.#pathMtu = new PathMtu(this.#tcb);
    this.#reconfiguration = new Reconfiguration(this.#tcb);
  }

  get state(): AssociationState {
    return this.#tcb.state;
  }

  /** What was dropped, by reason. */
  get discards(): Discards<SctpDiscard> {
    return this.#tcb.discards;
  }

  /** Streams that we may send on, once the handshake says so. */
  get outboundStreams(): number {
    return this.#tcb.outboundStreams;
  }

  /** Streams that the peer may send on. */
  get inboundStreams(): number {
    return this.#tcb.inboundStreams;
  }

  /** Bytes accepted by `send` on this stream that have not been sent a first time, without those of uncounted messages. */
  bufferedAmount(streamId: number): number {
    return this.#tcb.queue.bufferedAmount(streamId);
  }

  /** The stream's weight among the others (RFC 8260 §3.6); 256 unless set. */
  setStreamPriority(streamId: number, weight: number): void {
    this.#tcb.queue.setWeight(streamId, weight);
  }

  /** Figures for statistics: bytes and milliseconds. */
  get stats(): {
    readonly congestionWindow: number;
    readonly receiverWindow: number;
    readonly bytesInFlight: number;
    readonly smoothedRoundTripTime: number;
    readonly maxPacket: number;
    readonly bytesWaiting: number;
  } {
    const { congestionWindow, peerWindow, bytesInFlight } = this.#tcb.sender.figures;
    return {
      congestionWindow,
      receiverWindow: peerWindow,
      bytesInFlight,
      smoothedRoundTripTime: this.#tcb.rto.smoothedRoundTrip,
      maxPacket: this.#tcb.maxPacket,
      bytesWaiting: this.#tcb.queue.waitingBytes,
    };
  }

  /** Begins the handshake; both ends of a WebRTC association do (RFC 8841 §9.3 and RFC 9260 §5.2.1 make one association of it). */
  connect(now: Instant): void {
    if (this.#tcb.state === 'closed' && !this.#tcb.ended) this.#handshake.connect(now);
  }

  /**
   * Queues a message; it is sent as windows allow, from `connect` on. The bytes belong to the association until it is acknowledged: they are
   * not copied. After the end, and once either side shuts down, it does nothing.
   * @throws RangeError for an empty message (SCTP has none; RFC 8831 §6.6 says what to send instead) and for a stream that does not exist
   */
  send(streamId: number, ppid: number, data: Uint8Array, options: SendOptions, now: Instant): void {
    const tcb = this.#tcb;
    if (data.length === 0) throw new RangeError('an SCTP message has at least one byte');
    if (streamId >= tcb.outboundStreams)
      throw new RangeError(`stream ${streamId} does not exist: the association has ${tcb.outboundStreams}`);
    if (!tcb.ended && !tcb.state.startsWith('shutdown')) tcb.queue.add(streamId, ppid, data, options, now);
  }

  /** Throws away the messages of a stream that have not been begun. */
  discardWaiting(streamId: number): void {
    this.#tcb.queue.discardWaiting(streamId);
  }

  /** Resets outgoing streams once everything sent on them is on its way (RFC 6525 §5.1); what is sent from now on waits until it is done. */
  resetStreams(streamIds: readonly number[], now: Instant): void {
    for (const id of streamIds) this.#tcb.queue.pause(id);
    this.#reconfiguration.reset(streamIds, now);
  }

  /** Bytes of delivered messages that the application has not read: they count against the receive window (§6.2). */
  setHeldBytes(bytes: number, now: Instant): void {
    void now;
    this.#tcb.peer?.receiver.setHeldBytes(bytes);
  }

  /**
   * The packets take another path (an ICE restart, another pair): what was learned of the old one is forgotten (§7.2.5.2).
   * @param maxProbedPacket of this path; as before unless given
   */
  pathChanged(now: Instant, maxProbedPacket?: number): void {
    const tcb = this.#tcb;
    if (maxProbedPacket !== undefined) this.#pathMtu.setMost(maxProbedPacket);
    tcb.rto.reset();
    tcb.sender.reset(tcb.options.maxPacket);
    if (tcb.state === 'established') this.#pathMtu.start(now);
  }

  /** The SHUTDOWN procedure (§9.2): what is queued is still delivered. */
  shutdown(now: Instant): void {
    if (this.#tcb.state === 'established') this.#shutdown.begin(now);
    else if (this.#tcb.state === 'cookie-wait' || this.#tcb.state === 'cookie-echoed') this.abort('shutdown before the association was up');
  }

  /** Ends the association at once with an ABORT (§9.1); everything queued is thrown away. */
  abort(reason: string): void {
    const packet = this.createAbort(reason);
    this.#tcb.end();
    if (packet) this.#tcb.packets.push(packet);
  }

  /**
   * A user-initiated ABORT, also after the end: the shutdown sequencer repeats it. Undefined while the peer has no association: there is
   * nothing to abort then (§9.1).
   */
  createAbort(reason: string): Uint8Array | undefined {
    const tcb = this.#tcb;
    if (tcb.remoteTag === 0) return undefined;
    const cause = encodeUserInitiatedAbort(reason, tcb.options.maxPacket - COMMON_HEADER_LENGTH - CHUNK_HEADER_LENGTH - 8);
    return tcb.packetWith(tcb.remoteTag, CHUNK_TYPE.abort, 0, cause);
  }

  // Receiving --------------------------------------------------------------------------------------------------------

  receive(bytes: Uint8Array, now: Instant): void {
    const tcb = this.#tcb;
    const problem = packetProblem(bytes, this.#handshake.extensions.zeroChecksum);
    if (problem !== undefined) return tcb.discards.count(problem);
    if (readUint16(bytes, 0) !== tcb.options.remotePort || readUint16(bytes, 2) !== tcb.options.localPort)
      return tcb.discards.count('wrong-port');
    const tag = readUint32(bytes, 4);
    const type = bytes[COMMON_HEADER_LENGTH]!;
    const firstEnd = COMMON_HEADER_LENGTH + readUint16(bytes, COMMON_HEADER_LENGTH + 2);
    if (type === CHUNK_TYPE.init || tag === 0) {
      // §8.5.1 A: alone, and with a verification tag of zero.
      if (type !== CHUNK_TYPE.init || tag !== 0 || padded(firstEnd) < bytes.length) return tcb.discards.count('init-not-alone');
      return this.#handshake.onInit(bytes.subarray(COMMON_HEADER_LENGTH + CHUNK_HEADER_LENGTH, firstEnd), now);
    }
    if (type === CHUNK_TYPE.cookieEcho && !tcb.ended) {
      // The tag is the cookie's business: after a restart it is not ours (§5.2.4).
      if (!this.#handshake.onCookieEcho(bytes.subarray(COMMON_HEADER_LENGTH + CHUNK_HEADER_LENGTH, firstEnd), tag, now)) return;
      return this.#onChunks(bytes, padded(firstEnd), now);
    }
    if (tcb.ended || tcb.state === 'closed') return answerOutOfTheBlue(tcb, bytes, tag);
    if (!this.#hasValidTag(tag, type, bytes[COMMON_HEADER_LENGTH + 1]!)) return tcb.discards.count('wrong-verification-tag');
    this.#onChunks(bytes, COMMON_HEADER_LENGTH, now);
  }

  /** §8.5.1: the tag is ours; ABORT and SHUTDOWN COMPLETE may reflect the peer's instead, with the T bit. */
  #hasValidTag(tag: number, type: number, flags: number): boolean {
    const { localTag, remoteTag } = this.#tcb;
    const isReflected = (type === CHUNK_TYPE.abort || type === CHUNK_TYPE.shutdownComplete) && (flags & 1) === 1;
    return tag === (isReflected ? remoteTag : localTag);
  }

  #onChunks(bytes: Uint8Array, start: number, now: Instant): void {
    const tcb = this.#tcb;
    let hasData = false;
    for (let offset = start; offset < bytes.length && !tcb.ended; ) {
      const type = bytes[offset]!;
      const flags = bytes[offset + 1]!;
      const end = offset + readUint16(bytes, offset + 2);
      if (type === CHUNK_TYPE.data || type === CHUNK_TYPE.iData)
        hasData = this.#onData(bytes, type, flags, offset + CHUNK_HEADER_LENGTH, end) || hasData;
      else if (!this.#onChunk(type, flags, bytes.subarray(offset + CHUNK_HEADER_LENGTH, end), now)) break;
      offset = padded(end);
    }
    if (tcb.ended) return;
    if (hasData) {
      tcb.peer!.receiver.onPacketWithData(now);
      tcb.peer!.streamReset.onCumulativeTsn(tcb.peer!.receiver.cumulativeTsn);
      this.#shutdown.onDataWhileSent(now);
    }
    this.#errors.send(tcb);
    this.#shutdown.advance(now);
  }

  /** @returns whether to go on with the packet */
  #onChunk(type: number, flags: number, value: Uint8Array, now: Instant): boolean {
    const tcb = this.#tcb;
    switch (type) {
      case CHUNK_TYPE.sack:
        this.#onSack(decodeSack(value), now);
        return true;
      case CHUNK_TYPE.initAck:
        this.#handshake.onInitAck(value, now);
        return false; // §6.10: alone in its packet
      case CHUNK_TYPE.cookieAck:
        this.#handshake.onCookieAck(now);
        return true;
      case CHUNK_TYPE.heartbeat:
        this.#pathMtu.onHeartbeat(value, now);
        // §8.3; not before there is a verification tag for the answer
        if (tcb.remoteTag !== 0 && value.length <= MAX_ECHO) tcb.sendControl(CHUNK_TYPE.heartbeatAck, value.slice());
        else tcb.discards.count('unexpected-chunk');
        return true;
      case CHUNK_TYPE.heartbeatAck:
        if (!this.#pathMtu.onHeartbeatAck(value, now) && !this.#heartbeat.onAck(value, now)) tcb.discards.count('unexpected-chunk');
        return true;
      case CHUNK_TYPE.abort:
        return this.#onAbort(value);
      case CHUNK_TYPE.error:
        this.#handshake.onError(value, now);
        return true;
      case CHUNK_TYPE.shutdown:
        this.#shutdown.onShutdown(value, (cumulativeTsn) => this.#acknowledge(cumulativeTsn, now), now);
        return true;
      case CHUNK_TYPE.shutdownAck:
        this.#shutdown.onShutdownAck();
        return true;
      case CHUNK_TYPE.shutdownComplete:
        this.#shutdown.onShutdownComplete();
        return true;
      case CHUNK_TYPE.reConfig:
        this.#reconfiguration.onReConfig(value, now);
        return true;
      case CHUNK_TYPE.forwardTsn:
      case CHUNK_TYPE.iForwardTsn:
        this.#onForwardTsn(type, value);
        return true;
      case CHUNK_TYPE.pad:
        return true;
      case CHUNK_TYPE.init:
      case CHUNK_TYPE.cookieEcho:
        tcb.discards.count('unexpected-chunk'); // only first in a packet (§6.10)
        return false;
      default:
        tcb.discards.count('unknown-chunk');
        return this.#errors.onUnknownChunk(type, flags, value);
    }
  }

  /** @returns whether there is something to acknowledge */
  #onData(bytes: Uint8Array, type: number, flags: number, start: number, end: number): boolean {
    const tcb = this.#tcb;
    const { peer, state } = tcb;
    // §6: data is received in these states only.
    if (peer === undefined || (state !== 'established' && state !== 'shutdown-pending' && state !== 'shutdown-sent')) {
      tcb.discards.count('unexpected-chunk');
      return false;
    }
    if ((type === CHUNK_TYPE.iData) !== this.#usesInterleaving) {
      tcb.violation('DATA and I-DATA are mixed'); // RFC 8260 §2.2.1
      return false;
    }
    const outcome = peer.receiver.onData(bytes, flags, start, end);
    if (outcome === 'accepted' && peer.streamReset.awaitsRepetition) peer.streamReset.onData(readUint16(bytes, start + 4));
    if (outcome === 'no-user-data')
      tcb.abortWith(encodeCause(CAUSE.noUserData, bytes.slice(start, start + 4)), CAUSE.noUserData, 'a DATA chunk without user data');
    else if (outcome === 'invalid-stream')
      this.#errors.add(CAUSE.invalidStreamIdentifier, Uint8Array.of(bytes[start + 4]!, bytes[start + 5]!, 0, 0));
    return true;
  }

  get #usesInterleaving(): boolean {
    return this.#tcb.peer?.extensions.interleaving === true && this.#tcb.options.interleaving;
  }

  #onSack(sack: Sack | undefined, now: Instant): boolean {
    const tcb = this.#tcb;
    const isProgress = sack && tcb.peer && tcb.sender.onSack(sack, now);
    if (isProgress === undefined) {
      tcb.discards.count('bad-sack');
      return false;
    }
    // §6.1 A: a peer whose window is closed, and says so, is not dead.
    if (isProgress || sack!.receiverWindow === 0) tcb.errors = 0;
    this.#reconfiguration.sendPending(now);
    return true;
  }

  /** A SHUTDOWN acknowledges too, and says nothing of the window. @returns false for a TSN that was never sent */
  #acknowledge(cumulativeTsn: number, now: Instant): boolean {
    const { sender } = this.#tcb;
    if (((cumulativeTsn - sender.lastAssignedTsn) | 0) > 0) return false;
    const { peerWindow, bytesInFlight } = sender.figures;
    sender.onSack(
      { cumulativeTsn, receiverWindow: peerWindow + bytesInFlight, gapCount: 0, duplicateCount: 0, value: new Uint8Array(0) },
      now,
    );
    return true;
  }

  #onForwardTsn(type: number, value: Uint8Array): void {
    const { peer, discards } = this.#tcb;
    if (peer === undefined || (type === CHUNK_TYPE.iForwardTsn) !== this.#usesInterleaving || !peer.receiver.onForwardTsn(value))
      discards.count('bad-forward-tsn');
    else peer.streamReset.onCumulativeTsn(peer.receiver.cumulativeTsn);
  }

  #onAbort(value: Uint8Array): false {
    const cause = decodeCause(value);
    this.#tcb.end();
    this.#tcb.events.push({ type: 'aborted', code: cause?.code, reason: cause?.reason ?? '' });
    return false;
  }

  pollEvent(): SctpEvent | undefined {
    const event = this.#tcb.events.shift();
    if (event !== undefined) return event;
    const change = this.#tcb.queue.pollBufferedAmount();
    return change && { type: 'buffered-amount', streamId: change.streamId, amount: change.amount };
  }

  // Sending ----------------------------------------------------------------------------------------------------------

  /** Builds the next packet: the cookie, control chunks, the SACK, lost data, new data (§6.10 bundling). */
  pollTransmit(now: Instant): Uint8Array | undefined {
    const tcb = this.#tcb;
    if (tcb.packets.length > 0) return tcb.packets.shift();
    if (tcb.ended || tcb.remoteTag === 0) return undefined;
    const withCookie = this.#handshake.isCookieEchoDue;
    const mayHaveData = withCookie || tcb.maySendData;
    const isDataReady = mayHaveData && tcb.sender.isReady(now);
    const sackDue = tcb.peer?.receiver.sackDue ?? 'no';
    if (!withCookie && !isDataReady && sackDue !== 'now' && tcb.control.length === 0) return this.#pathMtu.takeProbe();
    const { builder } = tcb;
    builder.begin(tcb.remoteTag, tcb.maxPacket);
    const cookie = this.#handshake.takeCookieEcho();
    if (cookie !== undefined) builder.addChunk(CHUNK_TYPE.cookieEcho, 0, cookie);
    this.#addControl();
    if (sackDue !== 'no') tcb.peer!.receiver.addSack(builder);
    if (isDataReady) {
      tcb.sender.addTo(builder, now);
      this.#reconfiguration.sendPending(now);
    }
    if (builder.isEmpty) return undefined;
    return builder.finish(withCookie || tcb.peer?.extensions.zeroChecksum !== true || !tcb.options.zeroChecksum);
  }

  #addControl(): void {
    const { control, builder } = this.#tcb;
    for (let chunk = control.peek(); chunk !== undefined; chunk = control.peek()) {
      if (builder.room < CHUNK_HEADER_LENGTH + chunk.value.length && !builder.isEmpty) break;
      builder.addChunk(chunk.type, chunk.flags, chunk.value);
      control.shift();
    }
  }

  // Time -------------------------------------------------------------------------------------------------------------

  handleTimeout(now: Instant): void {
    const tcb = this.#tcb;
    const { timers, sender } = tcb;
    this.#handshake.handleTimeout(now);
    this.#shutdown.handleTimeout(now);
    this.#heartbeat.handleTimeout(now);
    this.#pathMtu.handleTimeout(now);
    if (timers.expire('sack', now)) tcb.peer?.receiver.acknowledgeNow();
    if (timers.expire('loss-detection', now)) sender.onLossTimer(now);
    if (timers.expire('tail-loss-probe', now)) sender.onProbeTimer();
    this.#reconfiguration.handleTimeout(now);
    if (timers.expire('t3-rtx', now)) this.#onRetransmissionTimeout(now);
    if (!tcb.ended) this.#shutdown.advance(now);
  }

  nextTimeout(): Instant {
    return this.#tcb.timers.next();
  }

  /** §6.3.3. */
  #onRetransmissionTimeout(now: Instant): void {
    const tcb = this.#tcb;
    const isUp = tcb.state !== 'cookie-echoed'; // the handshake counts its own
    if (!tcb.sender.hasOutstanding || (isUp && !tcb.countError())) return;
    tcb.sender.onTimeout(now);
    this.#pathMtu.onTimeouts(tcb.sender.timeouts, now);
  }

  // The handshake's results ------------------------------------------------------------------------------------------

  /** Takes over what the peer's INIT or INIT ACK said. */
  #adopt(cookie: CookieContents): void {
    const tcb = this.#tcb;
    const { extensions } = cookie;
    const interleaving = extensions.interleaving && tcb.options.interleaving;
    tcb.remoteTag = cookie.remoteTag;
    tcb.outboundStreams = cookie.outboundStreams;
    tcb.inboundStreams = cookie.inboundStreams;
    tcb.queue.discardBeyond(cookie.outboundStreams);
    tcb.sender.configure({ window: cookie.remoteWindow, interleaving, forwardTsn: extensions.forwardTsn });
    const { receiveBuffer, maxReceivedMessageSize } = tcb.options;
    const receiver = new DataReceiver({
      initialTsn: cookie.remoteInitialTsn,
      inboundStreams: cookie.inboundStreams,
      interleaving,
      receiveBuffer,
      maxReceivedMessageSize,
      timers: tcb.timers,
      discards: tcb.discards,
      deliver: (streamId, ppid, data) => tcb.events.push({ type: 'message', streamId, ppid, data }),
      onMessageTooLarge: (streamId) => tcb.events.push({ type: 'message-too-large', streamId }),
    });
    tcb.peer = { extensions, receiver, streamReset: this.#reconfiguration.newStreamReset(cookie, receiver) };
  }

  #establish(now: Instant): void {
    const tcb = this.#tcb;
    tcb.errors = 0;
    tcb.state = 'established';
    tcb.events.push({ type: 'connected', outboundStreams: tcb.outboundStreams, inboundStreams: tcb.inboundStreams });
    this.#heartbeat.start(now);
    this.#pathMtu.start(now);
    this.#reconfiguration.start(now);
  }

  /** §5.2.4 action A: like an ABORT and a new association, but for the news of it. */
  #restart(cookie: CookieContents, now: Instant): void {
    const tcb = this.#tcb;
    tcb.timers.stopAll();
    tcb.control.clear();
    tcb.queue.clear();
    tcb.localTag = cookie.localTag;
    tcb.localInitialTsn = cookie.localInitialTsn;
    tcb.rto.reset();
    tcb.errors = 0;
    tcb.sender = newSender(tcb);
    this.#adopt(cookie);
    tcb.state = 'established';
    tcb.events.push({ type: 'restarted' });
    this.#heartbeat.start(now);
    this.#pathMtu.start(now);
  }

  /** What does not hold of RFC 9260's state machine: for tests; see `association-invariants.ts`. */
  inspect(): {
    readonly state: AssociationState;
    readonly timers: readonly string[];
    readonly hasPeer: boolean;
    readonly isDone: boolean;
    readonly heldBytes: number;
    readonly receiveBuffer: number;
    readonly inconsistencies: readonly string[];
  } {
    const { state, timers, peer, sender, options } = this.#tcb;
    return {
      state,
      timers: timers.running(),
      hasPeer: peer !== undefined,
      isDone: sender.isDone,
      heldBytes: peer?.receiver.bufferedBytes ?? 0,
      receiveBuffer: options.receiveBuffer,
      inconsistencies: this.#tcb.ended ? [] : sender.inconsistencies(),
    };
  }
}

function newSender(tcb: Tcb): DataSender {
  return new DataSender({ queue: tcb.queue, rto: tcb.rto, timers: tcb.timers, initialTsn: tcb.localInitialTsn, maxPacket: tcb.maxPacket });
}
