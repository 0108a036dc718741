import type { Instant } from '@petrel/sans-io';
import type { SendOptions } from '@petrel/sctp';
import type { ChannelParameters } from './dcep.ts';
import type { DataChannelEvent } from './data-channels.ts';

/** One data channel: a pair of streams with the same identifier (RFC 8831 §6.4). */
export interface Channel {
  readonly handle: number;
  readonly parameters: ChannelParameters;
  /** Agreed on by other means than DCEP. */
  readonly negotiated: boolean;
  /** Opened by the peer. */
  readonly incoming: boolean;
  /** Nobody knows of it: a stream that the peer used wrongly and that is being reset (RFC 8832 §6). */
  readonly isRejected: boolean;
  readonly sendOptions: SendOptions;
  /** Undefined until the DTLS role is known. */
  id: number | undefined;
  state: 'connecting' | 'open' | 'closing' | 'closed';
  /** The ACK or another message has arrived; until then everything is sent in order (RFC 8832 §6). */
  acknowledged: boolean;
  bufferedAmount: number;
  bufferedAmountLowThreshold: number;
  outgoingReset: 'no' | 'requested' | 'done';
  incomingReset: boolean;
  /** Why it closes, if not because somebody wanted it. */
  error: ChannelError | undefined;
  /** While the application does not read: what it has not seen. */
  held: HeldEvents | undefined;
}

/** Why a channel ended without being closed by either side. */
export interface ChannelError {
  readonly message: string;
  /** The cause code of the ABORT (RFC 9260 §3.3.10). */
  readonly sctpCauseCode?: number;
}

export interface HeldEvents {
  readonly events: DataChannelEvent[];
  bytes: number;
}

/** Options of the SCTP messages of a channel with these parameters. */
export function sendOptionsOf({ ordered, maxRetransmits, maxPacketLifeTime }: ChannelParameters): SendOptions {
  return {
    unordered: !ordered,
    ...(maxRetransmits === undefined ? {} : { maxRetransmits }),
    ...(maxPacketLifeTime === undefined ? {} : { lifetime: maxPacketLifeTime satisfies Instant }),
  };
}
