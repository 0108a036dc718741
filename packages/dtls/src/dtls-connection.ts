/**
 * A DTLS 1.2 connection (RFC 6347) for WebRTC (RFC 8827 §6.5): mutual certificates that are checked against fingerprints, AEAD suites only,
 * no renegotiation, no resumption.
 */
import { type Certificate, type CryptoProvider, type Fingerprint, fingerprint, type HashAlgorithm, type NamedGroup } from '@petrel/crypto';
import { type Core, Discards, type Instant, NEVER, Queue } from '@petrel/sans-io';
import { type AlertDescription, type AlertLevel, decodeAlert, encodeAlert } from './alert.ts';
import { CIPHER_SUITES, type CipherSuite, type CipherSuiteName } from './cipher-suites.ts';
import { ClientHandshake } from './client-handshake.ts';
import type { DtlsFailure, DtlsFailureReason } from './errors.ts';
import { FlightSender } from './flight.ts';
import type { Handshake, HandshakeResult } from './handshake.ts';
import { Reassembler } from './reassembler.ts';
import { CONTENT_TYPE, MAX_PLAINTEXT_LENGTH, type PlaintextRecord, type RecordDiscard, RecordLayer } from './record-layer.ts';
import { ServerHandshake } from './server-handshake.ts';

/** The states of the W3C's RTCDtlsTransport. */
export type DtlsState = 'new' | 'connecting' | 'connected' | 'closed' | 'failed';
export type DtlsRole = 'client' | 'server';

export type DtlsEvent =
  | { readonly type: 'connected' }
  | { readonly type: 'data'; readonly data: Uint8Array }
  /** The peer's authenticated close_notify; also after a `close` of ours, as its answer. */
  | { readonly type: 'closed' }
  /** Fatal: the connection can only be thrown away. */
  | { readonly type: 'failed'; readonly failure: DtlsFailure };

export type DtlsDiscard =
  | RecordDiscard
  | 'not-started'
  | 'malformed-handshake'
  | 'old-handshake'
  | 'handshake-too-far-ahead'
  | 'handshake-after-connected'
  | 'early-data'
  | 'unprotected-data'
  | 'unprotected-alert'
  | 'malformed-alert'
  | 'data-after-close'
  | 'unknown-content-type';

export interface DtlsOptions {
  readonly role: DtlsRole;
  readonly crypto: CryptoProvider;
  readonly certificate: Certificate;
  /** The peer's, from its session description. Until they are set the connection does not become `connected`. */
  readonly remoteFingerprints?: readonly Fingerprint[];
  /** Protection profiles of `use_srtp` in order of preference (RFC 5764 §4.1.2, RFC 7714 §14.2); none: not offered. */
  readonly srtpProfiles?: readonly number[];
  /** Largest datagram of the handshake, in bytes. */
  readonly maxDatagram?: number;
  readonly cipherSuites?: readonly CipherSuiteName[];
  /** In order of preference. */
  readonly groups?: readonly NamedGroup[];
  /** Server only: whether to ask for a cookie first (RFC 6347 §4.2.1). Not needed behind ICE. */
  readonly helloVerify?: boolean;
  /** Milliseconds after which a handshake that made no progress fails. */
  readonly handshakeTimeout?: number;
}

/** Fingerprint algorithms that are acceptable (RFC 8122 §5; MD5 and SHA-1 are not safe any more). */
const FINGERPRINT_HASHES: readonly HashAlgorithm[] = ['sha-256', 'sha-384', 'sha-512'];

/**
 * @example
 * const dtls = new DtlsConnection({ role: 'client', crypto, certificate, remoteFingerprints });
 * dtls.start(now);
 * for (let datagram; (datagram = dtls.pollTransmit(now)); ) socket.send(datagram);
 */
export class DtlsConnection implements Core<Uint8Array, DtlsEvent> {
  readonly discards: Discards<DtlsDiscard> = new Discards();
  readonly role: DtlsRole;
  readonly #options: DtlsOptions;
  readonly #records: RecordLayer = new RecordLayer(this.discards as Discards<RecordDiscard>);
  readonly #flight: FlightSender;
  readonly #reassembler = new Reassembler();
  readonly #transmits = new Queue<Uint8Array>();
  readonly #events = new Queue<DtlsEvent>();
  readonly #onRecord = (record: PlaintextRecord): void => this.#receiveRecord(record);
  #handshake: Handshake | undefined;
  #result: HandshakeResult | undefined;
  #state: DtlsState = 'new';
  #fingerprints: readonly Fingerprint[] | undefined;
  #handshakeDeadline: Instant = NEVER;
  #closedByPeer = false;
  #now: Instant = 0;

  constructor(options: DtlsOptions) {
    this.role = options.role;
    this.#options = options;
    this.#flight = new FlightSender(this.#records, options.maxDatagram ?? 1200);
    this.#fingerprints = options.remoteFingerprints;
  }

  get state(): DtlsState {
    return this.#state;
  }

  /** Whether the peer's authenticated close_notify or fatal alert has come. */
  get closedByPeer(): boolean {
    return this.#closedByPeer;
  }

  /** DER, the peer's own certificate first; empty until the handshake is complete. */
  get peerCertificates(): readonly Uint8Array[] {
    return this.#result?.peerCertificates ?? [];
  }

  /** The negotiated profile of `use_srtp`. */
  get srtpProfile(): number | undefined {
    return this.#result?.srtpProfile;
  }

  get cipherSuite(): CipherSuiteName | undefined {
    return this.#result?.suite.name;
  }

  /** Bytes that a protected record adds to its content. */
  get overhead(): number {
    return this.#records.overhead(1);
  }

  /** The number that the next protected record will have, for traces. */
  get nextRecordNumber(): number {
    return this.#records.nextSequenceNumber(this.#result === undefined ? 0 : 1);
  }

  /** The client sends its hello; the server begins to listen. */
  start(now: Instant): void {
    if (this.#state !== 'new') return;
    this.#state = 'connecting';
    this.#handshakeDeadline = now + (this.#options.handshakeTimeout ?? 30_000);
    const context = {
      crypto: this.#options.crypto,
      certificate: this.#options.certificate,
      cipherSuites: this.#cipherSuites(),
      groups: this.#options.groups ?? (['x25519', 'p-256', 'p-384'] as const),
      srtpProfiles: this.#options.srtpProfiles ?? [],
      records: this.#records,
      flight: this.#flight,
      transmitFlight: (at: Instant, answerExpected: boolean) => this.#transmitFlight(at, answerExpected),
    };
    if (this.role === 'server') {
      this.#handshake = new ServerHandshake(context, this.#options.helloVerify ?? false);
    } else {
      const client = new ClientHandshake(context);
      this.#handshake = client;
      client.sendClientHello(now);
    }
  }

  /** What the peer's certificate has to match; the handshake may have got that far already. */
  setRemoteFingerprints(fingerprints: readonly Fingerprint[]): void {
    this.#fingerprints = fingerprints;
    this.#authenticate();
  }

  receive(datagram: Uint8Array, now: Instant): void {
    this.#now = now;
    if (this.#handshake === undefined || this.#state === 'failed') return this.discards.count('not-started');
    for (let offset = 0; offset < datagram.length; ) offset = this.#records.open(datagram, offset, this.#onRecord);
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
   */
  close(): void {
    if (this.#handshake === undefined || this.#state === 'failed') {
      this.#state = 'closed';
      return;
    }
    if (this.#result === undefined) this.#sendAlert('warning', 'user_canceled');
    this.#sendAlert('warning', 'close_notify');
    this.#end('closed');
  }

  /** Application data in a record after `close`: the shutdown sequencer repeats the SCTP ABORT before each close_notify. */
  sendAfterClose(data: Uint8Array): void {
    if (this.#result !== undefined) this.#transmits.push(this.#records.seal(CONTENT_TYPE.applicationData, 1, data));
  }

  /** Ends the connection with a fatal alert. */
  abort(alert: AlertDescription): void {
    if (this.#handshake !== undefined && this.#state !== 'failed') this.#sendAlert('fatal', alert);
    this.#end('closed');
  }

  /**
   * Keying material for another protocol (RFC 5705).
   * @throws Error before the handshake is complete
   */
  exportKeyingMaterial(label: string, length: number, context?: Uint8Array): Uint8Array {
    if (this.#result === undefined) throw new Error('keying material exists when the handshake is complete: wait for the connected event');
    return this.#result.keys.export(label, length, context);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    if (this.#flight.deadline <= now) this.#transmitFlight(now, true);
    if (this.#handshakeDeadline <= now) this.#fail('handshake-timeout', undefined);
  }

  nextTimeout(): Instant {
    return Math.min(this.#flight.deadline, this.#handshakeDeadline);
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): DtlsEvent | undefined {
    return this.#events.shift();
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

  #transmitFlight(now: Instant, answerExpected: boolean): void {
    for (const datagram of this.#flight.transmit(now, answerExpected)) this.#transmits.push(datagram);
  }

  #receiveRecord(record: PlaintextRecord): void {
    switch (record.type) {
      case CONTENT_TYPE.applicationData:
        return this.#receiveData(record);
      case CONTENT_TYPE.handshake:
        return this.#receiveHandshake(record);
      case CONTENT_TYPE.alert:
        return this.#receiveAlert(record);
      case CONTENT_TYPE.changeCipherSpec:
        return; // the epoch in the record's header says the same, and is authenticated
      default:
        return this.discards.count('unknown-content-type');
    }
  }

  #receiveData({ epoch, fragment }: PlaintextRecord): void {
    if (epoch === 0) return this.discards.count('unprotected-data');
    if (this.#state === 'closed' || this.#closedByPeer) return this.discards.count('data-after-close');
    // Nobody is authenticated yet; the peer's SCTP will send it again.
    if (this.#state !== 'connected') return this.discards.count('early-data');
    this.#events.push({ type: 'data', data: fragment });
  }

  #receiveHandshake({ epoch, fragment }: PlaintextRecord): void {
    const outcome = this.#reassembler.add(fragment, epoch);
    if (outcome === 'malformed') return this.discards.count('malformed-handshake');
    if (outcome === 'too-far-ahead') return this.discards.count('handshake-too-far-ahead');
    if (outcome === 'old') {
      this.discards.count('old-handshake');
      // After the handshake only an authenticated repetition gets an answer.
      if (epoch === 1 || this.#result === undefined) this.#handshake!.onRepeatedFlight(this.#now);
      return;
    }
    for (let message = this.#reassembler.next(); message !== undefined; message = this.#reassembler.next()) {
      if (this.#result !== undefined || this.#state !== 'connecting') {
        this.discards.count('handshake-after-connected');
        if (message.epoch === 1) this.#sendAlert('warning', 'no_renegotiation'); // RFC 5246 §7.2.2
        continue;
      }
      const problem = this.#handshake!.onMessage(message, this.#now);
      if (problem !== undefined) return this.#failWithAlert(problem);
      this.#result = this.#handshake!.result;
      if (this.#result !== undefined) this.#authenticate();
    }
  }

  /** The last step: the certificate is the one that the session description promised (RFC 8122 §6.2, RFC 8827 §6.5). */
  #authenticate(): void {
    if (this.#result === undefined || this.#fingerprints === undefined || this.#state !== 'connecting') return;
    if (!this.#matchesFingerprint(this.#result.peerCertificates[0]!, this.#fingerprints))
      return this.#failWithAlert({ reason: 'fingerprint-mismatch', alert: 'bad_certificate' });
    this.#state = 'connected';
    this.#handshakeDeadline = NEVER;
    this.#events.push({ type: 'connected' });
  }

  #matchesFingerprint(certificate: Uint8Array, fingerprints: readonly Fingerprint[]): boolean {
    return fingerprints.some(({ algorithm, value }) => {
      const hash = FINGERPRINT_HASHES.find((candidate) => candidate === algorithm.toLowerCase());
      return hash !== undefined && fingerprint(this.#options.crypto, hash, certificate).value === value.toUpperCase();
    });
  }

  #receiveAlert({ epoch, fragment }: PlaintextRecord): void {
    // Once there are keys, an alert in the clear could be anyone's.
    if (epoch === 0 && this.#result !== undefined) return this.discards.count('unprotected-alert');
    const alert = decodeAlert(fragment);
    if (alert === undefined) return this.discards.count('malformed-alert');
    if (alert.description === 'close_notify') {
      if (this.#closedByPeer) return;
      this.#closedByPeer = true;
      this.#end('closed');
      this.#events.push({ type: 'closed' });
    } else if (alert.level === 'fatal') {
      this.#closedByPeer = true;
      this.#fail('remote-alert', alert.description);
    }
  }

  #sendAlert(level: AlertLevel, description: AlertDescription): void {
    const epoch = this.#result === undefined ? 0 : 1;
    this.#transmits.push(this.#records.seal(CONTENT_TYPE.alert, epoch, encodeAlert(level, description)));
  }

  #failWithAlert({ reason, alert }: DtlsFailure): void {
    this.#sendAlert('fatal', alert as AlertDescription);
    this.#fail(reason, alert);
  }

  #fail(reason: DtlsFailureReason, alert: DtlsFailure['alert']): void {
    this.#end('failed');
    this.#events.push({ type: 'failed', failure: { reason, alert } });
  }

  #end(state: 'closed' | 'failed'): void {
    this.#state = state;
    this.#flight.stop();
    this.#handshakeDeadline = NEVER;
  }
}
