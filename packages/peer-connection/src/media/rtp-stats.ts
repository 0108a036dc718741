/** Counters in the shape of the W3C dictionaries (webrtc-stats §7); times are Instants, durations seconds. Absent: not known yet. */
import type { MediaKind } from './rtp-parameters.ts';

/** RTCInboundRtpStreamStats. */
export interface InboundRtpCounters {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly mid: string | undefined;
  readonly rid: string | undefined;
  /** Of the latest packet. */
  readonly payloadType: number | undefined;
  readonly mimeType: string | undefined;
  readonly packetsReceived: number;
  /** May be negative: duplicates count as received (RFC 3550 §6.4.1). */
  readonly packetsLost: number;
  readonly jitter: number;
  readonly bytesReceived: number;
  readonly headerBytesReceived: number;
  readonly lastPacketReceivedTimestamp: number | undefined;
  /** Packets with the marker bit: in video, ends of frames. */
  readonly markersReceived: number;
  readonly retransmittedPacketsReceived: number;
  readonly retransmittedBytesReceived: number;
  readonly rtxSsrc: number | undefined;
  readonly packetsDiscarded: number;
  readonly nackCount: number;
  readonly pliCount: number;
  readonly firCount: number;
  /** What the remote side says it sent: RTCRemoteOutboundRtpStreamStats. Absent without a sender report. */
  readonly remoteOutbound: RemoteOutboundRtpCounters | undefined;
}

/** RTCRemoteOutboundRtpStreamStats, from sender reports. */
export interface RemoteOutboundRtpCounters {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly packetsSent: number;
  readonly bytesSent: number;
  /** The sender's clock, in milliseconds of the Unix epoch. */
  readonly remoteTimestamp: number;
  readonly reportsSent: number;
  readonly roundTripTime: number | undefined;
  readonly totalRoundTripTime: number;
  readonly roundTripTimeMeasurements: number;
  /** When the latest report arrived. */
  readonly timestamp: number;
}

/** RTCOutboundRtpStreamStats. */
export interface OutboundRtpCounters {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly mid: string | undefined;
  readonly rid: string | undefined;
  readonly rtxSsrc: number | undefined;
  readonly active: boolean;
  readonly payloadType: number | undefined;
  readonly mimeType: string | undefined;
  readonly packetsSent: number;
  readonly bytesSent: number;
  readonly headerBytesSent: number;
  /** Packets with the marker bit: in video, ends of frames. Without retransmissions. */
  readonly markersSent: number;
  readonly retransmittedPacketsSent: number;
  readonly retransmittedBytesSent: number;
  readonly nackCount: number;
  readonly pliCount: number;
  readonly firCount: number;
  /** What the remote side says it received: RTCRemoteInboundRtpStreamStats. Absent without a report block. */
  readonly remoteInbound: RemoteInboundRtpCounters | undefined;
}

/** RTCRemoteInboundRtpStreamStats, from report blocks. */
export interface RemoteInboundRtpCounters {
  readonly ssrc: number;
  readonly kind: MediaKind;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly jitter: number;
  readonly fractionLost: number;
  readonly roundTripTime: number | undefined;
  readonly totalRoundTripTime: number;
  readonly roundTripTimeMeasurements: number;
  /** When the latest report block arrived. */
  readonly timestamp: number;
}

/** RTCRtpContributingSource and RTCRtpSynchronizationSource (W3C webrtc §5.4, §5.5). */
export interface SourceInfo {
  readonly type: 'contributing' | 'synchronization';
  readonly source: number;
  /** When the latest packet with it arrived. */
  readonly timestamp: number;
  readonly rtpTimestamp: number;
  /** 0 (silence) to 1 (0 dBov); absent without the extension. */
  readonly audioLevel: number | undefined;
}
