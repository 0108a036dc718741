/** A local description's media sections (W3C WebRTC §4.4.1.5, step 4.5.9 with remote false). */
import { has, type MediaSection, RTCP_REDUCED_SIZE } from '@petrel/sdp';
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import { receives, sends, type TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import { codecsOf, commonExtensions, sendableCodecs } from './codec-negotiation.ts';
import { type CreatedDescription, type Description, directionOf, isData, isRejected, midOf } from './description.ts';
import { hasReceiverRoundTrip } from './media-section.ts';
import { pruneEncodings } from './simulcast.ts';
import { removeRemoteTrack, setAssociatedStreams, type TrackChanges } from './remote-tracks.ts';
import { transportShown } from './transports.ts';

export function applyLocalSections(
  connection: PeerConnectionSlots,
  description: Description,
  created: CreatedDescription,
  changes: TrackChanges,
): void {
  for (const [index, section] of description.media.entries()) {
    if (isData(section)) continue;
    const mid = midOf(section, index);
    const transceiver = created.transceivers[index] ?? connection.transceivers.find(({ jsepMid }) => jsepMid === mid);
    if (transceiver === undefined) continue;
    associate(connection, description, transceiver, mid);
    if (transceiver.stopped) continue;
    applyLocalSection(connection, description, section, transceiver, changes);
  }
}

/** 1. A section that was not associated yet. */
function associate(connection: PeerConnectionSlots, description: Description, transceiver: TransceiverSlots, mid: string): void {
  if (transceiver.mid === null) {
    if (transceiver.jsepMid === null) transceiver.associatedByPendingDescription = true;
    transceiver.jsepMid = mid;
    transceiver.mid = mid;
  }
  if (transceiver.stopped) return;
  // A transport of its own, or that of the group which it offers to join.
  const transport = transportShown(connection, description.session, mid);
  transceiver.sender.transport = transport;
  transceiver.receiver.transport = transport;
}

function applyLocalSection(
  connection: PeerConnectionSlots,
  description: Description,
  section: MediaSection,
  transceiver: TransceiverSlots,
  changes: TrackChanges,
): void {
  const { sender, receiver } = transceiver;
  // 4. 5. 6.
  const direction = isRejected(section) ? 'inactive' : directionOf(description.session, section);
  transceiver.receptive = receives(direction);
  if (description.type === 'offer') return;
  receiver.receiveCodecs = receives(direction) ? codecsOf(section) : [];
  // 7. An answer.
  const remote = (connection.pendingRemoteDescription ?? connection.currentRemoteDescription)?.section(transceiver.jsepMid!);
  pruneEncodings(sender, section, 'send');
  if (remote !== undefined && !isRejected(section)) negotiate(transceiver, section, remote);
  // The peer no longer sends, or is not to.
  if (!receives(direction) && receives(transceiver.firedDirection)) {
    setAssociatedStreams(receiver, [], { addList: [], removeList: changes.removeList });
    removeRemoteTrack(transceiver, changes.muteTracks);
  }
  transceiver.currentDirection = direction;
  transceiver.firedDirection = direction;
  if (sends(direction)) transceiver.hasSent = true;
}

/** What both descriptions have in common. */
export function negotiate({ sender, receiver, headerExtensions }: TransceiverSlots, local: MediaSection, remote: MediaSection): void {
  sender.sendCodecs = sendableCodecs(remote, local);
  sender.lastReturnedParameters = null;
  const extensions = commonExtensions(local, remote);
  sender.headerExtensions = extensions.send;
  receiver.headerExtensions = extensions.receive;
  headerExtensions.conclude(extensions.send, extensions.receive);
  const reducedSize = has(local, RTCP_REDUCED_SIZE) && has(remote, RTCP_REDUCED_SIZE);
  sender.reducedSize = reducedSize;
  receiver.reducedSize = reducedSize;
  receiver.measuresRoundTrip = hasReceiverRoundTrip(local) && hasReceiverRoundTrip(remote);
  // One for all sections of a BUNDLE group (RFC 8859 has the attribute in its category IDENTICAL).
  if (sender.transport !== null) sender.transport.driver.stack.media.reducedSize = reducedSize;
}
