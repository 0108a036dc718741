import { ffmpegOutputArguments, gstreamerSender, type RtpIngest, rtpIngest, RtpSink } from 'petrel';
import type { Track } from '../feed.ts';
import type { VideoCodec } from './options.ts';
import { type PacketListener, type Source, SourceError } from './source.ts';

export interface RtpPorts {
  readonly video: number;
  readonly audio: number;
}

/** Takes RTP from anyone on this machine: two UDP ports on the loopback interface. */
export class RtpPortSource implements Source {
  readonly tracks: readonly Track[];
  readonly #codec: VideoCodec;
  readonly #ports: RtpPorts;
  readonly #ingests: RtpIngest[] = [];

  constructor(codec: VideoCodec, ports: RtpPorts) {
    this.#codec = codec;
    this.#ports = ports;
    this.tracks = rtpTracks(codec);
  }

  get description(): string {
    const { video, audio } = this.#ports;
    const outputs = this.tracks.map(({ kind, mimeType }) => ({ mimeType, port: this.#ports[kind] }));
    const ffmpeg = ['ffmpeg', '-hide_banner', '-loglevel', 'error', '-nostdin', ...TEST_INPUT];
    for (const { kind, mimeType } of this.tracks)
      ffmpeg.push(...testOutput(kind), ...ffmpegOutputArguments({ mimeType }, this.#ports[kind]));
    return [
      `RTP from 127.0.0.1: ${this.#codec.toUpperCase()} on port ${video}, Opus on port ${audio}. For example, with ffmpeg:\n`,
      `  ${ffmpeg.map(quote).join(' ')}\n`,
      'or with GStreamer:\n',
      `  ${gstreamerSender(outputs)}\n`,
    ].join('\n');
  }

  async start(onPacket: PacketListener): Promise<void> {
    await Promise.all(this.tracks.map((track) => this.#listen(track, onPacket)));
  }

  requestKeyFrame(): void {}

  stop(): void {
    for (const ingest of this.#ingests.splice(0)) ingest.close();
  }

  async #listen({ kind, mimeType }: Track, onPacket: PacketListener): Promise<void> {
    const port = this.#ports[kind];
    const ingest = await rtpIngest({ port, mimeType }).catch((error: Error) => {
      throw new SourceError(`cannot listen for ${kind} on UDP port ${port}: ${error.message}`);
    });
    this.#ingests.push(ingest);
    passOn(ingest, onPacket);
  }
}

/** A connection is a process of its own here: it is given packets, not a track. */
export function passOn({ track }: RtpIngest, onPacket: PacketListener): void {
  new RtpSink(track).onpacket = (packet) => onPacket(track.kind as Track['kind'], packet);
}

export function rtpTracks(codec: VideoCodec): readonly Track[] {
  return [
    { kind: 'video', mimeType: codec === 'vp8' ? 'video/VP8' : 'video/H264' },
    { kind: 'audio', mimeType: 'audio/opus' },
  ];
}

/** ffmpeg's test pattern and a tone, in real time. */
export const TEST_INPUT: readonly string[] =
  '-re -f lavfi -i testsrc2=size=640x360:rate=30 -re -f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000'.split(' ');

const CLOCK =
  "drawtext=text='%{localtime\\:%H\\\\\\:%M\\\\\\:%S}':fontsize=64:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=12:x=(w-tw)/2:y=(h-th)/2";

/** With the time of day in the picture, and the tone not too loud. */
export function testOutput(kind: Track['kind']): readonly string[] {
  return kind === 'video' ? ['-map', '0:v', '-vf', CLOCK] : ['-map', '1:a', '-af', 'volume=0.2'];
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
