/** From a track to the wire: a sender subscribes to its track's packets and passes them to its stream of the media stack. */
import { associatedPayloadType, codecsMatch, encodingName, isAuxiliary, type NegotiableCodec } from './jsep/codecs.ts';
import { trackCodec } from './jsep/codec-negotiation.ts';
import type { RtpCodec } from './media/rtp-parameters.ts';
import type { SendStream } from './media/send-stream.ts';
import { type MediaStreamTrack, mediaStreamTrackSlots, subscribeToTrack } from './media-stream-track.ts';
import { allocateSsrc } from './peer-connection-slots.ts';
import type { RTCRtpEncodingParameters } from './rtc-rtp-parameters.ts';
import type { EncodingSsrcs, SenderSlots } from './rtc-rtp-sender.ts';
import { sends } from './rtc-rtp-transceiver.ts';

/** The SSRCs of an encoding, for the life of the sender. */
export function encodingSsrcs(sender: SenderSlots, index: number): EncodingSsrcs {
  const { connection } = sender;
  sender.ssrcs[index] ??= { ssrc: allocateSsrc(connection), rtxSsrc: allocateSsrc(connection) };
  return sender.ssrcs[index];
}

/** After an answer, setParameters or stop(): the streams of the media stack become what was negotiated. */
export function configureSendStreams(sender: SenderSlots): void {
  const { transceiver, transport, connection } = sender;
  const isSending = !transceiver.stopping && sends(transceiver.currentDirection);
  if (transport === null || transport.isClosed) sender.streams = [];
  else if (isSending || sender.streams.length > 0) {
    removeForeignStreams(sender);
    for (const [index, encoding] of sender.sendEncodings.entries()) configureStream(sender, index, encoding, isSending);
  }
  if (!connection.isClosed) connectTrack(sender);
}

/** Streams of a transport that is no longer the sender's, and of encodings that were given up. */
function removeForeignStreams(sender: SenderSlots): void {
  const { streams, transport, sendEncodings } = sender;
  sender.streams = streams.filter((stream, index) => {
    if (index < sendEncodings.length && transport!.senders.has(stream)) return true;
    transport!.driver.input((_stack, now) => stream.stop(now));
    transport!.senders.delete(stream);
    return false;
  });
}

function configureStream(sender: SenderSlots, index: number, encoding: RTCRtpEncodingParameters, isSending: boolean): void {
  const { transceiver, connection, kind, sendCodecs, headerExtensions } = sender;
  const transport = sender.transport!;
  const payloadType = chooseCodec(sender, encoding)?.payloadType;
  const settings = {
    ...(transceiver.mid === null ? {} : { mid: transceiver.mid }),
    codecs: sendCodecs.map(toRtpCodec),
    headerExtensions,
    ...(payloadType === undefined ? {} : { payloadType }),
    active: isSending && encoding.active !== false && payloadType !== undefined,
  };
  const existing = sender.streams[index];
  if (existing !== undefined) return existing.configure(settings);
  const { ssrc, rtxSsrc } = encodingSsrcs(sender, index);
  const hasRtx = sendCodecs.some((codec) => encodingName(codec) === 'rtx');
  const stream = transport.driver.input(({ media }) =>
    media.addSendStream({
      ...settings,
      kind,
      ssrc,
      ...(hasRtx ? { rtxSsrc } : {}),
      cname: connection.cname,
      ...(sender.sendEncodings.length > 1 && encoding.rid !== undefined ? { rid: encoding.rid } : {}),
    }),
  );
  sender.streams[index] = stream;
  transport.senders.set(stream, sender);
}

/**
 * What the encoding asks for, or else what the track contains, or else what the peer prefers (§5.2.6).
 * Undefined: the peer does not take what the track contains.
 */
function chooseCodec(sender: SenderSlots, encoding: RTCRtpEncodingParameters): NegotiableCodec | undefined {
  const media = sender.sendCodecs.filter((codec) => !isAuxiliary(codec));
  const asked = encoding.codec;
  const found = asked && media.find((codec) => codecsMatch(codec, asked, true));
  if (found !== undefined) return found;
  const contained = sender.track === null ? undefined : trackCodec(sender.track);
  const same = contained === undefined ? [] : media.filter((codec) => encodingName(codec) === encodingName(contained));
  // Packets of H264 are usually fragmented, which mode 0 does not allow (RFC 6184 §6.2).
  return (
    same.find((codec) => encodingName(codec) !== 'h264' || /packetization-mode=1/.test(codec.sdpFmtpLine ?? '')) ??
    same[0] ??
    (contained === undefined ? media[0] : undefined)
  );
}

/** As the media stack takes it. */
export function toRtpCodec(codec: NegotiableCodec): RtpCodec {
  const { payloadType, mimeType, clockRate, channels, rtcpFeedback } = codec;
  const apt = encodingName(codec) === 'rtx' ? associatedPayloadType(codec) : undefined;
  return {
    payloadType,
    mimeType,
    clockRate,
    ...(channels === undefined ? {} : { channels }),
    ...(apt === undefined ? {} : { apt }),
    rtcpFeedback,
  };
}

/** Subscribes to the sender's track, while there is a stream to send it on. */
export function connectTrack(sender: SenderSlots): void {
  sender.disconnect?.();
  sender.disconnect = undefined;
  const { track, streams, transport, transceiver } = sender;
  if (track === null || transport === null || streams.length === 0 || transceiver.stopping) return;
  const [first] = streams;
  followTrack(sender);
  const { source } = mediaStreamTrackSlots(track);
  const { headerExtensions: sourceHeaderExtensions = [] } = source;
  for (const stream of streams) stream.configure({ sourceHeaderExtensions });
  // A track has one encoding: it goes out as the first that is active.
  const activeStream = (): SendStream => streams.find((stream) => stream.active) ?? first!;
  const { driver } = transport;
  let packetToSend: Uint8Array;
  let { codec } = source;
  const send = (_stack: unknown, now: number): void => activeStream().send(packetToSend, now);
  sender.disconnect = subscribeToTrack(track, (packet) => {
    packetToSend = packet;
    // A received track that is sent on may change its codec.
    if (source.codec !== codec) {
      codec = source.codec;
      followTrack(sender);
    }
    driver.input(send);
  });
}

/** Another track may contain another of the negotiated codecs. */
function followTrack(sender: SenderSlots): void {
  for (const [index, stream] of sender.streams.entries()) {
    const encoding = sender.sendEncodings[index] ?? {};
    const payloadType = chooseCodec(sender, encoding)?.payloadType;
    const active = sends(sender.transceiver.currentDirection) && encoding.active !== false && payloadType !== undefined;
    stream.configure({ active, ...(payloadType === undefined ? {} : { payloadType }) });
  }
}

/** BYE for everything that was sent (§5.4, "stop sending and receiving"). */
export function stopSending(sender: SenderSlots): void {
  sender.disconnect?.();
  sender.disconnect = undefined;
  const { transport, streams } = sender;
  sender.streams = [];
  if (transport === null || transport.isClosed) return;
  for (const stream of streams) {
    transport.driver.input((_stack, now) => stream.stop(now));
    transport.senders.delete(stream);
  }
}

/** Whether a track says that it contains what was not negotiated. */
export function cannotBeSent(sender: SenderSlots, track: MediaStreamTrack): boolean {
  const contained = trackCodec(track);
  return (
    contained !== undefined &&
    sender.sendCodecs.length > 0 &&
    !sender.sendCodecs.some((codec) => encodingName(codec) === encodingName(contained))
  );
}
