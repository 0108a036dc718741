/**
 * The close: how one transport says goodbye on every layer, in the order that makes all of it arrive, until it has been heard.
 *
 * ```
 *   close() ─── no path, or closed by the peer already ────────────────────────────────────┐
 *     │                                                                                     │
 *     ├── DTLS handshake under way ──> CANCELLING ── three times, 50 ms apart ─────────────┤
 *     │                                                                                     │
 *     └── DTLS connected ──> REPEATING ── close_notify or fatal alert heard, or quiet ──> HEARD
 *                             │   ▲  │                                                      │ a check got 403,
 *      repetition timer, or a │   │  └── linger over ──────────┐                            │ or the linger is over
 *      datagram that should   └───┘                            ▼                            │
 *      not have come                                       RELEASING <──────────────────────┘
 *                                                              └── TURN has confirmed ──> RELEASED
 * ```
 *
 * One flight is RTCP BYE (RFC 3550 §6.6), SCTP ABORT (RFC 9260 §9.1) and DTLS close_notify (RFC 5246 §7.2.1), in this order and each in a datagram of
 * its own: after the alert nothing else would be read, and one lost datagram must not take two of them. A repeated flight consists of new
 * records. Then a connectivity check of the peer's gets 403, which revokes consent (RFC 7675 §5.2), and TURN allocations are
 * deleted (RFC 8656 §7). docs/closing.md shows what the peers make of it.
 */
import type { IceTransmit } from '@petrel/ice';
import { type Core, type Instant, Queue, TimerTable } from '@petrel/sans-io';
import type { TransportStack } from './transport-stack.ts';

/** The order in which all three messages take effect. Others exist for conformance work: see {@link CloseOptions.sequence}. */
export const CLOSE_SEQUENCE: readonly CloseMessage[] = ['bye', 'abort', 'close_notify'];

/** RTCP BYE (RFC 3550 §6.6), SCTP ABORT (RFC 9260 §9.1), DTLS close_notify (RFC 5246 §7.2.1). */
export type CloseMessage = 'bye' | 'abort' | 'close_notify';

/** What was sent, one entry for each message of each flight. */
export interface SentMessage {
  readonly message: CloseMessage | 'user_canceled' | 'stun-403';
  readonly layer: 'rtcp' | 'sctp' | 'dtls' | 'ice';
  /** Datagrams. */
  readonly count: number;
  /** On the wire, without IP and UDP headers. */
  readonly bytes: number;
  /** Milliseconds since the call of `close`. */
  readonly at: number;
}

/** How a connection ended. */
export interface CloseReport {
  /** `local`: our `close` was first. `remote`: the peer had closed before. `lost`: consent had expired, or ICE or DTLS had failed. */
  readonly by: 'local' | 'remote' | 'lost';
  /** Ours for `local`, the peer's for `remote`. */
  readonly reason: string;
  /** The peer's answer; `quiet`: none, but it has sent nothing for 500 ms; `nothing`: neither, or there was nobody to ask. */
  readonly heard: 'close_notify' | 'fatal-alert' | 'quiet' | 'nothing';
  /** It grows by the 403 that a later check of the peer's is answered with. */
  readonly sent: readonly SentMessage[];
  readonly flights: number;
  /** From the call of `close` to what was heard. */
  readonly durationMs: number;
}

/**
 * The argument of `close`.
 *
 * @example
 * pc.close({ reason: 'the room is empty', linger: 1000 });
 */
export interface CloseOptions {
  /** Told to the peer in the BYE and the ABORT; a browser shows it in the error of the data channels. At most 255 bytes of UTF-8 arrive in a BYE. */
  readonly reason?: string;
  /** Milliseconds for which the close may be repeated in the background; 0: say it once. Default 4,000. */
  readonly linger?: number;
  /** Another order of the messages, or fewer of them. Default: {@link CLOSE_SEQUENCE}. */
  readonly sequence?: readonly CloseMessage[];
}

export type ShutdownState = 'cancelling' | 'repeating' | 'heard' | 'releasing' | 'released';

export type ShutdownEvent =
  /** Nothing more will be repeated; sockets stay for the 403. */
  | { readonly type: 'closed'; readonly report: CloseReport }
  /** The sockets can go, once everything polled has been sent. */
  | { readonly type: 'released' };

/** Milliseconds that one step of the repetition takes; two round trips if these are longer. */
const MIN_STEP = 50;
/**
 * When the flight is repeated, in steps after the first one. Eleven flights in the first second reach an idle peer through 50 % loss in all but
 * one of 2,000 cases; doubling gaps would make only five (docs/closing.md).
 */
const REPETITIONS = [1, 2, 3, 4, 6, 8, 10, 12, 15, 18, 30] as const;
/** Datagrams that should not have come provoke at most one flight in this many milliseconds, and this many flights in all. */
const FLIGHT_INTERVAL = 50;
const MAX_FLIGHTS = 20;
/** A peer that has sent nothing for this long, after the last repetition, has understood. */
const QUIET_PERIOD = 500;
const CANCEL_FLIGHTS = 3;
const DEFAULT_LINGER = 4000;

type TimerName = 'repeat' | 'quiet' | 'linger';

export class ShutdownSequencer implements Core<IceTransmit, ShutdownEvent> {
  readonly #stack: TransportStack;
  readonly #reason: string;
  readonly #linger: number;
  readonly #sequence: readonly CloseMessage[];
  readonly #startedAt: Instant;
  readonly #timers = new TimerTable<TimerName>(['repeat', 'quiet', 'linger']);
  readonly #events = new Queue<ShutdownEvent>();
  readonly #sent: SentMessage[] = [];
  #state: ShutdownState = 'repeating';
  #flights = 0;
  readonly #step: number;
  #repetition = 0;
  #lastFlightAt: Instant = 0;
  #lastHeardAt: Instant;
  /** Answers to a peer that closed at the same time, and has not heard us. */
  #answers = 0;
  /** A 403 that is about to leave. */
  #refusal: { bytes: number } | undefined;

  /** Sends the first flight: poll it at once. From here on the stack gets its inputs from here only. */
  constructor(stack: TransportStack, options: CloseOptions, now: Instant) {
    this.#stack = stack;
    this.#reason = options.reason ?? '';
    this.#linger = options.linger ?? DEFAULT_LINGER;
    this.#sequence = options.sequence ?? CLOSE_SEQUENCE;
    this.#startedAt = now;
    this.#lastHeardAt = now;
    this.#step = Math.max(MIN_STEP, 2 * (stack.ice.roundTripTime ?? 0));
    stack.ice.silence();
    this.#begin(now);
  }

  get state(): ShutdownState {
    return this.#state;
  }

  /** A datagram after the close. Only an alert is listened to; anything else shows that the peer has not noticed yet. */
  receive(socket: number, datagram: Uint8Array, address: string, port: number, now: Instant): void {
    if (this.#state === 'released') return;
    const { ice } = this.#stack;
    const fromPeer = ice.isSelectedPath(socket, address, port);
    const payload = this.#stack.receiveDatagram(socket, datagram, address, port, now);
    if (this.#state === 'releasing') return this.#awaitRelease();
    if (fromPeer || payload !== undefined) this.#onPeerActive(payload, now);
    if (ice.refusals > 0) this.#onRefused(now);
  }

  /** The same for a stream, such as that to a TURN server. */
  receiveStream(stream: number, bytes: Uint8Array, now: Instant): void {
    if (this.#state === 'released') return;
    const payloads = this.#stack.ice.streamData(stream, bytes, now);
    if (this.#state === 'releasing') return this.#awaitRelease();
    for (const payload of payloads) this.#onPeerActive(payload, now);
    if (this.#stack.ice.refusals > 0) this.#onRefused(now);
  }

  #onPeerActive(payload: Uint8Array | undefined, now: Instant): void {
    if (payload !== undefined) {
      this.#lastHeardAt = now;
      this.#stack.receiveWhileClosing(payload, now);
    }
    if (this.#state === 'heard') return this.#answerUnheardPeer(now);
    const answer = this.#answer();
    if (answer !== undefined) this.#conclude(answer, 'local', this.#reason, now);
    else if (this.#state === 'repeating' && now - this.#lastFlightAt >= FLIGHT_INTERVAL) this.#repeat(now);
  }

  handleTimeout(now: Instant): void {
    if (this.#state === 'releasing') {
      this.#stack.ice.handleTimeout(now);
      return this.#awaitRelease();
    }
    if (this.#timers.expire('repeat', now)) this.#onRepeatTimer(now);
    if (this.#timers.expire('quiet', now)) this.#onQuietTimer(now);
    if (this.#timers.expire('linger', now)) this.#onLingerOver(now);
  }

  nextTimeout(): Instant {
    return this.#state === 'releasing' ? this.#stack.ice.nextTimeout() : this.#timers.next();
  }

  pollTransmit(now: Instant): IceTransmit | undefined {
    const transmit = this.#stack.pollDatagram(now);
    if (transmit === undefined || this.#refusal === undefined) return transmit;
    this.#refusal.bytes = transmit.data.length;
    this.#refusal = undefined;
    return transmit;
  }

  pollEvent(): ShutdownEvent | undefined {
    return this.#events.shift();
  }

  // Beginning ----------------------------------------------------------------------------------------------------------

  #begin(now: Instant): void {
    const { dtls, ice, closedByPeer } = this.#stack;
    this.#timers.start('linger', now + this.#linger);
    if (closedByPeer !== undefined) this.#onClosedAlready(closedByPeer.reason, now);
    else if (ice.state === 'failed' || dtls?.state === 'failed') this.#leave('lost', now);
    else if (dtls?.state === 'connecting') this.#cancel(now);
    else if (dtls?.state === 'connected') this.#sayGoodbye(now);
    else this.#leave('local', now);
  }

  /** The stack has answered; it may have refused a check, too. */
  #onClosedAlready(reason: string, now: Instant): void {
    this.#conclude('close_notify', 'remote', reason, now);
    if (this.#stack.ice.refusals > 0) this.#release(now);
  }

  /** Nobody to tell. */
  #leave(by: CloseReport['by'], now: Instant): void {
    this.#report('nothing', by, this.#reason, now);
    this.#release(now);
  }

  #sayGoodbye(now: Instant): void {
    this.#state = 'repeating';
    this.#repeat(now);
    if (this.#linger > 0 && this.#sent.length > 0) this.#scheduleRepetition(now);
    else this.#leave('local', now);
  }

  // Sending ------------------------------------------------------------------------------------------------------------

  /** One flight; each layer is drained to the socket before the next one speaks. */
  #repeat(now: Instant): void {
    if (this.#flights >= MAX_FLIGHTS) return;
    this.#lastFlightAt = now;
    const before = this.#sent.length;
    for (const message of this.#sequence) this.#say(message, now);
    if (this.#sent.length > before) this.#flights += 1;
  }

  #say(message: CloseMessage, now: Instant): void {
    switch (message) {
      case 'bye':
        return this.#record('bye', 'rtcp', now, () => this.#sayBye(now));
      case 'abort':
        return this.#record('abort', 'sctp', now, () => this.#sayAbort(now));
      case 'close_notify':
        return this.#record('close_notify', 'dtls', now, () => this.#stack.dtls!.close());
    }
  }

  /** RFC 3550 §6.6, for every SSRC that has sent; nothing when none has (§6.3.7). */
  #sayBye(now: Instant): void {
    for (const compound of this.#stack.media.bye(this.#reason, now)) this.#stack.sendRtcp(compound, now);
  }

  /** RFC 9260 §9.1: no DATA with it, cause 12 with the reason; nothing while the peer has no association. */
  #sayAbort(now: Instant): void {
    const { sctp } = this.#stack;
    const packet = sctp?.createAbort(this.#reason);
    if (packet === undefined) return;
    sctp!.abort(this.#reason);
    this.#stack.sendSctp(packet, now);
  }

  /** During the handshake: user_canceled and close_notify in the epoch in force (RFC 5246 §7.2.2), and no lingering. */
  #cancel(now: Instant): void {
    this.#state = 'cancelling';
    this.#record('user_canceled', 'dtls', now, () => this.#stack.dtls!.close());
    const isSent = this.#sent.length > this.#flights;
    this.#flights = this.#sent.length;
    if (isSent && this.#flights < CANCEL_FLIGHTS && this.#linger > 0) this.#timers.start('repeat', now + FLIGHT_INTERVAL);
    else this.#leave('local', now);
  }

  /** Lets one layer speak, drains it to the socket before the next one may, and notes what has left. */
  #record(message: SentMessage['message'], layer: SentMessage['layer'], now: Instant, speak: () => void): void {
    const { packetsSent, bytesSent } = this.#stack.counters;
    speak();
    this.#stack.flushDtls(now);
    const count = this.#stack.counters.packetsSent - packetsSent;
    if (count > 0) this.#sent.push({ message, layer, count, bytes: this.#stack.counters.bytesSent - bytesSent, at: now - this.#startedAt });
  }

  // Listening ----------------------------------------------------------------------------------------------------------

  #answer(): CloseReport['heard'] | undefined {
    const { dtls } = this.#stack;
    if (!dtls?.closedByPeer) return undefined;
    return dtls.closingAlert === 'close_notify' ? 'close_notify' : 'fatal-alert';
  }

  /**
   * A peer that closed when we did takes our alert for its answer, and we its. When it says so more often than we have asked, ours has not arrived.
   */
  #answerUnheardPeer(now: Instant): void {
    const { dtls, closedByPeer } = this.#stack;
    if (closedByPeer !== undefined || dtls === undefined) return; // the stack answers who was first
    if (dtls.closeNotifiesReceived <= this.#flights + this.#answers || this.#answers >= MAX_FLIGHTS) return;
    if (now - this.#lastFlightAt < FLIGHT_INTERVAL) return;
    this.#answers += 1;
    this.#lastFlightAt = now;
    this.#record('close_notify', 'dtls', now, () => dtls.close());
  }

  #onRepeatTimer(now: Instant): void {
    if (this.#state === 'cancelling') return this.#cancel(now);
    if (this.#state !== 'repeating') return;
    if (now - this.#lastFlightAt < FLIGHT_INTERVAL) return this.#timers.start('repeat', this.#lastFlightAt + FLIGHT_INTERVAL);
    this.#repeat(now);
    this.#repetition += 1;
    this.#scheduleRepetition(now);
  }

  #scheduleRepetition(now: Instant): void {
    const steps = REPETITIONS[this.#repetition];
    if (steps === undefined) this.#timers.start('quiet', now + QUIET_PERIOD);
    else this.#timers.start('repeat', Math.max(now, this.#startedAt + steps * this.#step));
  }

  /** A browser that answers no alert falls silent instead. */
  #onQuietTimer(now: Instant): void {
    if (this.#state !== 'repeating') return;
    const quietSince = now - this.#lastHeardAt;
    if (quietSince >= QUIET_PERIOD) this.#conclude('quiet', 'local', this.#reason, now);
    else this.#timers.start('quiet', this.#lastHeardAt + QUIET_PERIOD);
  }

  #onLingerOver(now: Instant): void {
    if (this.#state === 'heard') return this.#release(now);
    const isQuiet = this.#state === 'repeating' && now - this.#lastHeardAt >= QUIET_PERIOD;
    this.#report(isQuiet ? 'quiet' : 'nothing', 'local', this.#reason, now);
    this.#release(now);
  }

  // Ending -------------------------------------------------------------------------------------------------------------

  /** Nothing is repeated any more; until the linger is over a check of the peer's gets 403. */
  #conclude(heard: CloseReport['heard'], by: CloseReport['by'], reason: string, now: Instant): void {
    this.#report(heard, by, reason, now);
    this.#state = 'heard';
    this.#timers.stop('repeat');
    this.#timers.stop('quiet');
    this.#stack.ice.refuseChecks();
    if (this.#linger === 0) this.#release(now);
  }

  #report(heard: CloseReport['heard'], by: CloseReport['by'], reason: string, now: Instant): void {
    const report = { by, reason, heard, sent: this.#sent, flights: this.#flights, durationMs: now - this.#startedAt };
    this.#events.push({ type: 'closed', report });
  }

  #onRefused(now: Instant): void {
    const entry = { message: 'stun-403' as const, layer: 'ice' as const, count: 1, bytes: 0, at: now - this.#startedAt };
    this.#refusal = entry;
    this.#sent.push(entry);
    this.#release(now);
  }

  /** TURN allocations are deleted last (RFC 8656 §7); without one this is over at once. */
  #release(now: Instant): void {
    if (this.#state === 'releasing' || this.#state === 'released') return;
    this.#state = 'releasing';
    this.#timers.stopAll();
    this.#stack.ice.close(now);
    this.#awaitRelease();
  }

  #awaitRelease(): void {
    if (!this.#stack.ice.released) return;
    this.#state = 'released';
    this.#events.push({ type: 'released' });
  }
}
