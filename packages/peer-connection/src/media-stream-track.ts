/**
 * MediaStreamTrack (W3C Media Capture and Streams §4.3), carrying packets instead of samples: its hidden source hands out
 * RTP packets that are encoded already, and nothing here decodes.
 */
import type { Random } from '@petrel/sans-io';
import { defaultRandom } from './default-runtime.ts';
import { randomUuid } from './random-uuid.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

/** What a track carries. */
export type MediaKind = 'audio' | 'video';
/** `ended` is final. */
export type MediaStreamTrackState = 'live' | 'ended';

/** What a track carries. Several tracks (clones) may share one source. */
export interface TrackSource {
  readonly kind: MediaKind;
  /** What the packets contain, when that is known. */
  readonly codec?: { readonly mimeType: string; readonly clockRate: number; readonly channels?: number } | undefined;
  /** What the header extensions of its packets mean (RFC 8285); those that are negotiated go on with the packet. */
  readonly headerExtensions?: readonly { readonly id: number; readonly uri: string }[] | undefined;
  /** Hands every packet to the listener until the returned function is called. Packets must not be changed. */
  subscribe(listener: PacketListener): () => void;
  /** Asks for a key frame, from the application or the remote side. */
  requestKeyFrame(): void;
}

export type PacketListener = (packet: Uint8Array) => void;

/** Values of `getSettings()` that the packets' owner knows. */
export interface MediaTrackSettings {
  width?: number;
  height?: number;
  aspectRatio?: number;
  frameRate?: number;
  sampleRate?: number;
  channelCount?: number;
  deviceId?: string;
  groupId?: string;
}

/** What `getCapabilities` says: the settings that are known. */
export type MediaTrackCapabilities = Record<string, unknown>;
/** Kept, without effect: packets are encoded already. */
export type MediaTrackConstraints = Record<string, unknown>;

/** The internal slots of a track; only this package sees them. */
export interface MediaStreamTrackSlots {
  readonly kind: MediaKind;
  /** Drawn when it is first asked for. */
  id: string | undefined;
  label: string;
  enabled: boolean;
  muted: boolean;
  readyState: MediaStreamTrackState;
  contentHint: string;
  constraints: MediaTrackConstraints;
  settings: MediaTrackSettings;
  readonly source: TrackSource;
  /** Runs when the track ends by `stop()` or by its source. */
  readonly onEnded: Set<() => void>;
}

export interface MediaStreamTrackOptions {
  readonly source: TrackSource;
  /** A random UUID unless given. */
  readonly id?: string;
  readonly label?: string;
  readonly muted?: boolean;
  readonly settings?: MediaTrackSettings;
}

/** Makes a live track on a source. */
export let createMediaStreamTrack: (options: MediaStreamTrackOptions) => MediaStreamTrack;
export let mediaStreamTrackSlots: (track: MediaStreamTrack) => MediaStreamTrackSlots;

/**
 * A source of RTP packets, local (`RtpSource`) or remote (a receiver's). Events: `mute`, `unmute`, and `ended` when the source ends, not after `stop()`.
 *
 * @example
 * pc.ontrack = ({ track }) => {
 *   track.onunmute = () => console.log('the first packet is here');
 *   track.onended = () => console.log('the connection, or the section, has ended');
 * };
 */
export class MediaStreamTrack extends TypedEventTarget<MediaStreamTrack> {
  declare onmute: webidl.EventHandler<MediaStreamTrack>;
  declare onunmute: webidl.EventHandler<MediaStreamTrack>;
  declare onended: webidl.EventHandler<MediaStreamTrack>;
  readonly #slots: MediaStreamTrackSlots;

  private constructor(...[token, slots]: [token?: unknown, slots?: MediaStreamTrackSlots]) {
    webidl.requireInternal(token);
    super();
    this.#slots = slots!;
  }

  get kind(): MediaKind {
    return this.#slots.kind;
  }

  get id(): string {
    return trackId(this, defaultRandom());
  }

  get label(): string {
    return this.#slots.label;
  }

  /** False: the packets of the source are not passed on. */
  get enabled(): boolean {
    return this.#slots.enabled;
  }

  set enabled(value: boolean) {
    this.#slots.enabled = Boolean(value);
  }

  /** True while the source gives nothing; a remote track is unmuted by its first packet. */
  get muted(): boolean {
    return this.#slots.muted;
  }

  get readyState(): MediaStreamTrackState {
    return this.#slots.readyState;
  }

  /** A hint for encoders (W3C MediaStreamTrack Content Hints); packets here are encoded already, so it is only kept. */
  get contentHint(): string {
    return this.#slots.contentHint;
  }

  set contentHint(value: string) {
    const hint = webidl.domString(value, 'MediaStreamTrack.contentHint');
    if (CONTENT_HINTS[this.#slots.kind].includes(hint)) this.#slots.contentHint = hint;
  }

  /** A track of its own on the same source, with the state that this one has now. */
  clone(): MediaStreamTrack {
    const { source, label, muted, settings, enabled, readyState, contentHint, constraints } = this.#slots;
    const clone = createMediaStreamTrack({ source, label, muted, settings: { ...settings } });
    Object.assign(clone.#slots, { enabled, readyState, contentHint, constraints });
    return clone;
  }

  /** Ends the track, without an event. */
  stop(): void {
    setEnded(this.#slots);
  }

  getCapabilities(): MediaTrackCapabilities {
    return { ...this.#slots.settings };
  }

  getConstraints(): MediaTrackConstraints {
    return structuredClone(this.#slots.constraints);
  }

  getSettings(): MediaTrackSettings {
    return { ...this.#slots.settings };
  }

  /** Packets cannot be scaled: constraints are kept for `getConstraints`, and change nothing. */
  async applyConstraints(constraints: MediaTrackConstraints = {}): Promise<undefined> {
    if (constraints !== null && !webidl.isObject(constraints)) throw new TypeError('applyConstraints: not a dictionary');
    if (this.#slots.readyState === 'live') this.#slots.constraints = structuredClone(constraints ?? {});
    return undefined;
  }

  static {
    createMediaStreamTrack = (options) =>
      new MediaStreamTrack(webidl.INTERNAL, {
        kind: options.source.kind,
        id: options.id,
        label: options.label ?? '',
        enabled: true,
        muted: options.muted ?? false,
        readyState: 'live',
        contentHint: '',
        constraints: {},
        settings: options.settings ?? {},
        source: options.source,
        onEnded: new Set(),
      });
    mediaStreamTrackSlots = (track) => track.#slots;
    webidl.defineInterface({
      name: 'MediaStreamTrack',
      prototype: MediaStreamTrack.prototype,
      isInstance: (value) => #slots in value,
      handlers: ['mute', 'unmute', 'ended'],
      shown: ['kind', 'label', 'readyState', 'enabled', 'muted'],
    });
  }
}

/** A track that a connection announces before anybody has asked for its id gets one of the connection's randomness. */
export function trackId(track: MediaStreamTrack, random: Random): string {
  const slots = mediaStreamTrackSlots(track);
  slots.id ??= randomUuid(random);
  return slots.id;
}

/**
 * Passes the packets of a track to the listener while the track is live and enabled.
 * @returns ends the subscription
 */
export function subscribeToTrack(track: MediaStreamTrack, listener: PacketListener): () => void {
  const slots = mediaStreamTrackSlots(track);
  if (slots.readyState === 'ended') return () => {};
  const unsubscribe = slots.source.subscribe((packet) => {
    if (slots.enabled && slots.readyState === 'live') listener(packet);
  });
  const end = (): void => {
    slots.onEnded.delete(end);
    unsubscribe();
  };
  slots.onEnded.add(end);
  return end;
}

/** Media Capture §4.3.1, "set a track's muted state": fires mute or unmute when it changes. Call it in a task. */
export function setTrackMuted(track: MediaStreamTrack, muted: boolean): void {
  const slots = mediaStreamTrackSlots(track);
  if (slots.readyState === 'ended' || slots.muted === muted) return;
  slots.muted = muted;
  track.dispatchEvent(new Event(muted ? 'mute' : 'unmute'));
}

/** Ends the track for a reason that is not `stop()`, and fires `ended`. Call it in a task. */
export function endTrack(track: MediaStreamTrack): void {
  if (setEnded(mediaStreamTrackSlots(track))) track.dispatchEvent(new Event('ended'));
}

function setEnded(slots: MediaStreamTrackSlots): boolean {
  if (slots.readyState === 'ended') return false;
  slots.readyState = 'ended';
  for (const callback of slots.onEnded) callback();
  return true;
}

const CONTENT_HINTS: Record<MediaKind, readonly string[]> = {
  audio: ['', 'speech', 'speech-recognition', 'music'],
  video: ['', 'motion', 'detail', 'text'],
};
