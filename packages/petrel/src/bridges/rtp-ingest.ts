/** Plain RTP from another program on this machine, ffmpeg or GStreamer for example, as a track. */
import type { Socket } from 'node:dgram';
import { createPacketizer } from '@petrel/media';
import { type MediaStreamTrack, RtpSource } from '@petrel/peer-connection';
import { RtpPacket, serializeRtcp } from '@petrel/rtp';
import { Discards } from '@petrel/sans-io';
import { isRtcp, openRtpPort } from './rtp-port.ts';

/** The argument of {@link rtpIngest}. */
export interface RtpIngestOptions {
  /** UDP; 0 for any that is free. */
  readonly port: number;
  /** The address to listen at: `127.0.0.1` unless given. RTP has no protection: think twice before you let others in. */
  readonly host?: string;
  /** What the packets contain: `video/VP8`, `audio/opus`, … */
  readonly mimeType: string;
  /** Where the sender takes RTCP: requests for key frames are then sent there too, to the address that packets come from. */
  readonly feedbackPort?: number;
}

/** `not-rtp`: malformed. `other-source`: another SSRC, while one is sending. */
export type RtpIngestDiscard = 'not-rtp' | 'other-source';

/** Another SSRC takes over when nothing was heard from the one before for so long, in milliseconds. */
const SILENCE = 500;

/**
 * Listens for RTP. Rejects with the operating system's error when the port cannot be used.
 *
 * @example
 * const ingest = await rtpIngest({ port: 5004, mimeType: 'video/H264' });
 * ingest.onkeyframerequest = () => encoder.forceKeyFrame();
 * pc.addTrack(ingest.track);
 */
export async function rtpIngest(options: RtpIngestOptions): Promise<RtpIngest> {
  const { kind, clockRate } = createPacketizer(options.mimeType);
  const source = new RtpSource(kind, { mimeType: options.mimeType, clockRate });
  const socket = await openRtpPort(options.port, options.host ?? '127.0.0.1');
  return new RtpIngest(socket, source, options);
}

/** Made by {@link rtpIngest}. */
export class RtpIngest {
  /** Called when a receiver needs a key frame. RTP has no way to tell it to ffmpeg; GStreamer takes it at `feedbackPort`. */
  onkeyframerequest: (() => void) | null = null;
  readonly mimeType: string;
  readonly discards: Discards<RtpIngestDiscard> = new Discards();
  readonly #socket: Socket;
  readonly #source: RtpSource;
  readonly #feedbackPort: number | undefined;
  readonly #header = new RtpPacket();
  #packetsReceived = 0;
  #ssrc: number | undefined;
  #sender: string | undefined;
  #lastHeard = 0;
  #closed = false;

  constructor(socket: Socket, source: RtpSource, { mimeType, feedbackPort }: RtpIngestOptions) {
    this.mimeType = mimeType;
    this.#socket = socket;
    this.#source = source;
    this.#feedbackPort = feedbackPort;
    socket.on('message', (packet, { address }) => this.#receive(packet, address));
    source.onkeyframerequest = () => {
      this.#sendPictureLossIndication();
      this.onkeyframerequest?.();
    };
  }

  get track(): MediaStreamTrack {
    return this.#source.track;
  }

  /** The port that it listens at. */
  get port(): number {
    return this.#socket.address().port;
  }

  get packetsReceived(): number {
    return this.#packetsReceived;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.removeAllListeners('message');
    this.#socket.close();
  }

  #receive(packet: Uint8Array, address: string): void {
    if (isRtcp(packet)) return;
    if (!this.#header.read(packet)) return this.discards.count('not-rtp');
    const now = performance.now();
    const { ssrc } = this.#header;
    if (this.#ssrc !== undefined && this.#ssrc !== ssrc && now - this.#lastHeard < SILENCE) return this.discards.count('other-source');
    this.#ssrc = ssrc;
    this.#sender = address;
    this.#lastHeard = now;
    this.#packetsReceived += 1;
    this.#source.write(packet);
  }

  #sendPictureLossIndication(): void {
    if (this.#feedbackPort === undefined || this.#ssrc === undefined || this.#sender === undefined) return;
    const indication = serializeRtcp([
      { type: 'receiver-report', ssrc: 1, reports: [] },
      { type: 'picture-loss-indication', senderSsrc: 1, mediaSsrc: this.#ssrc },
    ]);
    this.#socket.send(indication, this.#feedbackPort, this.#sender);
  }
}
