/** The RTP payload format for Opus (RFC 7587 §4.2): one Opus packet is the payload, as it is. */
import type { EncodedFrame } from '../frame.ts';
import type { Packetizer } from './packetizer.ts';

export class OpusPacketizer implements Packetizer {
  packetize({ data }: EncodedFrame): Uint8Array[] {
    return [data];
  }
}

/** Samples per channel at 48 kHz in an Opus packet, by its table-of-contents byte (RFC 6716 §3.1); 0 for an empty or invalid one. */
export function opusDuration(packet: Uint8Array): number {
  if (packet.length === 0) return 0;
  const config = packet[0]! >> 3;
  const code = packet[0]! & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : (packet[1] ?? 0) & 0x3f;
  return frames * opusFrameLength(config);
}

/** SILK: 10, 20, 40, 60 ms; hybrid: 10, 20 ms; CELT: 2.5, 5, 10, 20 ms. */
function opusFrameLength(config: number): number {
  if (config < 12) return [480, 960, 1920, 2880][config & 3]!;
  if (config < 16) return (config & 1) === 0 ? 480 : 960;
  return 120 << (config & 3);
}
