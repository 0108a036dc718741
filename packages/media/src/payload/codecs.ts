import { Av1Depacketizer, Av1Packetizer } from './av1.ts';
import { H264Depacketizer, H264Packetizer } from './h264.ts';
import { OpusDepacketizer, OpusPacketizer } from './opus.ts';
import type { Depacketizer, Packetizer } from './packetizer.ts';
import { PcmDepacketizer, PcmPacketizer } from './pcm.ts';
import { Vp8Depacketizer, Vp8Packetizer } from './vp8.ts';
import { Vp9Depacketizer, Vp9Packetizer } from './vp9.ts';

/** The second argument of {@link createPacketizer}. */
export interface PacketizerOptions {
  /** Of VP8 and VP9; should be random. 0 unless given. */
  readonly firstPictureId?: number;
  /** Of H264. 1 unless given. */
  readonly packetizationMode?: 0 | 1;
}

interface Codec {
  packetizer(options: PacketizerOptions): Packetizer;
  depacketizer(): Depacketizer;
}

const PCM: Codec = { packetizer: () => new PcmPacketizer(), depacketizer: () => new PcmDepacketizer() };

/** By MIME type, in lower case. */
const CODECS: ReadonlyMap<string, Codec> = new Map<string, Codec>([
  ['video/vp8', { packetizer: (o) => new Vp8Packetizer(o.firstPictureId), depacketizer: () => new Vp8Depacketizer() }],
  ['video/vp9', { packetizer: (o) => new Vp9Packetizer(o.firstPictureId), depacketizer: () => new Vp9Depacketizer() }],
  ['video/h264', { packetizer: (o) => new H264Packetizer(o), depacketizer: () => new H264Depacketizer() }],
  ['video/av1', { packetizer: () => new Av1Packetizer(), depacketizer: () => new Av1Depacketizer() }],
  ['audio/opus', { packetizer: () => new OpusPacketizer(), depacketizer: () => new OpusDepacketizer() }],
  ['audio/pcmu', PCM],
  ['audio/pcma', PCM],
  ['audio/g722', PCM],
]);

/**
 * The packetizer of a codec.
 * @param mimeType `video/VP8`, `video/VP9`, `video/H264`, `video/AV1`, `audio/opus`, `audio/PCMU`, `audio/PCMA` or `audio/G722`, in any case
 * @throws TypeError for another
 * @example
 * const payloads = createPacketizer('video/VP8').packetize(frame, 1200);
 */
export function createPacketizer(mimeType: string, options: PacketizerOptions = {}): Packetizer {
  const codec = CODECS.get(mimeType.toLowerCase());
  if (codec === undefined) throw new TypeError(`no packetizer for '${mimeType}': there are ${[...CODECS.keys()].join(', ')}`);
  return codec.packetizer(options);
}

/**
 * The depacketizer of a codec; undefined when there is none, as for retransmissions, comfort noise and tones.
 *
 * @example
 * const frames = createDepacketizer('video/VP8')!.depacketize(packet, 0); // none until the frame is whole
 */
export function createDepacketizer(mimeType: string): Depacketizer | undefined {
  return CODECS.get(mimeType.toLowerCase())?.depacketizer();
}
