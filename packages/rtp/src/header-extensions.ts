/**
 * RTP header extensions in the one-byte and the two-byte form (RFC 8285 §4.2, §4.3).
 *
 * ```
 *    one-byte form: profile 0xBEDE           two-byte form: profile 0x100 || appbits
 *    0                                       0                   1
 *    0 1 2 3 4 5 6 7                         0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 *   +-+-+-+-+-+-+-+-+                       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  ID   |  len  | len + 1 bytes         |       ID      |     length    | length bytes
 *   +-+-+-+-+-+-+-+-+                       +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { writeUint16 } from '@petrel/bytes';

/** RFC 8285 §4.2. */
export const ONE_BYTE_PROFILE = 0xbede;
/** RFC 8285 §4.3, without appbits. */
export const TWO_BYTE_PROFILE = 0x1000;
/** A padding octet in both forms. */
const PADDING = 0;

/** One element: its negotiated id and its contents. */
export interface HeaderExtension {
  readonly id: number;
  readonly data: Uint8Array;
}

/** URIs that the stack knows (RFC 8843 §15, RFC 8852, RFC 6464, 3GPP TS 26.114, and the two of libwebrtc). */
export const EXTENSION_URI = {
  mid: 'urn:ietf:params:rtp-hdrext:sdes:mid',
  rid: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id',
  repairedRid: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id',
  audioLevel: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level',
  videoOrientation: 'urn:3gpp:video-orientation',
  absSendTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time',
  absCaptureTime: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time',
  transportSequenceNumber: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01',
} as const;

/** The lowest four bits are the application's (RFC 8285 §4.3). */
export function isTwoByteProfile(profile: number): boolean {
  return (profile & 0xfff0) === TWO_BYTE_PROFILE;
}

/** Where the data of the element with this id starts, or -1. Elements that overrun the block end the search. */
export function findExtension(bytes: Uint8Array, profile: number, start: number, end: number, id: number): number {
  if (profile === ONE_BYTE_PROFILE) return findOneByte(bytes, start, end, id);
  return isTwoByteProfile(profile) ? findTwoByte(bytes, start, end, id) : -1;
}

/**
 * All elements, as views; those before an overrun or, in the one-byte form, an id of 15. Other profiles have none.
 *
 * @example
 * const { extensionProfile, extensionStart, extensionEnd } = header;
 * for (const { id, data } of parseExtensions(packet, extensionProfile, extensionStart, extensionEnd)) elements.set(id, data);
 */
export function parseExtensions(bytes: Uint8Array, profile: number, start: number, end: number): HeaderExtension[] {
  const elements: HeaderExtension[] = [];
  const oneByte = profile === ONE_BYTE_PROFILE;
  if (!oneByte && !isTwoByteProfile(profile)) return elements;
  let offset = start;
  while (offset < end) {
    const first = bytes[offset]!;
    const id = oneByte ? first >> 4 : first;
    if (first === PADDING) {
      offset += 1;
      continue;
    }
    if (oneByte && endsProcessing(id)) break;
    if (!oneByte && offset + 2 > end) break;
    const length = oneByte ? (first & 0x0f) + 1 : bytes[offset + 1]!;
    const data = offset + (oneByte ? 1 : 2);
    if (data + length > end) break;
    elements.push({ id, data: bytes.subarray(data, data + length) });
    offset = data + length;
  }
  return elements;
}

/** Bytes that the elements take with the four before them and the padding after them; 0 for none. */
export function extensionBlockLength(extensions: readonly HeaderExtension[]): number {
  if (extensions.length === 0) return 0;
  const prefix = needsTwoBytes(extensions) ? 2 : 1;
  let length = 0;
  for (const { data } of extensions) length += prefix + data.length;
  return 4 + ((length + 3) & ~3);
}

/**
 * Writes profile, length, elements and padding; the one-byte form if all elements fit into it.
 * @returns the offset behind the block
 * @throws RangeError for an id that is not 1 to 255 or more than 255 bytes of data
 */
export function writeExtensions(bytes: Uint8Array, offset: number, extensions: readonly HeaderExtension[]): number {
  const twoBytes = needsTwoBytes(extensions);
  const end = offset + extensionBlockLength(extensions);
  writeUint16(bytes, offset, twoBytes ? TWO_BYTE_PROFILE : ONE_BYTE_PROFILE);
  writeUint16(bytes, offset + 2, (end - offset - 4) >> 2);
  let at = offset + 4;
  for (const { id, data } of extensions) {
    if (id < 1 || id > 255 || data.length > 255)
      throw new RangeError(`header extension id ${id} with ${data.length} bytes cannot be written`);
    if (twoBytes) {
      bytes[at++] = id;
      bytes[at++] = data.length;
    } else bytes[at++] = (id << 4) | (data.length - 1);
    bytes.set(data, at);
    at += data.length;
  }
  bytes.fill(0, at, end);
  return end;
}

/** RFC 8285 §4.1.2: ids above 14, empty elements and more than 16 bytes exist only in the two-byte form. */
function needsTwoBytes(extensions: readonly HeaderExtension[]): boolean {
  for (const { id, data } of extensions) if (id > 14 || data.length === 0 || data.length > 16) return true;
  return false;
}

/** RFC 8285 §4.2: id 15, and id 0 with a length, end the processing of the whole extension in the one-byte form. */
function endsProcessing(id: number): boolean {
  return id === 15 || id === 0;
}

function findOneByte(bytes: Uint8Array, start: number, end: number, wanted: number): number {
  let offset = start;
  while (offset < end) {
    const first = bytes[offset]!;
    const id = first >> 4;
    if (first === PADDING) offset += 1;
    else if (endsProcessing(id)) return -1;
    else {
      const next = offset + 2 + (first & 0x0f);
      if (next > end) return -1;
      if (id === wanted) return offset + 1;
      offset = next;
    }
  }
  return -1;
}

function findTwoByte(bytes: Uint8Array, start: number, end: number, wanted: number): number {
  let offset = start;
  while (offset + 1 < end) {
    const id = bytes[offset]!;
    if (id === PADDING) offset += 1;
    else {
      const next = offset + 2 + bytes[offset + 1]!;
      if (next > end) return -1;
      if (id === wanted) return offset + 2;
      offset = next;
    }
  }
  return -1;
}
