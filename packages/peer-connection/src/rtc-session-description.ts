/** RTCSessionDescription (W3C WebRTC §4.6). */
import * as webidl from './webidl.ts';

/** What a description is (RFC 8829 §3.2). */
export type RTCSdpType = 'offer' | 'pranswer' | 'answer' | 'rollback';

/** The argument of `setRemoteDescription`. */
export interface RTCSessionDescriptionInit {
  type: RTCSdpType;
  /** Empty unless given. */
  sdp?: string;
}

/** For `setLocalDescription`: without a type it makes the description that the state asks for. */
export interface RTCLocalSessionDescriptionInit {
  type?: RTCSdpType;
  sdp?: string;
}

/** A description as signalling carries it (W3C WebRTC §4.6.2); `toJSON` is what is sent. */
export class RTCSessionDescription {
  readonly #type: RTCSdpType;
  readonly #sdp: string;

  constructor(descriptionInitDict: RTCSessionDescriptionInit) {
    webidl.requireArguments(arguments.length, 1, 'RTCSessionDescription constructor');
    const init = toRTCSessionDescriptionInit(descriptionInitDict, 'RTCSessionDescription constructor');
    this.#type = init.type;
    this.#sdp = init.sdp ?? '';
  }

  get type(): RTCSdpType {
    return this.#type;
  }

  get sdp(): string {
    return this.#sdp;
  }

  toJSON(): { type: RTCSdpType; sdp: string } {
    return { type: this.#type, sdp: this.#sdp };
  }

  static {
    webidl.defineInterface({
      name: 'RTCSessionDescription',
      prototype: RTCSessionDescription.prototype,
      isInstance: (value) => #type in value,
      shown: ['type', 'sdp'],
    });
  }
}

const toRTCSdpType = webidl.enumeration<RTCSdpType>('RTCSdpType', ['offer', 'pranswer', 'answer', 'rollback']);

export const toRTCSessionDescriptionInit: webidl.Converter<RTCSessionDescriptionInit> = webidl.dictionary<RTCSessionDescriptionInit>(
  'RTCSessionDescriptionInit',
  { type: { convert: toRTCSdpType, required: true }, sdp: { convert: webidl.domString, fallback: () => '' } },
);

export const toRTCLocalSessionDescriptionInit: webidl.Converter<RTCLocalSessionDescriptionInit> =
  webidl.dictionary<RTCLocalSessionDescriptionInit>('RTCLocalSessionDescriptionInit', {
    type: { convert: toRTCSdpType },
    sdp: { convert: webidl.domString, fallback: () => '' },
  });
