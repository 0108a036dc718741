/** addTrack, removeTrack, addTransceiver (W3C WebRTC §5.1.4). */
import { createTransceiver } from './create-transceiver.ts';
import { exception } from './errors.ts';
import { codecCapabilities } from './jsep/codecs.ts';
import { updateNegotiationNeeded } from './jsep/negotiation-needed.ts';
import { type MediaStream, streamId } from './media-stream.ts';
import type { MediaStreamTrack } from './media-stream-track.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { type RTCRtpTransceiverInit, validateSendEncodings } from './rtc-rtp-parameters.ts';
import type { RTCRtpSender, SenderSlots } from './rtc-rtp-sender.ts';
import { receives, type RTCRtpTransceiver, toDirectionOf } from './rtc-rtp-transceiver.ts';
import { connectTrack } from './sending.ts';

export function addTrack(connection: PeerConnectionSlots, track: MediaStreamTrack, streams: readonly MediaStream[]): RTCRtpSender {
  const { kind } = track;
  const streamIds = idsOf(connection, streams);
  // 5. 6.
  requireOpen(connection);
  const usable = connection.transceivers.filter(({ stopped }) => !stopped);
  if (usable.some(({ sender }) => sender.track === track))
    throw exception('InvalidAccessError', 'the track is sent already: use its sender, or add a clone');
  // 7. A sender without a track that has never sent.
  const reused = usable.find(
    ({ sender, stopping, hasSent, kind: ofKind }) => sender.track === null && ofKind === kind && !stopping && !hasSent,
  );
  if (reused !== undefined) {
    // 8.
    const { sender } = reused;
    sender.track = track;
    sender.associatedMediaStreamIds = streamIds;
    reused.direction = toDirectionOf(true, receives(reused.direction));
    reused.trackAttached = true;
    connectTrack(sender);
    updateNegotiationNeeded(connection);
    return sender.object;
  }
  // 9.
  const transceiver = createTransceiver(connection, { kind, track, streamIds, encodings: [], direction: 'sendrecv', origin: 'addTrack' });
  transceiver.trackAttached = true;
  connection.transceivers.push(transceiver);
  // 11.
  updateNegotiationNeeded(connection);
  return transceiver.sender.object;
}

export function removeTrack(connection: PeerConnectionSlots, sender: SenderSlots): void {
  // 3. 4.
  requireOpen(connection);
  if (sender.connection !== connection) throw exception('InvalidAccessError', 'the sender belongs to another connection');
  const { transceiver } = sender;
  // 6. - 9.
  if (transceiver.stopping || !connection.transceivers.includes(transceiver) || sender.track === null) return;
  // 10. - 12.
  sender.track = null;
  connectTrack(sender);
  transceiver.direction = toDirectionOf(false, receives(transceiver.direction));
  // 13.
  updateNegotiationNeeded(connection);
}

export function addTransceiver(
  connection: PeerConnectionSlots,
  trackOrKind: MediaStreamTrack | string,
  init: RTCRtpTransceiverInit,
): RTCRtpTransceiver {
  // 5. 6.
  const kind = typeof trackOrKind === 'string' ? trackOrKind : trackOrKind.kind;
  if (kind !== 'audio' && kind !== 'video') throw new TypeError(`addTransceiver: '${kind}' is neither 'audio' nor 'video'`);
  const track = typeof trackOrKind === 'string' ? null : trackOrKind;
  // 7.
  requireOpen(connection);
  const { direction = 'sendrecv', streams = [], sendEncodings = [] } = init;
  if (direction === 'stopped') throw new TypeError("addTransceiver: the direction cannot be 'stopped'");
  // 8.
  const encodings = validateSendEncodings(kind, sendEncodings, codecCapabilities(kind));
  // 9. - 12.
  const transceiver = createTransceiver(connection, {
    kind,
    track,
    streamIds: idsOf(connection, streams),
    encodings,
    direction,
    origin: 'addTransceiver',
  });
  connection.transceivers.push(transceiver);
  // 13.
  updateNegotiationNeeded(connection);
  return transceiver.object;
}

function idsOf({ runtime }: PeerConnectionSlots, streams: readonly MediaStream[]): string[] {
  return [...new Set(streams.map((stream) => streamId(stream, runtime.crypto)))];
}

function requireOpen({ isClosed }: PeerConnectionSlots): void {
  if (isClosed) throw exception('InvalidStateError', 'the connection is closed');
}
