/** One remote SSRC: what was received from it (RFC 3550 §6.2.1, appendix A). */
import {
  compactNtp,
  fromNtp,
  NackGenerator,
  NtpMapping,
  ReceptionStatistics,
  type ReportBlock,
  type RtpPacket,
  type SenderReport,
  Unwrapper,
} from '@petrel/rtp';
import type { Instant } from '@petrel/sans-io';
import type { ReceiveStream } from './receive-stream.ts';
import type { RtpCodec } from './rtp-parameters.ts';
import type { InboundRtpCounters, RemoteOutboundRtpCounters } from './rtp-stats.ts';

/** Extended numbers of the latest packets, by their low bits: enough to tell duplicates from repairs. */
const RECENT = 256;

/** How a packet relates to what came before. `late`: no one waits for it any more; `duplicate`: it is here already, or too old to tell. */
export type Arrival = 'next' | 'gap' | 'filled' | 'late' | 'duplicate' | 'out-of-range';

export class IncomingSource {
  readonly ssrc: number;
  /** RTX streams have sources of their own, which feed the one that they repair. */
  readonly role: 'media' | 'rtx';
  stream: ReceiveStream;
  rid: string | undefined;
  /** The source that an RTX source repairs; the source that repairs a media source. */
  pair: IncomingSource | undefined;
  /** MID by the latest update, with the extended sequence number that it came with (RFC 8843 §9.2). */
  mid: string | undefined;
  midUpdatedAt: number = -Infinity;
  /** Set by BYE. */
  endedAt: Instant | undefined;
  latestArrival: Instant;
  /** Of RTP or RTCP. */
  latestHeard: Instant;
  latestTimestamp: number = 0;
  audioLevel: number | undefined;
  codec: RtpCodec | undefined;
  nack: NackGenerator | undefined;
  nackCount: number = 0;
  pliCount: number = 0;
  firCount: number = 0;
  packetsDiscarded: number = 0;
  readonly #statistics = new ReceptionStatistics(1);
  readonly #unwrapper = new Unwrapper(16);
  readonly #recent = new Float64Array(RECENT).fill(-Infinity);
  #mapping: NtpMapping | undefined;
  #bytesReceived = 0;
  #headerBytesReceived = 0;
  #packetsReceived = 0;
  #markersReceived = 0;
  #retransmittedPackets = 0;
  #retransmittedBytes = 0;
  #lastSenderReport = 0;
  #lastSenderReportAt: Instant = 0;
  #remote: RemoteOutboundRtpCounters | undefined;

  constructor(ssrc: number, role: 'media' | 'rtx', stream: ReceiveStream, now: Instant) {
    this.ssrc = ssrc;
    this.role = role;
    this.stream = stream;
    this.latestArrival = now;
    this.latestHeard = now;
  }

  /** What the sequence number would be without wraps. */
  extend(sequenceNumber: number): number {
    return this.#unwrapper.peek(sequenceNumber);
  }

  /** Takes a packet from the network into the statistics. */
  receive(packet: RtpPacket, codec: RtpCodec, now: Instant): Arrival {
    if (!this.#statistics.update(packet.sequenceNumber)) return 'out-of-range';
    if (this.#statistics.received === 1) this.#restart();
    if (codec.clockRate !== this.codec?.clockRate) this.#changeClock(codec);
    this.codec = codec;
    this.#statistics.updateJitter(packet.timestamp, (now * codec.clockRate) / 1000);
    this.latestArrival = now;
    this.latestHeard = now;
    this.latestTimestamp = packet.timestamp;
    this.#count(packet);
    return this.#classify(this.#unwrapper.unwrap(packet.sequenceNumber), now);
  }

  /** Takes a packet that RTX or RED recovered; it counts neither as received by RFC 3550 A.3 nor for jitter. */
  recover(sequenceNumber: number, now: Instant): Arrival {
    return this.#classify(this.#unwrapper.unwrap(sequenceNumber), now);
  }

  countRetransmission(packet: RtpPacket): void {
    this.#retransmittedPackets += 1;
    this.#retransmittedBytes += packet.payloadLength;
    this.#count(packet);
  }

  hasReceived(extendedSequenceNumber: number): boolean {
    return this.#recent[slotOf(extendedSequenceNumber)] === extendedSequenceNumber;
  }

  receiveSenderReport(report: SenderReport, now: Instant): void {
    this.#lastSenderReport = compactNtp(report.ntp);
    this.#lastSenderReportAt = now;
    this.latestHeard = now;
    this.#mapping?.update(report.ntp, report.rtpTimestamp);
    this.#remote = {
      ssrc: this.ssrc,
      kind: this.stream.kind,
      packetsSent: report.packetCount,
      bytesSent: report.octetCount,
      remoteTimestamp: fromNtp(report.ntp),
      reportsSent: (this.#remote?.reportsSent ?? 0) + 1,
      roundTripTime: this.#remote?.roundTripTime,
      totalRoundTripTime: this.#remote?.totalRoundTripTime ?? 0,
      roundTripTimeMeasurements: this.#remote?.roundTripTimeMeasurements ?? 0,
      timestamp: now,
    };
  }

  /** From DLRR (RFC 3611 §4.5), in milliseconds. */
  receiveRoundTripTime(milliseconds: number): void {
    if (this.#remote === undefined) return;
    this.#remote = {
      ...this.#remote,
      roundTripTime: milliseconds / 1000,
      totalRoundTripTime: this.#remote.totalRoundTripTime + milliseconds / 1000,
      roundTripTimeMeasurements: this.#remote.roundTripTimeMeasurements + 1,
    };
  }

  /** The sender's wall clock at an RTP timestamp, once a sender report came: equal times are in sync. */
  toWallClock(timestamp: number): number | undefined {
    return this.#mapping?.toWallClock(timestamp);
  }

  report(now: Instant): ReportBlock {
    const delay = this.#lastSenderReport === 0 ? 0 : Math.min(0xffff_ffff, Math.round((now - this.#lastSenderReportAt) * 65.536));
    return this.#statistics.report(this.ssrc, this.#lastSenderReport, delay);
  }

  get counters(): InboundRtpCounters {
    return {
      ssrc: this.ssrc,
      kind: this.stream.kind,
      mid: this.stream.mid,
      rid: this.rid,
      payloadType: this.codec?.payloadType,
      mimeType: this.codec?.mimeType,
      packetsReceived: this.#packetsReceived,
      packetsLost: this.#statistics.lost,
      jitter: this.#statistics.jitter / (this.codec?.clockRate ?? 1),
      bytesReceived: this.#bytesReceived,
      headerBytesReceived: this.#headerBytesReceived,
      lastPacketReceivedTimestamp: this.#packetsReceived === 0 ? undefined : this.latestArrival,
      markersReceived: this.#markersReceived,
      retransmittedPacketsReceived: this.#retransmittedPackets,
      retransmittedBytesReceived: this.#retransmittedBytes,
      rtxSsrc: this.pair?.ssrc,
      packetsDiscarded: this.packetsDiscarded,
      nackCount: this.nackCount,
      pliCount: this.pliCount,
      firCount: this.firCount,
      remoteOutbound: this.#remote,
    };
  }

  #count(packet: RtpPacket): void {
    this.#packetsReceived += 1;
    if (packet.marker) this.#markersReceived += 1;
    this.#bytesReceived += packet.payloadLength;
    this.#headerBytesReceived += packet.payloadStart + packet.bytes.length - packet.payloadEnd;
  }

  #classify(extended: number, now: Instant): Arrival {
    const slot = slotOf(extended);
    if (this.#recent[slot] === extended) return 'duplicate';
    const older = this.#recent[slot]! > extended;
    if (!older) this.#recent[slot] = extended;
    const arrival = this.nack?.receive(extended, now) ?? (older ? 'old' : 'next');
    if (arrival !== 'old') return arrival;
    return older ? 'duplicate' : 'late';
  }

  /** The sequence numbers jumped and went on from there: what is missing before is not coming. */
  #restart(): void {
    this.#unwrapper.reset();
    this.#recent.fill(-Infinity);
    if (this.nack !== undefined) this.nack = new NackGenerator();
  }

  #changeClock(codec: RtpCodec): void {
    this.#statistics.resetTransit();
    this.#mapping = new NtpMapping(codec.clockRate);
  }
}

function slotOf(extended: number): number {
  return extended & (RECENT - 1);
}
