/** MediaStream: a set of tracks (W3C Media Capture and Streams §4.2). */
import type { Random } from '@petrel/sans-io';
import { defaultRandom } from './default-runtime.ts';
import { MediaStreamTrackEvent } from './events.ts';
import type { MediaStreamTrack } from './media-stream-track.ts';
import { randomUuid } from './random-uuid.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

export interface MediaStreamSlots {
  /** Drawn when it is first asked for. */
  id: string | undefined;
  /** In the order of addition. */
  readonly tracks: Set<MediaStreamTrack>;
}

export let mediaStreamSlots: (stream: MediaStream) => MediaStreamSlots;

/** A set of tracks that belong together: the peer learns which streams a track is in (`a=msid`), and nothing else comes of it. */
export class MediaStream extends TypedEventTarget<MediaStream> {
  declare onaddtrack: webidl.EventHandler<MediaStream, MediaStreamTrackEvent>;
  declare onremovetrack: webidl.EventHandler<MediaStream, MediaStreamTrackEvent>;
  readonly #slots: MediaStreamSlots;

  /** A new stream: empty, with the tracks of another stream, or with the given tracks. */
  constructor(...[streamOrTracks]: [streamOrTracks?: MediaStream | Iterable<MediaStreamTrack>]) {
    super();
    const tracks =
      streamOrTracks === undefined
        ? []
        : webidl.isInterface<MediaStream>('MediaStream', streamOrTracks)
          ? streamOrTracks.#slots.tracks
          : toTracks(streamOrTracks, 'MediaStream constructor');
    this.#slots = { id: undefined, tracks: new Set(tracks) };
  }

  get id(): string {
    return streamId(this, defaultRandom());
  }

  /** True while one of the tracks is live. */
  get active(): boolean {
    return this.getTracks().some((track) => track.readyState === 'live');
  }

  getAudioTracks(): MediaStreamTrack[] {
    return this.getTracks().filter((track) => track.kind === 'audio');
  }

  getVideoTracks(): MediaStreamTrack[] {
    return this.getTracks().filter((track) => track.kind === 'video');
  }

  getTracks(): MediaStreamTrack[] {
    return [...this.#slots.tracks];
  }

  getTrackById(trackId: string): MediaStreamTrack | null {
    webidl.requireArguments(arguments.length, 1, 'MediaStream.getTrackById');
    const id = webidl.domString(trackId, 'MediaStream.getTrackById');
    return this.getTracks().find((track) => track.id === id) ?? null;
  }

  addTrack(track: MediaStreamTrack): void {
    webidl.requireArguments(arguments.length, 1, 'MediaStream.addTrack');
    this.#slots.tracks.add(toTrack(track, 'MediaStream.addTrack'));
  }

  removeTrack(track: MediaStreamTrack): void {
    webidl.requireArguments(arguments.length, 1, 'MediaStream.removeTrack');
    this.#slots.tracks.delete(toTrack(track, 'MediaStream.removeTrack'));
  }

  /** A new stream with clones of the tracks. */
  clone(): MediaStream {
    return new MediaStream(this.getTracks().map((track) => track.clone()));
  }

  static {
    mediaStreamSlots = (stream) => stream.#slots;
    webidl.defineInterface({
      name: 'MediaStream',
      prototype: MediaStream.prototype,
      isInstance: (value) => #slots in value,
      handlers: ['addtrack', 'removetrack'],
      shown: (stream) => stream.getTracks(),
    });
  }
}

/** A remote stream, whose id the peer has chosen (`a=msid`, RFC 8830). */
export function createRemoteStream(id: string): MediaStream {
  const stream = new MediaStream();
  mediaStreamSlots(stream).id = id;
  return stream;
}

/** A stream that a connection announces before anybody has asked for its id gets one of the connection's randomness. */
export function streamId(stream: MediaStream, random: Random): string {
  const slots = mediaStreamSlots(stream);
  slots.id ??= randomUuid(random);
  return slots.id;
}

/** Media Capture §4.2, "add a track" by the user agent: fires addtrack. */
export function addTrackToStream(stream: MediaStream, track: MediaStreamTrack): void {
  const { tracks } = mediaStreamSlots(stream);
  if (tracks.has(track)) return;
  tracks.add(track);
  stream.dispatchEvent(new MediaStreamTrackEvent('addtrack', { track }));
}

/** Media Capture §4.2, "remove a track" by the user agent: fires removetrack. */
export function removeTrackFromStream(stream: MediaStream, track: MediaStreamTrack): void {
  if (mediaStreamSlots(stream).tracks.delete(track)) stream.dispatchEvent(new MediaStreamTrackEvent('removetrack', { track }));
}

const toTrack = webidl.interfaceType<MediaStreamTrack>('MediaStreamTrack');
const toTracks = webidl.sequence(toTrack);
