/** Puts together what we send as RTCP (RFC 3550 §6.1, RFC 4585 §3.1, RFC 5506, RFC 8108 §5). */
import {
  type DlrrEntry,
  type ExtendedReport,
  MAX_GOODBYE_SSRCS,
  MAX_REPORT_BLOCKS,
  type NtpTime,
  type ReportBlock,
  type RtcpPacket,
  SDES_ITEM,
  type SdesChunk,
  type SdesItem,
  type SenderReport,
  serializeRtcp,
} from '@petrel/rtp';

/** Compounds stay below this, so that they fit into one datagram of 1,200 bytes with SRTCP's overhead. */
const MAX_COMPOUND = 1100;
const REPORT_BLOCK_LENGTH = 24;
const SENDER_REPORT_LENGTH = 28;

/** One local SSRC that reports. */
export interface LocalSource {
  readonly ssrc: number;
  readonly cname: string;
  readonly mid: string | undefined;
  readonly rid: string | undefined;
  /** Present when it is a sender now. */
  readonly senderReport: Omit<SenderReport, 'reports'> | undefined;
}

export interface ReportContent {
  /** At least one; the first reports on behalf of all. */
  readonly sources: readonly LocalSource[];
  readonly blocks: readonly ReportBlock[];
  readonly receiverReferenceTime: NtpTime | undefined;
  readonly dlrr: readonly DlrrEntry[];
}

/** The regular reports, in as many compounds as their size asks for. */
export function composeReports({ sources, blocks, receiverReferenceTime, dlrr }: ReportContent): Uint8Array[] {
  const compounds: Uint8Array[] = [];
  const senders = sources.filter((source) => source.senderReport !== undefined);
  const reporters = senders.length > 0 ? senders : sources.slice(0, 1);
  const remaining = [...blocks];
  let packets: RtcpPacket[] = [];
  let chunks: SdesChunk[] = [];
  let size = 0;
  const extended = extendedReport(reporters[0]!.ssrc, receiverReferenceTime, dlrr);
  const finish = (): void => {
    packets.push({ type: 'source-description', chunks });
    if (compounds.length === 0 && extended !== undefined) packets.push(extended);
    compounds.push(serializeRtcp(packets));
    [packets, chunks, size] = [[], [], 100];
  };
  size = 100; // headers, and the extended report
  for (const source of reporters) {
    const chunk = describe(source);
    const own = SENDER_REPORT_LENGTH + chunkLength(chunk);
    if (packets.length > 0 && (size + own > MAX_COMPOUND || chunks.length === MAX_REPORT_BLOCKS)) finish();
    const room = Math.floor((MAX_COMPOUND - size - own) / REPORT_BLOCK_LENGTH);
    const reports = remaining.splice(0, Math.max(0, Math.min(MAX_REPORT_BLOCKS, room)));
    packets.push(report(source, reports));
    chunks.push(chunk);
    size += own + reports.length * REPORT_BLOCK_LENGTH;
  }
  finish();
  // More sources than fit beside the sender reports: receiver reports of the first reporter.
  while (remaining.length > 0) {
    packets.push({ type: 'receiver-report', ssrc: reporters[0]!.ssrc, reports: remaining.splice(0, MAX_REPORT_BLOCKS) });
    chunks.push(describe(reporters[0]!));
    finish();
  }
  return compounds;
}

/** Feedback at once: bare where reduced size was negotiated, else behind the smallest compound that RFC 4585 §3.1 allows. */
export function composeFeedback(source: LocalSource, feedback: readonly RtcpPacket[], reducedSize: boolean): Uint8Array {
  if (reducedSize) return serializeRtcp(feedback);
  return serializeRtcp([report({ ...source, senderReport: undefined }, []), cnameOnly(source), ...feedback]);
}

/** Compounds that end with BYE for all of these, 31 in each (RFC 3550 §6.6). */
export function composeGoodbyes(sources: readonly LocalSource[], ssrcs: readonly number[], reason: string | undefined): Uint8Array[] {
  const compounds: Uint8Array[] = [];
  for (let at = 0; at < ssrcs.length; at += MAX_GOODBYE_SSRCS) {
    const leaving = ssrcs.slice(at, at + MAX_GOODBYE_SSRCS);
    const source = sources.find((candidate) => leaving.includes(candidate.ssrc)) ?? sources[0]!;
    const goodbye: RtcpPacket = { type: 'goodbye', ssrcs: leaving, ...(reason !== undefined && { reason }) };
    compounds.push(serializeRtcp([report(source, []), cnameOnly(source), goodbye]));
  }
  return compounds;
}

function report(source: LocalSource, reports: readonly ReportBlock[]): RtcpPacket {
  return source.senderReport ? { ...source.senderReport, reports } : { type: 'receiver-report', ssrc: source.ssrc, reports };
}

function cnameOnly({ ssrc, cname }: LocalSource): RtcpPacket {
  return { type: 'source-description', chunks: [{ ssrc, items: [{ type: SDES_ITEM.cname, text: cname }] }] };
}

/** CNAME in every report (RFC 3550 §6.1); MID and RID as RFC 8843 §15.2 and RFC 8852 §3.1 have it. */
function describe({ ssrc, cname, mid, rid }: LocalSource): SdesChunk {
  const items: SdesItem[] = [{ type: SDES_ITEM.cname, text: cname }];
  if (mid !== undefined) items.push({ type: SDES_ITEM.mid, text: mid });
  if (rid !== undefined) items.push({ type: SDES_ITEM.rtpStreamId, text: rid });
  return { ssrc, items };
}

/** An upper bound: each item has at most three bytes for a character. */
function chunkLength({ items }: SdesChunk): number {
  return items.reduce((sum, { text }) => sum + 2 + text.length, 8);
}

function extendedReport(ssrc: number, receiverReferenceTime: NtpTime | undefined, dlrr: readonly DlrrEntry[]): ExtendedReport | undefined {
  if (receiverReferenceTime === undefined && dlrr.length === 0) return undefined;
  return { type: 'extended-report', ssrc, ...(receiverReferenceTime && { receiverReferenceTime }), ...(dlrr.length > 0 && { dlrr }) };
}
