/**
 * Redundant audio data (RFC 2198 §3): earlier payloads beside the current one.
 *
 * ```
 *    0                   1                    2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |1|   block PT  |  timestamp offset         |   block length    |   each redundant block
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |0|   Block PT  |                                                   the primary block
 *   +-+-+-+-+-+-+-+-+
 * ```
 */
import { ByteReader } from '@petrel/bytes';

const MAX_TIMESTAMP_OFFSET = 0x3fff;
const MAX_BLOCK_LENGTH = 0x3ff;

/** A payload that was sent before, in an earlier packet of its own. */
export interface RedundantBlock {
  readonly payloadType: number;
  /** How much earlier than the packet's timestamp. */
  readonly timestampOffset: number;
  readonly data: Uint8Array;
}

/** The payload of a RED packet. */
export interface RedundantPayload {
  readonly payloadType: number;
  readonly data: Uint8Array;
  /** Oldest first. */
  readonly redundant: readonly RedundantBlock[];
}

/**
 * Undefined when the block lengths go past the payload, or there is no primary block. Blocks are views.
 *
 * @example
 * const { payloadType, data, redundant } = parseRed(header.payload)!;
 */
export function parseRed(payload: Uint8Array): RedundantPayload | undefined {
  const reader = new ByteReader(payload);
  const headers: { payloadType: number; timestampOffset: number; length: number }[] = [];
  let first = reader.uint8();
  while ((first & 0x80) !== 0 && !reader.overrun) {
    const bits = reader.uint24();
    headers.push({ payloadType: first & 0x7f, timestampOffset: bits >> 10, length: bits & MAX_BLOCK_LENGTH });
    first = reader.uint8();
  }
  const redundant = headers.map(({ payloadType, timestampOffset, length }) => ({
    payloadType,
    timestampOffset,
    data: reader.view(length),
  }));
  return reader.overrun ? undefined : { payloadType: first & 0x7f, data: reader.rest(), redundant };
}

/** Bytes that the payload takes. Blocks that are too old or too long for their header fields are left out. */
export function serializeRed({ payloadType, data, redundant }: RedundantPayload): Uint8Array {
  const blocks = redundant.filter((block) => isEncodable(block));
  const length = blocks.reduce((sum, block) => sum + 4 + block.data.length, 1 + data.length);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const block of blocks) {
    bytes[at++] = 0x80 | block.payloadType;
    bytes[at++] = block.timestampOffset >> 6;
    bytes[at++] = ((block.timestampOffset & 0x3f) << 2) | (block.data.length >> 8);
    bytes[at++] = block.data.length;
  }
  bytes[at++] = payloadType;
  for (const block of blocks) {
    bytes.set(block.data, at);
    at += block.data.length;
  }
  bytes.set(data, at);
  return bytes;
}

function isEncodable({ timestampOffset, data }: RedundantBlock): boolean {
  return timestampOffset >= 0 && timestampOffset <= MAX_TIMESTAMP_OFFSET && data.length > 0 && data.length <= MAX_BLOCK_LENGTH;
}
