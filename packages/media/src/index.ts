export type { EncodedFrame } from './frame.ts';
export type { Packetizer } from './payload/packetizer.ts';
export { isVp8KeyFrame, Vp8Packetizer } from './payload/vp8.ts';
export { opusDuration, OpusPacketizer } from './payload/opus.ts';
export { type IvfFile, type IvfFrame, readIvf } from './container/ivf.ts';
export { type OggOpusFile, readOggOpus } from './container/ogg-opus.ts';
