/** ffmpeg, running beside us and sending RTP over the loopback interface, as tracks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { type RtpIngest, rtpIngest } from './rtp-ingest.ts';

/** One track that ffmpeg is to make. */
export interface FfmpegOutput {
  readonly mimeType: string;
  /** Instead of the default encoder and its options: what comes between the inputs and `-f rtp`, `['-map', '0:v', '-c:v', 'copy']` for example. */
  readonly arguments?: readonly string[];
  /** Put before the encoder's: which input it is, and what is to be done with it, `['-map', '0:v', '-vf', 'hflip']` for example. */
  readonly filters?: readonly string[];
}

/** The argument of {@link ffmpegSource}. */
export interface FfmpegSourceOptions {
  /** Everything up to the outputs: `['-re', '-i', 'film.mp4']`. */
  readonly input: readonly string[];
  readonly video?: FfmpegOutput;
  readonly audio?: FfmpegOutput;
  /** The program; `ffmpeg` unless given. */
  readonly command?: string;
}

/** How ffmpeg ended. */
export interface FfmpegExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The end of what it has said. */
  readonly complaint: string;
}

/** Bytes of a packet with its RTP header: leaves room for what SRTP, UDP and IP add. */
const PACKET_SIZE = 1200;
const COMPLAINT_LENGTH = 2000;

/** A key frame a second, since ffmpeg cannot be asked for one; no delay for the sake of compression. */
const ENCODERS: Readonly<Record<string, string>> = {
  'video/vp8': '-c:v libvpx -deadline realtime -cpu-used 8 -error-resilient 1 -b:v 1M -maxrate 1M -bufsize 500k',
  'video/vp9': '-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -error-resilient 1 -b:v 1M -strict experimental',
  'video/h264':
    '-c:v libx264 -preset veryfast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -b:v 1M -maxrate 1M -bufsize 500k -bsf:v dump_extra',
  'audio/opus': '-c:a libopus -b:a 48k -ac 2 -ar 48000',
  'audio/pcmu': '-c:a pcm_mulaw -ac 1 -ar 8000',
  'audio/pcma': '-c:a pcm_alaw -ac 1 -ar 8000',
  'audio/g722': '-c:a g722 -ac 1 -ar 16000',
};

/**
 * Starts ffmpeg. Rejects with an `ENOENT` error when it is not installed.
 *
 * @example
 * const source = await ffmpegSource({ input: ['-re', '-i', 'film.mp4'], video: { mimeType: 'video/H264' }, audio: { mimeType: 'audio/opus' } });
 * for (const ingest of source.ingests) pc.addTrack(ingest.track);
 * source.exited.then(({ complaint }) => console.log('ffmpeg has ended', complaint));
 */
export async function ffmpegSource(options: FfmpegSourceOptions): Promise<FfmpegSource> {
  const outputs = [options.video, options.audio].filter((output) => output !== undefined);
  const ingests: RtpIngest[] = [];
  try {
    for (const { mimeType } of outputs) ingests.push(await rtpIngest({ port: 0, mimeType }));
    const args = [
      '-hide_banner',
      '-loglevel',
      'error',
      '-nostdin',
      ...options.input,
      ...outputs.flatMap((output, index) => ffmpegOutputArguments(output, ingests[index]!.port)),
    ];
    const child = spawn(options.command ?? 'ffmpeg', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    return new FfmpegSource(child, args, ingests);
  } catch (error) {
    for (const ingest of ingests) ingest.close();
    throw error;
  }
}

/** Made by {@link ffmpegSource}. */
export class FfmpegSource {
  /** Called when a receiver needs a key frame. ffmpeg cannot be asked for one: with the default encoders there is one every second. */
  onkeyframerequest: ((ingest: RtpIngest) => void) | null = null;
  /** Where its packets arrive: first video, then audio, as far as there are. */
  readonly ingests: readonly RtpIngest[];
  readonly arguments: readonly string[];
  readonly exited: Promise<FfmpegExit>;
  readonly #process: ChildProcess;
  #complaint = '';

  constructor(process: ChildProcess, args: readonly string[], ingests: readonly RtpIngest[]) {
    this.#process = process;
    this.arguments = args;
    this.ingests = ingests;
    for (const ingest of ingests) ingest.onkeyframerequest = () => this.onkeyframerequest?.(ingest);
    process.stderr?.on('data', (data) => {
      this.#complaint = (this.#complaint + data).slice(-COMPLAINT_LENGTH);
    });
    this.exited = new Promise((resolve) => {
      process.once('close', (code, signal) => resolve({ code, signal, complaint: this.#complaint.trim() }));
    });
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get video(): RtpIngest | undefined {
    return this.ingests.find(({ track }) => track.kind === 'video');
  }

  get audio(): RtpIngest | undefined {
    return this.ingests.find(({ track }) => track.kind === 'audio');
  }

  /** Ends ffmpeg and closes the ports. Resolves when it has exited. */
  async close(): Promise<void> {
    this.#process.kill('SIGKILL');
    for (const ingest of this.ingests) ingest.close();
    await this.exited;
  }
}

/**
 * What makes ffmpeg encode for a codec and send RTP to a port, to be put after its inputs.
 * @throws TypeError for a codec without a default encoder, when `arguments` are not given
 */
export function ffmpegOutputArguments({ mimeType, arguments: args, filters = [] }: FfmpegOutput, port: number): string[] {
  const encoder = args ?? defaultEncoder(mimeType);
  return [...filters, ...encoder, '-f', 'rtp', `rtp://127.0.0.1:${port}?pkt_size=${PACKET_SIZE}`];
}

function defaultEncoder(mimeType: string): readonly string[] {
  const encoder = ENCODERS[mimeType.toLowerCase()];
  if (encoder === undefined) throw new TypeError(`no default encoder for ${mimeType}: say the arguments`);
  return [...encoder.split(' '), ...(mimeType.startsWith('video') ? ['-an', '-g', '30'] : ['-vn'])];
}
