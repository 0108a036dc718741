export type { EncodedFrame, FrameLayer, ReceivedFrame } from './frame.ts';
export { type FrameDiscard, FrameReceiver, type FrameReceiverOptions } from './frame-receiver.ts';
export { DEFAULT_MAX_PAYLOAD, FrameSender, type FrameSenderOptions } from './frame-sender.ts';
export { JitterBuffer, type JitterBufferDiscard, type JitterBufferOptions } from './jitter-buffer.ts';
export {
  type Depacketizer,
  MAX_FRAME_LENGTH,
  type MediaKind,
  type Packetizer,
  type PayloadDiscard,
  type PayloadPacket,
} from './payload/packetizer.ts';
export { createDepacketizer, createPacketizer, type PacketizerOptions } from './payload/codecs.ts';
export { isVp8KeyFrame, parseVp8Descriptor, Vp8Depacketizer, type Vp8Descriptor, Vp8Packetizer } from './payload/vp8.ts';
export {
  isVp9KeyFrame,
  parseVp9Descriptor,
  Vp9Depacketizer,
  type Vp9Descriptor,
  Vp9Packetizer,
  type Vp9ScalabilityStructure,
} from './payload/vp9.ts';
export { H264Depacketizer, H264Packetizer, type H264PacketizerOptions, isH264KeyFrame } from './payload/h264.ts';
export { Av1Depacketizer, Av1Packetizer } from './payload/av1.ts';
export { isAv1KeyFrame, type OpenBitstreamUnit, parseTemporalUnit } from './payload/open-bitstream-units.ts';
export { OpusDepacketizer, opusDuration, OpusPacketizer } from './payload/opus.ts';
export { PcmDepacketizer, PcmPacketizer } from './payload/pcm.ts';
export { type AnnexBFrame, joinNalUnits, readAnnexB, splitNalUnits, writeAnnexB } from './container/annex-b.ts';
export { type IvfFile, type IvfFrame, readIvf, writeIvf } from './container/ivf.ts';
export { type OggOpusFile, readOggOpus, writeOggOpus } from './container/ogg-opus.ts';
