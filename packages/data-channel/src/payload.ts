/** User data in SCTP messages (RFC 8831 §6.6): the payload protocol identifier says what kind it is, and whether it is empty. */
import { decodeUtf8, encodeUtf8 } from '@petrel/bytes';

/** SCTP payload protocol identifiers (RFC 8831 §8, RFC 8832 §8.1). The partial ones, 52 and 54, are deprecated and not accepted. */
export const PPID = { dcep: 50, string: 51, binary: 53, stringEmpty: 56, binaryEmpty: 57 } as const;

/** SCTP has no empty messages: one zero byte stands for them. Never modified. */
const PLACEHOLDER: Uint8Array = new Uint8Array(1);

export interface Payload {
  readonly ppid: number;
  readonly data: Uint8Array;
  /** Bytes that the application sent: what W3C's `bufferedAmount` counts. */
  readonly length: number;
}

export function toPayload(data: string | Uint8Array): Payload {
  const isText = typeof data === 'string';
  const bytes = isText ? encodeUtf8(data) : data;
  if (bytes.length === 0) return { ppid: isText ? PPID.stringEmpty : PPID.binaryEmpty, data: PLACEHOLDER, length: 0 };
  return { ppid: isText ? PPID.string : PPID.binary, data: bytes, length: bytes.length };
}

/** @returns undefined when the identifier is none of WebRTC's: the channel is closed then (RFC 8831 §6.6) */
export function fromPayload(ppid: number, data: Uint8Array): string | Uint8Array | undefined {
  switch (ppid) {
    case PPID.string:
      return decodeUtf8(data);
    case PPID.binary:
      return data;
    case PPID.stringEmpty:
      return '';
    case PPID.binaryEmpty:
      return new Uint8Array(0);
    default:
      return undefined;
  }
}
