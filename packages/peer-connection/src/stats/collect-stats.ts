/** The statistics of a connection, and the part of them that a sender or receiver selects (W3C WebRTC §8.5). */
import type { Instant } from '@petrel/sans-io';
import { dataChannelSlots, type RTCDataChannel } from '../rtc-data-channel.ts';
import type { RTCStats } from './rtc-stats-report.ts';
import { receiverStats, type ReceiverStatsSource, senderStats, type SenderStatsSource } from './rtp-stats.ts';
import { StatsTime } from './stats-time.ts';
import { transportStats, type TransportStatsSource } from './transport-stats.ts';

export interface ConnectionStatsSource {
  readonly now: Instant;
  /** `Runtime.timeOrigin`. */
  readonly timeOrigin: number;
  readonly transports: readonly TransportStatsSource[];
  readonly senders: readonly SenderStatsSource[];
  readonly receivers: readonly ReceiverStatsSource[];
  /** Those that exist, and those that have closed if they are to be listed. */
  readonly dataChannels: readonly RTCDataChannel[];
  /** Channels that have ever been open, and those of them that have closed. */
  readonly dataChannelsOpened: number;
  readonly dataChannelsClosed: number;
}

/** Everything, for `RTCPeerConnection.getStats()` without a selector. */
export function connectionStats(source: ConnectionStatsSource): RTCStats[] {
  const time = new StatsTime(source.now, source.timeOrigin);
  return distinct([
    {
      ...time.entry('P', 'peer-connection'),
      dataChannelsOpened: source.dataChannelsOpened,
      dataChannelsClosed: source.dataChannelsClosed,
    },
    ...source.transports.flatMap((transport) => transportStats(transport, time)),
    ...source.dataChannels.map((channel) => dataChannelEntry(channel, time)),
    ...source.senders.flatMap((sender) => senderStats(sender, time)),
    ...source.receivers.flatMap((receiver) => receiverStats(receiver, time)),
  ]);
}

/** §8.5 step 3: the sender's outbound-rtp, and everything that it refers to, directly or not. */
export function selectSenderStats(source: ConnectionStatsSource, sender: SenderStatsSource): RTCStats[] {
  return withReferences(connectionStats(source), senderStats(sender, new StatsTime(source.now, source.timeOrigin)), 'outbound-rtp');
}

/** §8.5 step 4: the receiver's inbound-rtp, and everything that it refers to. */
export function selectReceiverStats(source: ConnectionStatsSource, receiver: ReceiverStatsSource): RTCStats[] {
  return withReferences(connectionStats(source), receiverStats(receiver, new StatsTime(source.now, source.timeOrigin)), 'inbound-rtp');
}

function withReferences(all: readonly RTCStats[], own: readonly RTCStats[], type: string): RTCStats[] {
  const byId = new Map(all.map((entry) => [entry.id, entry]));
  const selected = new Map<string, RTCStats>();
  const add = (entry: RTCStats | undefined): void => {
    if (entry === undefined || selected.has(entry.id)) return;
    selected.set(entry.id, entry);
    for (const [member, value] of Object.entries(entry)) if (member.endsWith('Id')) add(byId.get(String(value)));
  };
  for (const entry of own) if (entry.type === type) add(entry);
  return [...selected.values()];
}

/** Streams that share a codec or a certificate mention it once each. */
function distinct(entries: readonly RTCStats[]): RTCStats[] {
  return [...new Map(entries.map((entry) => [entry.id, entry])).values()];
}

function dataChannelEntry(channel: RTCDataChannel, time: StatsTime): RTCStats {
  const { label, protocol, id, readyState } = channel;
  return {
    ...time.entry(`D${dataChannelSlots(channel).statsId}`, 'data-channel'),
    label,
    protocol,
    state: readyState,
    ...(id === null ? {} : { dataChannelIdentifier: id }),
    ...dataChannelSlots(channel).counters,
  };
}
