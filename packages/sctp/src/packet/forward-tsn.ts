/**
 * FORWARD TSN (RFC 3758 §3.2) and I-FORWARD-TSN (RFC 8260 §2.3.1): the sender has given messages up.
 *
 * ```
 *   |                      New Cumulative TSN                       |     |                      New Cumulative TSN                       |
 *   |         Stream-1              |       Stream Sequence-1       |     |       Stream Identifier       |          Reserved           |U|
 *                                                                         |                       Message Identifier                      |
 * ```
 */
import { ByteReader, ByteWriter } from '@petrel/bytes';

/** The last message of a stream that is skipped. */
export interface SkippedMessage {
  readonly streamId: number;
  readonly unordered: boolean;
  /** Stream sequence number or message identifier. */
  readonly sequence: number;
}

export interface ForwardTsn {
  readonly cumulativeTsn: number;
  readonly skipped: readonly SkippedMessage[];
}

export function encodeForwardTsn({ cumulativeTsn, skipped }: ForwardTsn): Uint8Array {
  const writer = new ByteWriter(32).uint32(cumulativeTsn);
  for (const { streamId, sequence } of skipped) writer.uint16(streamId).uint16(sequence);
  return writer.finish();
}

export function encodeIForwardTsn({ cumulativeTsn, skipped }: ForwardTsn): Uint8Array {
  const writer = new ByteWriter(32).uint32(cumulativeTsn);
  for (const { streamId, unordered, sequence } of skipped)
    writer
      .uint16(streamId)
      .uint16(unordered ? 1 : 0)
      .uint32(sequence);
  return writer.finish();
}

/** @returns undefined when malformed */
export function decodeForwardTsn(value: Uint8Array): ForwardTsn | undefined {
  const reader = new ByteReader(value);
  const cumulativeTsn = reader.uint32();
  const skipped: SkippedMessage[] = [];
  while (reader.remaining >= 4) skipped.push({ streamId: reader.uint16(), unordered: false, sequence: reader.uint16() });
  return reader.overrun || reader.remaining > 0 ? undefined : { cumulativeTsn, skipped };
}

/** @returns undefined when malformed */
export function decodeIForwardTsn(value: Uint8Array): ForwardTsn | undefined {
  const reader = new ByteReader(value);
  const cumulativeTsn = reader.uint32();
  const skipped: SkippedMessage[] = [];
  while (reader.remaining >= 8)
    skipped.push({ streamId: reader.uint16(), unordered: (reader.uint16() & 1) !== 0, sequence: reader.uint32() });
  return reader.overrun || reader.remaining > 0 ? undefined : { cumulativeTsn, skipped };
}
