import type { Instant } from '@petrel/sans-io';
import type { MediaKind, ReceiveStreamChanges } from './rtp-parameters.ts';
import type { InboundRtpCounters, SourceInfo } from './rtp-stats.ts';

/** Everything that arrives for one transceiver. Made by {@link MediaStack.addReceiveStream}. */
export interface ReceiveStream {
  readonly mid: string | undefined;
  readonly kind: MediaKind;
  /** No packets arrive: none yet, BYE, or silence. */
  readonly muted: boolean;
  /** One element per SSRC, latest first. */
  readonly stats: readonly InboundRtpCounters[];
  /** PLI, or FIR where only that was negotiated, for each SSRC; at most one in 500 ms. False when there is nothing to ask. */
  requestKeyFrame(now: Instant): boolean;
  /** SSRCs and CSRCs of the last ten seconds, latest first (W3C getSynchronizationSources, getContributingSources). */
  sources(now: Instant): SourceInfo[];
  /** After renegotiation. */
  configure(changes: ReceiveStreamChanges): void;
  /** Drops everything from now on. */
  stop(): void;
}
