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

/** The chunks that are understood (RFC 9260 §3.2, unless another section is named). */
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
  /** RFC 8260 §2.1. */
  iData: 64,
  /** RFC 6525 §3.1. */
  reConfig: 130,
  /** RFC 4820 §3. */
  pad: 132,
  /** RFC 3758 §3.2. */
  forwardTsn: 192,
  /** RFC 8260 §2.3.1. */
  iForwardTsn: 194,
} as const;

/** A chunk as it stands in a packet. */
export interface Chunk {
  readonly type: number;
  readonly flags: number;
  /** What follows the chunk header, without padding: a view. */
  readonly value: Uint8Array;
}

/** The common header (RFC 9260 §3.1) without its checksum. */
export interface PacketHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly verificationTag: number;
}

/** What {@link decodePacket} gives: a check of the form has passed, nothing else. */
export interface Packet extends PacketHeader {
  readonly chunks: readonly Chunk[];
}

/** What is wrong with a packet's form. */
export type PacketDiscard = 'truncated-packet' | 'bad-checksum' | 'malformed-chunk' | 'no-chunks';

/**
 * Why a packet cannot be processed, if it cannot: everything about its form, before anything in it is believed.
 * @param acceptZeroChecksum whether a checksum of zero is as good as the right one, except with an INIT (RFC 9653 §5.3)
 */
export function packetProblem(bytes: Uint8Array, acceptZeroChecksum: boolean = false): PacketDiscard | undefined {
  if (bytes.length < COMMON_HEADER_LENGTH) return 'truncated-packet';
  if (bytes.length === COMMON_HEADER_LENGTH) return hasValidChecksum(bytes) ? 'no-chunks' : 'bad-checksum';
  const isZero = acceptZeroChecksum && readUint32(bytes, 8) === 0 && bytes[COMMON_HEADER_LENGTH] !== CHUNK_TYPE.init;
  if (!isZero && !hasValidChecksum(bytes)) return 'bad-checksum';
  for (let offset = COMMON_HEADER_LENGTH; offset < bytes.length; ) {
    const length = readUint16(bytes, offset + 2); // 0 where there is no chunk header
    if (length < CHUNK_HEADER_LENGTH || offset + length > bytes.length) return 'malformed-chunk';
    offset += padded(length);
  }
  return undefined;
}

/** Verifies the checksum and splits the packet, or says why not. */
export function decodePacket(bytes: Uint8Array, acceptZeroChecksum: boolean = false): Packet | PacketDiscard {
  const problem = packetProblem(bytes, acceptZeroChecksum);
  if (problem !== undefined) return problem;
  const chunks: Chunk[] = [];
  for (let offset = COMMON_HEADER_LENGTH; offset < bytes.length; ) {
    const length = readUint16(bytes, offset + 2);
    chunks.push({ type: bytes[offset]!, flags: bytes[offset + 1]!, value: bytes.subarray(offset + CHUNK_HEADER_LENGTH, offset + length) });
    offset += padded(length);
  }
  return { sourcePort: readUint16(bytes, 0), destinationPort: readUint16(bytes, 2), verificationTag: readUint32(bytes, 4), chunks };
}

/** A packet of these chunks. Associations assemble theirs with a {@link PacketBuilder}. */
export function encodePacket(header: PacketHeader, chunks: readonly Chunk[]): Uint8Array {
  const length = chunks.reduce((sum, { value }) => sum + padded(CHUNK_HEADER_LENGTH + value.length), COMMON_HEADER_LENGTH);
  const builder = new PacketBuilder(header.sourcePort, header.destinationPort);
  builder.begin(header.verificationTag, length);
  for (const { type, flags, value } of chunks) builder.addChunk(type, flags, value);
  return builder.finish(true);
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

/** Packets are written one behind the other into slabs: one view each is all that they cost. */
const SLAB_LENGTH = 65_536;

/** Assembles packets, one after the other. */
export class PacketBuilder {
  readonly #sourcePort: number;
  readonly #destinationPort: number;
  #slab: Uint8Array = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #limit = 0;

  constructor(sourcePort: number, destinationPort: number) {
    this.#sourcePort = sourcePort;
    this.#destinationPort = destinationPort;
  }

  /** Begins a packet of at most `maxLength` bytes; one that was begun and not finished is forgotten. */
  begin(verificationTag: number, maxLength: number): void {
    if (this.#start + maxLength > this.#slab.length) {
      // They grow with the association: most of thousands are idle.
      this.#slab = new Uint8Array(Math.max(Math.min(4 * this.#slab.length, SLAB_LENGTH), maxLength));
      this.#start = 0;
    }
    const slab = this.#slab;
    writeUint16(slab, this.#start, this.#sourcePort);
    writeUint16(slab, this.#start + 2, this.#destinationPort);
    writeUint32(slab, this.#start + 4, verificationTag);
    writeUint32(slab, this.#start + 8, 0);
    this.#end = this.#start + COMMON_HEADER_LENGTH;
    this.#limit = this.#start + (maxLength & ~3);
  }

  get isEmpty(): boolean {
    return this.#end === this.#start + COMMON_HEADER_LENGTH;
  }

  /** Bytes that a chunk may still have, with its header. */
  get room(): number {
    return this.#limit - this.#end;
  }

  /** Where the values of chunks go; {@link beginChunk} says at which offset. */
  get bytes(): Uint8Array {
    return this.#slab;
  }

  /** Writes a chunk header and returns where its value of `valueLength` bytes goes. */
  beginChunk(type: number, flags: number, valueLength: number): number {
    const length = CHUNK_HEADER_LENGTH + valueLength;
    if (this.#end + padded(length) > this.#slab.length) this.#move(length);
    const slab = this.#slab;
    const offset = this.#end;
    slab[offset] = type;
    slab[offset + 1] = flags;
    slab[offset + 2] = length >>> 8;
    slab[offset + 3] = length;
    const end = offset + padded(length);
    for (let i = offset + length; i < end; i++) slab[i] = 0;
    this.#end = end;
    return offset + CHUNK_HEADER_LENGTH;
  }

  /** A chunk that is larger than a packet should be: one that was cut for a larger path. */
  #move(length: number): void {
    const written = this.#slab.subarray(this.#start, this.#end);
    this.#slab = new Uint8Array(SLAB_LENGTH + padded(length));
    this.#slab.set(written);
    this.#start = 0;
    this.#end = written.length;
    this.#limit = this.#end + padded(length);
  }

  addChunk(type: number, flags: number, value: Uint8Array): void {
    const offset = this.beginChunk(type, flags, value.length);
    this.#slab.set(value, offset);
  }

  /** The packet, which belongs to the caller. Without a checksum only where the peer accepts that (RFC 9653 §5.2). */
  finish(withChecksum: boolean): Uint8Array {
    const slab = this.#slab;
    if (withChecksum) writeUint32(slab, this.#start + 8, reversed(crc32c(slab, this.#start, this.#end)));
    const packet = slab.subarray(this.#start, this.#end);
    this.#start = this.#end;
    return packet;
  }
}

export function padded(length: number): number {
  return (length + 3) & ~3;
}
