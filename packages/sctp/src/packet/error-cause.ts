/** Error causes of ABORT and ERROR chunks (RFC 9260 §3.3.10): `| Cause Code | Cause Length | Cause-Specific Information |`. */
import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from '@petrel/bytes';

export const CAUSE = {
  invalidStreamIdentifier: 1,
  missingMandatoryParameter: 2,
  staleCookie: 3,
  outOfResource: 4,
  unresolvableAddress: 5,
  unrecognizedChunk: 6,
  invalidMandatoryParameter: 7,
  unrecognizedParameters: 8,
  noUserData: 9,
  cookieReceivedWhileShuttingDown: 10,
  userInitiatedAbort: 12,
  protocolViolation: 13,
} as const;

export interface ErrorCause {
  readonly code: number;
  /** The upper layer's reason or the additional information of causes 12 and 13, if it is text. */
  readonly reason: string;
}

/** One cause, padded, as it stands in the chunk. */
export function encodeCause(code: number, information: Uint8Array = new Uint8Array(0)): Uint8Array {
  return new ByteWriter(information.length + 8)
    .uint16(code)
    .uint16(4 + information.length)
    .bytes(information)
    .pad(4)
    .finish();
}

/** The reason of an ABORT (§3.3.10.12), cut to what fits beside the headers. */
export function encodeUserInitiatedAbort(reason: string, maxLength: number): Uint8Array {
  let text = encodeUtf8(reason);
  if (text.length > maxLength) {
    let end = maxLength;
    while (end > 0 && (text[end]! & 0xc0) === 0x80) end -= 1; // not inside a character
    text = text.subarray(0, end);
  }
  return encodeCause(CAUSE.userInitiatedAbort, text);
}

export function encodeProtocolViolation(text: string): Uint8Array {
  return encodeCause(CAUSE.protocolViolation, encodeUtf8(text));
}

/** The first cause; undefined when there is none. */
export function decodeCause(value: Uint8Array): ErrorCause | undefined {
  return decodeCauses(value)[0];
}

/** Causes up to the first malformed one. */
export function decodeCauses(value: Uint8Array): ErrorCause[] {
  const reader = new ByteReader(value);
  const causes: ErrorCause[] = [];
  while (reader.remaining >= 4) {
    const code = reader.uint16();
    const length = reader.uint16();
    const information = reader.view(length - 4);
    if (reader.overrun) break;
    reader.skip(Math.min((4 - (length % 4)) % 4, reader.remaining));
    causes.push({ code, reason: code === CAUSE.userInitiatedAbort || code === CAUSE.protocolViolation ? decodeUtf8(information) : '' });
  }
  return causes;
}
