/**
 * Retransmission payload format (RFC 4588 §4): a packet of its own stream whose payload is the original sequence number
 * followed by the original payload.
 *
 * ```
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |            OSN                |                               |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               |
 *   |                  Original RTP Packet Payload                  |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { readUint16, writeUint16, writeUint32 } from '@petrel/bytes';
import type { RtpPacket } from './rtp-packet.ts';

/** Length of the original sequence number. */
export const RTX_HEADER_LENGTH = 2;

/** The original sequence number, or -1 when the payload is too short to have one (padding only). */
export function originalSequenceNumber(packet: RtpPacket): number {
  return packet.payloadLength < RTX_HEADER_LENGTH ? -1 : readUint16(packet.bytes, packet.payloadStart);
}

/**
 * The original packet, in the buffer of the retransmission, which is overwritten.
 * @returns undefined when the retransmission is empty
 */
export function unwrapRetransmission(packet: RtpPacket, ssrc: number, payloadType: number): Uint8Array | undefined {
  const sequenceNumber = originalSequenceNumber(packet);
  if (sequenceNumber < 0) return undefined;
  packet.bytes.copyWithin(RTX_HEADER_LENGTH, 0, packet.payloadStart);
  const original = packet.bytes.subarray(RTX_HEADER_LENGTH);
  original[1] = (original[1]! & 0x80) | payloadType;
  writeUint16(original, 2, sequenceNumber);
  writeUint32(original, 8, ssrc);
  return original;
}
