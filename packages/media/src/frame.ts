/** One encoded frame of video, or one packet of audio: what a codec takes and gives. */
export interface EncodedFrame {
  readonly data: Uint8Array;
  /** In units of the codec's RTP clock (90 kHz for video, 48 kHz for Opus), modulo 2^32. */
  readonly timestamp: number;
  /** True for audio, where every packet can be decoded alone. */
  readonly keyFrame: boolean;
}
