import type { PacketDiscard } from './packet/packet.ts';
import type { Message } from './rx/reassembly-queue.ts';

/** What {@link SctpAssociation.pollEvent} gives. `aborted`, `closed` and `failed` are final. */
export type SctpEvent =
  | { readonly type: 'connected'; readonly outboundStreams: number; readonly inboundStreams: number }
  | ({ readonly type: 'message' } & Message)
  /** Our request to reset outgoing streams was answered. */
  | { readonly type: 'outgoing-streams-reset'; readonly streamIds: readonly number[]; readonly performed: boolean }
  /** The peer has reset its outgoing streams; no ids: all. */
  | { readonly type: 'incoming-streams-reset'; readonly streamIds: readonly number[] }
  /** Messages were sent a first time: `amount` bytes of the stream's still wait. At most one for each stream and round of polling. */
  | { readonly type: 'buffered-amount'; readonly streamId: number; readonly amount: number }
  /** The peer sends a message larger than `maxReceivedMessageSize`; it is dropped. */
  | { readonly type: 'message-too-large'; readonly streamId: number }
  /** The peer has lost its state and begun again (RFC 9260 §5.2.4.1): nothing from before will be delivered, either way. */
  | { readonly type: 'restarted' }
  /** Ended by an ABORT of the peer's, with the reason that it gave. */
  | { readonly type: 'aborted'; readonly code: number | undefined; readonly reason: string }
  /** Ended by the SHUTDOWN procedure. */
  | { readonly type: 'closed' }
  /** Ended because the peer does not answer, or broke the protocol; with the cause code of the ABORT that it was sent. */
  | { readonly type: 'failed'; readonly reason: string; readonly code?: number };

/** Why a packet or a chunk was dropped. */
export type SctpDiscard =
  | PacketDiscard
  | 'wrong-port'
  | 'wrong-verification-tag'
  | 'init-not-alone'
  | 'malformed-init'
  | 'unexpected-chunk'
  | 'forged-cookie'
  | 'stale-cookie'
  | 'cookie-for-another-association'
  | 'duplicate-data'
  | 'data-out-of-window'
  | 'receive-buffer-full'
  | 'invalid-stream'
  | 'bad-sack'
  | 'bad-forward-tsn'
  | 'unknown-chunk'
  | 'out-of-the-blue';
