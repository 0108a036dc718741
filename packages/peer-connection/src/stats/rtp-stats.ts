/** Statistics of RTP streams: outbound-rtp, remote-inbound-rtp, inbound-rtp, remote-outbound-rtp, codec, media-source (webrtc-stats §8.1 to §8.10). */
import type { RtpCodec } from '../media/rtp-parameters.ts';
import type { InboundRtpCounters, OutboundRtpCounters } from '../media/rtp-stats.ts';
import type { ReceiveStream } from '../media/receive-stream.ts';
import type { SendStream } from '../media/send-stream.ts';
import type { MediaKind, MediaStreamTrack } from '../media-stream-track.ts';
import type { RTCStats } from './rtc-stats-report.ts';
import type { StatsTime } from './stats-time.ts';

/** A negotiated codec, with its `a=fmtp` line. */
export interface StatsCodec extends RtpCodec {
  readonly sdpFmtpLine?: string | undefined;
}

interface RtpStatsSource {
  readonly kind: MediaKind;
  readonly mid: string | null;
  /** Of the transport's statistics. */
  readonly transportId: string;
  readonly codecs: readonly StatsCodec[];
}

export interface SenderStatsSource extends RtpStatsSource {
  readonly track: MediaStreamTrack | null;
  /** In the order of the encodings; empty before negotiation is complete. */
  readonly streams: readonly SendStream[];
}

export interface ReceiverStatsSource extends RtpStatsSource {
  readonly track: MediaStreamTrack;
  /** Undefined before negotiation, and again once the transceiver has stopped. */
  readonly stream: ReceiveStream | undefined;
}

export function senderStats(source: SenderStatsSource, time: StatsTime): RTCStats[] {
  const result: RTCStats[] = [];
  const mediaSource = source.track === null ? undefined : mediaSourceEntry(source.track, time);
  if (mediaSource !== undefined) result.push(mediaSource);
  source.streams.forEach((stream, index) => {
    const counters = stream.stats;
    const codec = codecEntry(source, counters.payloadType, 'send', time);
    if (codec !== undefined) result.push(codec);
    result.push(outboundEntry(source, counters, { codec, mediaSource, index }, time));
    const remote = remoteInboundEntry(source, counters, codec, time);
    if (remote !== undefined) result.push(remote);
  });
  return result;
}

export function receiverStats(source: ReceiverStatsSource, time: StatsTime): RTCStats[] {
  const result: RTCStats[] = [];
  for (const received of source.stream?.stats ?? []) {
    // Which stream repairs it is often announced, before anything has to be repaired (RFC 4588 §8.6).
    const announced = source.stream?.options.rtxPairs?.find(({ ssrc }) => ssrc === received.ssrc);
    const counters = { ...received, rtxSsrc: received.rtxSsrc ?? announced?.rtxSsrc };
    // §8.3: the object exists from the first packet on.
    if (counters.packetsReceived === 0) continue;
    const codec = codecEntry(source, counters.payloadType, 'receive', time);
    if (codec !== undefined) result.push(codec);
    result.push(inboundEntry(source, counters, codec, time));
    const remote = remoteOutboundEntry(source, counters, codec, time);
    if (remote !== undefined) result.push(remote);
  }
  return result;
}

const outboundId = (source: RtpStatsSource, ssrc: number): string => `O${source.transportId}${ssrc}`;
const remoteInboundId = (source: RtpStatsSource, ssrc: number): string => `RI${source.transportId}${ssrc}`;
const inboundId = (source: RtpStatsSource, ssrc: number): string => `I${source.transportId}${ssrc}`;
const remoteOutboundId = (source: RtpStatsSource, ssrc: number): string => `RO${source.transportId}${ssrc}`;

/** RTCRtpStreamStats: what all four types of streams have. */
function streamMembers(source: RtpStatsSource, ssrc: number, codec: RTCStats | undefined): Record<string, unknown> {
  const { kind, transportId } = source;
  return { ssrc, kind, transportId, ...(codec === undefined ? {} : { codecId: codec.id }) };
}

interface OutboundReferences {
  readonly codec: RTCStats | undefined;
  readonly mediaSource: RTCStats | undefined;
  readonly index: number;
}

function outboundEntry(
  source: SenderStatsSource,
  counters: OutboundRtpCounters,
  references: OutboundReferences,
  time: StatsTime,
): RTCStats {
  const { codec, mediaSource, index } = references;
  const { ssrc, kind, mid, rid, rtxSsrc, active, remoteInbound } = counters;
  return {
    ...time.entry(outboundId(source, ssrc), 'outbound-rtp'),
    ...streamMembers(source, ssrc, codec),
    ...present({ mid: mid ?? source.mid ?? undefined, rid, rtxSsrc, mediaSourceId: mediaSource?.id }),
    ...(remoteInbound === undefined ? {} : { remoteId: remoteInboundId(source, ssrc) }),
    ...(kind === 'video' ? { encodingIndex: index } : {}),
    active,
    packetsSent: counters.packetsSent,
    bytesSent: counters.bytesSent,
    headerBytesSent: counters.headerBytesSent,
    retransmittedPacketsSent: counters.retransmittedPacketsSent,
    retransmittedBytesSent: counters.retransmittedBytesSent,
    // Packets are neither paced nor marked for L4S.
    totalPacketSendDelay: 0,
    packetsSentWithEct1: 0,
    nackCount: counters.nackCount,
    ...(kind === 'video' ? { pliCount: counters.pliCount, firCount: counters.firCount, framesSent: counters.markersSent } : {}),
  };
}

function remoteInboundEntry(
  source: SenderStatsSource,
  { ssrc, remoteInbound: remote }: OutboundRtpCounters,
  codec: RTCStats | undefined,
  time: StatsTime,
): RTCStats | undefined {
  if (remote === undefined) return undefined;
  return {
    ...time.entry(remoteInboundId(source, ssrc), 'remote-inbound-rtp', remote.timestamp),
    ...streamMembers(source, ssrc, codec),
    localId: outboundId(source, ssrc),
    packetsReceived: remote.packetsReceived,
    packetsLost: remote.packetsLost,
    jitter: remote.jitter,
    fractionLost: remote.fractionLost,
    ...present({ roundTripTime: remote.roundTripTime }),
    totalRoundTripTime: remote.totalRoundTripTime,
    roundTripTimeMeasurements: remote.roundTripTimeMeasurements,
  };
}

function inboundEntry(source: ReceiverStatsSource, counters: InboundRtpCounters, codec: RTCStats | undefined, time: StatsTime): RTCStats {
  const { ssrc, kind, mid, rtxSsrc, lastPacketReceivedTimestamp, remoteOutbound } = counters;
  return {
    ...time.entry(inboundId(source, ssrc), 'inbound-rtp'),
    ...streamMembers(source, ssrc, codec),
    trackIdentifier: source.track.id,
    ...present({ mid: mid ?? source.mid ?? undefined, rtxSsrc }),
    ...(remoteOutbound === undefined ? {} : { remoteId: remoteOutboundId(source, ssrc) }),
    packetsReceived: counters.packetsReceived,
    packetsLost: counters.packetsLost,
    jitter: counters.jitter,
    ...(lastPacketReceivedTimestamp === undefined ? {} : { lastPacketReceivedTimestamp: time.at(lastPacketReceivedTimestamp) }),
    bytesReceived: counters.bytesReceived,
    headerBytesReceived: counters.headerBytesReceived,
    packetsDiscarded: counters.packetsDiscarded,
    retransmittedPacketsReceived: counters.retransmittedPacketsReceived,
    retransmittedBytesReceived: counters.retransmittedBytesReceived,
    nackCount: counters.nackCount,
    ...(kind === 'video' ? videoMembers(counters) : {}),
  };
}

function videoMembers({ pliCount, firCount, markersReceived }: InboundRtpCounters): Record<string, number> {
  // Formats of FEC are not negotiated, and what was not is dropped.
  const fec = { fecPacketsReceived: 0, fecBytesReceived: 0, fecPacketsDiscarded: 0 };
  return { pliCount, firCount, framesReceived: markersReceived, ...fec };
}

function remoteOutboundEntry(
  source: ReceiverStatsSource,
  { ssrc, remoteOutbound: remote }: InboundRtpCounters,
  codec: RTCStats | undefined,
  time: StatsTime,
): RTCStats | undefined {
  if (remote === undefined) return undefined;
  return {
    ...time.entry(remoteOutboundId(source, ssrc), 'remote-outbound-rtp', remote.timestamp),
    ...streamMembers(source, ssrc, codec),
    localId: inboundId(source, ssrc),
    packetsSent: remote.packetsSent,
    bytesSent: remote.bytesSent,
    remoteTimestamp: remote.remoteTimestamp,
    reportsSent: remote.reportsSent,
    ...present({ roundTripTime: remote.roundTripTime }),
    totalRoundTripTime: remote.totalRoundTripTime,
    roundTripTimeMeasurements: remote.roundTripTimeMeasurements,
  };
}

/** §8.2: only codecs that a stream uses have an object. */
function codecEntry(
  source: RtpStatsSource,
  payloadType: number | undefined,
  direction: 'send' | 'receive',
  time: StatsTime,
): RTCStats | undefined {
  const codec = source.codecs.find((candidate) => candidate.payloadType === payloadType);
  if (codec === undefined) return undefined;
  const { mimeType, clockRate, channels, sdpFmtpLine } = codec;
  const id = `CO${direction === 'send' ? 'O' : 'I'}${source.transportId}_${payloadType}_${sdpFmtpLine ?? ''}`;
  return {
    ...time.entry(id, 'codec'),
    payloadType,
    transportId: source.transportId,
    mimeType,
    clockRate,
    ...present({ channels, sdpFmtpLine }),
  };
}

function mediaSourceEntry(track: MediaStreamTrack, time: StatsTime): RTCStats {
  return { ...time.entry(`S${track.id}`, 'media-source'), trackIdentifier: track.id, kind: track.kind };
}

/** Without the members that are undefined. */
function present(members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
