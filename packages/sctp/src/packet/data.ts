/**
 * DATA (RFC 9260 §3.3.1).
 *
 * ```
 *   |   Type = 0    |  Res  |I|U|B|E|            Length             |
 *   |                              TSN                              |
 *   |      Stream Identifier S      |   Stream Sequence Number n    |
 *   |                  Payload Protocol Identifier                  |
 *   |                 User Data (seq n of Stream S)                 |
 * ```
 */
import { readUint16, readUint32 } from '@petrel/bytes';

export const DATA_HEADER_LENGTH = 12;
export const DATA_FLAG = { end: 1, begin: 2, unordered: 4, immediate: 8 } as const;

export interface DataChunk {
  readonly tsn: number;
  readonly streamId: number;
  readonly streamSequence: number;
  readonly ppid: number;
  readonly begin: boolean;
  readonly end: boolean;
  readonly unordered: boolean;
  readonly immediate: boolean;
  readonly data: Uint8Array;
}

/** @returns undefined when there is no user data: §6.2 wants that punished with an ABORT. */
export function decodeData(flags: number, value: Uint8Array): DataChunk | undefined {
  if (value.length <= DATA_HEADER_LENGTH) return undefined;
  return {
    tsn: readUint32(value, 0),
    streamId: readUint16(value, 4),
    streamSequence: readUint16(value, 6),
    ppid: readUint32(value, 8),
    begin: (flags & DATA_FLAG.begin) !== 0,
    end: (flags & DATA_FLAG.end) !== 0,
    unordered: (flags & DATA_FLAG.unordered) !== 0,
    immediate: (flags & DATA_FLAG.immediate) !== 0,
    data: value.subarray(DATA_HEADER_LENGTH),
  };
}
