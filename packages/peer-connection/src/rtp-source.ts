/** Where an application puts media in: RTP packets, encoded already. Not part of the W3C's API. */
import {
  createMediaStreamTrack,
  type MediaKind,
  type MediaStreamTrack,
  type MediaTrackSettings,
  type PacketListener,
  type TrackSource,
} from './media-stream-track.ts';
import { enumeration } from './webidl.ts';

/** The second argument of the constructor of {@link RtpSource}. */
export interface RtpSourceOptions {
  /** What the packets contain, `video/VP8` for example: negotiation then offers this codec first. */
  readonly mimeType?: string;
  /** In Hz; 90000 for video and 48000 for audio unless given. */
  readonly clockRate?: number;
  readonly channels?: number;
  /** What the header extensions of the packets mean: those that are negotiated are sent on, all others are removed. */
  readonly headerExtensions?: readonly { readonly id: number; readonly uri: string }[];
  /** What `track.getSettings()` says. */
  readonly settings?: MediaTrackSettings;
}

/**
 * A track whose media the application supplies as RTP packets.
 *
 * @example
 * const source = new RtpSource('video', { mimeType: 'video/VP8' });
 * pc.addTrack(source.track);
 * udpSocket.on('message', (packet) => source.write(packet));
 */
export class RtpSource {
  /** Called when a receiver needs a key frame (PLI or FIR), at most once per request. */
  onkeyframerequest: (() => void) | null = null;
  readonly #track: MediaStreamTrack;
  #writable: WritableStream<Uint8Array> | undefined;
  /** Replaced when it changes. */
  #listeners: readonly PacketListener[] = [];

  /** @throws TypeError when `kind` is neither 'audio' nor 'video' */
  constructor(kind: MediaKind, options: RtpSourceOptions = {}) {
    const source: TrackSource = {
      kind: toKind(kind, 'RtpSource constructor'),
      codec: codecOf(kind, options),
      headerExtensions: options.headerExtensions,
      subscribe: (listener) => this.#subscribe(listener),
      requestKeyFrame: () => this.onkeyframerequest?.(),
    };
    this.#track = createMediaStreamTrack({ source, label: `RtpSource ${kind}`, settings: options.settings ?? {} });
  }

  /** The track to give to `addTrack`, `addTransceiver` or `replaceTrack`. Its clones carry the same packets. */
  get track(): MediaStreamTrack {
    return this.#track;
  }

  /**
   * Sends a whole RTP packet (header and payload, RFC 3550 §5.1) on every connection that the track was added to. SSRC, payload
   * type, sequence number and header extensions are rewritten for each; timestamp, marker and payload are kept.
   * @param packet must not be changed afterwards
   * @throws TypeError when it is not a Uint8Array
   */
  write(packet: Uint8Array): void {
    if (!ArrayBuffer.isView(packet)) throw new TypeError('RtpSource.write: a packet is a Uint8Array that begins with the RTP header');
    for (const listener of this.#listeners) listener(packet);
  }

  /** {@link write} as a stream. Packets leave as they come: the pace is the writer's. */
  get writable(): WritableStream<Uint8Array> {
    this.#writable ??= new WritableStream<Uint8Array>({ write: (packet) => this.write(packet) });
    return this.#writable;
  }

  #subscribe(listener: PacketListener): () => void {
    // A function of its own for each subscription, so that one listener may subscribe twice.
    const entry: PacketListener = (packet) => listener(packet);
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }
}

const toKind = enumeration<MediaKind>('kind', ['audio', 'video']);

function codecOf(kind: MediaKind, options: RtpSourceOptions): TrackSource['codec'] {
  const { mimeType, clockRate = kind === 'video' ? 90_000 : 48_000, channels } = options;
  if (mimeType === undefined) return undefined;
  return { mimeType, clockRate, ...(channels === undefined ? {} : { channels }) };
}
