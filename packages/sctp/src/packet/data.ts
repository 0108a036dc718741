/**
 * User data: DATA (RFC 9260 §3.3.1) and I-DATA (RFC 8260 §2.1).
 *
 * ```
 *   |   Type = 0    |  Res  |I|U|B|E|            Length             |     |   Type = 64   |  Res  |I|U|B|E|       Length = Variable       |
 *   |                              TSN                              |     |                              TSN                              |
 *   |      Stream Identifier S      |   Stream Sequence Number n    |     |        Stream Identifier      |           Reserved            |
 *   |                  Payload Protocol Identifier                  |     |                      Message Identifier                       |
 *   |                 User Data (seq n of Stream S)                 |     |    Payload Protocol Identifier / Fragment Sequence Number     |
 * ```
 *
 * They are read and written in place: see `rx/data-receiver.ts` and `tx/data-sender.ts`.
 */
export const DATA_HEADER_LENGTH = 12;
export const I_DATA_HEADER_LENGTH = 16;
export const DATA_FLAG = { end: 1, begin: 2, unordered: 4, immediate: 8 } as const;

/** A received fragment of a message. */
export interface Fragment {
  readonly tsn: number;
  readonly streamId: number;
  readonly flags: number;
  /** Stream sequence number, or message identifier with I-DATA. */
  readonly sequence: number;
  /** With I-DATA: its place in the message. Otherwise 0: the TSNs of a message's fragments are consecutive. */
  readonly fragmentSequence: number;
  /** With I-DATA: of first fragments only. */
  readonly ppid: number;
  readonly data: Uint8Array;
}
