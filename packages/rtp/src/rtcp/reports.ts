/**
 * Sender and receiver reports (RFC 3550 §6.4).
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|    RC   |  PT=SR=200    |             length            |  RR: 201, without sender info
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                         SSRC of sender                        |
 *   +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 *   |              NTP timestamp, most significant word             |
 *   |             NTP timestamp, least significant word             |
 *   |                         RTP timestamp                         |
 *   |                     sender's packet count                     |
 *   |                      sender's octet count                     |
 *   +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 *   |                 SSRC_1 (SSRC of first source)                 |  report block, RC of them
 *   | fraction lost |       cumulative number of packets lost       |
 *   |           extended highest sequence number received           |
 *   |                      interarrival jitter                      |
 *   |                         last SR (LSR)                         |
 *   |                   delay since last SR (DLSR)                  |
 *   +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 * ```
 */
import type { ByteReader, ByteWriter } from '@petrel/bytes';
import type { NtpTime } from '../ntp-time.ts';

/** RC is five bits. */
export const MAX_REPORT_BLOCKS = 31;
const REPORT_BLOCK_LENGTH = 24;

/** What a receiver says of one source (RFC 3550 §6.4.1). */
export interface ReportBlock {
  /** Of the source that is reported on. */
  readonly ssrc: number;
  /** Since the previous report, in 1/256. */
  readonly fractionLost: number;
  /** Signed: duplicates count as received. */
  readonly packetsLost: number;
  readonly extendedHighestSequenceNumber: number;
  /** In timestamp units. */
  readonly jitter: number;
  /** Compact NTP of the last sender report, or 0. */
  readonly lastSenderReport: number;
  /** In 1/65536 s. */
  readonly delaySinceLastSenderReport: number;
}

/** SR (RFC 3550 §6.4.1). */
export interface SenderReport {
  readonly type: 'sender-report';
  readonly ssrc: number;
  readonly ntp: NtpTime;
  readonly rtpTimestamp: number;
  /** Both modulo 2^32. */
  readonly packetCount: number;
  readonly octetCount: number;
  readonly reports: readonly ReportBlock[];
}

/** RR (RFC 3550 §6.4.2). */
export interface ReceiverReport {
  readonly type: 'receiver-report';
  readonly ssrc: number;
  readonly reports: readonly ReportBlock[];
}

export function parseSenderReport(reader: ByteReader, count: number): SenderReport | undefined {
  const ssrc = reader.uint32();
  const ntp = { seconds: reader.uint32(), fraction: reader.uint32() };
  const [rtpTimestamp, packetCount, octetCount] = [reader.uint32(), reader.uint32(), reader.uint32()];
  const reports = parseReportBlocks(reader, count);
  return reports && { type: 'sender-report', ssrc, ntp, rtpTimestamp, packetCount, octetCount, reports };
}

export function parseReceiverReport(reader: ByteReader, count: number): ReceiverReport | undefined {
  const ssrc = reader.uint32();
  const reports = parseReportBlocks(reader, count);
  return reports && { type: 'receiver-report', ssrc, reports };
}

export function writeSenderReport(writer: ByteWriter, report: SenderReport): void {
  writer.uint32(report.ssrc).uint32(report.ntp.seconds).uint32(report.ntp.fraction).uint32(report.rtpTimestamp);
  writer.uint32(report.packetCount).uint32(report.octetCount);
  for (const block of report.reports) writeReportBlock(writer, block);
}

export function writeReceiverReport(writer: ByteWriter, report: ReceiverReport): void {
  writer.uint32(report.ssrc);
  for (const block of report.reports) writeReportBlock(writer, block);
}

function parseReportBlocks(reader: ByteReader, count: number): ReportBlock[] | undefined {
  if (reader.overrun || reader.remaining < count * REPORT_BLOCK_LENGTH) return undefined;
  return Array.from({ length: count }, () => ({
    ssrc: reader.uint32(),
    fractionLost: reader.uint8(),
    packetsLost: (reader.uint24() << 8) >> 8,
    extendedHighestSequenceNumber: reader.uint32(),
    jitter: reader.uint32(),
    lastSenderReport: reader.uint32(),
    delaySinceLastSenderReport: reader.uint32(),
  }));
}

function writeReportBlock(writer: ByteWriter, block: ReportBlock): void {
  writer.uint32(block.ssrc).uint8(block.fractionLost).uint24(block.packetsLost);
  writer.uint32(block.extendedHighestSequenceNumber).uint32(block.jitter);
  writer.uint32(block.lastSenderReport).uint32(block.delaySinceLastSenderReport);
}
