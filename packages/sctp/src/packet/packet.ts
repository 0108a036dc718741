/**
 * SCTP packets (RFC 9260 §3).
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |      Source Port Number       |    Destination Port Number    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                       Verification Tag                        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                           Checksum                            |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |   Chunk Type  |  Chunk Flags  |         Chunk Length          |   one or more chunks,
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+   each padded to 4 bytes
 * ```
 */
import { crc32c, readUint16, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';

export const COMMON_HEADER_LENGTH = 12;
export const CHUNK_HEADER_LENGTH = 4;

export const CHUNK_TYPE = {
  data: 0,
  init: 1,
  initAck: 2,
  sack: 3,
  heartbeat: 4,
  heartbeatAck: 5,
  abort: 6,
  shutdown: 7,
  shutdownAck: 8,
  error: 9,
  cookieEcho: 10,
  cookieAck: 11,
  shutdownComplete: 14,
  reConfig: 130,
  forwardTsn: 192,
} as const;

/** A chunk as it stands in a packet. */
export interface Chunk {
  readonly type: number;
  readonly flags: number;
  /** What follows the chunk header, without padding: a view. */
  readonly value: Uint8Array;
}

export interface Packet {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verificationTag: number;
  readonly chunks: readonly Chunk[];
}

export type PacketDiscard = 'truncated-packet' | 'bad-checksum' | 'malformed-chunk' | 'no-chunks';

/** Verifies the checksum and splits the packet, or says why not. */
export function decodePacket(bytes: Uint8Array): Packet | PacketDiscard {
  if (bytes.length < COMMON_HEADER_LENGTH) return 'truncated-packet';
  if (!hasValidChecksum(bytes)) return 'bad-checksum';
  const chunks: Chunk[] = [];
  for (let offset = COMMON_HEADER_LENGTH; offset < bytes.length; ) {
    if (offset + CHUNK_HEADER_LENGTH > bytes.length) return 'malformed-chunk';
    const length = readUint16(bytes, offset + 2);
    if (length < CHUNK_HEADER_LENGTH || offset + length > bytes.length) return 'malformed-chunk';
    chunks.push({ type: bytes[offset]!, flags: bytes[offset + 1]!, value: bytes.subarray(offset + CHUNK_HEADER_LENGTH, offset + length) });
    offset += padded(length);
  }
  if (chunks.length === 0) return 'no-chunks';
  return { sourcePort: readUint16(bytes, 0), destinationPort: readUint16(bytes, 2), verificationTag: readUint32(bytes, 4), chunks };
}

/** The CRC32c with the checksum field as zero, stored with its least significant byte first (RFC 9260 Appendix A). */
function hasValidChecksum(bytes: Uint8Array): boolean {
  const stored = readUint32(bytes, 8);
  writeUint32(bytes, 8, 0);
  const computed = reversed(crc32c(bytes));
  writeUint32(bytes, 8, stored);
  return stored === computed;
}

function reversed(value: number): number {
  return ((value << 24) | ((value << 8) & 0xff0000) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

/** Assembles one packet in a buffer of the largest size it may have. */
export class PacketBuilder {
  readonly #bytes: Uint8Array;
  #length = COMMON_HEADER_LENGTH;

  constructor(sourcePort: number, destinationPort: number, verificationTag: number, buffer: Uint8Array) {
    this.#bytes = buffer;
    writeUint16(buffer, 0, sourcePort);
    writeUint16(buffer, 2, destinationPort);
    writeUint32(buffer, 4, verificationTag);
    writeUint32(buffer, 8, 0);
  }

  get isEmpty(): boolean {
    return this.#length === COMMON_HEADER_LENGTH;
  }

  /** Bytes that a chunk may still have, with its header. */
  get room(): number {
    return (this.#bytes.length - this.#length) & ~3;
  }

  /** Writes a chunk header and returns where its value of `valueLength` bytes goes. */
  beginChunk(type: number, flags: number, valueLength: number): number {
    const offset = this.#length;
    const length = CHUNK_HEADER_LENGTH + valueLength;
    this.#bytes[offset] = type;
    this.#bytes[offset + 1] = flags;
    writeUint16(this.#bytes, offset + 2, length);
    this.#length = offset + padded(length);
    this.#bytes.fill(0, offset + length, this.#length);
    return offset + CHUNK_HEADER_LENGTH;
  }

  addChunk(type: number, flags: number, value: Uint8Array): void {
    const offset = this.beginChunk(type, flags, value.length);
    this.#bytes.set(value, offset);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  finish(): Uint8Array {
    const packet = this.#bytes.subarray(0, this.#length);
    writeUint32(packet, 8, reversed(crc32c(packet)));
    return packet;
  }
}

export function padded(length: number): number {
  return (length + 3) & ~3;
}
