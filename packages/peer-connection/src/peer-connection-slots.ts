/** The internal slots of an RTCPeerConnection (W3C WebRTC §4.4.1.1), named as in the specification, and what the implementation adds. */
import type { CheckListSet, IceServer } from '@petrel/ice';
import type { Configuration } from './configuration.ts';
import type { RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionState, RTCSignalingState } from './connection-state.ts';
import type { DataChannelRegistry } from './data-channel-registry.ts';
import type { CreatedDescription, Description } from './jsep/description.ts';
import type { GatheringCompletion } from './gathering-completion.ts';
import type { MediaStream } from './media-stream.ts';
import type { OperationsChain } from './operations-chain.ts';
import type { PeerTransport } from './peer-transport.ts';
import type { RTCCertificate } from './rtc-certificate.ts';
import type { RTCIceCandidate } from './rtc-ice-candidate.ts';
import type { RTCPeerConnection } from './rtc-peer-connection.ts';
import type { TransceiverSlots } from './rtc-rtp-transceiver.ts';
import type { RTCSctpTransport } from './rtc-sctp-transport.ts';
import type { Runtime } from './runtime.ts';
import type { CloseReport } from './shutdown-sequencer.ts';
import type { TapListener } from './tap.ts';

/** [[SctpTransport]] with the transport below it. */
export interface SctpSlot {
  readonly object: RTCSctpTransport;
  transport: PeerTransport;
}

export interface PeerConnectionSlots {
  readonly object: RTCPeerConnection;
  readonly runtime: Runtime;
  configuration: Configuration;
  iceServers: readonly IceServer[];
  isClosed: boolean;
  negotiationNeeded: boolean;
  sctp: SctpSlot | null;
  lastStableStateSctp: SctpSlot | null;
  readonly channels: DataChannelRegistry;
  readonly operations: OperationsChain;
  updateNegotiationNeededFlagOnEmptyChain: boolean;
  lastCreatedOffer: CreatedDescription | undefined;
  lastCreatedAnswer: CreatedDescription | undefined;
  earlyCandidates: { readonly transport: PeerTransport; readonly candidate: RTCIceCandidate }[];
  signalingState: RTCSignalingState;
  iceConnectionState: RTCIceConnectionState;
  iceGatheringState: RTCIceGatheringState;
  connectionState: RTCPeerConnectionState;
  pendingLocalDescription: Description | null;
  currentLocalDescription: Description | null;
  pendingRemoteDescription: Description | null;
  currentRemoteDescription: Description | null;
  /** Each `ufrag pwd`. */
  localIceCredentialsToReplace: ReadonlySet<string>;
  /** The set of transceivers, in order of insertion. */
  transceivers: TransceiverSlots[];

  // Not in the specification:
  /** The first certificate of the configuration, or the generated one once it is there. */
  certificate: RTCCertificate | undefined;
  /** Resolves when there is a certificate. */
  readonly certificateReady: Promise<void>;
  /** RTCP SDES CNAME (RFC 8834 §4.9). */
  readonly cname: string;
  /** `o=`: 63 bits, and a number that grows (RFC 8829 §5.2.1). */
  readonly sessionId: string;
  sessionVersion: number;
  /** Of all transports: to the peer they are one ICE agent (RFC 8445 §6.1.2). */
  readonly checkLists: CheckListSet;
  /** The transport of each media section, by mid. */
  readonly transports: Map<string, PeerTransport>;
  /** Transports that have gathered in advance (`iceCandidatePoolSize`), and are not used yet. */
  readonly pool: PeerTransport[];
  /** All that have not been closed, those of offers that were never made included. */
  readonly allTransports: Set<PeerTransport>;
  /** By id; a stream is one object for the life of the connection. */
  readonly remoteStreams: Map<string, MediaStream>;
  /** For remote tracks whose description names no stream. */
  readonly defaultStreamId: string;
  readonly usedSsrcs: Set<number>;
  /** Transports that were ever made: their statistics have ids. */
  transportCount: number;
  /** Set by `setLocalDescription`, for setConfiguration. */
  hasSetLocalDescription: boolean;
  /** Somebody asked for the report of the close: see `ConnectionDriver.awaitClose`. */
  closeIsAwaited: boolean;
  tap: TapListener | undefined;
  readonly gatheringCompletion: GatheringCompletion;
  readonly resolveClosed: (report: CloseReport) => void;
}

/** localDescription: the pending one, or else the current one. */
export function localDescription(slots: PeerConnectionSlots): Description | null {
  return slots.pendingLocalDescription ?? slots.currentLocalDescription;
}

export function remoteDescription(slots: PeerConnectionSlots): Description | null {
  return slots.pendingRemoteDescription ?? slots.currentRemoteDescription;
}

/** Runs steps in a task; on a connection that is closed meanwhile the promise stays pending, as the specification has it. */
export function inTask<T>(slots: PeerConnectionSlots, steps: () => T): Promise<T> {
  return new Promise((resolve, reject) =>
    slots.runtime.queueTask(() => {
      if (slots.isClosed) return;
      try {
        resolve(steps());
      } catch (error) {
        reject(error as Error);
      }
    }),
  );
}

/** Neither zero nor used by this connection, on either side as far as known (RFC 3550 §8.1). */
export function allocateSsrc(slots: PeerConnectionSlots): number {
  for (;;) {
    const bytes = slots.runtime.crypto.randomBytes(4);
    const ssrc = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
    if (ssrc === 0 || slots.usedSsrcs.has(ssrc)) continue;
    slots.usedSsrcs.add(ssrc);
    return ssrc;
  }
}
