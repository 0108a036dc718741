/**
 * Opus in Ogg (RFC 7845 over RFC 3533). A page:
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | capture_pattern: "OggS"                                       | 0
 *   | version       | header_type   | granule_position              | 4
 *   |                                                               | 8
 *   |                               | bitstream_serial_number       | 12
 *   |                               | page_sequence_number          | 16
 *   |                               | CRC_checksum                  | 20
 *   |                               | page_segments | segment_table | 24
 *   | ...                                                           | 28
 * ```
 *
 * A packet is a run of segments; it ends with the first one that is shorter than 255 bytes, and may go on in the next page (RFC 3533 §5).
 */
import { concatBytes } from '@petrel/bytes';

export interface OggOpusFile {
  readonly channels: number;
  /** Samples at 48 kHz that a decoder discards at the beginning (RFC 7845 §4.2). */
  readonly preSkip: number;
  /** The Opus packets, in order. */
  readonly packets: readonly Uint8Array[];
}

const PAGE_HEADER_LENGTH = 27;

/**
 * Reads a whole file with one stream.
 * @throws TypeError when it is not Opus in Ogg
 */
export function readOggOpus(file: Uint8Array): OggOpusFile {
  const [head, tags, ...packets] = readPackets(file);
  if (head === undefined || head.length < 19 || ascii(head) !== 'OpusHead')
    throw new TypeError('not Opus in Ogg: the first packet is not OpusHead');
  if (tags === undefined || ascii(tags) !== 'OpusTags') throw new TypeError('not Opus in Ogg: the second packet is not OpusTags');
  return { channels: head[9]!, preSkip: head[10]! | (head[11]! << 8), packets };
}

function readPackets(file: Uint8Array): Uint8Array[] {
  const packets: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  for (let page = 0; page + PAGE_HEADER_LENGTH <= file.length; ) {
    if (ascii(file.subarray(page)).slice(0, 4) !== 'OggS') throw new TypeError(`not an Ogg file: no page begins at byte ${page}`);
    const segments = file.subarray(page + PAGE_HEADER_LENGTH, page + PAGE_HEADER_LENGTH + file[page + 26]!);
    let offset = page + PAGE_HEADER_LENGTH + segments.length;
    for (const length of segments) {
      pieces.push(file.subarray(offset, offset + length));
      offset += length;
      if (length === 255) continue;
      packets.push(pieces.length === 1 ? pieces[0]! : concatBytes(...pieces));
      pieces = [];
    }
    page = offset;
  }
  return packets;
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.subarray(0, 8));
}
