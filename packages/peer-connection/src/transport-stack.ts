/**
 * The transports of one BUNDLE group (RFC 8843) as one core: ICE, over it DTLS and SRTP, over these SCTP with its data channels and RTP.
 *
 * ```
 *   RTCDataChannel        RTCRtpSender, RTCRtpReceiver
 *        │                         │
 *    DataChannels              MediaStack
 *        │                         │
 *   SctpAssociation           SrtpSession
 *        │                         │  keys from DTLS (RFC 5764)
 *   DtlsConnection ────────────────┤
 *        └──────── IceAgent ───────┘
 *                     │
 *                  sockets (connection-driver.ts)
 * ```
 */
import { type Certificate, type CryptoProvider, type Fingerprint, matchesFingerprint } from '@petrel/crypto';
import { type DataChannelEvent, DataChannels } from '@petrel/data-channel';
import { DtlsConnection, type DtlsFailure, type DtlsRole, type DtlsState } from '@petrel/dtls';
import { IceAgent, type IceAgentOptions, type IceEvent, type IceTransmit } from '@petrel/ice';
import { type Core, Discards, type Instant, Queue } from '@petrel/sans-io';
import { SctpAssociation, type SctpEvent } from '@petrel/sctp';
import { PROTECTION_PROFILES, type ProtectionProfileName } from '@petrel/srtp';
import { classify } from './demultiplex.ts';
import { type MediaEvent, MediaStack } from './media-stack.ts';
import { PeerClose, type RemoteClose } from './peer-close.ts';
import { SrtpSession } from './srtp-session.ts';
import { describeDatagram, describeRtcp, describeRtp, describeSctp, type TapListener } from './tap.ts';

export interface TransportConfiguration {
  readonly crypto: CryptoProvider;
  /** Milliseconds since the Unix epoch at Instant 0, for NTP timestamps. */
  readonly timeOrigin: number;
  readonly certificate: Certificate;
  readonly ice: Omit<IceAgentOptions, 'crypto'>;
  /** In order of preference; the default prefers AEAD (RFC 7714) over the mandatory AES-CM (RFC 8827 §6.5). */
  readonly srtpProfiles?: readonly ProtectionProfileName[];
}

export interface DtlsParameters {
  readonly role: DtlsRole;
  readonly fingerprints: readonly Fingerprint[];
}

export interface SctpParameters {
  readonly localPort: number;
  readonly remotePort: number;
}

export type SctpTransportState = 'connecting' | 'connected' | 'closed';

export type StackEvent =
  | { readonly layer: 'ice'; readonly event: IceEvent }
  | { readonly layer: 'dtls'; readonly state: DtlsState; readonly failure?: DtlsFailure }
  | { readonly layer: 'sctp'; readonly state: SctpTransportState; readonly maxChannels?: number }
  | { readonly layer: 'channel'; readonly event: DataChannelEvent }
  | { readonly layer: 'media'; readonly event: MediaEvent }
  | ({ readonly layer: 'remote-close' } & RemoteClose);

export type StackDiscard =
  | 'not-webrtc'
  | 'dtls-before-start'
  | 'media-without-keys'
  | 'srtp-rejected'
  | 'srtcp-rejected'
  | 'no-association'
  | 'unsent-media'
  | 'unsent-datagram';

const DEFAULT_SRTP_PROFILES: readonly ProtectionProfileName[] = ['AEAD_AES_128_GCM', 'AEAD_AES_256_GCM', 'AES_CM_128_HMAC_SHA1_80'];
/** SCTP packets up to this size are tried: what Ethernet takes, and what fits into a DTLS record where the peer is on the same machine. */
const LARGEST_PACKET = { network: 1400, sameMachine: 16_000 };
/** The reason in a BYE counts for a close that follows so soon. */
const GOODBYE_LIFETIME = 4000;

export class TransportStack implements Core<IceTransmit, StackEvent> {
  readonly ice: IceAgent;
  readonly media: MediaStack;
  readonly channels: DataChannels = new DataChannels();
  readonly discards: Discards<StackDiscard> = new Discards();
  /** Datagrams and bytes of DTLS, SRTP and SRTCP over the selected pair (RTCTransportStats). */
  readonly counters: { packetsSent: number; bytesSent: number; packetsReceived: number; bytesReceived: number } = {
    packetsSent: 0,
    bytesSent: 0,
    packetsReceived: 0,
    bytesReceived: 0,
  };
  /** Sees every packet in the clear; costs nothing while it is undefined. */
  tap: TapListener | undefined;
  readonly #configuration: TransportConfiguration;
  readonly #events = new Queue<StackEvent>();
  #dtlsParameters: DtlsParameters | undefined;
  #dtls: DtlsConnection | undefined;
  #dtlsState: DtlsState = 'new';
  #sctp: SctpAssociation | undefined;
  #sctpParameters: SctpParameters | undefined;
  #srtp: SrtpSession | undefined;
  readonly #peerClose = new PeerClose();
  /** All that the layers had to say was media, which moves nothing else: once that is polled, they need not be asked again. */
  #isFlushed = false;

  constructor(configuration: TransportConfiguration) {
    this.#configuration = configuration;
    const { crypto, timeOrigin, ice } = configuration;
    this.ice = new IceAgent({ ...ice, crypto });
    this.media = new MediaStack({ crypto, timeOrigin });
  }

  /** Undefined before the description has said who is client and who server, and for the client before there is a path. */
  get dtls(): DtlsConnection | undefined {
    return this.#dtls;
  }

  /** Undefined before the description has an application section. */
  get sctp(): SctpAssociation | undefined {
    return this.#sctp;
  }

  /** Set once the peer's authenticated close_notify has come. */
  get closedByPeer(): RemoteClose | undefined {
    return this.#peerClose.report;
  }

  /** The negotiated SRTP profile. */
  get srtpProfile(): ProtectionProfileName | undefined {
    return this.#srtp?.profile;
  }

  // Up: from a socket to the application -------------------------------------------------------------------------------

  /** One datagram in. */
  receive(socket: number, datagram: Uint8Array, address: string, port: number, now: Instant): void {
    const payload = this.receiveDatagram(socket, datagram, address, port, now);
    if (payload !== undefined) this.#receivePayload(payload, now);
    this.#drain(now);
  }

  /** The part of {@link receive} that is ICE's. @returns payload for the layers above */
  receiveDatagram(socket: number, datagram: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined {
    // DTLS is described when it has been read: only then is it known what its alerts say.
    if (this.tap && classify(datagram) !== 'dtls') describeDatagram(this.tap, now, 'in', datagram);
    return this.ice.receive(socket, datagram, address, port, now);
  }

  #receivePayload(payload: Uint8Array, now: Instant): void {
    this.counters.packetsReceived += 1;
    this.counters.bytesReceived += payload.length;
    switch (classify(payload)) {
      case 'dtls':
        return this.#receiveDtls(payload, now);
      case 'rtp':
        return this.#receiveSrtp(payload, now);
      case 'rtcp':
        return this.#receiveSrtcp(payload, now);
      default:
        return this.discards.count('not-webrtc');
    }
  }

  #receiveDtls(datagram: Uint8Array, now: Instant): void {
    if (this.#dtls === undefined) return this.discards.count('dtls-before-start');
    this.#readDtls(this.#dtls, datagram, now);
    if (this.#peerClose.takeAnswer(now)) this.#dtls.close();
  }

  #readDtls(dtls: DtlsConnection, datagram: Uint8Array, now: Instant): void {
    dtls.receive(datagram, now);
    if (this.tap) describeDatagram(this.tap, now, 'in', datagram, dtls.latestAlerts.received);
  }

  /** Events up, from the bottom: ICE starts DTLS, DTLS feeds SCTP, SCTP feeds the channels. */
  #drain(now: Instant): void {
    for (let event = this.ice.pollEvent(); event; event = this.ice.pollEvent()) this.#onIceEvent(event, now);
    if (this.#dtlsParameters !== undefined) this.#readEarly(now);
    this.#drainDtls(now);
    if (this.#sctp) this.#drainSctp(this.#sctp, now);
    for (let event = this.channels.pollEvent(); event; event = this.channels.pollEvent()) this.#events.push({ layer: 'channel', event });
    for (let event = this.media.pollEvent(); event; event = this.media.pollEvent()) this.#events.push({ layer: 'media', event });
  }

  #drainDtls(now: Instant): void {
    if (this.#dtls === undefined) return;
    for (let event = this.#dtls.pollEvent(); event; event = this.#dtls.pollEvent()) {
      switch (event.type) {
        case 'connected':
          this.#onDtlsConnected(now);
          break;
        case 'data':
          this.#receiveSctp(event.data, now);
          break;
        case 'closed':
          this.#onRemoteClose(now);
          break;
        case 'failed':
          this.#peerClose.endDoubt();
          this.#setDtlsState('failed', event.failure);
          this.#endSctp();
          break;
      }
    }
  }

  #receiveSctp(packet: Uint8Array, now: Instant): void {
    if (this.#sctp === undefined) return this.discards.count('no-association');
    if (this.tap) describeSctp(this.tap, now, 'in', packet);
    this.#sctp.receive(packet, now);
    this.#drainSctp(this.#sctp, now);
  }

  #drainSctp(sctp: SctpAssociation, now: Instant): void {
    for (let event = sctp.pollEvent(); event; event = sctp.pollEvent()) this.#onSctpEvent(event, now);
  }

  #onSctpEvent(event: SctpEvent, now: Instant): void {
    switch (event.type) {
      case 'connected':
        this.#events.push({ layer: 'sctp', state: 'connected', maxChannels: Math.min(event.outboundStreams, event.inboundStreams) });
        break;
      case 'aborted':
        this.#peerClose.onAbort(event.reason, now);
        this.#events.push({ layer: 'sctp', state: 'closed' });
        break;
      case 'closed':
      case 'failed':
        this.#events.push({ layer: 'sctp', state: 'closed' });
        break;
    }
    this.channels.handleAssociationEvent(event, now);
  }

  pollEvent(): StackEvent | undefined {
    return this.#events.shift();
  }

  #receiveSrtp(datagram: Uint8Array, now: Instant): void {
    if (this.#srtp === undefined) return this.discards.count('media-without-keys');
    const packet = this.#srtp.unprotectRtp(datagram);
    if (packet === undefined) return this.discards.count('srtp-rejected');
    if (this.tap) describeRtp(this.tap, now, 'in', packet);
    this.media.receiveRtp(packet, now);
  }

  #receiveSrtcp(datagram: Uint8Array, now: Instant): void {
    if (this.#srtp === undefined) return this.discards.count('media-without-keys');
    const compound = this.#srtp.unprotectRtcp(datagram);
    if (compound === undefined) return this.discards.count('srtcp-rejected');
    if (this.tap) describeRtcp(this.tap, now, 'in', compound);
    this.media.receiveRtcp(compound, now);
  }

  /** Bytes of a stream that the agent has asked for. */
  receiveStream(stream: number, bytes: Uint8Array, now: Instant): void {
    for (const payload of this.ice.streamData(stream, bytes, now)) this.#receivePayload(payload, now);
    this.#drain(now);
  }

  /** A peer that has answered begins at once: its ClientHello may be here before its answer, and would come again only after a timeout (RFC 8842 §5.3). */
  #readEarly(now: Instant): void {
    for (let payload = this.ice.pollPayload(now); payload; payload = this.ice.pollPayload(now)) this.#receivePayload(payload, now);
  }

  // Down: from the application to a socket -----------------------------------------------------------------------------

  /** Datagrams out, pulled through the layers from the top: SCTP into DTLS, RTP into SRTP, both into ICE. */
  pollTransmit(now: Instant): IceTransmit | undefined {
    const ready = this.pollDatagram(now);
    if (ready !== undefined) return ready;
    if (this.#isFlushed) {
      this.#isFlushed = false;
      return undefined;
    }
    // What was said to one layer alone has not been noticed by the others yet.
    this.#drain(now);
    this.flushMedia(now);
    const { packetsSent } = this.counters;
    this.flushSctp(now);
    this.flushDtls(now);
    const first = this.pollDatagram(now);
    this.#isFlushed = first !== undefined && this.counters.packetsSent === packetsSent;
    return first;
  }

  /** Protects what the media stack wants to send. */
  flushMedia(now: Instant): void {
    for (let out = this.media.pollTransmit(now); out; out = this.media.pollTransmit(now)) {
      if (this.#srtp === undefined || this.#peerClose.report !== undefined) {
        this.discards.count('unsent-media');
        continue;
      }
      if (out.kind === 'rtcp') this.sendRtcp(out.packet, now);
      else {
        if (this.tap) describeRtp(this.tap, now, 'out', out.packet);
        this.#sendDatagram(this.#srtp.protectRtp(out.packet, out.repeat), now);
      }
    }
  }

  /** Sends one compound RTCP packet, if there are keys for it. */
  sendRtcp(compound: Uint8Array, now: Instant): void {
    if (this.#srtp === undefined) return;
    if (this.tap) describeRtcp(this.tap, now, 'out', compound);
    this.#sendDatagram(this.#srtp.protectRtcp(compound), now);
  }

  flushSctp(now: Instant): void {
    if (this.#sctp === undefined || this.#dtls?.state !== 'connected') return;
    for (let packet = this.#sctp.pollTransmit(now); packet; packet = this.#sctp.pollTransmit(now)) this.sendSctp(packet, now);
  }

  /** Hands one SCTP packet to DTLS; also after its close, where the shutdown sequencer repeats the ABORT. */
  sendSctp(packet: Uint8Array, now: Instant): void {
    if (this.tap) describeSctp(this.tap, now, 'out', packet);
    if (!this.#dtls!.send(packet)) this.#dtls!.sendAfterClose(packet);
  }

  flushDtls(now: Instant): void {
    // A server may hear the first flight before its own check has found a path: its answer waits for that.
    if (this.#dtls === undefined || (this.#dtls.state === 'connecting' && this.ice.selectedPair === undefined)) return;
    for (let datagram = this.#dtls.pollTransmit(); datagram; datagram = this.#dtls.pollTransmit()) this.#sendDatagram(datagram, now);
  }

  #sendDatagram(datagram: Uint8Array | undefined, now: Instant): void {
    if (datagram === undefined || !this.ice.send(datagram, now)) return this.discards.count('unsent-datagram');
    this.counters.packetsSent += 1;
    this.counters.bytesSent += datagram.length;
    if (this.tap && classify(datagram) === 'dtls') describeDatagram(this.tap, now, 'out', datagram, this.#dtls?.latestAlerts.sent);
  }

  /** What ICE has to send already; the layers above are not asked. */
  pollDatagram(now: Instant): IceTransmit | undefined {
    const transmit = this.ice.pollTransmit(now);
    // DTLS is described when it is handed down, so that a tap sees it in order with SRTP, and inside of TURN too.
    if (this.tap && transmit && classify(transmit.data) !== 'dtls') describeDatagram(this.tap, now, 'out', transmit.data);
    return transmit;
  }

  /** Whether there is enough to gain from {@link reuseMemory}. */
  get wantsMemory(): boolean {
    return this.#srtp?.wantsMemory === true;
  }

  /** Everything has been polled, and nothing of it is in use any more. */
  reuseMemory(): void {
    this.#srtp?.reuseMemory();
  }

  // Time ---------------------------------------------------------------------------------------------------------------

  handleTimeout(now: Instant): void {
    // It is mostly one of them that something is due for, and often: SCTP with its SACKs.
    if (this.ice.nextTimeout() <= now) this.ice.handleTimeout(now);
    this.#dtls?.handleTimeout(now);
    this.#sctp?.handleTimeout(now);
    if (this.media.nextTimeout() <= now) this.media.handleTimeout(now);
    if (this.#peerClose.doubtAt <= now) this.#doubtPeer(now);
    this.#drain(now);
  }

  nextTimeout(): Instant {
    const lower = Math.min(this.ice.nextTimeout(), this.media.nextTimeout());
    return Math.min(lower, this.#peerClose.doubtAt, this.#dtls?.nextTimeout() ?? Infinity, this.#sctp?.nextTimeout() ?? Infinity);
  }

  // Setting up, from the bottom ----------------------------------------------------------------------------------------

  /**
   * The server listens at once, the client begins as soon as there is a path (RFC 8842 §5). Again, with fingerprints of another certificate: with
   * another peer.
   */
  startDtls(parameters: DtlsParameters, now: Instant): void {
    this.#dtlsParameters = parameters;
    if (this.#isAnotherPeer(parameters.fingerprints)) this.#leavePeer();
    this.#dtls?.setRemoteFingerprints(parameters.fingerprints);
    this.#beginDtls(now);
    this.#drain(now);
  }

  /** The association is set up as soon as DTLS is connected. */
  startSctp(parameters: SctpParameters, now: Instant): void {
    if (this.#sctpParameters !== undefined) return;
    this.#sctpParameters = parameters;
    this.#events.push({ layer: 'sctp', state: 'connecting' });
    this.#connectSctp(now);
    this.#drain(now);
  }

  #onIceEvent(event: IceEvent, now: Instant): void {
    this.#events.push({ layer: 'ice', event });
    if (event.type === 'selected-pair') this.#sctp?.pathChanged(now, this.#largestPacket());
    this.#beginDtls(now);
  }

  #hasPath(): boolean {
    return this.ice.state === 'connected' || this.ice.state === 'completed';
  }

  #beginDtls(now: Instant): void {
    if (this.#dtls !== undefined || this.#dtlsParameters === undefined) return;
    const { role, fingerprints } = this.#dtlsParameters;
    if (role === 'client' && !this.#hasPath()) return;
    const { crypto, certificate, srtpProfiles = DEFAULT_SRTP_PROFILES } = this.#configuration;
    const { roundTripTime } = this.ice;
    this.#dtls = new DtlsConnection({
      role,
      crypto,
      certificate,
      remoteFingerprints: fingerprints,
      srtpProfiles: srtpProfiles.map((name) => PROTECTION_PROFILES[name].id),
      ...(roundTripTime !== undefined && { initialTimeout: 1.5 * roundTripTime }), // RFC 9147 §5.8.2
    });
    this.#dtls.start(now);
    this.#setDtlsState('connecting');
  }

  #isAnotherPeer(fingerprints: readonly Fingerprint[]): boolean {
    if (this.#dtlsState !== 'connected') return false;
    return !matchesFingerprint(this.#configuration.crypto, this.#dtls!.peerCertificates[0]!, fingerprints);
  }

  /**
   * A new DTLS association replaces the one in use (RFC 8842 §4), with new SRTP keys. The SCTP association is not affected (RFC 8841 §10.5): a
   * peer that does not know it begins it again, and then its channels close.
   */
  #leavePeer(): void {
    this.#dtls = undefined;
    this.#srtp = undefined;
  }

  #setDtlsState(state: DtlsState, failure?: DtlsFailure): void {
    this.#dtlsState = state;
    this.#events.push(failure === undefined ? { layer: 'dtls', state } : { layer: 'dtls', state, failure });
  }

  #onDtlsConnected(now: Instant): void {
    this.#srtp = SrtpSession.from(this.#dtls!, this.#configuration.crypto);
    this.#setDtlsState('connected');
    this.#connectSctp(now);
  }

  #connectSctp(now: Instant): void {
    if (this.#sctp !== undefined || this.#sctpParameters === undefined || this.#dtlsState !== 'connected') return;
    this.#sctp = new SctpAssociation({
      crypto: this.#configuration.crypto,
      // Consent freshness watches the peer, so the association does not give up by itself.
      maxInitRetransmits: Infinity,
      maxRetransmits: Infinity,
      // DTLS protects more than a checksum could (RFC 9653 §3, RFC 8261 §6).
      zeroChecksum: true,
      maxProbedPacket: this.#largestPacket(),
      roundTripTime: this.ice.roundTripTime,
      ...this.#sctpParameters,
    });
    this.channels.start(this.#sctp, this.#dtls!.role, now);
    this.#sctp.connect(now);
  }

  /** A peer that has an address of ours is on this machine: nothing between us and it has the limits of a network. */
  #largestPacket(): number {
    const remote = this.ice.selectedPair?.remote.address;
    const isLocal = this.ice.stats.localCandidates.some(({ type, address }) => type === 'host' && address === remote);
    return isLocal ? LARGEST_PACKET.sameMachine : LARGEST_PACKET.network;
  }

  // The other side closes ---------------------------------------------------------------------------------------------

  /** A datagram of the peer's during the close, when only DTLS still listens: for alerts. A peer that closed before gets its answer again. */
  receiveWhileClosing(payload: Uint8Array, now: Instant): void {
    if (classify(payload) !== 'dtls' || this.#dtls === undefined) return;
    this.#readDtls(this.#dtls, payload, now);
    while (this.#dtls.pollEvent() !== undefined); // data and all: nobody wants it any more
    if (this.#peerClose.report === undefined) return;
    if (this.#peerClose.takeAnswer(now)) this.#dtls.close();
    this.flushDtls(now);
  }

  /** The peer's close_notify: everything above DTLS is over, and one close_notify of our own answers it (RFC 5246 §7.2.1). */
  #onRemoteClose(now: Instant): void {
    const report = this.#peerClose.onCloseNotify(this.media.goodbyeSince(now - GOODBYE_LIFETIME), now);
    this.#setDtlsState('closed');
    this.#endSctp();
    this.#dtls!.close();
    this.#events.push({ layer: 'remote-close', ...report });
  }

  /** The peer has aborted the association, and nothing followed: either its alert was lost, or it is gone. Its consent will tell. */
  #doubtPeer(now: Instant): void {
    this.#peerClose.endDoubt();
    if (this.#dtls?.state === 'connected') this.ice.checkConsent(now);
  }

  /** The association goes with the DTLS connection under it; nothing more can be sent. */
  #endSctp(): void {
    if (this.#sctpParameters === undefined) return;
    if (this.#sctp === undefined || this.#sctp.state !== 'closed') this.#events.push({ layer: 'sctp', state: 'closed' });
    this.channels.endAll();
    this.#sctp?.abort('');
  }
}
