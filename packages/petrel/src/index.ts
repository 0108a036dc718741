/**
 * WebRTC for Node: the W3C's objects bound to Node's sockets, timers and cryptography, and what Petrel adds to them.
 *
 * @example
 * const pc = new RTCPeerConnection();
 * const channel = pc.createDataChannel('chat');
 */
import { nodeCrypto } from '@petrel/crypto/node';
import { NodeRuntime } from '@petrel/node-runtime';
import { importCertificate as importWith, type RTCCertificate, setDefaultRuntime } from '@petrel/peer-connection';

setDefaultRuntime(() => new NodeRuntime());

export { NodeRuntime } from '@petrel/node-runtime';
export { goodbyeOnExit, type GoodbyeOptions } from './goodbye-on-exit.ts';
export {
  type EncodedFrame,
  type FrameLayer,
  isAv1KeyFrame,
  isH264KeyFrame,
  isVp8KeyFrame,
  isVp9KeyFrame,
  opusDuration,
  readAnnexB,
  readIvf,
  readOggOpus,
  type ReceivedFrame,
  writeAnnexB,
  writeIvf,
  writeOggOpus,
} from '@petrel/media';
export {
  type FfmpegExit,
  type FfmpegOutput,
  ffmpegOutputArguments,
  FfmpegSource,
  ffmpegSource,
  type FfmpegSourceOptions,
} from './bridges/ffmpeg-source.ts';
export { gstreamerSender, type GstreamerSenderOptions } from './bridges/gstreamer.ts';
export { RtpForward, rtpForward, type RtpForwardDiscard, type RtpForwardOptions } from './bridges/rtp-forward.ts';
export { RtpIngest, rtpIngest, type RtpIngestDiscard, type RtpIngestOptions } from './bridges/rtp-ingest.ts';
export { FrameSink, type FrameSinkOptions } from './frames/frame-sink.ts';
export { FrameSource, type FrameSourceOptions } from './frames/frame-source.ts';
export {
  type Advertisement,
  type AlgorithmIdentifier,
  type AnnouncedAddress,
  type BinaryType,
  type BoundSocket,
  CLOSE_SEQUENCE,
  type CloseMessage,
  type CloseOptions,
  type CloseReport,
  type DatagramHandler,
  type MediaKind,
  MediaStream,
  MediaStreamTrack,
  MediaStreamTrackEvent,
  type MediaStreamTrackEventInit,
  type MediaStreamTrackState,
  type MediaTrackCapabilities,
  type MediaTrackConstraints,
  type MediaTrackSettings,
  type MuxOptions,
  type NetworkInterface,
  RemoteCloseEvent,
  type RTCAnswerOptions,
  type RTCBundlePolicy,
  RTCCertificate,
  type RTCConfiguration,
  RTCDataChannel,
  RTCDataChannelEvent,
  type RTCDataChannelEventInit,
  type RTCDataChannelInit,
  type RTCDataChannelState,
  type RTCDtlsFingerprint,
  RTCDtlsTransport,
  type RTCDtlsTransportState,
  RTCDTMFSender,
  RTCDTMFToneChangeEvent,
  type RTCDTMFToneChangeEventInit,
  RTCError,
  type RTCErrorDetailType,
  RTCErrorEvent,
  type RTCErrorEventInit,
  type RTCErrorInit,
  RTCIceCandidate,
  type RTCIceCandidateInit,
  RTCIceCandidatePair,
  type RTCIceCandidateType,
  type RTCIceComponent,
  type RTCIceConnectionState,
  type RTCIceGathererState,
  type RTCIceGatheringState,
  type RTCIceParameters,
  type RTCIceProtocol,
  type RTCIceRole,
  type RTCIceServer,
  type RTCIceServerTransportProtocol,
  type RTCIceTcpCandidateType,
  RTCIceTransport,
  type RTCIceTransportPolicy,
  type RTCIceTransportState,
  type RTCLocalIceCandidateInit,
  type RTCLocalSessionDescriptionInit,
  type RTCOfferOptions,
  RTCPeerConnection,
  RTCPeerConnectionIceErrorEvent,
  type RTCPeerConnectionIceErrorEventInit,
  RTCPeerConnectionIceEvent,
  type RTCPeerConnectionIceEventInit,
  type RTCPeerConnectionState,
  type RTCPriorityType,
  type RTCResolutionRestriction,
  type RTCRtcpMuxPolicy,
  type RTCRtcpParameters,
  type RTCRtpCapabilities,
  type RTCRtpCodec,
  type RTCRtpCodecParameters,
  type RTCRtpContributingSource,
  type RTCRtpEncodingParameters,
  type RTCRtpHeaderExtensionCapability,
  type RTCRtpHeaderExtensionParameters,
  type RTCRtpParameters,
  type RTCRtpReceiveParameters,
  RTCRtpReceiver,
  RTCRtpSender,
  type RTCRtpSendParameters,
  type RTCRtpSynchronizationSource,
  RTCRtpTransceiver,
  type RTCRtpTransceiverDirection,
  type RTCRtpTransceiverInit,
  RTCSctpTransport,
  type RTCSctpTransportState,
  type RTCSdpType,
  RTCSessionDescription,
  type RTCSessionDescriptionInit,
  type RTCSignalingState,
  type RTCStats,
  RTCStatsReport,
  RTCTrackEvent,
  type RTCTrackEventInit,
  RtpSink,
  RtpSource,
  type RtpSourceOptions,
  type Runtime,
  type SentMessage,
  type ShutdownOptions,
  type StreamHandler,
  type StreamOptions,
  type StreamSocket,
  type TapLayer,
  type TapListener,
  type TapRecord,
  type TcpListener,
  type TcpListenOptions,
  TcpMux,
  type TcpMuxDiscard,
  type TimerHandle,
  UdpMux,
  type UdpMuxDiscard,
  type UdpOptions,
  type UdpSocket,
  type UnknownFragment,
} from '@petrel/peer-connection';

/**
 * Reads a certificate and its private key, as `RTCCertificate.exportPem()` or another tool has written them.
 * @throws TypeError when a block is missing or cannot be read
 *
 * @example
 * const pc = new RTCPeerConnection({ certificates: [importCertificate(readFileSync('server.pem', 'utf8'))] });
 */
export function importCertificate(pem: string): RTCCertificate {
  return importWith(nodeCrypto(), pem);
}
