import { readFile } from 'node:fs/promises';
import { FrameSender, OpusPacketizer, readIvf, readOggOpus, Vp8Packetizer } from '@petrel/media';
import type { Track } from '../feed.ts';
import { ClipPlayer } from './clip-player.ts';
import type { PacketListener, Source } from './source.ts';

/** Plays the clip that lies in the repository. See docs/demo.md for how it was made. */
export class ClipSource implements Source {
  readonly tracks: readonly Track[] = [
    { kind: 'video', mimeType: 'video/VP8' },
    { kind: 'audio', mimeType: 'audio/opus' },
  ];
  readonly description = 'The clip in this repository: VP8 and Opus, ten seconds in a loop';
  readonly #folder: URL;
  #player: ClipPlayer | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: URL) {
    this.#folder = folder;
  }

  async start(onPacket: PacketListener): Promise<void> {
    const [ivf, ogg] = await Promise.all([readFile(new URL('clip.ivf', this.#folder)), readFile(new URL('clip.ogg', this.#folder))]);
    const clip = { video: readIvf(ivf).frames.map(({ data }) => data), audio: readOggOpus(ogg).packets };
    this.#player = new ClipPlayer(clip, performance.now());
    this.#play(this.#player, {
      video: new FrameSender({ packetizer: new Vp8Packetizer(), send: (packet) => onPacket('video', packet) }),
      audio: new FrameSender({ packetizer: new OpusPacketizer(), send: (packet) => onPacket('audio', packet) }),
    });
  }

  requestKeyFrame(): void {
    this.#player?.requestKeyFrame(performance.now());
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** SSRC and payload type are each connection's own: the stack writes them. */
  #play(player: ClipPlayer, senders: Record<Track['kind'], FrameSender>): void {
    for (const { kind, data, timestamp, keyFrame } of player.due(performance.now()))
      senders[kind].send({ data, timestamp: timestamp >>> 0, keyFrame });
    this.#timer = setTimeout(() => this.#play(player, senders), Math.max(0, player.nextTime - performance.now()));
  }
}
