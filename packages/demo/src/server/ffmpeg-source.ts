import { type FfmpegSource as RunningFfmpeg, ffmpegSource } from 'petrel';
import type { Track } from '../feed.ts';
import type { VideoCodec } from './options.ts';
import { passOn, rtpTracks, TEST_INPUT, testOutput } from './rtp-source.ts';
import { type PacketListener, type Source, SourceError } from './source.ts';

/** Starts ffmpeg, which encodes a test pattern and a tone and sends them here as RTP over the loopback interface. */
export class FfmpegSource implements Source {
  readonly tracks: readonly Track[];
  readonly #codec: VideoCodec;
  readonly #onFailure: (error: SourceError) => void;
  #ffmpeg: RunningFfmpeg | undefined;

  /** @param onFailure ffmpeg has stopped by itself. */
  constructor(codec: VideoCodec, onFailure: (error: SourceError) => void) {
    this.#codec = codec;
    this.#onFailure = onFailure;
    this.tracks = rtpTracks(codec);
  }

  get description(): string {
    return `ffmpeg (process ${this.#ffmpeg?.pid}): test pattern in ${this.#codec.toUpperCase()}, tone in Opus`;
  }

  async start(onPacket: PacketListener): Promise<void> {
    const [video, audio] = this.tracks.map(({ kind, mimeType }) => ({ mimeType, filters: testOutput(kind) }));
    const ffmpeg = await ffmpegSource({ input: TEST_INPUT, video: video!, audio: audio! }).catch((error: NodeJS.ErrnoException) => {
      throw failureToStart(error);
    });
    this.#ffmpeg = ffmpeg;
    for (const ingest of ffmpeg.ingests) passOn(ingest, onPacket);
    void ffmpeg.exited.then(({ code, signal, complaint }) => {
      if (this.#ffmpeg === ffmpeg) this.#onFailure(new SourceError(`ffmpeg has stopped (${signal ?? code}):\n${complaint}`));
    });
  }

  /** There is one every second. */
  requestKeyFrame(): void {}

  stop(): void {
    void this.#ffmpeg?.close();
    this.#ffmpeg = undefined;
  }
}

function failureToStart(error: NodeJS.ErrnoException): SourceError {
  if (error.code !== 'ENOENT') return new SourceError(`ffmpeg does not start: ${error.message}`);
  return new SourceError(
    'ffmpeg is not installed. Install it (Debian, Ubuntu: apt-get install ffmpeg; macOS: brew install ffmpeg), or run "npm start" for the clip.',
  );
}
