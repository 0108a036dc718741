import { readFile } from 'node:fs/promises';
import { OpusPacketizer, type Packetizer, readIvf, readOggOpus, Vp8Packetizer } from '@petrel/media';
import { serializeRtpPacket } from '@petrel/rtp';
import type { Track } from '../feed.ts';
import { type ClipEvent, ClipPlayer } from './clip-player.ts';
import type { PacketListener, Source } from './source.ts';

/** Leaves room for SRTP, UDP and IP in a datagram of 1,280 bytes, and for header extensions. */
const MAX_PAYLOAD = 1100;

/** Plays the clip that lies in the repository. See docs/demo.md for how it was made. */
export class ClipSource implements Source {
  readonly tracks: readonly Track[] = [
    { kind: 'video', mimeType: 'video/VP8' },
    { kind: 'audio', mimeType: 'audio/opus' },
  ];
  readonly description = 'The clip in this repository: VP8 and Opus, ten seconds in a loop';
  readonly #folder: URL;
  readonly #packetizers: Record<Track['kind'], Packetizer> = { video: new Vp8Packetizer(0), audio: new OpusPacketizer() };
  readonly #sequenceNumbers: Record<Track['kind'], number> = { video: 0, audio: 0 };
  #player: ClipPlayer | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(folder: URL) {
    this.#folder = folder;
  }

  async start(onPacket: PacketListener): Promise<void> {
    const [ivf, ogg] = await Promise.all([readFile(new URL('clip.ivf', this.#folder)), readFile(new URL('clip.ogg', this.#folder))]);
    const clip = { video: readIvf(ivf).frames.map(({ data }) => data), audio: readOggOpus(ogg).packets };
    this.#player = new ClipPlayer(clip, performance.now());
    this.#play(this.#player, onPacket);
  }

  requestKeyFrame(): void {
    this.#player?.requestKeyFrame(performance.now());
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #play(player: ClipPlayer, onPacket: PacketListener): void {
    for (const event of player.due(performance.now())) for (const packet of this.#packets(event)) onPacket(event.kind, packet);
    this.#timer = setTimeout(() => this.#play(player, onPacket), Math.max(0, player.nextTime - performance.now()));
  }

  /** SSRC and payload type are each connection's own: the stack writes them. */
  #packets({ kind, data, timestamp, keyFrame }: ClipEvent): Uint8Array[] {
    const payloads = this.#packetizers[kind].packetize({ data, timestamp: timestamp >>> 0, keyFrame }, MAX_PAYLOAD);
    return payloads.map((payload, index) =>
      serializeRtpPacket({
        payloadType: 96,
        sequenceNumber: this.#sequenceNumbers[kind]++ & 0xffff,
        timestamp: timestamp >>> 0,
        ssrc: 0,
        marker: kind === 'video' && index === payloads.length - 1,
        payload,
      }),
    );
  }
}
