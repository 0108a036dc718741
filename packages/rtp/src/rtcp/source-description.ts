/**
 * Source description (RFC 3550 §6.5): chunks of an SSRC and items, each chunk ended by a zero octet and padded to 32 bits.
 *
 * ```
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|    SC   |  PT=SDES=202  |             length            |
 *   +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 *   |                          SSRC/CSRC_1                          |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |   item type   |     length    |  text …
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { type ByteReader, type ByteWriter, decodeUtf8, encodeUtf8 } from '@petrel/bytes';

/** RFC 3550 §12.2, RFC 8852 §4.2, RFC 8843 §15.1. */
export const SDES_ITEM = { cname: 1, rtpStreamId: 12, repairedRtpStreamId: 13, mid: 15 } as const;

/** RFC 3550 §6.5. */
export interface SdesItem {
  readonly type: number;
  readonly text: string;
}

/** The items of one source. */
export interface SdesChunk {
  readonly ssrc: number;
  readonly items: readonly SdesItem[];
}

/** SDES (RFC 3550 §6.5). */
export interface SourceDescription {
  readonly type: 'source-description';
  readonly chunks: readonly SdesChunk[];
}

export function parseSourceDescription(reader: ByteReader, count: number): SourceDescription | undefined {
  const chunks: SdesChunk[] = [];
  for (let i = 0; i < count; i++) {
    const chunk = parseChunk(reader);
    if (chunk === undefined) return undefined;
    chunks.push(chunk);
  }
  return { type: 'source-description', chunks };
}

/** @throws RangeError when a text has more than 255 bytes */
export function writeSourceDescription(writer: ByteWriter, description: SourceDescription): void {
  for (const { ssrc, items } of description.chunks) {
    writer.uint32(ssrc);
    for (const { type, text } of items) {
      const bytes = encodeUtf8(text);
      if (bytes.length > 255) throw new RangeError('an SDES text has at most 255 bytes');
      writer.uint8(type).uint8(bytes.length).bytes(bytes);
    }
    writer.uint8(0).pad(4);
  }
}

function parseChunk(reader: ByteReader): SdesChunk | undefined {
  const start = reader.offset;
  const ssrc = reader.uint32();
  const items: SdesItem[] = [];
  for (let type = reader.uint8(); type !== 0 && !reader.overrun; type = reader.uint8()) {
    const text = reader.view(reader.uint8());
    items.push({ type, text: decodeUtf8(text) });
  }
  // The list is ended by at least one zero octet, so a chunk that just stops is malformed.
  reader.skip((4 - ((reader.offset - start) & 3)) & 3);
  return reader.overrun ? undefined : { ssrc, items };
}
