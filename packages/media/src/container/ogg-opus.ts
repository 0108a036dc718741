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
import { concatBytes, encodeUtf8 } from '@petrel/bytes';
import { opusDuration } from '../payload/opus.ts';

/** What {@link readOggOpus} gives and {@link writeOggOpus} takes. */
export interface OggOpusFile {
  readonly channels: number;
  /** Samples at 48 kHz that a decoder discards at the beginning (RFC 7845 §4.2). */
  readonly preSkip: number;
  /** The Opus packets, in order. */
  readonly packets: readonly Uint8Array[];
}

const PAGE_HEADER_LENGTH = 27;
const MAX_SEGMENT = 255;
/** A page has at most 255 segments, so this much fits into one with any packet. */
const MAX_PAGE_SEGMENTS = 255;
const FIRST_PAGE = 0x02;
const LAST_PAGE = 0x04;
const CONTINUED = 0x01;
/** Of a page on which no packet ends (RFC 3533 §6). */
const NO_POSITION = 0xffff_ffff_ffff_ffffn;
/** RFC 3533 §6: polynomial 0x04c11db7, most significant bit first, starting with 0. */
const CRC_TABLE: Uint32Array = crcTable();

/**
 * Reads a whole file with one stream.
 * @throws TypeError when it is not Opus in Ogg
 *
 * @example
 * const { packets } = readOggOpus(await readFile('sound.opus'));
 */
export function readOggOpus(file: Uint8Array): OggOpusFile {
  const [head, tags, ...packets] = readPackets(file);
  if (head === undefined || head.length < 19 || ascii(head) !== 'OpusHead')
    throw new TypeError('not Opus in Ogg: the first packet is not OpusHead');
  if (tags === undefined || ascii(tags) !== 'OpusTags') throw new TypeError('not Opus in Ogg: the second packet is not OpusTags');
  return { channels: head[9]!, preSkip: head[10]! | (head[11]! << 8), packets };
}

/**
 * A whole file, as {@link readOggOpus} reads it. It plays at 48 kHz what the packets last, less the pre-skip.
 * @param serialNumber of the stream; should be random
 */
export function writeOggOpus({ channels, preSkip, packets }: OggOpusFile, serialNumber: number = 1): Uint8Array {
  const pages = new PageWriter(serialNumber);
  pages.add(opusHead(channels, preSkip), 0n);
  pages.end();
  pages.add(opusTags(), 0n);
  pages.end();
  let position = 0n;
  for (const packet of packets) {
    position += BigInt(opusDuration(packet));
    pages.add(packet, position);
  }
  return pages.finish();
}

/** RFC 7845 §5.1, with channel mapping family 0. */
function opusHead(channels: number, preSkip: number): Uint8Array {
  const rate = [0x80, 0xbb, 0, 0]; // 48,000
  return concatBytes(encodeUtf8('OpusHead'), Uint8Array.of(1, channels, preSkip & 0xff, preSkip >> 8, ...rate, 0, 0, 0));
}

/** RFC 7845 §5.2: the name of the encoder's vendor, and no comments. */
function opusTags(): Uint8Array {
  const vendor = encodeUtf8('petrel');
  return concatBytes(encodeUtf8('OpusTags'), Uint8Array.of(vendor.length, 0, 0, 0), vendor, new Uint8Array(4));
}

class PageWriter {
  readonly #serialNumber: number;
  readonly #pages: Uint8Array[] = [];
  #segments: number[] = [];
  #body: Uint8Array[] = [];
  #position = NO_POSITION;
  #continued = false;

  constructor(serialNumber: number) {
    this.#serialNumber = serialNumber;
  }

  /** @param position the granule position: samples until the end of the packet */
  add(packet: Uint8Array, position: bigint): void {
    for (let offset = 0; ; offset += MAX_SEGMENT) {
      if (this.#segments.length === MAX_PAGE_SEGMENTS) this.end(offset > 0);
      const segment = packet.subarray(offset, offset + MAX_SEGMENT);
      this.#segments.push(segment.length);
      this.#body.push(segment);
      if (segment.length < MAX_SEGMENT) break;
    }
    this.#position = position;
  }

  /** @param inPacket the packet goes on in the next page */
  end(inPacket: boolean = false): void {
    const flags = (this.#pages.length === 0 ? FIRST_PAGE : 0) | (this.#continued ? CONTINUED : 0);
    this.#pages.push(this.#page(flags));
    this.#segments = [];
    this.#body = [];
    this.#position = NO_POSITION;
    this.#continued = inPacket;
  }

  finish(): Uint8Array {
    this.end();
    const last = this.#pages.at(-1)!;
    last[5]! |= LAST_PAGE;
    writeChecksum(last);
    return concatBytes(...this.#pages);
  }

  #page(flags: number): Uint8Array {
    const header = new Uint8Array(PAGE_HEADER_LENGTH);
    header.set(encodeUtf8('OggS'));
    header[5] = flags;
    for (let i = 0; i < 8; i++) header[6 + i] = Number((this.#position >> BigInt(8 * i)) & 0xffn);
    writeLittleEndian32(header, 14, this.#serialNumber);
    writeLittleEndian32(header, 18, this.#pages.length);
    header[26] = this.#segments.length;
    const page = concatBytes(header, Uint8Array.from(this.#segments), ...this.#body);
    writeChecksum(page);
    return page;
  }
}

function writeChecksum(page: Uint8Array): void {
  writeLittleEndian32(page, 22, 0);
  let crc = 0;
  for (const byte of page) crc = ((crc << 8) ^ CRC_TABLE[(crc >>> 24) ^ byte]!) >>> 0;
  writeLittleEndian32(page, 22, crc);
}

function crcTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte << 24;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder << 1) ^ (remainder < 0 ? 0x04c1_1db7 : 0);
    return remainder;
  });
}

function writeLittleEndian32(bytes: Uint8Array, offset: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[offset + i] = value >>> (8 * i);
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
