export {
  RTP_FIXED_HEADER_LENGTH,
  type RtpFields,
  rtpHeaderLength,
  RtpPacket,
  serializeRtpPacket,
  writeRtpFixedHeader,
} from './rtp-packet.ts';
export {
  EXTENSION_URI,
  extensionBlockLength,
  findExtension,
  type HeaderExtension,
  isTwoByteProfile,
  ONE_BYTE_PROFILE,
  parseExtensions,
  TWO_BYTE_PROFILE,
  writeExtensions,
} from './header-extensions.ts';
export {
  type AbsCaptureTime,
  type AudioLevel,
  decodeAbsCaptureTime,
  decodeAbsSendTime,
  decodeAudioLevel,
  decodeTextExtension,
  decodeTransportSequenceNumber,
  decodeVideoOrientation,
  encodeAbsCaptureTime,
  encodeAbsSendTime,
  encodeAudioLevel,
  encodeTextExtension,
  encodeTransportSequenceNumber,
  encodeVideoOrientation,
  type VideoOrientation,
  writeAbsSendTime,
} from './extension-values.ts';
export { Unwrapper } from './sequence-unwrapper.ts';
export { compactNtp, fromNtp, NtpMapping, type NtpTime, roundTripTime, toNtp } from './ntp-time.ts';
export { MIN_SEQUENTIAL, ReceptionStatistics } from './reception-statistics.ts';
export { NackGenerator } from './nack-generator.ts';
export { RetransmissionBuffer } from './retransmission-buffer.ts';
export { type Membership, ReportScheduler, type ReportSchedulerOptions } from './report-scheduler.ts';
export { TransportFeedbackRecorder } from './transport-feedback-recorder.ts';
export { originalSequenceNumber, RTX_HEADER_LENGTH, unwrapRetransmission } from './rtx.ts';
export { parseRed, type RedundantBlock, type RedundantPayload, serializeRed } from './red.ts';
export { type ParsedRtcp, parseRtcp, RTCP_HEADER_LENGTH, RTCP_TYPE, type RtcpPacket, serializeRtcp } from './rtcp/compound.ts';
export { MAX_REPORT_BLOCKS, type ReceiverReport, type ReportBlock, type SenderReport } from './rtcp/reports.ts';
export { SDES_ITEM, type SdesChunk, type SdesItem, type SourceDescription } from './rtcp/source-description.ts';
export { type Goodbye, MAX_GOODBYE_SSRCS } from './rtcp/goodbye.ts';
export type { FullIntraRequest, Nack, PictureLossIndication, ReceiverEstimatedMaximumBitrate } from './rtcp/feedback.ts';
export type { DlrrEntry, ExtendedReport } from './rtcp/extended-report.ts';
export { ARRIVAL_UNIT, NOT_RECEIVED, type TransportFeedback } from './rtcp/transport-feedback.ts';
