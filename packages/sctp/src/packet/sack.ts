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
import { readUint16, readUint32 } from '@petrel/bytes';

export const SACK_HEADER_LENGTH = 12;

/** A SACK as it stands in a packet: one arrives for every two packets that are sent, so nothing is taken apart. */
export interface Sack {
  readonly cumulativeTsn: number;
  readonly receiverWindow: number;
  readonly gapCount: number;
  readonly duplicateCount: number;
  readonly value: Uint8Array;
}

/** @returns undefined when malformed: a block that is empty, or not above the one before it, or counts that do not fit. */
export function decodeSack(value: Uint8Array): Sack | undefined {
  const gapCount = readUint16(value, 8);
  const duplicateCount = readUint16(value, 10);
  if (value.length < SACK_HEADER_LENGTH + gapCount * 4 + duplicateCount * 4) return undefined;
  let previous = 0;
  for (let i = 0; i < gapCount; i++) {
    const start = gapStart(value, i);
    const end = gapEnd(value, i);
    if (start <= previous || end < start) return undefined;
    previous = end;
  }
  return { cumulativeTsn: readUint32(value, 0), receiverWindow: readUint32(value, 4), gapCount, duplicateCount, value };
}

export function gapStart(value: Uint8Array, index: number): number {
  return readUint16(value, SACK_HEADER_LENGTH + index * 4);
}

export function gapEnd(value: Uint8Array, index: number): number {
  return readUint16(value, SACK_HEADER_LENGTH + index * 4 + 2);
}

export function duplicateTsn({ value, gapCount }: Sack, index: number): number {
  return readUint32(value, SACK_HEADER_LENGTH + (gapCount + index) * 4);
}
