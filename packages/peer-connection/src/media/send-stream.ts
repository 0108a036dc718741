import type { Instant } from '@petrel/sans-io';
import type { SendStreamChanges } from './rtp-parameters.ts';
import type { OutboundRtpCounters } from './rtp-stats.ts';

/** One outgoing RTP stream (an encoding of a sender), with its RTX stream if there is one. Made by {@link MediaStack.addSendStream}. */
export interface SendStream {
  readonly ssrc: number;
  readonly rtxSsrc: number | undefined;
  readonly mid: string | undefined;
  readonly rid: string | undefined;
  readonly active: boolean;
  readonly stats: OutboundRtpCounters;
  /** Takes a packet as the application wrote it; it is copied. SSRC, payload type and sequence number are replaced, header extensions added. */
  send(packet: Uint8Array, now: Instant): void;
  /** After renegotiation, `setParameters` or `replaceTrack`. */
  configure(changes: SendStreamChanges): void;
  /** Sends BYE for it and forgets it. */
  stop(now: Instant): void;
}
