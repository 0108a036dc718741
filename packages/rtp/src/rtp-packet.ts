/**
 * The RTP packet (RFC 3550 §5.1).
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                           timestamp                           |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |           synchronization source (SSRC) identifier            |
 *   +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 *   |            contributing source (CSRC) identifiers             |
 *   |                             ....                              |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |      defined by profile       |           length              |   if X (§5.3.1)
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                        header extension                       |
 *   |                             ....                              |
 * ```
 */
import { readUint16, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
import { extensionBlockLength, findExtension, type HeaderExtension, writeExtensions } from './header-extensions.ts';

/** Bytes before CSRCs and extensions (RFC 3550 §5.1). */
export const RTP_FIXED_HEADER_LENGTH = 12;
const VERSION_2 = 0x80;
const VERSION_MASK = 0xc0;
const PADDING_BIT = 0x20;
const EXTENSION_BIT = 0x10;
const MARKER_BIT = 0x80;

/**
 * A reading of one packet's header. Reading allocates nothing, so one view serves all packets of a path; it is valid
 * until the next {@link read}.
 *
 * @example
 * const header = new RtpPacket();
 * if (header.read(datagram)) deliver(datagram.subarray(header.payloadStart, header.payloadEnd));
 */
export class RtpPacket {
  bytes: Uint8Array = new Uint8Array(0);
  marker: boolean = false;
  payloadType: number = 0;
  sequenceNumber: number = 0;
  timestamp: number = 0;
  ssrc: number = 0;
  csrcCount: number = 0;
  /** The 16 bits "defined by profile"; -1 without a header extension. */
  extensionProfile: number = -1;
  /** The extension's elements, without the 4 bytes before them. Both 0 without one. */
  extensionStart: number = 0;
  extensionEnd: number = 0;
  payloadStart: number = 0;
  /** Padding follows, if there is any. */
  payloadEnd: number = 0;

  /** A view of one packet, or undefined when it is malformed. */
  static parse(bytes: Uint8Array): RtpPacket | undefined {
    const packet = new RtpPacket();
    return packet.read(bytes) ? packet : undefined;
  }

  /** False when the packet is malformed; the fields are then undefined in value. */
  read(bytes: Uint8Array): boolean {
    const headerLength = rtpHeaderLength(bytes);
    if (headerLength < 0) return false;
    this.bytes = bytes;
    const first = bytes[0]!;
    this.csrcCount = first & 0x0f;
    this.marker = (bytes[1]! & MARKER_BIT) !== 0;
    this.payloadType = bytes[1]! & 0x7f;
    this.sequenceNumber = readUint16(bytes, 2);
    this.timestamp = readUint32(bytes, 4);
    this.ssrc = readUint32(bytes, 8);
    this.payloadStart = headerLength;
    this.payloadEnd = bytes.length;
    this.#readExtension(first, headerLength);
    return (first & PADDING_BIT) === 0 || this.#removePadding();
  }

  /** A view, not a copy. */
  get payload(): Uint8Array {
    return this.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  get payloadLength(): number {
    return this.payloadEnd - this.payloadStart;
  }

  csrc(index: number): number {
    return readUint32(this.bytes, RTP_FIXED_HEADER_LENGTH + 4 * index);
  }

  /** Where the data of the extension element with this id starts, or -1; its length is {@link extensionLengthAt}. Allocates nothing. */
  extensionOffset(id: number): number {
    if (this.extensionProfile < 0) return -1;
    return findExtension(this.bytes, this.extensionProfile, this.extensionStart, this.extensionEnd, id);
  }

  extensionLengthAt(offset: number): number {
    const before = this.bytes[offset - 1]!;
    return this.extensionProfile === 0xbede ? (before & 0x0f) + 1 : before;
  }

  /** The data of the element with this id, as a view. */
  extension(id: number): Uint8Array | undefined {
    const offset = this.extensionOffset(id);
    return offset < 0 ? undefined : this.bytes.subarray(offset, offset + this.extensionLengthAt(offset));
  }

  #readExtension(first: number, headerLength: number): void {
    const start = RTP_FIXED_HEADER_LENGTH + 4 * this.csrcCount;
    const present = (first & EXTENSION_BIT) !== 0;
    this.extensionProfile = present ? readUint16(this.bytes, start) : -1;
    this.extensionStart = present ? start + 4 : 0;
    this.extensionEnd = present ? headerLength : 0;
  }

  /** RFC 3550 §5.1: the last octet counts the padding octets, itself among them; so 0, and more than there are, are malformed. */
  #removePadding(): boolean {
    const count = this.bytes[this.payloadEnd - 1]!;
    if (count === 0 || count > this.payloadEnd - this.payloadStart) return false;
    this.payloadEnd -= count;
    return true;
  }
}

/** Length of the fixed header, the CSRCs and the header extension; -1 when the packet is not RTP or too short for them. */
export function rtpHeaderLength(bytes: Uint8Array): number {
  if (bytes.length < RTP_FIXED_HEADER_LENGTH) return -1;
  const first = bytes[0]!;
  if ((first & VERSION_MASK) !== VERSION_2) return -1;
  let length = RTP_FIXED_HEADER_LENGTH + 4 * (first & 0x0f);
  if ((first & EXTENSION_BIT) !== 0) {
    if (length + 4 > bytes.length) return -1;
    length += 4 + 4 * readUint16(bytes, length + 2);
  }
  return length > bytes.length ? -1 : length;
}

/** A packet as data (RFC 3550 §5.1), for {@link serializeRtpPacket}. */
export interface RtpFields {
  readonly payloadType: number;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly ssrc: number;
  readonly marker?: boolean;
  readonly csrcs?: readonly number[];
  readonly extensions?: readonly HeaderExtension[];
  readonly payload: Uint8Array;
  /** Padding octets to add, at most 255. */
  readonly padding?: number;
}

/**
 * Builds a packet.
 * @throws RangeError for more than 15 CSRCs, an extension id out of range, or an element longer than its form allows
 * @example
 * serializeRtpPacket({ payloadType: 96, sequenceNumber: 1, timestamp: 0, ssrc: 0x1234, payload });
 */
export function serializeRtpPacket(fields: RtpFields): Uint8Array {
  const { csrcs = [], extensions = [], payload, padding = 0, marker = false } = fields;
  if (csrcs.length > 15) throw new RangeError('an RTP packet has at most 15 CSRCs');
  if (padding > 255) throw new RangeError('at most 255 octets of padding');
  const extensionStart = RTP_FIXED_HEADER_LENGTH + 4 * csrcs.length;
  const payloadStart = extensionStart + extensionBlockLength(extensions);
  const bytes = new Uint8Array(payloadStart + payload.length + padding);
  bytes[0] = VERSION_2 | (padding > 0 ? PADDING_BIT : 0) | (extensions.length > 0 ? EXTENSION_BIT : 0) | csrcs.length;
  writeRtpFixedHeader(bytes, marker, fields.payloadType, fields.sequenceNumber, fields.timestamp, fields.ssrc);
  csrcs.forEach((csrc, index) => writeUint32(bytes, RTP_FIXED_HEADER_LENGTH + 4 * index, csrc));
  if (extensions.length > 0) writeExtensions(bytes, extensionStart, extensions);
  bytes.set(payload, payloadStart);
  if (padding > 0) bytes[bytes.length - 1] = padding;
  return bytes;
}

/** Writes bytes 1 to 11: everything of the fixed header except the first byte. */
export function writeRtpFixedHeader(
  bytes: Uint8Array,
  marker: boolean,
  payloadType: number,
  sequenceNumber: number,
  timestamp: number,
  ssrc: number,
): void {
  bytes[1] = (marker ? MARKER_BIT : 0) | payloadType;
  writeUint16(bytes, 2, sequenceNumber);
  writeUint32(bytes, 4, timestamp);
  writeUint32(bytes, 8, ssrc);
}
