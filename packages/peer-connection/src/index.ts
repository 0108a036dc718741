export {
  peerConnectionSlots,
  type RTCAnswerOptions,
  type RTCOfferOptions,
  RTCPeerConnection,
} from './rtc-peer-connection.ts';
export { openConnections } from './open-connections.ts';
export { setDefaultRuntime } from './default-runtime.ts';
export type { ShutdownOptions } from './connection-close.ts';
export type {
  RTCBundlePolicy,
  RTCConfiguration,
  RTCIceServer,
  RTCIceTransportPolicy,
  RTCRtcpMuxPolicy,
} from './configuration.ts';
export type { RTCIceConnectionState, RTCIceGatheringState, RTCPeerConnectionState, RTCSignalingState } from './connection-state.ts';
export { RTCError, type RTCErrorDetailType, type RTCErrorInit } from './errors.ts';
export {
  MediaStreamTrackEvent,
  type MediaStreamTrackEventInit,
  RemoteCloseEvent,
  RTCDataChannelEvent,
  type RTCDataChannelEventInit,
  RTCDTMFToneChangeEvent,
  type RTCDTMFToneChangeEventInit,
  RTCErrorEvent,
  type RTCErrorEventInit,
  RTCPeerConnectionIceErrorEvent,
  type RTCPeerConnectionIceErrorEventInit,
  RTCPeerConnectionIceEvent,
  type RTCPeerConnectionIceEventInit,
  RTCTrackEvent,
  type RTCTrackEventInit,
} from './events.ts';
export type { RTCRtpCodec } from './jsep/codecs.ts';
export { MediaStream } from './media-stream.ts';
export {
  type MediaKind,
  MediaStreamTrack,
  type MediaStreamTrackState,
  type MediaTrackCapabilities,
  type MediaTrackConstraints,
  type MediaTrackSettings,
} from './media-stream-track.ts';
export type { AnnouncedAddress, BoundSocket, MuxOptions, UnknownFragment } from './mux/mux-options.ts';
export { TcpMux, type TcpMuxDiscard } from './mux/tcp-mux.ts';
export { UdpMux, type UdpMuxDiscard } from './mux/udp-mux.ts';
export {
  type AlgorithmIdentifier,
  importCertificate,
  RTCCertificate,
  type RTCDtlsFingerprint,
} from './rtc-certificate.ts';
export {
  type BinaryType,
  RTCDataChannel,
  type RTCDataChannelInit,
  type RTCDataChannelState,
  type RTCPriorityType,
} from './rtc-data-channel.ts';
export { RTCDtlsTransport, type RTCDtlsTransportState } from './rtc-dtls-transport.ts';
export { RTCDTMFSender } from './rtc-dtmf-sender.ts';
export {
  RTCIceCandidate,
  type RTCIceCandidateInit,
  type RTCIceCandidateType,
  type RTCIceComponent,
  type RTCIceProtocol,
  type RTCIceServerTransportProtocol,
  type RTCIceTcpCandidateType,
  type RTCLocalIceCandidateInit,
} from './rtc-ice-candidate.ts';
export {
  RTCIceCandidatePair,
  type RTCIceGathererState,
  type RTCIceParameters,
  type RTCIceRole,
  RTCIceTransport,
  type RTCIceTransportState,
} from './rtc-ice-transport.ts';
export type {
  RTCResolutionRestriction,
  RTCRtcpParameters,
  RTCRtpCapabilities,
  RTCRtpCodecParameters,
  RTCRtpEncodingParameters,
  RTCRtpHeaderExtensionCapability,
  RTCRtpHeaderExtensionParameters,
  RTCRtpParameters,
  RTCRtpReceiveParameters,
  RTCRtpSendParameters,
  RTCRtpTransceiverDirection,
  RTCRtpTransceiverInit,
} from './rtc-rtp-parameters.ts';
export { type RTCRtpContributingSource, RTCRtpReceiver, type RTCRtpSynchronizationSource } from './rtc-rtp-receiver.ts';
export { RTCRtpSender } from './rtc-rtp-sender.ts';
export { RTCRtpTransceiver } from './rtc-rtp-transceiver.ts';
export { RTCSctpTransport, type RTCSctpTransportState } from './rtc-sctp-transport.ts';
export {
  type RTCLocalSessionDescriptionInit,
  type RTCSdpType,
  RTCSessionDescription,
  type RTCSessionDescriptionInit,
} from './rtc-session-description.ts';
export { RtpSink } from './rtp-sink.ts';
export { RtpSource, type RtpSourceOptions } from './rtp-source.ts';
export type {
  Advertisement,
  DatagramHandler,
  NetworkInterface,
  Runtime,
  StreamHandler,
  StreamOptions,
  StreamSocket,
  TcpListener,
  TcpListenOptions,
  TimerHandle,
  UdpOptions,
  UdpSocket,
} from './runtime.ts';
export { CLOSE_SEQUENCE, type CloseMessage, type CloseOptions, type CloseReport, type SentMessage } from './shutdown-sequencer.ts';
export { type RTCStats, RTCStatsReport } from './stats/rtc-stats-report.ts';
export type { TapLayer, TapListener, TapRecord } from './tap.ts';
