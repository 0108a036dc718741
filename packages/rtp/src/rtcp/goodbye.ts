/**
 * BYE (RFC 3550 §6.6).
 *
 * ```
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|    SC   |   PT=BYE=203  |             length            |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                           SSRC/CSRC                           |  SC of them
 *   +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 *   |     length    |               reason for leaving            ...  optional
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { type ByteReader, type ByteWriter, decodeUtf8, encodeUtf8 } from '@petrel/bytes';

/** SC is five bits. */
export const MAX_GOODBYE_SSRCS = 31;

/** BYE (RFC 3550 §6.6): these sources end. */
export interface Goodbye {
  readonly type: 'goodbye';
  readonly ssrcs: readonly number[];
  readonly reason?: string;
}

export function parseGoodbye(reader: ByteReader, count: number): Goodbye | undefined {
  if (reader.remaining < 4 * count) return undefined;
  const ssrcs = Array.from({ length: count }, () => reader.uint32());
  if (reader.remaining === 0) return { type: 'goodbye', ssrcs };
  const reason = reader.view(reader.uint8());
  return reader.overrun ? undefined : { type: 'goodbye', ssrcs, reason: decodeUtf8(reason) };
}

/** A reason of more than 255 bytes is cut, between characters. */
export function writeGoodbye(writer: ByteWriter, { ssrcs, reason }: Goodbye): void {
  for (const ssrc of ssrcs) writer.uint32(ssrc);
  if (reason === undefined || reason === '') return;
  const bytes = cutUtf8(encodeUtf8(reason), 255);
  writer.uint8(bytes.length).bytes(bytes).pad(4);
}

function cutUtf8(bytes: Uint8Array, maximum: number): Uint8Array {
  if (bytes.length <= maximum) return bytes;
  let end = maximum;
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.subarray(0, end);
}
