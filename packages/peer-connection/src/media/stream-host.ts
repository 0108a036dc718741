import type { Arena } from '@petrel/bytes';
import type { Random } from '@petrel/sans-io';
import type { SendStream } from './send-stream.ts';

/** What a stream asks of the stack that it belongs to. */
export interface StreamHost {
  readonly random: Random;
  /** Where outgoing packets are put: one for all streams, so that they stay close together. */
  readonly arena: Arena;
  /** Queues a packet. `repeat`: the same bytes went out before. */
  transmitRtp(packet: Uint8Array, repeat: boolean): void;
  /** The next transport-wide sequence number, for a packet of this size. */
  nextTransportSequenceNumber(size: number, now: number): number;
  /** Milliseconds since the Unix epoch. */
  wallClock(now: number): number;
  readonly roundTripTime: number | undefined;
  countDiscard(reason: MediaDiscard): void;
  /** The first packet of all went out: RTCP starts. */
  sending(now: number): void;
  keyFrameRequested(stream: SendStream): void;
  /** The stream has a request that it may pass on only then. */
  wakeForKeyFrame(deadline: number): void;
  sendStreamStopped(stream: SendStream, now: number): void;
  receiveTablesChanged(): void;
  /** PLI or FIR. */
  sendKeyFrameRequest(ssrcs: readonly number[], kind: 'pli' | 'fir', now: number): void;
}

export type MediaDiscard =
  | 'malformed-rtp'
  | 'malformed-rtcp'
  | 'malformed-red'
  | 'malformed-rtx'
  | 'unknown-rtcp'
  | 'unknown-mid'
  | 'unroutable-rtp'
  | 'unknown-payload-type'
  | 'inactive-receive-stream'
  | 'too-many-sources'
  | 'sequence-out-of-range'
  | 'duplicate'
  | 'unmatched-rtx'
  | 'rtp-after-bye'
  | 'malformed-outgoing'
  | 'inactive-send-stream'
  | 'no-codec'
  | 'stale-outgoing'
  | 'retransmission-budget'
  | 'closed';
