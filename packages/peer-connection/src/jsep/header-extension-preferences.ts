/** Which RTP header extensions a transceiver negotiates: WebRTC Extensions, "RTP header extension control". */
import { exception } from '../errors.ts';
import type { MediaKind } from '../media-stream-track.ts';
import { toDirection, type RTCRtpHeaderExtensionCapability, type RTCRtpTransceiverDirection } from '../rtc-rtp-parameters.ts';
import * as webidl from '../webidl.ts';
import { HEADER_EXTENSIONS, type HeaderExtension, MID_URI } from './header-extensions.ts';

interface Preference {
  direction: RTCRtpTransceiverDirection;
  /** The application has said so; otherwise it is what was negotiated last. */
  isDeclared: boolean;
}

/** Both lists of a transceiver: what to negotiate, and what was negotiated. */
export class HeaderExtensionPreferences {
  readonly #preferences: ReadonlyMap<string, Preference>;
  #negotiated: ReadonlyMap<string, RTCRtpTransceiverDirection> = new Map();

  constructor(kind: MediaKind) {
    this.#preferences = new Map(HEADER_EXTENSIONS[kind].map(({ uri }) => [uri, { direction: 'sendrecv', isDeclared: false }]));
  }

  get toNegotiate(): RTCRtpHeaderExtensionCapability[] {
    return Array.from(this.#preferences, ([uri, { direction }]) => ({ uri, direction }));
  }

  get negotiated(): RTCRtpHeaderExtensionCapability[] {
    return Array.from(this.#preferences.keys(), (uri) => ({ uri, direction: this.#negotiated.get(uri) ?? 'stopped' }));
  }

  /** `setHeaderExtensionsToNegotiate` @throws TypeError or InvalidModificationError */
  declare(extensions: readonly Required<RTCRtpHeaderExtensionCapability>[]): void {
    const uris = [...this.#preferences.keys()];
    // 2. - 4. The same extensions in the same order, and the mandatory one both ways.
    if (extensions.some(({ uri }) => uri === '')) throw new TypeError('setHeaderExtensionsToNegotiate: a uri is empty');
    if (extensions.length !== uris.length || extensions.some(({ uri }, index) => uri !== uris[index]))
      throw exception('InvalidModificationError', 'header extensions can be switched on and off, but not added, removed or reordered');
    if (extensions.some(({ uri, direction }) => uri === MID_URI && direction !== 'sendrecv'))
      throw exception('InvalidModificationError', 'BUNDLE needs the mid both ways (RFC 8843 §15)');
    // 5.
    for (const { uri, direction } of extensions) Object.assign(this.#preferences.get(uri)!, { direction, isDeclared: true });
  }

  /** How an offer shows the extension; undefined when it does not. */
  offered(uri: string): Exclude<RTCRtpTransceiverDirection, 'stopped'> | undefined {
    const direction = this.#preferences.get(uri)?.direction ?? 'stopped';
    return direction === 'stopped' ? undefined : direction;
  }

  /** Whether an answer takes the extension: not when the application has switched it off. What was not negotiated before may come back. */
  accepts(uri: string): boolean {
    const preference = this.#preferences.get(uri);
    return preference !== undefined && !(preference.isDeclared && preference.direction === 'stopped');
  }

  /** After an answer, the preferences are what was negotiated: the next offer says the same. */
  conclude(send: readonly HeaderExtension[], receive: readonly HeaderExtension[]): void {
    const directions = new Map<string, RTCRtpTransceiverDirection>();
    for (const [uri, preference] of this.#preferences) {
      const [sends, receives] = [has(send, uri), has(receive, uri)];
      const direction = sends ? (receives ? 'sendrecv' : 'sendonly') : receives ? 'recvonly' : 'stopped';
      directions.set(uri, direction);
      preference.direction = direction;
    }
    this.#negotiated = directions;
  }
}

function has(list: readonly HeaderExtension[], uri: string): boolean {
  return list.some((extension) => extension.uri === uri);
}

const toCapability = webidl.dictionary<Required<RTCRtpHeaderExtensionCapability>>('RTCRtpHeaderExtensionCapability', {
  direction: { convert: toDirection, fallback: () => 'sendrecv' },
  uri: { convert: webidl.domString, required: true },
});

/** Converts the argument of `setHeaderExtensionsToNegotiate`. */
export const toCapabilities: webidl.Converter<Required<RTCRtpHeaderExtensionCapability>[]> = webidl.sequence(toCapability);
