import type { Discards } from '@petrel/sans-io';
import type { EncodedFrame, ReceivedFrame } from '../frame.ts';

/** What a codec is for. */
export type MediaKind = 'audio' | 'video';

/** Cuts frames into the payloads of RTP packets, by the payload format of one codec. It keeps what must be continuous between frames. */
export interface Packetizer {
  readonly kind: MediaKind;
  /** In Hz. */
  readonly clockRate: number;
  /**
   * At most `maxPayload` bytes each; an Opus packet is never divided. The last payload of a video frame goes into the packet with the marker
   * bit (RFC 3550 §5.1).
   * @throws RangeError when `maxPayload` leaves no room for anything; TypeError when the frame is not of the codec
   */
  packetize(frame: EncodedFrame, maxPayload: number): Uint8Array[];
  /** Of audio: how long a payload plays, in units of the clock. */
  duration?(payload: Uint8Array): number;
}

/** Puts frames together from the payloads of RTP packets. */
export interface Depacketizer {
  readonly kind: MediaKind;
  readonly clockRate: number;
  readonly discards: Discards<PayloadDiscard>;
  /**
   * Takes packets in the order of their sequence numbers. What cannot be read is dropped and counted, with the frame that it is part of.
   * @param lost packets that are missing before this one
   * @returns the frames that it completes: mostly none or one, at most two
   */
  depacketize(packet: PayloadPacket, lost: number): readonly ReceivedFrame[];
}

/** The part of an RTP packet that payload formats look at. An `RtpPacket` is one. */
export interface PayloadPacket {
  readonly payload: Uint8Array;
  readonly timestamp: number;
  readonly marker: boolean;
}

/**
 * Why a payload or a frame was dropped. `malformed`: it breaks the payload format's rules. `unsupported`: the format has it, this
 * implementation does not. `incomplete-frame`: packets of it are missing. `frame-too-large`: more than {@link MAX_FRAME_LENGTH}.
 */
export type PayloadDiscard = 'malformed' | 'unsupported' | 'incomplete-frame' | 'frame-too-large';

/** Bytes. */
export const MAX_FRAME_LENGTH: number = 8 * 1024 * 1024;
