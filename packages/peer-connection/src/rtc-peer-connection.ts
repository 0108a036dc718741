/** RTCPeerConnection (W3C WebRTC §4.4, §5.1, §6.1): arguments are converted here, the algorithms are in jsep/ and beside this file. */
import { type Configuration, type RTCConfiguration, toRTCConfiguration } from './configuration.ts';
import { awaitClose, closeConnection, shutDown, type ShutdownOptions, toCloseOptions, toShutdownOptions } from './connection-close.ts';
import type { RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionState, RTCSignalingState } from './connection-state.ts';
import { createSlots, generateFor, replaceIceCredentials, setConfiguration } from './connection-setup.ts';
import { checkChannelInit } from './data-channel-registry.ts';
import { exception } from './errors.ts';
import type {
  RemoteCloseEvent,
  RTCDataChannelEvent,
  RTCPeerConnectionIceErrorEvent,
  RTCPeerConnectionIceEvent,
  RTCTrackEvent,
} from './events.ts';
import { addIceCandidate } from './jsep/add-ice-candidate.ts';
import { transportAttributes } from './jsep/description.ts';
import { applyImplicitly, applyRemotely, makeAnswer, makeOffer } from './jsep/negotiate.ts';
import { updateNegotiationNeeded } from './jsep/negotiation-needed.ts';
import type { MediaStream } from './media-stream.ts';
import type { MediaStreamTrack } from './media-stream-track.ts';
import { localDescription, type PeerConnectionSlots, remoteDescription } from './peer-connection-slots.ts';
import { type AlgorithmIdentifier, type RTCCertificate } from './rtc-certificate.ts';
import { type RTCDataChannel, type RTCDataChannelInit, toRTCDataChannelInit } from './rtc-data-channel.ts';
import { type RTCIceCandidateInit, toRTCIceCandidateInit } from './rtc-ice-candidate.ts';
import { type RTCRtpTransceiverInit, toTransceiverInit } from './rtc-rtp-parameters.ts';
import type { RTCRtpReceiver } from './rtc-rtp-receiver.ts';
import { type RTCRtpSender, senderSlots } from './rtc-rtp-sender.ts';
import type { RTCRtpTransceiver } from './rtc-rtp-transceiver.ts';
import type { RTCSctpTransport } from './rtc-sctp-transport.ts';
import {
  type RTCLocalSessionDescriptionInit,
  type RTCSessionDescription,
  type RTCSessionDescriptionInit,
  toRTCLocalSessionDescriptionInit,
  toRTCSessionDescriptionInit,
} from './rtc-session-description.ts';
import type { Runtime } from './runtime.ts';
import type { CloseOptions, CloseReport } from './shutdown-sequencer.ts';
import { getStatsOf, selectTrack } from './stats/get-stats.ts';
import type { RTCStatsReport } from './stats/rtc-stats-report.ts';
import type { TapListener } from './tap.ts';
import { addTrack, addTransceiver, removeTrack } from './transceivers.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

/** The argument of `createOffer` (W3C WebRTC §4.2.7, §4.4.3.2). */
export interface RTCOfferOptions {
  iceRestart?: boolean;
  /** Legacy: `true` adds a receiving transceiver when there is none. */
  offerToReceiveAudio?: boolean;
  offerToReceiveVideo?: boolean;
}

/** The argument of `createAnswer` (W3C WebRTC §4.2.7): it has no members. */
export type RTCAnswerOptions = Record<never, never>;
type SessionDescriptionCallback = (description: RTCSessionDescriptionInit) => void;
type ErrorCallback = (error: DOMException) => void;

const EVENTS: readonly string[] = [
  'negotiationneeded',
  'icecandidate',
  'icecandidateerror',
  'signalingstatechange',
  'iceconnectionstatechange',
  'icegatheringstatechange',
  'connectionstatechange',
  'track',
  'datachannel',
  'remoteclose',
];

/** What is behind a connection, for the packages above: not part of the public API. */
export let peerConnectionSlots: (connection: RTCPeerConnection) => PeerConnectionSlots;

/**
 * A connection to one peer.
 *
 * @example
 * const pc = new RTCPeerConnection({ iceServers: [{ urls: 'stun:stun.example.org' }] });
 * pc.onicecandidate = ({ candidate }) => signaling.send({ candidate });
 * const channel = pc.createDataChannel('chat');
 * await pc.setLocalDescription();
 * signaling.send({ description: pc.localDescription });
 */
export class RTCPeerConnection extends TypedEventTarget<RTCPeerConnection> {
  declare onnegotiationneeded: webidl.EventHandler<RTCPeerConnection>;
  declare onicecandidate: webidl.EventHandler<RTCPeerConnection, RTCPeerConnectionIceEvent>;
  declare onicecandidateerror: webidl.EventHandler<RTCPeerConnection, RTCPeerConnectionIceErrorEvent>;
  declare onsignalingstatechange: webidl.EventHandler<RTCPeerConnection>;
  declare oniceconnectionstatechange: webidl.EventHandler<RTCPeerConnection>;
  declare onicegatheringstatechange: webidl.EventHandler<RTCPeerConnection>;
  declare onconnectionstatechange: webidl.EventHandler<RTCPeerConnection>;
  declare ontrack: webidl.EventHandler<RTCPeerConnection, RTCTrackEvent>;
  declare ondatachannel: webidl.EventHandler<RTCPeerConnection, RTCDataChannelEvent>;
  /** Not in the W3C's API: the peer has closed the connection. */
  declare onremoteclose: webidl.EventHandler<RTCPeerConnection, RemoteCloseEvent>;
  readonly #slots: PeerConnectionSlots;
  readonly #closed: Promise<CloseReport>;

  /**
   * @throws TypeError for a malformed configuration; SyntaxError for a malformed server URL; InvalidAccessError for a TURN server without
   * credentials, or a certificate that has expired
   */
  constructor(...[configuration, runtime]: [configuration?: RTCConfiguration, runtime?: Runtime]) {
    super();
    const converted = toRTCConfiguration(configuration, 'RTCPeerConnection constructor');
    const { slots, closed } = createSlots(this, converted, runtime);
    this.#slots = slots;
    this.#closed = closed;
  }

  /** Makes a certificate for the configuration. @throws NotSupportedError unless it is ECDSA on P-256 or RSASSA-PKCS1-v1_5 with 2048 bits and SHA-256 */
  static generateCertificate(keygenAlgorithm: AlgorithmIdentifier): Promise<RTCCertificate> {
    return webidl.promised(() => {
      webidl.requireArguments(arguments.length, 1, 'RTCPeerConnection.generateCertificate');
      return generateFor(keygenAlgorithm);
    });
  }

  // Negotiation (§4.4.2) -----------------------------------------------------------------------------------------------

  /**
   * An offer of what is set up now; nothing is changed by it.
   * @throws (rejects) InvalidStateError when the connection is closed, or an offer of the peer's waits for its answer
   */
  createOffer(options?: RTCOfferOptions): Promise<RTCSessionDescriptionInit>;
  createOffer(success: SessionDescriptionCallback, failure: ErrorCallback, options?: RTCOfferOptions): Promise<undefined>;
  createOffer(...[first, failure, options]: unknown[]): Promise<RTCSessionDescriptionInit | undefined> {
    return webidl.promised<RTCSessionDescriptionInit | undefined>(() => {
      const slots = this.#slots;
      if (typeof first !== 'function') return makeOffer(slots, toRTCOfferOptions(first, 'RTCPeerConnection.createOffer'));
      const offer = makeOffer(slots, toRTCOfferOptions(options, 'RTCPeerConnection.createOffer'));
      return withCallbacks(offer, first, failure, 'RTCPeerConnection.createOffer');
    });
  }

  /**
   * An answer to the peer's offer; nothing is changed by it.
   * @throws (rejects) InvalidStateError when there is no offer to answer, or the connection is closed
   */
  createAnswer(options?: RTCAnswerOptions): Promise<RTCSessionDescriptionInit>;
  createAnswer(success: SessionDescriptionCallback, failure: ErrorCallback): Promise<undefined>;
  createAnswer(...[first, failure]: unknown[]): Promise<RTCSessionDescriptionInit | undefined> {
    return webidl.promised<RTCSessionDescriptionInit | undefined>(() => {
      const slots = this.#slots;
      if (typeof first === 'function') return withCallbacks(makeAnswer(slots), first, failure, 'RTCPeerConnection.createAnswer');
      webidl.dictionary('RTCAnswerOptions', {})(first, 'RTCPeerConnection.createAnswer');
      return makeAnswer(slots);
    });
  }

  /**
   * Applies our description and begins to gather. Without a description it makes the offer or answer that the state asks for.
   * @throws (rejects) InvalidModificationError for a description that `createOffer` or `createAnswer` has not made; InvalidStateError as these two
   */
  setLocalDescription(description?: RTCLocalSessionDescriptionInit): Promise<undefined>;
  setLocalDescription(description: RTCLocalSessionDescriptionInit, success: () => void, failure: ErrorCallback): Promise<undefined>;
  setLocalDescription(...[description, success, failure]: unknown[]): Promise<undefined> {
    return webidl.promised(() => {
      const slots = this.#slots;
      const applied = applyImplicitly(slots, toRTCLocalSessionDescriptionInit(description, 'RTCPeerConnection.setLocalDescription'));
      return typeof success === 'function' ? withCallbacks(applied, success, failure, 'RTCPeerConnection.setLocalDescription') : applied;
    });
  }

  /**
   * Applies the peer's description. An offer that collides with one of ours rolls that back first (W3C WebRTC §4.4.1.5).
   * @throws (rejects) RTCError with `sdp-syntax-error` and the line for what is no description; InvalidAccessError for one that does not fit what was
   * negotiated before; InvalidStateError when the signaling state wants another one; OperationError for what cannot be applied
   */
  setRemoteDescription(description: RTCSessionDescriptionInit): Promise<undefined>;
  setRemoteDescription(description: RTCSessionDescriptionInit, success: () => void, failure: ErrorCallback): Promise<undefined>;
  setRemoteDescription(description: unknown, ...[success, failure]: unknown[]): Promise<undefined> {
    return webidl.promised(() => {
      const slots = this.#slots;
      webidl.requireArguments(arguments.length, 1, 'RTCPeerConnection.setRemoteDescription');
      const applied = applyRemotely(slots, toRTCSessionDescriptionInit(description, 'RTCPeerConnection.setRemoteDescription'));
      return typeof success === 'function' ? withCallbacks(applied, success, failure, 'RTCPeerConnection.setRemoteDescription') : applied;
    });
  }

  /**
   * Tells a candidate of the peer's; an empty one, or none, says that there are no more.
   * @throws (rejects) InvalidStateError before there is a remote description; OperationError when it cannot be read or belongs to no section
   */
  addIceCandidate(candidate?: RTCIceCandidateInit | null): Promise<undefined>;
  addIceCandidate(candidate: RTCIceCandidateInit, success: () => void, failure: ErrorCallback): Promise<undefined>;
  addIceCandidate(...[candidate, success, failure]: unknown[]): Promise<undefined> {
    return webidl.promised(() => {
      const slots = this.#slots;
      const init = toRTCIceCandidateInit(candidate, 'RTCPeerConnection.addIceCandidate');
      // 3.
      if (init.candidate !== '' && init.sdpMid === null && init.sdpMLineIndex === null)
        throw new TypeError('addIceCandidate: sdpMid or sdpMLineIndex is required: pass the whole candidate as it was signalled');
      const added = slots.operations.chain(() => addIceCandidate(slots, init));
      return typeof success === 'function' ? withCallbacks(added, success, failure, 'RTCPeerConnection.addIceCandidate') : added;
    });
  }

  /** The next offer will have new ICE credentials. */
  restartIce(): void {
    const slots = this.#slots;
    // 2.
    replaceIceCredentials(slots);
    // 3.
    updateNegotiationNeeded(slots);
  }

  get localDescription(): RTCSessionDescription | null {
    return localDescription(this.#slots)?.object ?? null;
  }

  get currentLocalDescription(): RTCSessionDescription | null {
    return this.#slots.currentLocalDescription?.object ?? null;
  }

  get pendingLocalDescription(): RTCSessionDescription | null {
    return this.#slots.pendingLocalDescription?.object ?? null;
  }

  get remoteDescription(): RTCSessionDescription | null {
    return remoteDescription(this.#slots)?.object ?? null;
  }

  get currentRemoteDescription(): RTCSessionDescription | null {
    return this.#slots.currentRemoteDescription?.object ?? null;
  }

  get pendingRemoteDescription(): RTCSessionDescription | null {
    return this.#slots.pendingRemoteDescription?.object ?? null;
  }

  // States (§4.3) ------------------------------------------------------------------------------------------------------

  get signalingState(): RTCSignalingState {
    return this.#slots.signalingState;
  }

  get iceGatheringState(): RTCIceGatheringState {
    return this.#slots.iceGatheringState;
  }

  get iceConnectionState(): RTCIceConnectionState {
    return this.#slots.iceConnectionState;
  }

  get connectionState(): RTCPeerConnectionState {
    return this.#slots.connectionState;
  }

  /** Whether the peer takes candidates later (`a=ice-options:trickle`); null before its description is known. */
  get canTrickleIceCandidates(): boolean | null {
    const remote = remoteDescription(this.#slots);
    if (remote === null) return null;
    return remote.media.length === 0
      ? remote.session.attributes.some(({ name, value }) => name === 'ice-options' && (value ?? '').split(' ').includes('trickle'))
      : remote.media.some((section) => transportAttributes(remote.session, section).options.includes('trickle'));
  }

  // Configuration (§4.4.1.6) -------------------------------------------------------------------------------------------

  /** A copy of what is in force, defaults filled in. */
  getConfiguration(): RTCConfiguration {
    const { configuration } = this.#slots;
    return copyConfiguration(configuration);
  }

  /** ICE servers and policy are used by the next gathering. @throws InvalidModificationError for what cannot change */
  setConfiguration(...[configuration]: [configuration?: RTCConfiguration]): void {
    const slots = this.#slots;
    const converted = toRTCConfiguration(configuration, 'RTCPeerConnection.setConfiguration');
    if (slots.isClosed) throw exception('InvalidStateError', 'the connection is closed');
    setConfiguration(slots, converted);
  }

  // Media (§5.1) -------------------------------------------------------------------------------------------------------

  /** Those of transceivers that are not stopped; likewise {@link getReceivers}. */
  getSenders(): RTCRtpSender[] {
    return this.#slots.transceivers.filter(({ stopped }) => !stopped).map(({ sender }) => sender.object);
  }

  getReceivers(): RTCRtpReceiver[] {
    return this.#slots.transceivers.filter(({ stopped }) => !stopped).map(({ receiver }) => receiver.object);
  }

  /** All of them, in the order of their making, until a stopped one has been negotiated away. */
  getTransceivers(): RTCRtpTransceiver[] {
    return this.#slots.transceivers.map(({ object }) => object);
  }

  /** Sends a track. @throws InvalidAccessError when it is sent already */
  addTrack(track: MediaStreamTrack, ...streams: MediaStream[]): RTCRtpSender {
    const slots = this.#slots;
    webidl.requireArguments(arguments.length, 1, 'RTCPeerConnection.addTrack');
    const converted = toTrack(track, 'RTCPeerConnection.addTrack');
    return addTrack(
      slots,
      converted,
      streams.map((stream) => toStream(stream, 'RTCPeerConnection.addTrack')),
    );
  }

  /** Stops sending the sender's track; the sender stays. */
  removeTrack(sender: RTCRtpSender): void {
    const slots = this.#slots;
    webidl.requireArguments(arguments.length, 1, 'RTCPeerConnection.removeTrack');
    removeTrack(slots, senderSlots(toSender(sender, 'RTCPeerConnection.removeTrack')));
  }

  /**
   * A new sender and receiver, to be negotiated.
   * @throws TypeError for what is neither a track nor a kind, or encodings that contradict each other; InvalidStateError when the connection is closed
   */
  addTransceiver(trackOrKind: MediaStreamTrack | string, ...[init]: [init?: RTCRtpTransceiverInit]): RTCRtpTransceiver {
    const slots = this.#slots;
    webidl.requireArguments(arguments.length, 1, 'RTCPeerConnection.addTransceiver');
    const isTrack = webidl.isInterface<MediaStreamTrack>('MediaStreamTrack', trackOrKind);
    const first = isTrack ? trackOrKind : webidl.domString(trackOrKind, 'RTCPeerConnection.addTransceiver');
    return addTransceiver(slots, first, toTransceiverInit(init, 'RTCPeerConnection.addTransceiver'));
  }

  /** Statistics of everything, or of the sender or receiver that has the track. */
  getStats(...[selector]: [selector?: MediaStreamTrack | null]): Promise<RTCStatsReport> {
    return webidl.promised(() => {
      const slots = this.#slots;
      const track = webidl.nullable(toTrack)(selector, 'RTCPeerConnection.getStats');
      return getStatsOf(slots, track === null ? null : selectTrack(slots, track));
    });
  }

  // Data (§6.1) --------------------------------------------------------------------------------------------------------

  /** Null until it is negotiated. */
  get sctp(): RTCSctpTransport | null {
    return this.#slots.sctp?.object ?? null;
  }

  /**
   * @throws TypeError for options that contradict each other, or a label or protocol longer than 65,535 bytes
   * @throws OperationError when the id is taken
   */
  createDataChannel(label: string, ...[dataChannelDict]: [dataChannelDict?: RTCDataChannelInit]): RTCDataChannel {
    const slots = this.#slots;
    webidl.requireArguments(arguments.length, 1, 'RTCPeerConnection.createDataChannel');
    const name = webidl.usvString(label, 'RTCPeerConnection.createDataChannel');
    const init = toRTCDataChannelInit(dataChannelDict, 'RTCPeerConnection.createDataChannel');
    // 2.
    if (slots.isClosed) throw exception('InvalidStateError', 'the connection is closed');
    // 3. - 18.
    const checked = checkChannelInit(name, init);
    const isFirst = !slots.channels.hasCreated;
    // 19. - 24.
    const channel = slots.channels.create(name, checked);
    if (isFirst) updateNegotiationNeeded(slots);
    return channel;
  }

  // The end (§4.4.2, close; and what is not in the W3C's API) ----------------------------------------------------------

  /** Ends the connection; the goodbye to the peer goes on in the background, see {@link closed}. The options are not in the W3C's API. */
  close(...[options]: [options?: CloseOptions]): void {
    closeConnection(this.#slots, toCloseOptions(options, 'RTCPeerConnection.close'));
  }

  /** Not in the W3C's API: waits until the channels' data is acknowledged, closes, and resolves with {@link closed}. */
  shutdown(...[options]: [options?: ShutdownOptions]): Promise<CloseReport> {
    return webidl.promised(() => {
      void shutDown(this.#slots, toShutdownOptions(options, 'RTCPeerConnection.shutdown'));
      return this.closed;
    });
  }

  /** Not in the W3C's API: how the connection ended. It never rejects, and is one promise for the life of the object. */
  get closed(): Promise<CloseReport> {
    awaitClose(this.#slots);
    return this.#closed;
  }

  /**
   * Not in the W3C's API: resolves when the local description has all of its candidates, for signalling without trickling. Another promise after
   * an ICE restart: ask for it when `setLocalDescription` has resolved.
   */
  get iceGatheringComplete(): Promise<void> {
    return this.#slots.gatheringCompletion.promise;
  }

  /**
   * Not in the W3C's API: sockets and timers that the connection has open, by name; none once {@link closed} has resolved. For up to four seconds after
   * that its sockets may wait for a last connectivity check, to refuse it; they keep no process alive, and are shown when `lingering` is true.
   */
  openHandles(...[options]: [options?: { readonly lingering?: boolean }]): string[] {
    return [...new Set(this.#slots.allTransports)].flatMap((transport) => transport.driver.openHandles(options));
  }

  /** Not in the W3C's API: a listener that is told of every packet, in the clear. */
  get tap(): TapListener | null {
    return this.#slots.tap ?? null;
  }

  set tap(listener: TapListener | null) {
    const slots = this.#slots;
    slots.tap = listener ?? undefined;
    for (const transport of slots.allTransports) transport.driver.stack.tap = slots.tap;
  }

  /** `await using pc = …` ends with {@link shutdown}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  static {
    peerConnectionSlots = (connection) => connection.#slots;
    webidl.defineInterface({
      name: 'RTCPeerConnection',
      prototype: RTCPeerConnection.prototype,
      isInstance: (value) => #slots in value,
      handlers: EVENTS,
      shown: ['signalingState', 'iceGatheringState', 'iceConnectionState', 'connectionState'],
    });
  }
}

const toTrack = webidl.interfaceType<MediaStreamTrack>('MediaStreamTrack');
const toStream = webidl.interfaceType<MediaStream>('MediaStream');
const toSender = webidl.interfaceType<RTCRtpSender>('RTCRtpSender');

const toRTCOfferOptions = webidl.dictionary<RTCOfferOptions>('RTCOfferOptions', {
  iceRestart: { convert: webidl.boolean, fallback: () => false },
  offerToReceiveAudio: { convert: webidl.boolean },
  offerToReceiveVideo: { convert: webidl.boolean },
});

/** §4.4.3, the legacy overloads: the callbacks get the result, the promise resolves with nothing. */
function withCallbacks(promise: Promise<unknown>, success: unknown, failure: unknown, context: string): Promise<undefined> {
  const onSuccess = webidl.callback(success, context) as (value: unknown) => void;
  const onFailure = webidl.callback(failure, context) as (error: unknown) => void;
  promise.then(onSuccess, onFailure);
  return Promise.resolve(undefined);
}

function copyConfiguration(configuration: Configuration): RTCConfiguration {
  const { iceServers, certificates } = configuration;
  return {
    ...configuration,
    iceServers: iceServers.map((server) => ({ ...server, urls: typeof server.urls === 'string' ? server.urls : [...server.urls] })),
    certificates: [...certificates],
  };
}
