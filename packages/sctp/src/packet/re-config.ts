/**
 * RE-CONFIG parameters (RFC 6525 §4): the outgoing SSN reset request and its response.
 *
 * ```
 *   |     Parameter Type = 13       | Parameter Length = 16 + 2 * N |      |     Parameter Type = 16       |      Parameter Length         |
 *   |           Re-configuration Request Sequence Number            |      |         Re-configuration Response Sequence Number             |
 *   |           Re-configuration Response Sequence Number           |      |                            Result                             |
 *   |                Sender's Last Assigned TSN                     |
 *   |  Stream Number 1 (optional)   |    Stream Number 2 (optional) |
 * ```
 */
import { ByteReader, ByteWriter } from '@petrel/bytes';

const OUTGOING_RESET = 13;
const RESPONSE = 16;

export const RESET_RESULT = {
  nothingToDo: 0,
  performed: 1,
  denied: 2,
  wrongStream: 3,
  alreadyInProgress: 4,
  badSequenceNumber: 5,
  inProgress: 6,
} as const;

export interface OutgoingResetRequest {
  readonly type: 'outgoing-reset';
  readonly sequence: number;
  readonly responseSequence: number;
  readonly lastTsn: number;
  /** Empty: all streams. */
  readonly streamIds: readonly number[];
}

export interface ResetResponse {
  readonly type: 'response';
  readonly sequence: number;
  readonly result: number;
}

export interface UnknownRequest {
  readonly type: 'unsupported';
  readonly sequence: number;
}

export function encodeOutgoingReset({ sequence, responseSequence, lastTsn, streamIds }: Omit<OutgoingResetRequest, 'type'>): Uint8Array {
  const writer = new ByteWriter(32).uint16(OUTGOING_RESET).uint16(16 + 2 * streamIds.length);
  writer.uint32(sequence).uint32(responseSequence).uint32(lastTsn);
  for (const id of streamIds) writer.uint16(id);
  return writer.finish();
}

export function encodeResetResponse(sequence: number, result: number): Uint8Array {
  return new ByteWriter(12).uint16(RESPONSE).uint16(12).uint32(sequence).uint32(result).finish();
}

/** One or two parameters (RFC 6525 §3.1); undefined when malformed. */
export function decodeReConfig(value: Uint8Array): (OutgoingResetRequest | ResetResponse | UnknownRequest)[] | undefined {
  const reader = new ByteReader(value);
  const parameters: (OutgoingResetRequest | ResetResponse | UnknownRequest)[] = [];
  while (reader.remaining >= 8 && parameters.length < 2) {
    const type = reader.uint16();
    const length = reader.uint16();
    const body = new ByteReader(reader.view(length - 4));
    reader.skip(Math.min((4 - (length % 4)) % 4, reader.remaining));
    const sequence = body.uint32();
    if (type === OUTGOING_RESET) {
      const responseSequence = body.uint32();
      const lastTsn = body.uint32();
      const streamIds: number[] = [];
      while (body.remaining >= 2) streamIds.push(body.uint16());
      parameters.push({ type: 'outgoing-reset', sequence, responseSequence, lastTsn, streamIds });
    } else if (type === RESPONSE) parameters.push({ type: 'response', sequence, result: body.uint32() });
    else parameters.push({ type: 'unsupported', sequence });
    if (reader.overrun || body.overrun) return undefined;
  }
  return parameters;
}
