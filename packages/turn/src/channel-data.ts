/**
 * ChannelData messages (RFC 8656 §12.4).
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |         Channel Number        |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                                                               |
 * /                       Application Data                        /
 * /                                                               /
 * |                                                               |
 * |                               +-------------------------------+
 * |                               |
 * +-------------------------------+
 * ```
 */
import { type Arena, readUint16, writeUint16 } from '@petrel/bytes';

/** Numbers that a client may bind (RFC 8656 §12). */
export const FIRST_CHANNEL = 0x4000;
export const LAST_CHANNEL = 0x4fff;
/** The length field has 16 bits. */
export const MAX_CHANNEL_PAYLOAD = 65_535;

/** Whether a message from the server is ChannelData rather than STUN (RFC 8656 §12: 0b01 in the first two bits). */
export function isChannelData(message: Uint8Array): boolean {
  return message.length > 0 && message[0]! >>> 6 === 1;
}

/** @param stream over TCP and TLS the message is padded to a multiple of four bytes (RFC 8656 §12.5) */
export function encodeChannelData(arena: Arena, channel: number, data: Uint8Array, stream: boolean): Uint8Array {
  const padding = stream ? (4 - (data.length % 4)) % 4 : 0;
  const message = arena.allocate(4 + data.length + padding);
  writeUint16(message, 0, channel);
  writeUint16(message, 2, data.length);
  message.set(data, 4);
  return message;
}

/** The channel and a view of the data; undefined when the header is not complete or the length lies (RFC 8656 §12.6). Padding is ignored. */
export function decodeChannelData(message: Uint8Array): { channel: number; data: Uint8Array } | undefined {
  const length = readUint16(message, 2); // zero, or more, where the header is not complete
  if (length > message.length - 4) return undefined;
  return { channel: readUint16(message, 0), data: message.subarray(4, 4 + length) };
}
