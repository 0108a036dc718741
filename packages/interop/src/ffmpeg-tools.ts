/** Encoding and decoding with ffmpeg, for tests of what we make of packets. */
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import {
  type EncodedFrame,
  isAv1KeyFrame,
  isVp8KeyFrame,
  isVp9KeyFrame,
  readAnnexB,
  readIvf,
  readOggOpus,
  writeAnnexB,
  writeIvf,
  writeOggOpus,
} from 'petrel';

export const FRAME_RATE = 30;
const TICKS = 90_000 / FRAME_RATE;
const PICTURE = `-f lavfi -i testsrc2=size=320x240:rate=${FRAME_RATE}`;
const TONE = '-f lavfi -i sine=frequency=440:sample_rate=48000';

interface Form {
  /** Encoder and container. */
  readonly encode: string;
  /** How ffmpeg is told what it reads. */
  readonly decode: string;
  read(file: Uint8Array): EncodedFrame[];
  write(frames: readonly EncodedFrame[]): Uint8Array;
}

/** A key frame every second; otherwise as a live encoder would. */
const FORMS: Readonly<Record<string, Form>> = {
  'video/VP8': ivf('VP80', '-c:v libvpx -deadline realtime -cpu-used 8 -b:v 500k -g 30', isVp8KeyFrame),
  'video/VP9': ivf('VP90', '-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 500k -g 30 -lag-in-frames 0', isVp9KeyFrame),
  'video/AV1': ivf('AV01', '-c:v libaom-av1 -usage realtime -cpu-used 8 -b:v 500k -g 30 -lag-in-frames 0', isAv1KeyFrame),
  'video/H264': {
    encode: '-c:v libx264 -preset veryfast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -g 30 -b:v 500k -f h264',
    decode: '-f h264',
    read: (file) => readAnnexB(file).map((frame, index) => ({ ...frame, timestamp: index * TICKS })),
    write: writeAnnexB,
  },
  'audio/opus': {
    encode: '-c:a libopus -b:a 48k -ac 2 -f ogg',
    decode: '-f ogg',
    read: (file) => readOggOpus(file).packets.map((data, index) => ({ data, timestamp: index * 960, keyFrame: true })),
    write: (frames) => writeOggOpus({ channels: 2, preSkip: 312, packets: frames.map(({ data }) => data) }),
  },
  'audio/PCMU': pcm('-c:a pcm_mulaw -ar 8000', '-f mulaw', '-ar 8000 -ac 1'),
  'audio/PCMA': pcm('-c:a pcm_alaw -ar 8000', '-f alaw', '-ar 8000 -ac 1'),
  'audio/G722': pcm('-c:a g722 -ar 16000', '-f g722', ''),
};

function ivf(fourCc: string, encoder: string, isKeyFrame: (frame: Uint8Array) => boolean): Form {
  return {
    encode: `${encoder} -f ivf`,
    decode: '-f ivf',
    read: (file) => readIvf(file).frames.map(({ data }, index) => ({ data, timestamp: index * TICKS, keyFrame: isKeyFrame(data) })),
    write: (frames) =>
      writeIvf({ fourCc, width: 320, height: 240, unitsPerSecond: FRAME_RATE, frames: frames.map(({ data }, time) => ({ data, time })) }),
  };
}

/** 20 ms are 160 bytes, and 160 ticks of the clock, in all of them (RFC 3551 §4.5.2). */
function pcm(encoder: string, format: string, layout: string): Form {
  return {
    encode: `${encoder} -ac 1 ${format}`,
    decode: `${format} ${layout}`.trim(),
    read: (file) =>
      Array.from({ length: Math.floor(file.length / 160) }, (_, index) => ({
        data: file.subarray(index * 160, (index + 1) * 160),
        timestamp: index * 160,
        keyFrame: true,
      })),
    write: (frames) => Buffer.concat(frames.map(({ data }) => data)),
  };
}

/** Seconds of a test picture or a tone, encoded. */
export async function encodeTestFrames(ffmpeg: string, mimeType: string, seconds: number): Promise<EncodedFrame[]> {
  const { encode, read } = FORMS[mimeType]!;
  const input = mimeType.startsWith('video') ? PICTURE : TONE;
  const { output, complaint } = await runFfmpeg(ffmpeg, `${input} -t ${seconds} ${encode} -`.split(' '));
  if (output.length === 0) throw new Error(`ffmpeg does not encode: ${complaint}`);
  return read(output);
}

export interface Decoded {
  /** Pictures, or blocks of samples. */
  readonly frames: number;
  /** What ffmpeg found wrong. */
  readonly complaint: string;
}

/** Decodes frames that came out of packets. */
export async function decodeFrames(ffmpeg: string, mimeType: string, frames: readonly EncodedFrame[]): Promise<Decoded> {
  const { decode, write } = FORMS[mimeType]!;
  return await decodeInput(ffmpeg, `${decode} -i -`.split(' '), write(frames));
}

/** Decodes whatever the arguments say. */
export async function decodeInput(ffmpeg: string, args: readonly string[], input: Uint8Array = new Uint8Array(0)): Promise<Decoded> {
  // One line for each decoded frame, after a header.
  const { output, complaint } = await runFfmpeg(ffmpeg, [...args, '-fps_mode', 'passthrough', '-f', 'framecrc', '-'], input);
  return {
    frames: output
      .toString()
      .split('\n')
      .filter((line) => /^\d/.test(line)).length,
    complaint,
  };
}

async function runFfmpeg(
  ffmpeg: string,
  args: readonly string[],
  input: Uint8Array = new Uint8Array(0),
): Promise<{ output: Buffer; complaint: string }> {
  const child = spawn(ffmpeg, ['-hide_banner', '-loglevel', 'error', ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  let complaint = '';
  child.stderr.on('data', (data) => (complaint += data));
  const output = Buffer.concat(await child.stdout.toArray());
  return { output, complaint: complaint.trim() };
}

/** A UDP port that is free, and the next one too: the even one of a pair, as RTP and RTCP use it. */
export async function freePortPair(): Promise<number> {
  for (;;) {
    const first = await bind(0);
    const { port } = first.address() as AddressInfo;
    const second = port % 2 === 0 ? await bind(port + 1).catch(() => undefined) : undefined;
    await new Promise<void>((resolve) => first.close(resolve));
    if (second === undefined) continue;
    await new Promise<void>((resolve) => second.close(resolve));
    return port;
  }
}

async function bind(port: number): Promise<ReturnType<typeof createSocket>> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, '127.0.0.1', resolve);
  });
  return socket;
}
