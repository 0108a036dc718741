/** One encoded frame of video, or one packet of audio: what a codec takes and gives. */
export interface EncodedFrame {
  /**
   * VP8, VP9: a frame (of VP9 with spatial layers: all of one picture). H264: an access unit in Annex B form. AV1: a temporal unit in the
   * low-overhead format, every OBU with its size. Opus: a packet. PCMU, PCMA, G722: samples.
   */
  readonly data: Uint8Array;
  /** In units of the codec's RTP clock (90 kHz for video, 48 kHz for Opus, 8 kHz for PCMU, PCMA and G722), modulo 2^32. */
  readonly timestamp: number;
  /** True for audio, where every packet can be decoded alone. */
  readonly keyFrame: boolean;
  /** Of scalable video; VP8 and VP9 packetizers write it, depacketizers read it. */
  readonly layer?: FrameLayer;
}

/** Where a frame stands in scalable video. */
export interface FrameLayer {
  /** 0 is the base layer: it depends on nothing above. */
  readonly temporalId: number;
  /** The highest one in the frame. */
  readonly spatialId: number;
  /** The frame depends on the base layer only: one may switch up to its temporal layer here. */
  readonly sync: boolean;
  /** TL0PICIDX: counts frames of the base layer, modulo 256. */
  readonly baseLayerIndex?: number;
}

/** A frame that was put together from packets. */
export interface ReceivedFrame extends EncodedFrame {
  /** Packets that are missing between the frame before and this one: a decoder has something to conceal. */
  readonly lostPackets: number;
  /** Counts frames, modulo 128 or 32,768: VP8 and VP9, where the sender writes it. */
  readonly pictureId?: number;
}
