/** Event interfaces of the API (W3C WebRTC §4.8, §5.7, §6.3, §7.3, §11; Media Capture §4.5). */
import * as webidl from './webidl.ts';
import type { RTCError } from './errors.ts';
import type { MediaStream } from './media-stream.ts';
import type { MediaStreamTrack } from './media-stream-track.ts';
import type { RTCDataChannel } from './rtc-data-channel.ts';
import type { RTCIceCandidate } from './rtc-ice-candidate.ts';
import type { RTCRtpReceiver } from './rtc-rtp-receiver.ts';
import type { RTCRtpTransceiver } from './rtc-rtp-transceiver.ts';

export interface EventInit {
  bubbles?: boolean;
  cancelable?: boolean;
  composed?: boolean;
}

const toEventInit = webidl.dictionary<EventInit>('EventInit', {
  bubbles: { convert: webidl.boolean, fallback: () => false },
  cancelable: { convert: webidl.boolean, fallback: () => false },
  composed: { convert: webidl.boolean, fallback: () => false },
});

/** The second argument of its constructor. */
export interface RTCPeerConnectionIceEventInit extends EventInit {
  candidate?: RTCIceCandidate | null;
  url?: string | null;
}

/** The event `icecandidate`: a local candidate, to be signalled to the peer (W3C WebRTC §4.8.2). */
export class RTCPeerConnectionIceEvent extends Event {
  readonly #candidate: RTCIceCandidate | null;
  readonly #url: string | null;

  constructor(type: string, eventInitDict: RTCPeerConnectionIceEventInit = {}) {
    webidl.requireArguments(arguments.length, 1, 'RTCPeerConnectionIceEvent constructor');
    const init = toRTCPeerConnectionIceEventInit(eventInitDict, 'RTCPeerConnectionIceEvent constructor');
    super(type, init);
    this.#candidate = init.candidate ?? null;
    this.#url = init.url ?? null;
  }

  /** Null after the last candidate of the gathering. */
  get candidate(): RTCIceCandidate | null {
    return this.#candidate;
  }

  get url(): string | null {
    return this.#url;
  }

  static {
    const isInstance = (value: object): boolean => #candidate in value;
    webidl.defineInterface({
      name: 'RTCPeerConnectionIceEvent',
      prototype: RTCPeerConnectionIceEvent.prototype,
      isInstance,
      shown: ['type', 'candidate', 'url'],
    });
  }
}

/** The second argument of its constructor. */
export interface RTCPeerConnectionIceErrorEventInit extends EventInit {
  address?: string | null;
  port?: number | null;
  url?: string;
  errorCode: number;
  errorText?: string;
}

/** The event `icecandidateerror`: a server was not reached, or has refused (W3C WebRTC §4.8.3). Others may still work. */
export class RTCPeerConnectionIceErrorEvent extends Event {
  readonly #init: RTCPeerConnectionIceErrorEventInit;

  constructor(type: string, eventInitDict: RTCPeerConnectionIceErrorEventInit) {
    webidl.requireArguments(arguments.length, 2, 'RTCPeerConnectionIceErrorEvent constructor');
    const init = toRTCPeerConnectionIceErrorEventInit(eventInitDict, 'RTCPeerConnectionIceErrorEvent constructor');
    super(type, init);
    this.#init = init;
  }

  /** The local address that was used to reach the server. */
  get address(): string | null {
    return this.#init.address ?? null;
  }

  get port(): number | null {
    return this.#init.port ?? null;
  }

  /** The server's URL. */
  get url(): string {
    return this.#init.url ?? '';
  }

  /** The STUN error code, or 701 when the server cannot be reached. */
  get errorCode(): number {
    return this.#init.errorCode;
  }

  get errorText(): string {
    return this.#init.errorText ?? '';
  }

  static {
    const isInstance = (value: object): boolean => #init in value;
    webidl.defineInterface({
      name: 'RTCPeerConnectionIceErrorEvent',
      prototype: RTCPeerConnectionIceErrorEvent.prototype,
      isInstance,
      shown: ['type', 'url', 'address', 'port', 'errorCode', 'errorText'],
    });
  }
}

/** The second argument of its constructor. */
export interface RTCTrackEventInit extends EventInit {
  receiver: RTCRtpReceiver;
  track: MediaStreamTrack;
  streams?: MediaStream[];
  transceiver: RTCRtpTransceiver;
}

/** The event `track`: the peer sends, or is ready to (W3C WebRTC §5.7). */
export class RTCTrackEvent extends Event {
  readonly #init: RTCTrackEventInit;
  readonly #streams: readonly MediaStream[];

  constructor(type: string, eventInitDict: RTCTrackEventInit) {
    webidl.requireArguments(arguments.length, 2, 'RTCTrackEvent constructor');
    const init = toRTCTrackEventInit(eventInitDict, 'RTCTrackEvent constructor');
    super(type, init);
    this.#init = init;
    this.#streams = Object.freeze(init.streams ?? []);
  }

  get receiver(): RTCRtpReceiver {
    return this.#init.receiver;
  }

  get track(): MediaStreamTrack {
    return this.#init.track;
  }

  /** Frozen; the streams that the track is in. */
  get streams(): readonly MediaStream[] {
    return this.#streams;
  }

  get transceiver(): RTCRtpTransceiver {
    return this.#init.transceiver;
  }

  static {
    webidl.defineInterface({
      name: 'RTCTrackEvent',
      prototype: RTCTrackEvent.prototype,
      isInstance: (value) => #init in value,
      shown: ['type', 'track', 'streams', 'receiver', 'transceiver'],
    });
  }
}

/** The second argument of its constructor. */
export interface RTCDataChannelEventInit extends EventInit {
  channel: RTCDataChannel;
}

/** The event `datachannel`: the peer has made a channel (W3C WebRTC §6.4). */
export class RTCDataChannelEvent extends Event {
  readonly #channel: RTCDataChannel;

  constructor(type: string, eventInitDict: RTCDataChannelEventInit) {
    webidl.requireArguments(arguments.length, 2, 'RTCDataChannelEvent constructor');
    const init = toRTCDataChannelEventInit(eventInitDict, 'RTCDataChannelEvent constructor');
    super(type, init);
    this.#channel = init.channel;
  }

  get channel(): RTCDataChannel {
    return this.#channel;
  }

  static {
    const isInstance = (value: object): boolean => #channel in value;
    webidl.defineInterface({
      name: 'RTCDataChannelEvent',
      prototype: RTCDataChannelEvent.prototype,
      isInstance,
      shown: ['type', 'channel'],
    });
  }
}

/** The second argument of its constructor. */
export interface RTCDTMFToneChangeEventInit extends EventInit {
  tone?: string;
}

/** The event `tonechange`: a tone begins, or with an empty `tone` all have been played (W3C WebRTC §7.3). */
export class RTCDTMFToneChangeEvent extends Event {
  readonly #tone: string;

  constructor(type: string, eventInitDict: RTCDTMFToneChangeEventInit = {}) {
    webidl.requireArguments(arguments.length, 1, 'RTCDTMFToneChangeEvent constructor');
    const init = toRTCDTMFToneChangeEventInit(eventInitDict, 'RTCDTMFToneChangeEvent constructor');
    super(type, init);
    this.#tone = init.tone ?? '';
  }

  /** The tone that begins, or the empty string when all have been played. */
  get tone(): string {
    return this.#tone;
  }

  static {
    const isInstance = (value: object): boolean => #tone in value;
    webidl.defineInterface({
      name: 'RTCDTMFToneChangeEvent',
      prototype: RTCDTMFToneChangeEvent.prototype,
      isInstance,
      shown: ['type', 'tone'],
    });
  }
}

/** The second argument of its constructor. */
export interface RTCErrorEventInit extends EventInit {
  error: RTCError;
}

/** The event `error` of a data channel or DTLS transport: it comes before the one that says that it has closed (W3C WebRTC §11.4). */
export class RTCErrorEvent extends Event {
  readonly #error: RTCError;

  constructor(type: string, eventInitDict: RTCErrorEventInit) {
    webidl.requireArguments(arguments.length, 2, 'RTCErrorEvent constructor');
    const init = toRTCErrorEventInit(eventInitDict, 'RTCErrorEvent constructor');
    super(type, init);
    this.#error = init.error;
  }

  get error(): RTCError {
    return this.#error;
  }

  static {
    webidl.defineInterface({
      name: 'RTCErrorEvent',
      prototype: RTCErrorEvent.prototype,
      isInstance: (value) => #error in value,
      shown: ['type', 'error'],
    });
  }
}

/** The second argument of its constructor. */
export interface MediaStreamTrackEventInit extends EventInit {
  track: MediaStreamTrack;
}

/** The events `addtrack` and `removetrack` of a MediaStream. */
export class MediaStreamTrackEvent extends Event {
  readonly #track: MediaStreamTrack;

  constructor(type: string, eventInitDict: MediaStreamTrackEventInit) {
    webidl.requireArguments(arguments.length, 2, 'MediaStreamTrackEvent constructor');
    const init = toMediaStreamTrackEventInit(eventInitDict, 'MediaStreamTrackEvent constructor');
    super(type, init);
    this.#track = init.track;
  }

  get track(): MediaStreamTrack {
    return this.#track;
  }

  static {
    const isInstance = (value: object): boolean => #track in value;
    webidl.defineInterface({
      name: 'MediaStreamTrackEvent',
      prototype: MediaStreamTrackEvent.prototype,
      isInstance,
      shown: ['type', 'track'],
    });
  }
}

/**
 * Not in the W3C's API: the event `remoteclose` says that the peer ended the connection, and why.
 *
 * @example
 * pc.onremoteclose = ({ reason }) => console.log(reason);
 */
export class RemoteCloseEvent extends Event {
  readonly #reason: string;

  constructor(type: string, init: { readonly reason: string }) {
    super(type);
    this.#reason = init.reason;
  }

  get reason(): string {
    return this.#reason;
  }
}

const toRTCPeerConnectionIceEventInit = webidl.dictionary<RTCPeerConnectionIceEventInit, EventInit>(
  'RTCPeerConnectionIceEventInit',
  {
    candidate: { convert: webidl.nullable(webidl.interfaceType<RTCIceCandidate>('RTCIceCandidate')) },
    url: { convert: webidl.nullable(webidl.usvString) },
  },
  toEventInit,
);

const toRTCPeerConnectionIceErrorEventInit = webidl.dictionary<RTCPeerConnectionIceErrorEventInit, EventInit>(
  'RTCPeerConnectionIceErrorEventInit',
  {
    address: { convert: webidl.nullable(webidl.domString) },
    port: { convert: webidl.nullable(webidl.unsignedShort) },
    url: { convert: webidl.usvString },
    errorCode: { convert: webidl.unsignedShort, required: true },
    errorText: { convert: webidl.usvString },
  },
  toEventInit,
);

const toRTCTrackEventInit = webidl.dictionary<RTCTrackEventInit, EventInit>(
  'RTCTrackEventInit',
  {
    receiver: { convert: webidl.interfaceType<RTCRtpReceiver>('RTCRtpReceiver'), required: true },
    track: { convert: webidl.interfaceType<MediaStreamTrack>('MediaStreamTrack'), required: true },
    streams: { convert: webidl.sequence(webidl.interfaceType<MediaStream>('MediaStream')), fallback: () => [] },
    transceiver: { convert: webidl.interfaceType<RTCRtpTransceiver>('RTCRtpTransceiver'), required: true },
  },
  toEventInit,
);

const toRTCDataChannelEventInit = webidl.dictionary<RTCDataChannelEventInit, EventInit>(
  'RTCDataChannelEventInit',
  { channel: { convert: webidl.interfaceType<RTCDataChannel>('RTCDataChannel'), required: true } },
  toEventInit,
);

const toRTCDTMFToneChangeEventInit = webidl.dictionary<RTCDTMFToneChangeEventInit, EventInit>(
  'RTCDTMFToneChangeEventInit',
  { tone: { convert: webidl.domString, fallback: () => '' } },
  toEventInit,
);

const toRTCErrorEventInit = webidl.dictionary<RTCErrorEventInit, EventInit>(
  'RTCErrorEventInit',
  { error: { convert: webidl.interfaceType<RTCError>('RTCError'), required: true } },
  toEventInit,
);

const toMediaStreamTrackEventInit = webidl.dictionary<MediaStreamTrackEventInit, EventInit>(
  'MediaStreamTrackEventInit',
  { track: { convert: webidl.interfaceType<MediaStreamTrack>('MediaStreamTrack'), required: true } },
  toEventInit,
);
