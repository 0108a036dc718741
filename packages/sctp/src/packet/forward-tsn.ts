/**
 * FORWARD TSN (RFC 3758 §3.2).
 *
 * ```
 *   |                      New Cumulative TSN                       |
 *   |         Stream-1              |       Stream Sequence-1       |  …
 * ```
 */
import { ByteReader, ByteWriter } from '@petrel/bytes';

export interface ForwardTsn {
  readonly cumulativeTsn: number;
  /** Highest skipped sequence number of each ordered stream. */
  readonly skipped: ReadonlyMap<number, number>;
}

export function encodeForwardTsn({ cumulativeTsn, skipped }: ForwardTsn): Uint8Array {
  const writer = new ByteWriter(32).uint32(cumulativeTsn);
  for (const [streamId, sequence] of skipped) writer.uint16(streamId).uint16(sequence);
  return writer.finish();
}

export function decodeForwardTsn(value: Uint8Array): ForwardTsn | undefined {
  const reader = new ByteReader(value);
  const cumulativeTsn = reader.uint32();
  const skipped = new Map<number, number>();
  while (reader.remaining >= 4) skipped.set(reader.uint16(), reader.uint16());
  return reader.overrun || reader.remaining > 0 ? undefined : { cumulativeTsn, skipped };
}
