/**
 * PCMU, PCMA and G722 (RFC 3551 §4.5.14, §4.5.2): octets of samples, and nothing else. In all three an octet is one tick of the RTP clock; G722's
 * octets carry two samples at 16 kHz, but its clock is 8 kHz, by an old mistake that is kept.
 */
import type { EncodedFrame } from '../frame.ts';
import { AudioDepacketizer } from './audio-depacketizer.ts';
import { evenPieces } from './even-pieces.ts';
import type { Packetizer } from './packetizer.ts';

const CLOCK_RATE = 8000;

/** A frame that does not fit into one packet is cut between samples; each piece has its own timestamp. */
export class PcmPacketizer implements Packetizer {
  readonly kind = 'audio';
  readonly clockRate: number = CLOCK_RATE;

  packetize({ data }: EncodedFrame, maxPayload: number): Uint8Array[] {
    return evenPieces(data, maxPayload);
  }

  duration(payload: Uint8Array): number {
    return payload.length;
  }
}

/** The payload is the samples (RFC 3551 §4.5). */
export class PcmDepacketizer extends AudioDepacketizer {
  constructor() {
    super(CLOCK_RATE, () => true);
  }
}
