/** Exceptions of the API: the global DOMException, and RTCError (W3C WebRTC §11). */
import * as webidl from './webidl.ts';

/** Which protocol has failed (W3C WebRTC §11.3.1). */
export type RTCErrorDetailType =
  | 'data-channel-failure'
  | 'dtls-failure'
  | 'fingerprint-failure'
  | 'sctp-failure'
  | 'sdp-syntax-error'
  | 'hardware-encoder-not-available'
  | 'hardware-encoder-error';

/** The first argument of the constructor of {@link RTCError}. */
export interface RTCErrorInit {
  errorDetail: RTCErrorDetailType;
  /** Line of the session description with the error. */
  sdpLineNumber?: number;
  /** Cause code of the SCTP ABORT (RFC 9260 §3.3.10). */
  sctpCauseCode?: number;
  /** Description of the fatal DTLS alert (RFC 5246 §7.2). */
  receivedAlert?: number;
  sentAlert?: number;
}

/**
 * A `DOMException` with the name 'OperationError' that says which protocol failed and how.
 *
 * @example
 * channel.onerror = ({ error }) => console.log(error.errorDetail, error.sctpCauseCode, error.message);
 */
export class RTCError extends DOMException {
  readonly #init: RTCErrorInit;

  constructor(init: RTCErrorInit, message: string = '') {
    webidl.requireArguments(arguments.length, 1, 'RTCError constructor');
    const converted = toRTCErrorInit(init, 'RTCError constructor');
    super(webidl.domString(message, 'RTCError constructor'), 'OperationError');
    this.#init = converted;
  }

  get errorDetail(): RTCErrorDetailType {
    return this.#init.errorDetail;
  }

  get sdpLineNumber(): number | null {
    return this.#init.sdpLineNumber ?? null;
  }

  get sctpCauseCode(): number | null {
    return this.#init.sctpCauseCode ?? null;
  }

  get receivedAlert(): number | null {
    return this.#init.receivedAlert ?? null;
  }

  get sentAlert(): number | null {
    return this.#init.sentAlert ?? null;
  }

  static {
    webidl.defineInterface({ name: 'RTCError', prototype: RTCError.prototype, isInstance: (value) => #init in value });
  }
}

/** Any of the DOMException names that WebRTC uses. */
export type ExceptionName =
  | 'InvalidStateError'
  | 'InvalidAccessError'
  | 'InvalidModificationError'
  | 'InvalidCharacterError'
  | 'NotSupportedError'
  | 'SyntaxError'
  | 'OperationError'
  | 'NetworkError'
  | 'AbortError'
  | 'DataError';

/** A DOMException, named first so that the call reads like the specification. */
export function exception(name: ExceptionName, message: string): DOMException {
  return new DOMException(message, name);
}

const DETAILS: readonly RTCErrorDetailType[] = [
  'data-channel-failure',
  'dtls-failure',
  'fingerprint-failure',
  'sctp-failure',
  'sdp-syntax-error',
  'hardware-encoder-not-available',
  'hardware-encoder-error',
];

const toRTCErrorInit = webidl.dictionary<RTCErrorInit>('RTCErrorInit', {
  errorDetail: { convert: webidl.enumeration('RTCErrorDetailType', DETAILS), required: true },
  sdpLineNumber: { convert: webidl.long },
  sctpCauseCode: { convert: webidl.long },
  receivedAlert: { convert: webidl.unsignedLong },
  sentAlert: { convert: webidl.unsignedLong },
});
