/** "Create an RTCRtpSender", "create an RTCRtpReceiver", "create an RTCRtpTransceiver" (W3C WebRTC §5.2, §5.3, §5.4), all of a kind. */
import { HeaderExtensionPreferences } from './jsep/header-extension-preferences.ts';
import { createMediaStreamTrack, type MediaKind, type MediaStreamTrack, trackId } from './media-stream-track.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { randomUuid } from './random-uuid.ts';
import { ReceiverSource } from './receiving.ts';
import type { RTCRtpEncodingParameters } from './rtc-rtp-parameters.ts';
import { createRTCRtpReceiver, type ReceiverSlots } from './rtc-rtp-receiver.ts';
import { createRTCRtpSender, type SenderSlots } from './rtc-rtp-sender.ts';
import { createRTCRtpTransceiver, type Direction, type TransceiverSlots } from './rtc-rtp-transceiver.ts';
import { createSenderDtmf } from './sender-dtmf.ts';

export interface TransceiverOptions {
  readonly kind: MediaKind;
  readonly track: MediaStreamTrack | null;
  readonly streamIds: readonly string[];
  readonly encodings: RTCRtpEncodingParameters[];
  readonly direction: Direction;
  readonly origin: TransceiverSlots['origin'];
}

/** The caller adds it to the set of transceivers. */
export function createTransceiver(connection: PeerConnectionSlots, options: TransceiverOptions): TransceiverSlots {
  const sender = createSender(connection, options);
  const receiver = createReceiver(connection, options.kind);
  const transceiver = createRTCRtpTransceiver({
    connection,
    kind: options.kind,
    sender,
    receiver,
    stopping: false,
    stopped: false,
    direction: options.direction,
    receptive: false,
    currentDirection: null,
    firedDirection: null,
    preferredCodecs: [],
    headerExtensions: new HeaderExtensionPreferences(options.kind),
    jsepMid: null,
    mid: null,
    origin: options.origin,
    trackAttached: false,
    createdByPendingDescription: false,
    associatedByPendingDescription: false,
    hasSent: false,
  });
  sender.transceiver = transceiver;
  receiver.transceiver = transceiver;
  return transceiver;
}

function createSender(connection: PeerConnectionSlots, { kind, track, streamIds, encodings }: TransceiverOptions): SenderSlots {
  const single: RTCRtpEncodingParameters = kind === 'video' ? { active: true, scaleResolutionDownBy: 1 } : { active: true };
  const sender = createRTCRtpSender({
    connection,
    kind,
    // Both are set before anybody sees the object.
    transceiver: undefined as unknown as TransceiverSlots,
    track,
    transport: null,
    lastStableStateTransport: null,
    dtmf: null,
    associatedMediaStreamIds: [...new Set(streamIds)],
    sendEncodings: encodings.length > 0 ? encodings : [single],
    lastStableRidlessSendEncodings: null,
    sendCodecs: [],
    lastReturnedParameters: null,
    headerExtensions: [],
    reducedSize: false,
    ssrcs: [],
    streams: [],
    disconnect: undefined,
    msidTrackId: freeTrackId(connection, track),
  });
  if (kind === 'audio') sender.dtmf = createSenderDtmf(sender);
  return sender;
}

function createReceiver(connection: PeerConnectionSlots, kind: MediaKind): ReceiverSlots {
  const source = new ReceiverSource(kind, connection.runtime);
  return createRTCRtpReceiver({
    connection,
    kind,
    transceiver: undefined as unknown as TransceiverSlots,
    // A remote track is muted until its first packet.
    track: createMediaStreamTrack({ source, id: randomUuid(connection.runtime.crypto), label: `remote ${kind}`, muted: true }),
    source,
    transport: null,
    lastStableStateTransport: null,
    associatedRemoteMediaStreams: [],
    lastStableStateAssociatedRemoteMediaStreams: [],
    receiveCodecs: [],
    lastStableStateReceiveCodecs: [],
    headerExtensions: [],
    reducedSize: false,
    measuresRoundTrip: false,
    jitterBufferTarget: null,
    stream: undefined,
  });
}

/** The track's own id, unless another sender announces it already (RFC 8830 §2). */
function freeTrackId({ transceivers, runtime }: PeerConnectionSlots, track: MediaStreamTrack | null): string {
  const id = track === null ? undefined : trackId(track, runtime.crypto);
  const isTaken = id === undefined || transceivers.some(({ sender }) => sender.msidTrackId === id);
  return isTaken ? randomUuid(runtime.crypto) : id;
}
