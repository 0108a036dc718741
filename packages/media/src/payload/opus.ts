/**
 * The RTP payload format for Opus (RFC 7587 §4.2): one Opus packet is the payload, as it is. Its first byte (RFC 6716 §3.1):
 *
 * ```
 *    0 1 2 3 4 5 6 7
 *   +-+-+-+-+-+-+-+-+
 *   | config  |s| c |
 *   +-+-+-+-+-+-+-+-+
 * ```
 */
import type { EncodedFrame } from '../frame.ts';
import { AudioDepacketizer } from './audio-depacketizer.ts';
import type { Packetizer } from './packetizer.ts';

/** 120 ms (RFC 6716 §3.2.5). */
const MAX_DURATION = 5760;

/** One packet, one payload (RFC 7587 §4.2). */
export class OpusPacketizer implements Packetizer {
  readonly kind = 'audio';
  /** Whatever rate it was sampled with (RFC 7587 §4.1). */
  readonly clockRate = 48_000;

  packetize({ data }: EncodedFrame): Uint8Array[] {
    return [data];
  }

  duration(payload: Uint8Array): number {
    return opusDuration(payload);
  }
}

/** A frame whose `lostPackets` is not 0 may carry the one before it too, for a decoder: in-band FEC (RFC 7587 §3.3). */
export class OpusDepacketizer extends AudioDepacketizer {
  constructor() {
    super(48_000, (payload) => opusDuration(payload) > 0);
  }
}

/** Samples per channel at 48 kHz in an Opus packet, by its table-of-contents byte (RFC 6716 §3.1); 0 for an empty or invalid one. */
export function opusDuration(packet: Uint8Array): number {
  if (packet.length === 0) return 0;
  const config = packet[0]! >> 3;
  const code = packet[0]! & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (packet[1] ?? 0) & 0x3f;
  const duration = frames * opusFrameLength(config);
  return duration > MAX_DURATION ? 0 : duration;
}

/** SILK: 10, 20, 40, 60 ms; hybrid: 10, 20 ms; CELT: 2.5, 5, 10, 20 ms. */
function opusFrameLength(config: number): number {
  if (config < 12) return [480, 960, 1920, 2880][config & 3]!;
  if (config < 16) return (config & 1) === 0 ? 480 : 960;
  return 120 << (config & 3);
}
