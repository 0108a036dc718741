/**
 * Extended reports (RFC 3611 §2, §4.4, §4.5): receiver reference time, with which a receiver that sends nothing learns the
 * round-trip time, and the answer to it. Other blocks are skipped.
 *
 * ```
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|reserved |   PT=XR=207   |             length            |
 *   |                              SSRC                             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     BT=4      |   reserved    |       block length = 2        |  receiver reference time
 *   |              NTP timestamp, most significant word             |
 *   |             NTP timestamp, least significant word             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     BT=5      |   reserved    |         block length          |  DLRR, 3 words a receiver
 *   |                 SSRC_1 (SSRC of first receiver)               |
 *   |                         last RR (LRR)                         |
 *   |                   delay since last RR (DLRR)                  |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import type { ByteReader, ByteWriter } from '@petrel/bytes';
import type { NtpTime } from '../ntp-time.ts';

const BLOCK_RECEIVER_REFERENCE_TIME = 4;
const BLOCK_DLRR = 5;

/** The answer to a reference time (RFC 3611 §4.5). */
export interface DlrrEntry {
  readonly ssrc: number;
  /** Compact NTP of the last receiver reference time, or 0. */
  readonly lastReceiverReport: number;
  /** In 1/65536 s. */
  readonly delaySinceLastReceiverReport: number;
}

/** XR (RFC 3611 §2): reference time and DLRR, which give receivers a round-trip time. */
export interface ExtendedReport {
  readonly type: 'extended-report';
  readonly ssrc: number;
  readonly receiverReferenceTime?: NtpTime;
  readonly dlrr?: readonly DlrrEntry[];
}

export function parseExtendedReport(reader: ByteReader): ExtendedReport | undefined {
  const ssrc = reader.uint32();
  let receiverReferenceTime: NtpTime | undefined;
  const dlrr: DlrrEntry[] = [];
  while (reader.remaining > 0) {
    const type = reader.uint8();
    reader.skip(1);
    const length = reader.uint16();
    const end = reader.offset + 4 * length;
    if (reader.overrun || end > reader.end) return undefined;
    if (type === BLOCK_RECEIVER_REFERENCE_TIME && length === 2)
      receiverReferenceTime = { seconds: reader.uint32(), fraction: reader.uint32() };
    else if (type === BLOCK_DLRR && length % 3 === 0) {
      for (let i = 0; i < length; i += 3)
        dlrr.push({ ssrc: reader.uint32(), lastReceiverReport: reader.uint32(), delaySinceLastReceiverReport: reader.uint32() });
    } else reader.skip(4 * length);
  }
  if (reader.overrun) return undefined;
  return { type: 'extended-report', ssrc, ...(receiverReferenceTime && { receiverReferenceTime }), ...(dlrr.length > 0 && { dlrr }) };
}

export function writeExtendedReport(writer: ByteWriter, { ssrc, receiverReferenceTime, dlrr }: ExtendedReport): void {
  writer.uint32(ssrc);
  if (receiverReferenceTime) {
    writer.uint8(BLOCK_RECEIVER_REFERENCE_TIME).uint8(0).uint16(2);
    writer.uint32(receiverReferenceTime.seconds).uint32(receiverReferenceTime.fraction);
  }
  if (dlrr === undefined) return;
  writer
    .uint8(BLOCK_DLRR)
    .uint8(0)
    .uint16(3 * dlrr.length);
  for (const entry of dlrr) writer.uint32(entry.ssrc).uint32(entry.lastReceiverReport).uint32(entry.delaySinceLastReceiverReport);
}
