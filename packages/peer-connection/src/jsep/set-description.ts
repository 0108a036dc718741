/** "Set the session description" (W3C WebRTC §4.4.1.5), its last task: everything is checked first, then applied, then told. */
import { RTCTrackEvent } from '../events.ts';
import { addTrackToStream, removeTrackFromStream } from '../media-stream.ts';
import { setTrackMuted } from '../media-stream-track.ts';
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import { possibleScalability } from '../rtc-rtp-parameters.ts';
import type { TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import type { RTCSdpType } from '../rtc-session-description.ts';
import { releaseEarlyCandidates, updateAggregateStates } from '../transport-events.ts';
import { applyLocalSections } from './apply-local.ts';
import { applyMedia, prepareForEarlyMedia } from './apply-media.ts';
import { applyRemoteSections } from './apply-remote.ts';
import { applyTransports, startGathering, updateSctp } from './apply-transports.ts';
import { codecsMatch, isAuxiliary } from './codecs.ts';
import { type CreatedDescription, Description, iceCredentials, isRejected } from './description.ts';
import { updateNegotiationNeeded } from './negotiation-needed.ts';
import type { TrackChanges } from './remote-tracks.ts';
import { rollBack } from './rollback.ts';
import { checkRemote, checkState, parseDescription } from './validate-description.ts';

/** A remote description, or a rollback on behalf of `setRemoteDescription`. */
export function setRemoteDescription(connection: PeerConnectionSlots, type: RTCSdpType, sdp: string): void {
  checkState(connection, type, true);
  if (type === 'rollback') return apply(connection, undefined, true, undefined);
  const session = parseDescription(sdp);
  checkRemote(connection, type, session);
  apply(connection, new Description(type, sdp, session), true, undefined);
}

/** A description that createOffer or createAnswer has made. */
export function setLocalDescription(connection: PeerConnectionSlots, type: RTCSdpType, created: CreatedDescription | undefined): void {
  checkState(connection, type, false);
  if (type === 'rollback') return apply(connection, undefined, false, undefined);
  apply(connection, new Description(type, created!.sdp, created!.session), false, created);
}

function apply(
  connection: PeerConnectionSlots,
  description: Description | undefined,
  remote: boolean,
  created: CreatedDescription | undefined,
): void {
  const stateBefore = connection.signalingState;
  const changes: TrackChanges = { muteTracks: [], addList: [], removeList: [], trackEvents: [] };
  if (description === undefined) rollBack(connection, changes);
  else {
    if (description.type === 'offer' && stateBefore === 'stable') rememberStableState(connection);
    setDescriptionSlots(connection, description, remote);
    if (remote) applyRemoteSections(connection, description, changes);
    else applyLocalSections(connection, description, created!, changes);
    applyToTransports(connection, description, remote);
  }
  finish(connection, description, stateBefore, changes);
}

/** 4.5.4, for rollback. */
function rememberStableState(connection: PeerConnectionSlots): void {
  connection.lastStableStateSctp = connection.sctp;
  for (const { sender, receiver } of connection.transceivers) {
    sender.lastStableStateTransport = sender.transport;
    const isRidless = sender.sendEncodings.length === 1 && sender.sendEncodings[0]!.rid === undefined;
    sender.lastStableRidlessSendEncodings = isRidless ? sender.sendEncodings : null;
    receiver.lastStableStateTransport = receiver.transport;
    receiver.lastStableStateAssociatedRemoteMediaStreams = receiver.associatedRemoteMediaStreams;
    receiver.lastStableStateReceiveCodecs = receiver.receiveCodecs;
  }
}

/** 4.5.5, 4.5.6 */
function setDescriptionSlots(connection: PeerConnectionSlots, description: Description, remote: boolean): void {
  const { type } = description;
  if (type === 'answer') {
    connection.currentLocalDescription = remote ? connection.pendingLocalDescription : description;
    connection.currentRemoteDescription = remote ? description : connection.pendingRemoteDescription;
    connection.pendingLocalDescription = null;
    connection.pendingRemoteDescription = null;
    connection.lastCreatedOffer = undefined;
    connection.lastCreatedAnswer = undefined;
    connection.signalingState = 'stable';
    // The restart is done when none of the old credentials is left.
    const credentials = iceCredentials(connection.currentLocalDescription);
    if (!credentials.some((one) => connection.localIceCredentialsToReplace.has(one))) connection.localIceCredentialsToReplace = new Set();
  } else {
    if (remote) connection.pendingRemoteDescription = description;
    else connection.pendingLocalDescription = description;
    connection.signalingState =
      type === 'offer' ? (remote ? 'have-remote-offer' : 'have-local-offer') : remote ? 'have-remote-pranswer' : 'have-local-pranswer';
  }
  if (!remote) releaseEarlyCandidates(connection);
}

function applyToTransports(connection: PeerConnectionSlots, description: Description, remote: boolean): void {
  updateSctp(connection, description, remote);
  if (description.type === 'offer') {
    if (remote) return;
    startGathering(connection, description);
    prepareForEarlyMedia(connection, description);
    return;
  }
  applyTransports(connection, description, remote);
  applyMedia(connection);
}

function finish(connection: PeerConnectionSlots, description: Description | undefined, stateBefore: string, changes: TrackChanges): void {
  // 4.5.11 Sections that are rejected free their transceivers.
  if (description?.type === 'answer') {
    for (const transceiver of connection.transceivers) {
      transceiver.createdByPendingDescription = false;
      transceiver.associatedByPendingDescription = false;
    }
    removeStoppedTransceivers(connection);
  }
  // 4.5.12
  if (connection.signalingState === 'stable') {
    for (const { sender } of connection.transceivers) fitEncodings(sender);
    connection.negotiationNeeded = false;
    updateNegotiationNeeded(connection);
  }
  updateAggregateStates(connection);
  // 4.5.13
  if (connection.signalingState !== stateBefore) connection.object.dispatchEvent(new Event('signalingstatechange'));
  // 4.5.15 - 4.5.18
  for (const { track, stream } of changes.muteTracks) {
    setTrackMuted(track, true);
    // So that the next packet unmutes it again.
    stream?.setMuted(true);
  }
  for (const { stream, track } of changes.removeList) removeTrackFromStream(stream, track);
  for (const { stream, track } of changes.addList) addTrackToStream(stream, track);
  for (const transceiver of changes.trackEvents) {
    if (connection.isClosed) return;
    const { receiver } = transceiver;
    const streams = receiver.associatedRemoteMediaStreams;
    connection.object.dispatchEvent(
      new RTCTrackEvent('track', { receiver: receiver.object, track: receiver.track, streams, transceiver: transceiver.object }),
    );
  }
}

function removeStoppedTransceivers(connection: PeerConnectionSlots): void {
  const descriptions = [connection.currentLocalDescription, connection.currentRemoteDescription];
  const isRejectedNow = ({ stopped, jsepMid }: TransceiverSlots): boolean =>
    stopped &&
    jsepMid !== null &&
    descriptions.some((description) => {
      const section = description?.section(jsepMid);
      return section !== undefined && isRejected(section);
    });
  for (const transceiver of connection.transceivers.filter(isRejectedNow)) {
    connection.transceivers.splice(connection.transceivers.indexOf(transceiver), 1);
    // RFC 8829 §5.9: it is no longer associated with the section.
    transceiver.jsepMid = null;
    transceiver.mid = null;
  }
}

/** An encoding cannot ask for a codec that was not negotiated, nor for layers that its codec does not have. */
function fitEncodings({ sendCodecs, sendEncodings }: TransceiverSlots['sender']): void {
  const preferred = sendCodecs.find((codec) => !isAuxiliary(codec));
  if (preferred === undefined) return;
  for (const encoding of sendEncodings) {
    const { codec } = encoding;
    if (codec !== undefined && !sendCodecs.some((one) => codecsMatch(one, codec, true))) delete encoding.codec;
    if (encoding.scalabilityMode !== undefined)
      encoding.scalabilityMode = possibleScalability(encoding.scalabilityMode, encoding.codec ?? preferred);
  }
}
