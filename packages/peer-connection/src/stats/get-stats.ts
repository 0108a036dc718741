/** `getStats()` of connections, senders and receivers (W3C WebRTC §8.2, §5.2, §5.3): the slots as the statistics' sources. */
import { exception } from '../errors.ts';
import type { MediaStreamTrack } from '../media-stream-track.ts';
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import type { PeerTransport } from '../peer-transport.ts';
import { certificateSlots } from '../rtc-certificate.ts';
import type { ReceiverSlots } from '../rtc-rtp-receiver.ts';
import type { SenderSlots } from '../rtc-rtp-sender.ts';
import { toRtpCodec } from '../sending.ts';
import { type ConnectionStatsSource, connectionStats, selectReceiverStats, selectSenderStats } from './collect-stats.ts';
import { createRTCStatsReport, type RTCStats, type RTCStatsReport } from './rtc-stats-report.ts';
import type { ReceiverStatsSource, SenderStatsSource } from './rtp-stats.ts';
import type { TransportStatsSource } from './transport-stats.ts';

/** The statistics of this moment, in a task. Also for a connection that is closed. */
export function getStatsOf(connection: PeerConnectionSlots, selector: SenderSlots | ReceiverSlots | null): Promise<RTCStatsReport> {
  const report = createRTCStatsReport(collect(connection, selector));
  return new Promise((resolve) => connection.runtime.queueTask(() => resolve(report)));
}

/** `getStats(selector)`: the one sender or receiver with the track (§8.2). @throws InvalidAccessError when there is none, or more than one */
export function selectTrack(connection: PeerConnectionSlots, track: MediaStreamTrack): SenderSlots | ReceiverSlots {
  const all = connection.transceivers.flatMap(({ sender, receiver }) => [sender, receiver]);
  const [found, other] = all.filter((candidate) => candidate.track === track);
  if (found === undefined || other !== undefined)
    throw exception('InvalidAccessError', 'the track belongs to no sender or receiver, or to several: ask the sender or receiver itself');
  return found;
}

function collect(connection: PeerConnectionSlots, selector: SenderSlots | ReceiverSlots | null): RTCStats[] {
  const source = connectionSource(connection);
  if (selector === null) return connectionStats(source);
  if ('sendEncodings' in selector) return selectSenderStats(source, senderSource(selector));
  return selectReceiverStats(source, receiverSource(selector));
}

function connectionSource(connection: PeerConnectionSlots): ConnectionStatsSource {
  const { runtime, channels, transceivers, sctp } = connection;
  const transports = new Set(transceivers.flatMap(({ sender }) => sender.transport ?? []));
  if (sctp !== null) transports.add(sctp.transport);
  return {
    now: runtime.now(),
    timeOrigin: runtime.timeOrigin,
    transports: Array.from(transports, (transport) => transportSource(connection, transport)),
    senders: transceivers.map(({ sender }) => senderSource(sender)),
    receivers: transceivers.map(({ receiver }) => receiverSource(receiver)),
    dataChannels: channels.all,
    dataChannelsOpened: channels.opened,
    dataChannelsClosed: channels.closed,
  };
}

function transportSource({ runtime, certificate }: PeerConnectionSlots, transport: PeerTransport): TransportStatsSource {
  return {
    id: transport.id,
    transport: transport.dtls,
    stack: transport.driver.stack,
    certificate: certificateSlots(certificate!).certificate,
    dtlsRole: transport.dtlsRole,
    crypto: runtime.crypto,
  };
}

function senderSource({ kind, transceiver, transport, track, streams, sendCodecs }: SenderSlots): SenderStatsSource {
  const codecs = sendCodecs.map((codec) => ({ ...toRtpCodec(codec), sdpFmtpLine: codec.sdpFmtpLine }));
  return { kind, mid: transceiver.mid, transportId: transport?.id ?? '', track, streams, codecs };
}

function receiverSource({ kind, transceiver, transport, track, stream, receiveCodecs, connection }: ReceiverSlots): ReceiverStatsSource {
  const codecs = receiveCodecs.map((codec) => ({ ...toRtpCodec(codec), sdpFmtpLine: codec.sdpFmtpLine }));
  // §8.3: the stream's object ends with the connection.
  const existing = connection.isClosed ? undefined : stream;
  return { kind, mid: transceiver.mid, transportId: transport?.id ?? '', track, stream: existing, codecs };
}
