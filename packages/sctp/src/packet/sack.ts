/**
 * Selective acknowledgement (RFC 9260 §3.3.4).
 *
 * ```
 *   |                      Cumulative TSN Ack                       |
 *   |          Advertised Receiver Window Credit (a_rwnd)           |
 *   | Number of Gap Ack Blocks = N  |  Number of Duplicate TSNs = M |
 *   |    Gap Ack Block #1 Start     |     Gap Ack Block #1 End      |  offsets from the cumulative TSN
 *   |                        Duplicate TSN 1                        |
 * ```
 */
import { ByteReader } from '@petrel/bytes';

export interface GapBlock {
  readonly start: number;
  readonly end: number;
}

export interface Sack {
  readonly cumulativeTsn: number;
  readonly receiverWindow: number;
  /** Offsets from the cumulative TSN, ascending. */
  readonly gaps: readonly GapBlock[];
}

/** @returns undefined when malformed: a block that is empty, or not above the one before it. */
export function decodeSack(value: Uint8Array): Sack | undefined {
  const reader = new ByteReader(value);
  const cumulativeTsn = reader.uint32();
  const receiverWindow = reader.uint32();
  const count = reader.uint16();
  reader.skip(2);
  if (reader.remaining < count * 4) return undefined;
  const gaps: GapBlock[] = [];
  let previous = 0;
  for (let i = 0; i < count; i++) {
    const start = reader.uint16();
    const end = reader.uint16();
    if (start <= previous || end < start) return undefined;
    gaps.push({ start, end });
    previous = end;
  }
  return reader.overrun ? undefined : { cumulativeTsn, receiverWindow, gaps };
}
