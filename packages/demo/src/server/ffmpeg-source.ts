import { type ChildProcess, spawn } from 'node:child_process';
import type { Track } from '../feed.ts';
import type { VideoCodec } from './options.ts';
import { ffmpegArguments, RtpPortSource, rtpTracks } from './rtp-source.ts';
import { type PacketListener, type Source, SourceError } from './source.ts';

/** Starts ffmpeg, which encodes a test pattern and a tone and sends them here as RTP over the loopback interface. */
export class FfmpegSource implements Source {
  readonly tracks: readonly Track[];
  readonly #codec: VideoCodec;
  readonly #input: RtpPortSource;
  readonly #onFailure: (error: SourceError) => void;
  #process: ChildProcess | undefined;

  /** @param onFailure ffmpeg has stopped by itself. */
  constructor(codec: VideoCodec, onFailure: (error: SourceError) => void) {
    this.#codec = codec;
    this.#onFailure = onFailure;
    this.#input = new RtpPortSource(codec, { video: 0, audio: 0 });
    this.tracks = rtpTracks(codec);
  }

  get description(): string {
    return `ffmpeg (process ${this.#process?.pid}): test pattern in ${this.#codec.toUpperCase()}, tone in Opus`;
  }

  async start(onPacket: PacketListener): Promise<void> {
    const video = await this.#input.listen('video', 0, onPacket);
    const audio = await this.#input.listen('audio', 0, onPacket);
    const child = spawn('ffmpeg', ffmpegArguments(this.#codec, { video, audio }), { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process = child;
    let complaint = '';
    child.stderr.on('data', (data) => {
      complaint = (complaint + data).slice(-2000);
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (error: NodeJS.ErrnoException) => reject(failureToStart(error)));
    });
    child.once('exit', (code, signal) => {
      if (this.#process === child) this.#onFailure(new SourceError(`ffmpeg has stopped (${signal ?? code}):\n${complaint.trim()}`));
    });
  }

  requestKeyFrame(): void {}

  stop(): void {
    this.#process?.kill('SIGKILL');
    this.#process = undefined;
    this.#input.stop();
  }
}

function failureToStart(error: NodeJS.ErrnoException): SourceError {
  if (error.code !== 'ENOENT') return new SourceError(`ffmpeg does not start: ${error.message}`);
  return new SourceError(
    'ffmpeg is not installed. Install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg), or run "npm start" for the clip.',
  );
}
