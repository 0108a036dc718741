/**
 * A DTLS 1.2 connection (RFC 6347) for WebRTC (RFC 8827 §6.5): mutual certificates that are checked against fingerprints, AEAD suites only,
 * no renegotiation, no resumption.
 */
import { type Certificate, type CryptoProvider, type Fingerprint, matchesFingerprint, type NamedGroup } from '@petrel/crypto';
import { type Core, Discards, type Instant, NEVER, Queue } from '@petrel/sans-io';
import { type Alert, type AlertDescription, type AlertLevel, decodeAlert, encodeAlert } from './alert.ts';
import { CIPHER_SUITES, type CipherSuite, type CipherSuiteName } from './cipher-suites.ts';
import { ClientHandshake } from './client-handshake.ts';
import { CookieExchange, type VerifiedHello } from './cookie-exchange.ts';
import type { DtlsFailure, DtlsFailureReason } from './errors.ts';
import { FlightSender } from './flight.ts';
import type { Handshake, HandshakeContext, HandshakeResult } from './handshake.ts';
import { HANDSHAKE_TYPE } from './handshake-messages.ts';
import { type HandshakeMessage, Reassembler } from './reassembler.ts';
import { CONTENT_TYPE, MAX_PLAINTEXT_LENGTH, type PlaintextRecord, type RecordDiscard, RecordLayer } from './record-layer.ts';
import { ServerHandshake } from './server-handshake.ts';

/** The states of the W3C's RTCDtlsTransport. */
export type DtlsState = 'new' | 'connecting' | 'connected' | 'closed' | 'failed';
/** `client`: sends the ClientHello (`a=setup:active`). */
export type DtlsRole = 'client' | 'server';

/** What {@link DtlsConnection.pollEvent} gives. */
export type DtlsEvent =
  | { readonly type: 'connected' }
  | { readonly type: 'data'; readonly data: Uint8Array }
  /** The peer's authenticated close_notify; also after a `close` of ours, as its answer. */
  | { readonly type: 'closed' }
  /** Fatal: the connection can only be thrown away. */
  | { readonly type: 'failed'; readonly failure: DtlsFailure };

/** Why a record, or a message in it, was dropped without consequences. */
export type DtlsDiscard =
  | RecordDiscard
  | 'not-started'
  | 'no-cookie'
  | 'refused-hello'
  | 'malformed-handshake'
  | 'old-handshake'
  | 'handshake-too-far-ahead'
  | 'handshake-too-much'
  | 'unprotected-handshake'
  | 'renegotiation'
  | 'early-data'
  | 'empty-data'
  | 'unprotected-data'
  | 'unprotected-alert'
  | 'malformed-alert'
  | 'data-after-close'
  | 'malformed-change-cipher-spec'
  | 'unknown-content-type';

/** The argument of the constructor of {@link DtlsConnection}. */
export interface DtlsOptions {
  readonly role: DtlsRole;
  readonly crypto: CryptoProvider;
  readonly certificate: Certificate;
  /** The peer's, from its session description. Until they are set the connection does not become `connected`. */
  readonly remoteFingerprints?: readonly Fingerprint[];
  /** Protection profiles of `use_srtp` in order of preference (RFC 5764 §4.1.2, RFC 7714 §14.2); none: not offered. */
  readonly srtpProfiles?: readonly number[];
  /** ALPN names in order of preference, such as `webrtc` (RFC 7301, RFC 8833); none: not offered. */
  readonly applicationProtocols?: readonly string[];
  /** Largest datagram of the handshake, in bytes; 1,200 unless given. */
  readonly maxDatagram?: number;
  /** Milliseconds until a flight is sent again for the first time: 1.5 round trips. Kept between 50 and 3,000; 400 unless given. */
  readonly initialTimeout?: number;
  /** Milliseconds until a handshake fails; 60,000 unless given. A server's begin with the ClientHello. */
  readonly handshakeTimeout?: number;
  readonly cipherSuites?: readonly CipherSuiteName[];
  /** In order of preference. */
  readonly groups?: readonly NamedGroup[];
  /** Whether to refuse peers without RFC 7627, which every WebRTC implementation has; true unless given. */
  readonly requireExtendedMasterSecret?: boolean;
  /** Server only: whether to ask for a cookie first (RFC 6347 §4.2.1). Not needed behind ICE; a `DtlsListener` always does. */
  readonly helloVerify?: boolean;
  /** Server only: the ClientHello to come has returned its cookie to a {@link CookieExchange}. */
  readonly verifiedHello?: VerifiedHello;
  /** Gets a line of the SSLKEYLOGFILE format. Whoever reads it can decrypt the connection. */
  readonly keyLog?: (line: string) => void;
}

const DEFAULT_GROUPS: readonly NamedGroup[] = ['x25519', 'p-256', 'p-384'];
const HANDSHAKE_TIMEOUT = 60_000;
/** How long a server waits for a good ClientHello after a bad one, which anybody may have sent, before it says so and fails. */
const REFUSAL_GRACE = 2000;
/** How long the last flight can be asked for: twice the time that a segment may live (RFC 6347 §4.2.4). */
const LAST_FLIGHT_LIFETIME = 240_000;
/** Data that overtook the end of the handshake. */
const MAX_EARLY_DATA = { records: 16, bytes: 32_768 };
/** A renegotiation attempt is answered at most this often. */
const REFUSAL_INTERVAL = 1000;

/**
 * @example
 * const dtls = new DtlsConnection({ role: 'client', crypto, certificate, remoteFingerprints });
 * dtls.start(now);
 * for (let datagram; (datagram = dtls.pollTransmit()); ) socket.send(datagram);
 */
export class DtlsConnection implements Core<Uint8Array, DtlsEvent> {
  readonly discards: Discards<DtlsDiscard> = new Discards();
  readonly role: DtlsRole;
  /** The latest alert in each direction, of those that came only the authentic ones: for taps and logs, which see no more than encrypted records. */
  readonly latestAlerts: { sent?: Alert['description']; received?: Alert['description'] } = {};
  readonly #options: DtlsOptions;
  readonly #records: RecordLayer = new RecordLayer(this.discards as Discards<RecordDiscard>);
  readonly #flight: FlightSender;
  readonly #reassembler = new Reassembler();
  readonly #transmits = new Queue<Uint8Array>();
  readonly #events = new Queue<DtlsEvent>();
  readonly #onRecord = (record: PlaintextRecord): void => this.#receiveRecord(record);
  #handshake: Handshake | undefined;
  /** While a server waits for a cookie to come back. */
  #cookies: CookieExchange | undefined;
  #result: HandshakeResult | undefined;
  #state: DtlsState = 'new';
  #fingerprints: readonly Fingerprint[] | undefined;
  #handshakeDeadline: Instant = NEVER;
  #refusal: { readonly failure: DtlsFailure; readonly deadline: Instant } | undefined;
  #finishedAt: Instant = NEVER;
  #renegotiationRefusedAt: Instant = -Infinity;
  #earlyData: Uint8Array[] = [];
  #earlyBytes = 0;
  #closingAlert: Alert['description'] | undefined;
  #closeNotifiesReceived = 0;
  /** Whether the answer to the peer's close_notify still stands for the first `close`. */
  #answered = false;
  #closeNotifySent = false;
  #now: Instant = 0;

  constructor(options: DtlsOptions) {
    this.role = options.role;
    this.#options = options;
    this.#flight = new FlightSender(this.#records, options.maxDatagram ?? 1200, options.initialTimeout);
    this.#fingerprints = options.remoteFingerprints;
  }

  get state(): DtlsState {
    return this.#state;
  }

  /** Whether the peer's authenticated close_notify or fatal alert has come. */
  get closedByPeer(): boolean {
    return this.#closingAlert !== undefined;
  }

  /** The alert with which the peer has ended the connection. */
  get closingAlert(): Alert['description'] | undefined {
    return this.#closingAlert;
  }

  /** How many close_notify alerts of the peer's have come and were authentic: when it grows, the peer has not seen our answer. */
  get closeNotifiesReceived(): number {
    return this.#closeNotifiesReceived;
  }

  /** DER, the peer's own certificate first; empty until the handshake is complete. */
  get peerCertificates(): readonly Uint8Array[] {
    return this.#result?.peerCertificates ?? [];
  }

  /** The negotiated profile of `use_srtp`. */
  get srtpProfile(): number | undefined {
    return this.#result?.srtpProfile;
  }

  /** The negotiated ALPN name. */
  get applicationProtocol(): string | undefined {
    return this.#result?.applicationProtocol;
  }

  get cipherSuite(): CipherSuiteName | undefined {
    return this.#result?.suite.name;
  }

  /** Bytes that a protected record adds to its content. */
  get overhead(): number {
    return this.#records.overhead(1);
  }

  /** The number that the next record in the present epoch will have, for traces. */
  get nextRecordNumber(): number {
    return this.#records.nextSequenceNumber(this.#records.writeEpoch);
  }

  /** The client sends its hello; the server begins to listen. */
  start(now: Instant): void {
    if (this.#state !== 'new') return;
    this.#now = now;
    this.#state = 'connecting';
    if (this.role === 'server') return this.#startServer();
    const client = new ClientHandshake(this.#handshakeContext());
    this.#handshake = client;
    this.#handshakeDeadline = now + (this.#options.handshakeTimeout ?? HANDSHAKE_TIMEOUT);
    client.sendClientHello(now);
  }

  /** What the peer's certificate has to match; the handshake may have got that far already. */
  setRemoteFingerprints(fingerprints: readonly Fingerprint[]): void {
    this.#fingerprints = fingerprints;
    this.#authenticate();
  }

  /** What ICE has measured, in milliseconds: flights that begin from now on are sent again after 1.5 times that (RFC 9147 §5.8.2). */
  setRoundTripTime(milliseconds: number): void {
    this.#flight.setInitialTimeout(1.5 * milliseconds);
  }

  receive(datagram: Uint8Array, now: Instant): void {
    this.#now = now;
    if (this.#state === 'new' || this.#state === 'failed') return this.discards.count('not-started');
    if (this.#cookies !== undefined && !this.#hasCookie(this.#cookies, datagram)) return this.discards.count('no-cookie');
    for (let offset = 0; offset < datagram.length; ) offset = this.#records.open(datagram, offset, this.#onRecord);
    for (const record of this.#records.takeEarly()) this.#records.open(record, 0, this.#onRecord);
  }

  /** Sends one record. @returns false when the connection is not open. @throws RangeError when the data does not fit in a record. */
  send(data: Uint8Array): boolean {
    if (this.#state !== 'connected') return false;
    if (data.length > MAX_PLAINTEXT_LENGTH)
      throw new RangeError(`a DTLS record holds at most ${MAX_PLAINTEXT_LENGTH} bytes, not ${data.length}`);
    this.#transmits.push(this.#records.seal(CONTENT_TYPE.applicationData, 1, data));
    return true;
  }

  /**
   * Says goodbye: after the handshake with a close_notify, during it with user_canceled before that (RFC 5246 §7.2.1, §7.2.2). What the peer
   * sends afterwards is still authenticated, to notice its answer. Calling again sends the alerts again, in new records.
   * When the peer was first, its close_notify has been answered already, and the first call sends nothing.
   */
  close(): void {
    if (this.#state === 'new') this.#state = 'closed';
    if (this.#handshake === undefined && this.#result === undefined) return this.#end('closed');
    if (this.#state === 'failed') return;
    if (this.#answered) {
      this.#answered = false;
      return;
    }
    if (this.#result === undefined) this.#sendAlert('warning', 'user_canceled');
    this.#sendAlert('warning', 'close_notify');
    this.#closeNotifySent = true;
    this.#end('closed');
  }

  /** Application data in a record after `close`: the shutdown sequencer repeats the SCTP ABORT before each close_notify. */
  sendAfterClose(data: Uint8Array): void {
    if (this.#result !== undefined && this.#state === 'closed')
      this.#transmits.push(this.#records.seal(CONTENT_TYPE.applicationData, 1, data));
  }

  /** Ends the connection with a fatal alert. */
  abort(alert: AlertDescription): void {
    if (this.#state === 'failed') return;
    if (this.#state !== 'new') this.#sendAlert('fatal', alert);
    this.#end('closed');
  }

  /**
   * Keying material for another protocol (RFC 5705).
   * @throws Error before the connection is `connected`: nothing is exported for a peer that is not the expected one
   */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    if (this.#result === undefined || this.#state === 'connecting' || this.#state === 'failed')
      throw new Error('keying material exists when the handshake is complete: wait for the connected event');
    return this.#result.keys.export(label, length, context);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    if (this.#refusal !== undefined && this.#refusal.deadline <= now) this.#failWithAlert(this.#refusal.failure);
    if (this.#handshakeDeadline <= now) this.#fail('handshake-timeout', undefined);
    if (this.#flight.deadline <= now) this.#transmit(this.#flight.retransmit(now));
  }

  nextTimeout(): Instant {
    return Math.min(this.#flight.deadline, this.#handshakeDeadline, this.#refusal?.deadline ?? NEVER);
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): DtlsEvent | undefined {
    return this.#events.shift();
  }

  // The handshake -------------------------------------------------------------------------------------------------------------

  #handshakeContext(): HandshakeContext {
    const { crypto, certificate, groups, srtpProfiles, applicationProtocols, requireExtendedMasterSecret, keyLog } = this.#options;
    return {
      crypto,
      certificate,
      cipherSuites: this.#cipherSuites(),
      groups: groups ?? DEFAULT_GROUPS,
      srtpProfiles: srtpProfiles ?? [],
      applicationProtocols: applicationProtocols ?? [],
      requireExtendedMasterSecret: requireExtendedMasterSecret ?? true,
      records: this.#records,
      flight: this.#flight,
      keyLog,
      transmitFlight: (now, answerExpected) => this.#transmit(this.#flight.transmit(now, answerExpected)),
      isAcceptable: (der) => this.#fingerprints === undefined || matchesFingerprint(crypto, der, this.#fingerprints),
    };
  }

  #cipherSuites(): readonly CipherSuite[] {
    const names = this.#options.cipherSuites;
    if (names === undefined) return CIPHER_SUITES;
    return names.map((name) => {
      const suite = CIPHER_SUITES.find((candidate) => candidate.name === name);
      if (suite === undefined) throw new TypeError(`unknown cipher suite ${name}`);
      return suite;
    });
  }

  #startServer(): void {
    this.#handshake = new ServerHandshake(this.#handshakeContext());
    if (this.#options.verifiedHello !== undefined) this.#continueAfter(this.#options.verifiedHello);
    else if (this.#options.helloVerify === true) this.#cookies = new CookieExchange(this.#options.crypto);
  }

  /** Nothing of a connection changes before the cookie is back, but for the answer. There is one peer, so its address needs no name. */
  #hasCookie(cookies: CookieExchange, datagram: Uint8Array): boolean {
    const verdict = cookies.check(datagram, '', this.#now);
    if (verdict.type === 'challenge') this.#transmits.push(verdict.datagram);
    if (verdict.type !== 'verified') return false;
    this.#cookies = undefined;
    this.#continueAfter(verdict);
    return true;
  }

  #continueAfter({ messageSequence, recordSequence }: VerifiedHello): void {
    this.#reassembler.expect(messageSequence);
    this.#flight.startAt(messageSequence);
    this.#records.startAt(recordSequence);
  }

  #transmit(datagrams: readonly Uint8Array[]): void {
    for (const datagram of datagrams) this.#transmits.push(datagram);
  }

  #receiveHandshake({ epoch, fragment }: PlaintextRecord): void {
    if (this.#result !== undefined) return this.#receiveLateHandshake(epoch, fragment);
    if (this.#state !== 'connecting') return this.discards.count('old-handshake');
    const outcome = this.#reassembler.add(fragment, epoch);
    if (outcome === 'malformed') this.discards.count('malformed-handshake');
    else if (outcome === 'too-far-ahead') this.discards.count('handshake-too-far-ahead');
    else if (outcome === 'too-much') this.discards.count('handshake-too-much');
    else if (outcome === 'old') this.discards.count('old-handshake');
    const { repeatedType } = this.#reassembler;
    for (let message = this.#reassembler.next(); message !== undefined; message = this.#reassembler.next()) {
      this.#receiveMessage(message);
      if (this.#state !== 'connecting' || this.#result !== undefined) return this.#reassembler.clear();
    }
    if (repeatedType !== undefined && this.#handshake!.isRepeatedFlight(repeatedType)) this.#transmit(this.#flight.repeat(this.#now, true));
  }

  #receiveMessage(message: HandshakeMessage): void {
    const handshake = this.#handshake!;
    const wasOpen = handshake.isOpen;
    const problem = handshake.onMessage(message, this.#now);
    if (problem !== undefined && wasOpen) return this.#refuse(message, problem);
    if (problem !== undefined) return this.#failWithAlert(problem);
    if (wasOpen) {
      this.#refusal = undefined;
      this.#reassembler.clear(); // no client can have continued already: what waits is forged
      this.#handshakeDeadline = this.#now + (this.#options.handshakeTimeout ?? HANDSHAKE_TIMEOUT);
    }
    if (handshake.result === undefined) return;
    this.#result = handshake.result;
    this.#finishedAt = this.#now;
    this.#handshake = undefined;
    this.#authenticate();
  }

  /**
   * A bad first message may be anyone's: the next may still be the peer's. So a server says nothing for a while, or a forged hello would make it
   * send the real client a fatal alert.
   */
  #refuse({ sequence }: HandshakeMessage, failure: DtlsFailure): void {
    this.discards.count('refused-hello');
    this.#reassembler.expect(sequence);
    this.#refusal ??= { failure, deadline: this.#now + REFUSAL_GRACE };
  }

  /** Handshake records after the handshake: a repeated Finished, an attempt to renegotiate, or forgery. */
  #receiveLateHandshake(epoch: number, fragment: Uint8Array): void {
    if (epoch === 0) return this.discards.count('unprotected-handshake');
    if (fragment[0] === HANDSHAKE_TYPE.finished) {
      this.discards.count('old-handshake');
      // The server speaks last: its Finished was lost.
      if (this.role === 'server' && this.#now - this.#finishedAt <= LAST_FLIGHT_LIFETIME)
        this.#transmit(this.#flight.repeat(this.#now, false));
      return;
    }
    // RFC 5246 §7.2.2; RFC 8827 §6.5 forbids renegotiation.
    this.discards.count('renegotiation');
    if (this.#state === 'closed' || this.#now - this.#renegotiationRefusedAt < REFUSAL_INTERVAL) return;
    this.#renegotiationRefusedAt = this.#now;
    this.#sendAlert('warning', 'no_renegotiation');
  }

  /** The last step: the certificate is the one that the session description promised (RFC 8122 §6.2, RFC 8827 §6.5). */
  #authenticate(): void {
    if (this.#result === undefined || this.#fingerprints === undefined || this.#state !== 'connecting') return;
    if (!matchesFingerprint(this.#options.crypto, this.#result.peerCertificates[0]!, this.#fingerprints))
      return this.#failWithAlert({ reason: 'fingerprint-mismatch', alert: 'bad_certificate' });
    this.#state = 'connected';
    this.#handshakeDeadline = NEVER;
    this.#events.push({ type: 'connected' });
    for (const data of this.#earlyData) this.#events.push({ type: 'data', data });
    this.#earlyData = [];
  }

  // Records -------------------------------------------------------------------------------------------------------------------

  #receiveRecord(record: PlaintextRecord): void {
    switch (record.type) {
      case CONTENT_TYPE.applicationData:
        return this.#receiveData(record);
      case CONTENT_TYPE.handshake:
        return this.#receiveHandshake(record);
      case CONTENT_TYPE.alert:
        return this.#receiveAlert(record);
      case CONTENT_TYPE.changeCipherSpec:
        // The epoch in a record's header says the same, and is authenticated.
        if (record.fragment.length !== 1 || record.fragment[0] !== 1) this.discards.count('malformed-change-cipher-spec');
        return;
      default:
        return this.discards.count('unknown-content-type');
    }
  }

  #receiveData({ epoch, fragment }: PlaintextRecord): void {
    if (epoch === 0) return this.discards.count('unprotected-data');
    if (fragment.length === 0) return this.discards.count('empty-data'); // legal (RFC 5246 §6.2.1), and nothing
    if (this.#state === 'connected') this.#events.push({ type: 'data', data: fragment });
    else if (this.#state === 'connecting') this.#keepEarlyData(fragment);
    else this.discards.count('data-after-close');
  }

  /** The peer may be connected before we are; who it is we do not know yet, so nobody sees this before we do. */
  #keepEarlyData(data: Uint8Array): void {
    if (this.#earlyData.length >= MAX_EARLY_DATA.records || this.#earlyBytes + data.length > MAX_EARLY_DATA.bytes)
      return this.discards.count('early-data');
    this.#earlyData.push(data);
    this.#earlyBytes += data.length;
  }

  #receiveAlert({ epoch, fragment }: PlaintextRecord): void {
    // Once there are keys, an alert in the clear could be anyone's. Before, it could be as well, but a peer that fails has no other way to say so.
    if (epoch === 0 && (this.#result !== undefined || this.#state === 'closed')) return this.discards.count('unprotected-alert');
    const alert = decodeAlert(fragment);
    if (alert === undefined) return this.discards.count('malformed-alert');
    this.latestAlerts.received = alert.description;
    if (alert.description === 'close_notify') this.#receiveCloseNotify();
    else if (alert.level === 'fatal') this.#receiveFatalAlert(alert.description);
  }

  /** RFC 5246 §7.2.1: the first one is answered with ours; further ones only count. */
  #receiveCloseNotify(): void {
    this.#closeNotifiesReceived += 1;
    if (this.#closingAlert !== undefined) return;
    this.#closingAlert = 'close_notify';
    if (!this.#closeNotifySent) {
      this.#sendAlert('warning', 'close_notify');
      this.#closeNotifySent = true;
      this.#answered = true;
    }
    this.#end('closed');
    this.#events.push({ type: 'closed' });
  }

  #receiveFatalAlert(description: Alert['description']): void {
    const first = this.#closingAlert === undefined;
    this.#closingAlert ??= description;
    // To a connection that is closed it is as good an answer as a close_notify.
    if (this.#state !== 'closed') this.#fail('remote-alert', description);
    else if (first) this.#events.push({ type: 'closed' });
  }

  #sendAlert(level: AlertLevel, description: AlertDescription): void {
    this.latestAlerts.sent = description;
    this.#transmits.push(this.#records.seal(CONTENT_TYPE.alert, this.#records.writeEpoch, encodeAlert(level, description)));
  }

  #failWithAlert({ reason, alert }: DtlsFailure): void {
    this.#sendAlert('fatal', alert as AlertDescription);
    this.#fail(reason, alert);
  }

  #fail(reason: DtlsFailureReason, alert: DtlsFailure['alert']): void {
    this.#end('failed');
    this.#events.push({ type: 'failed', failure: { reason, alert } });
  }

  /** Only what a closed connection still needs stays: the keys, to authenticate the peer's answer. */
  #end(state: 'closed' | 'failed'): void {
    this.#state = state;
    this.#flight.stop();
    this.#handshakeDeadline = NEVER;
    this.#refusal = undefined;
    this.#earlyData = [];
    this.#reassembler.clear();
    this.#records.dropEarly();
  }
}
