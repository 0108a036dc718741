/**
 * Feedback messages (RFC 4585 §6.1, RFC 5104 §4.3.1, draft-alvestrand-rmcat-remb-03).
 *
 * ```
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|   FMT   |PT=205 (RTPFB),|             length            |
 *   |     |         |   206 (PSFB)  |                               |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                  SSRC of packet sender                        |
 *   |                  SSRC of media source                         |
 *   :            Feedback Control Information (FCI)                 :
 *
 *   NACK (RTPFB, FMT 1): PID (16) | BLP (16), any number            PLI (PSFB, FMT 1): no FCI
 *   FIR (PSFB, FMT 4): SSRC (32) | Seq nr. (8) | Reserved (24)      REMB (PSFB, FMT 15): 'REMB' | Num SSRC (8) | Exp (6) | Mantissa (18) | SSRCs
 * ```
 */
import type { ByteReader, ByteWriter } from '@petrel/bytes';

/** 'REMB' as a number. */
const REMB_IDENTIFIER = 0x52454d42;
/** Only so many FCI entries of one NACK are looked at; a packet of ordinary size has less. */
const MAX_NACK_ENTRIES = 512;

/** Generic NACK (RFC 4585 §6.2.1): these packets are missing. */
export interface Nack {
  readonly type: 'nack';
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
  readonly sequenceNumbers: readonly number[];
}

/** PLI (RFC 4585 §6.3.1): a key frame, after a loss. */
export interface PictureLossIndication {
  readonly type: 'picture-loss-indication';
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
}

/** FIR (RFC 5104 §4.3.1): a key frame, for those who have just come. */
export interface FullIntraRequest {
  readonly type: 'full-intra-request';
  readonly senderSsrc: number;
  /** The command's sequence number tells a repetition from a new request (RFC 5104 §4.3.1.2). */
  readonly requests: readonly { readonly ssrc: number; readonly sequenceNumber: number }[];
}

/** REMB (draft-alvestrand-rmcat-remb-03 §2.2). */
export interface ReceiverEstimatedMaximumBitrate {
  readonly type: 'receiver-estimated-maximum-bitrate';
  readonly senderSsrc: number;
  /** Bits per second. */
  readonly bitrate: number;
  readonly ssrcs: readonly number[];
}

export function parseNack(reader: ByteReader): Nack | undefined {
  const [senderSsrc, mediaSsrc] = [reader.uint32(), reader.uint32()];
  if (reader.overrun || reader.remaining < 4 || reader.remaining % 4 !== 0) return undefined;
  const sequenceNumbers: number[] = [];
  for (let entries = Math.min(reader.remaining / 4, MAX_NACK_ENTRIES); entries > 0; entries--) {
    const first = reader.uint16();
    const bitmask = reader.uint16();
    sequenceNumbers.push(first);
    for (let bit = 0; bit < 16; bit++) if ((bitmask & (1 << bit)) !== 0) sequenceNumbers.push((first + bit + 1) & 0xffff);
  }
  return { type: 'nack', senderSsrc, mediaSsrc, sequenceNumbers };
}

export function parsePictureLossIndication(reader: ByteReader): PictureLossIndication | undefined {
  const [senderSsrc, mediaSsrc] = [reader.uint32(), reader.uint32()];
  return reader.overrun ? undefined : { type: 'picture-loss-indication', senderSsrc, mediaSsrc };
}

export function parseFullIntraRequest(reader: ByteReader): FullIntraRequest | undefined {
  const senderSsrc = reader.uint32();
  reader.skip(4);
  if (reader.overrun || reader.remaining % 8 !== 0) return undefined;
  const requests = Array.from({ length: reader.remaining / 8 }, () => {
    const request = { ssrc: reader.uint32(), sequenceNumber: reader.uint8() };
    reader.skip(3);
    return request;
  });
  return { type: 'full-intra-request', senderSsrc, requests };
}

/** Other application layer feedback than REMB is not understood. */
export function parseRemb(reader: ByteReader): ReceiverEstimatedMaximumBitrate | undefined {
  const senderSsrc = reader.uint32();
  reader.skip(4);
  const identifier = reader.uint32();
  const count = reader.uint8();
  const bits = reader.uint24();
  if (reader.overrun || identifier !== REMB_IDENTIFIER || reader.remaining !== 4 * count) return undefined;
  const ssrcs = Array.from({ length: count }, () => reader.uint32());
  return { type: 'receiver-estimated-maximum-bitrate', senderSsrc, bitrate: (bits & 0x3_ffff) * 2 ** (bits >> 18), ssrcs };
}

export function writeNack(writer: ByteWriter, { senderSsrc, mediaSsrc, sequenceNumbers }: Nack): void {
  writer.uint32(senderSsrc).uint32(mediaSsrc);
  let index = 0;
  while (index < sequenceNumbers.length) {
    const first = sequenceNumbers[index++]!;
    let bitmask = 0;
    for (; index < sequenceNumbers.length; index++) {
      const distance = (sequenceNumbers[index]! - first) & 0xffff;
      if (distance < 1 || distance > 16) break;
      bitmask |= 1 << (distance - 1);
    }
    writer.uint16(first).uint16(bitmask);
  }
}

export function writePictureLossIndication(writer: ByteWriter, { senderSsrc, mediaSsrc }: PictureLossIndication): void {
  writer.uint32(senderSsrc).uint32(mediaSsrc);
}

/** The media source field is unused and zero (RFC 5104 §4.3.1.2). */
export function writeFullIntraRequest(writer: ByteWriter, { senderSsrc, requests }: FullIntraRequest): void {
  writer.uint32(senderSsrc).uint32(0);
  for (const { ssrc, sequenceNumber } of requests) writer.uint32(ssrc).uint8(sequenceNumber).uint24(0);
}

export function writeRemb(writer: ByteWriter, { senderSsrc, bitrate, ssrcs }: ReceiverEstimatedMaximumBitrate): void {
  let exponent = 0;
  let mantissa = Math.floor(bitrate);
  while (mantissa > 0x3_ffff) {
    mantissa = Math.floor(mantissa / 2);
    exponent += 1;
  }
  writer.uint32(senderSsrc).uint32(0).uint32(REMB_IDENTIFIER).uint8(ssrcs.length);
  writer.uint24((exponent << 18) | mantissa);
  for (const ssrc of ssrcs) writer.uint32(ssrc);
}
