import type { EncodedFrame } from '../frame.ts';

/** Cuts frames into the payloads of RTP packets, by the payload format of one codec. It keeps what must be continuous between frames. */
export interface Packetizer {
  /** At most `maxPayload` bytes each. The last payload of a video frame goes into the packet with the marker bit (RFC 3550 §5.1). */
  packetize(frame: EncodedFrame, maxPayload: number): Uint8Array[];
}
