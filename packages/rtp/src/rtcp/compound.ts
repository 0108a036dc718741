/**
 * RTCP packets and how they are stacked into compounds (RFC 3550 §6.1, appendix A.2; RFC 5506 for reduced size).
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|  RC/FMT |      PT       |  length in words, minus one   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { ByteReader, ByteWriter, readUint16 } from '@petrel/bytes';
import { type ExtendedReport, parseExtendedReport, writeExtendedReport } from './extended-report.ts';
import {
  type FullIntraRequest,
  type Nack,
  parseFullIntraRequest,
  parseNack,
  parsePictureLossIndication,
  parseRemb,
  type PictureLossIndication,
  type ReceiverEstimatedMaximumBitrate,
  writeFullIntraRequest,
  writeNack,
  writePictureLossIndication,
  writeRemb,
} from './feedback.ts';
import { type Goodbye, parseGoodbye, writeGoodbye } from './goodbye.ts';
import {
  parseReceiverReport,
  parseSenderReport,
  type ReceiverReport,
  type SenderReport,
  writeReceiverReport,
  writeSenderReport,
} from './reports.ts';
import { parseSourceDescription, type SourceDescription, writeSourceDescription } from './source-description.ts';
import { parseTransportFeedback, type TransportFeedback, writeTransportFeedback } from './transport-feedback.ts';

/** Bytes of the header that all packets have in common. */
export const RTCP_HEADER_LENGTH = 4;
/** RFC 3550 §12.1, RFC 4585 §6.1, RFC 3611 §6.2. */
export const RTCP_TYPE = { sr: 200, rr: 201, sdes: 202, bye: 203, app: 204, rtpfb: 205, psfb: 206, xr: 207 } as const;

/** Every packet that is understood, by `type`. */
export type RtcpPacket =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Goodbye
  | Nack
  | PictureLossIndication
  | FullIntraRequest
  | ReceiverEstimatedMaximumBitrate
  | TransportFeedback
  | ExtendedReport;

/** What {@link parseRtcp} has found. */
export interface ParsedRtcp {
  /** Those that are understood, in order. */
  readonly packets: readonly RtcpPacket[];
  /** Packets of known types that were malformed, and headers that were; what follows a malformed header is lost. */
  readonly malformed: number;
  /** Packets of types that are not understood. */
  readonly unknown: number;
}

/**
 * Takes a compound apart. A packet whose content is malformed does not spoil the others: its length is still known.
 *
 * @example
 * for (const packet of parseRtcp(compound).packets) if (packet.type === 'nack') resend(packet.mediaSsrc, packet.sequenceNumbers);
 */
export function parseRtcp(compound: Uint8Array): ParsedRtcp {
  const packets: RtcpPacket[] = [];
  let [malformed, unknown, offset] = [0, 0, 0];
  while (offset < compound.length) {
    const end = packetEnd(compound, offset);
    if (end < 0) return { packets, malformed: malformed + 1, unknown };
    const content = contentEnd(compound, offset, end);
    const packet = content < 0 ? undefined : parsePacket(compound, offset, content);
    if (packet === 'unknown') unknown += 1;
    else if (packet === undefined) malformed += 1;
    else packets.push(packet);
    offset = end;
  }
  return { packets, malformed, unknown };
}

/**
 * Writes the packets one after the other.
 * @example
 * serializeRtcp([{ type: 'receiver-report', ssrc, reports: [] }, { type: 'goodbye', ssrcs: [ssrc] }]);
 */
export function serializeRtcp(packets: readonly RtcpPacket[]): Uint8Array {
  const writer = new ByteWriter(256);
  for (const packet of packets) {
    const start = writer.length;
    writer
      .uint8(0x80 | countOf(packet))
      .uint8(typeOf(packet))
      .uint16(0);
    writeContent(writer, packet);
    writer.pad(4).setUint16(start + 2, (writer.length - start) / 4 - 1);
  }
  return writer.finish();
}

/** Where the packet ends by its length field; -1 when its header is malformed or it goes past the compound. */
function packetEnd(compound: Uint8Array, offset: number): number {
  if (offset + RTCP_HEADER_LENGTH > compound.length || compound[offset]! >> 6 !== 2) return -1;
  const end = offset + 4 + 4 * readUint16(compound, offset + 2);
  return end > compound.length ? -1 : end;
}

/**
 * Without the padding; -1 when its count is not possible. RFC 3550 §6.4.1 wants a multiple of four, and only in the last packet;
 * browsers pad transport feedback to a word with fewer, wherever it stands.
 */
function contentEnd(compound: Uint8Array, offset: number, end: number): number {
  if ((compound[offset]! & 0x20) === 0) return end;
  const count = compound[end - 1]!;
  return count > 0 && count <= end - offset - RTCP_HEADER_LENGTH ? end - count : -1;
}

function parsePacket(compound: Uint8Array, offset: number, end: number): RtcpPacket | 'unknown' | undefined {
  const count = compound[offset]! & 0x1f;
  const reader = new ByteReader(compound, offset + RTCP_HEADER_LENGTH, end);
  switch (compound[offset + 1]) {
    case RTCP_TYPE.sr:
      return parseSenderReport(reader, count);
    case RTCP_TYPE.rr:
      return parseReceiverReport(reader, count);
    case RTCP_TYPE.sdes:
      return parseSourceDescription(reader, count);
    case RTCP_TYPE.bye:
      return parseGoodbye(reader, count);
    case RTCP_TYPE.rtpfb:
      if (count === 1) return parseNack(reader);
      return count === 15 ? parseTransportFeedback(reader) : 'unknown';
    case RTCP_TYPE.psfb:
      if (count === 1) return parsePictureLossIndication(reader);
      if (count === 4) return parseFullIntraRequest(reader);
      return count === 15 ? parseRemb(reader) : 'unknown';
    case RTCP_TYPE.xr:
      return parseExtendedReport(reader);
    default:
      return 'unknown';
  }
}

function typeOf(packet: RtcpPacket): number {
  switch (packet.type) {
    case 'sender-report':
      return RTCP_TYPE.sr;
    case 'receiver-report':
      return RTCP_TYPE.rr;
    case 'source-description':
      return RTCP_TYPE.sdes;
    case 'goodbye':
      return RTCP_TYPE.bye;
    case 'nack':
    case 'transport-feedback':
      return RTCP_TYPE.rtpfb;
    case 'picture-loss-indication':
    case 'full-intra-request':
    case 'receiver-estimated-maximum-bitrate':
      return RTCP_TYPE.psfb;
    case 'extended-report':
      return RTCP_TYPE.xr;
  }
}

/** The five bits of RC, SC or FMT. */
function countOf(packet: RtcpPacket): number {
  switch (packet.type) {
    case 'sender-report':
    case 'receiver-report':
      return fiveBits(packet.reports.length);
    case 'source-description':
      return fiveBits(packet.chunks.length);
    case 'goodbye':
      return fiveBits(packet.ssrcs.length);
    case 'nack':
    case 'picture-loss-indication':
      return 1;
    case 'full-intra-request':
      return 4;
    case 'transport-feedback':
    case 'receiver-estimated-maximum-bitrate':
      return 15;
    case 'extended-report':
      return 0;
  }
}

function fiveBits(count: number): number {
  if (count > 31) throw new RangeError(`an RTCP packet counts at most 31 entries, not ${count}`);
  return count;
}

function writeContent(writer: ByteWriter, packet: RtcpPacket): void {
  switch (packet.type) {
    case 'sender-report':
      return writeSenderReport(writer, packet);
    case 'receiver-report':
      return writeReceiverReport(writer, packet);
    case 'source-description':
      return writeSourceDescription(writer, packet);
    case 'goodbye':
      return writeGoodbye(writer, packet);
    case 'nack':
      return writeNack(writer, packet);
    case 'picture-loss-indication':
      return writePictureLossIndication(writer, packet);
    case 'full-intra-request':
      return writeFullIntraRequest(writer, packet);
    case 'receiver-estimated-maximum-bitrate':
      return writeRemb(writer, packet);
    case 'transport-feedback':
      return writeTransportFeedback(writer, packet);
    case 'extended-report':
      return writeExtendedReport(writer, packet);
  }
}
