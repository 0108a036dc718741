/** A remote description's media sections (W3C WebRTC §4.4.1.5, step 4.5.9 with remote true; RFC 8829 §5.10). */
import type { MediaSection } from '@petrel/sdp';
import { localDescription, type PeerConnectionSlots } from '../peer-connection-slots.ts';
import { receives, reverse, sends, stopTransceiver, type TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import { createTransceiver } from '../create-transceiver.ts';
import { negotiate } from './apply-local.ts';
import { commonCodecs } from './codec-negotiation.ts';
import { type Description, directionOf, isData, isRejected, midOf } from './description.ts';
import { processRemoteTracks, streamIdsOf, type TrackChanges } from './remote-tracks.ts';
import { proposedEncodings, pruneEncodings } from './simulcast.ts';

export function applyRemoteSections(connection: PeerConnectionSlots, description: Description, changes: TrackChanges): void {
  for (const [index, section] of description.media.entries()) {
    if (section.kind !== 'audio' && section.kind !== 'video') continue;
    if (isData(section)) continue;
    const mid = midOf(section, index);
    const transceiver = findTransceiver(connection, description, section, mid) ?? makeTransceiver(connection, section);
    applyRemoteSection(connection, description, section, mid, transceiver, changes);
  }
}

/** RFC 8829 §5.10: associated already, or one that addTrack made and that waits for a section which the peer wants to receive. */
function findTransceiver(
  connection: PeerConnectionSlots,
  description: Description,
  section: MediaSection,
  mid: string,
): TransceiverSlots | undefined {
  const { transceivers } = connection;
  const associated = transceivers.find(({ jsepMid }) => jsepMid === mid);
  if (associated !== undefined || description.type !== 'offer') return associated;
  if (isRejected(section) || !receives(directionOf(description.session, section))) return undefined;
  return transceivers.find(
    ({ kind, jsepMid, origin, trackAttached, stopping }) =>
      kind === section.kind && jsepMid === null && origin !== 'addTransceiver' && trackAttached && !stopping,
  );
}

/** 4. - 5. */
function makeTransceiver(connection: PeerConnectionSlots, section: MediaSection): TransceiverSlots {
  const transceiver = createTransceiver(connection, {
    kind: section.kind as 'audio' | 'video',
    track: null,
    streamIds: [],
    encodings: proposedEncodings(section),
    direction: 'recvonly',
    origin: 'remote',
  });
  transceiver.createdByPendingDescription = true;
  connection.transceivers.push(transceiver);
  return transceiver;
}

function applyRemoteSection(
  connection: PeerConnectionSlots,
  description: Description,
  section: MediaSection,
  mid: string,
  transceiver: TransceiverSlots,
  changes: TrackChanges,
): void {
  const { sender, receiver } = transceiver;
  const isAnswer = description.type !== 'offer';
  if (isAnswer) pruneEncodings(sender, section, 'recv');
  else adoptEnvelope(transceiver, section);
  sender.lastReturnedParameters = null;
  // 6.
  if (transceiver.jsepMid === null) transceiver.associatedByPendingDescription = true;
  transceiver.jsepMid = mid;
  transceiver.mid = mid;
  // 7. - 9. As this side sees it.
  const direction = isRejected(section) ? 'inactive' : reverse(directionOf(description.session, section));
  if (!transceiver.stopped) {
    processRemoteTracks(transceiver, direction, receives(direction) ? streamIdsOf(connection, section) : [], changes);
    // 10. 11.
    if (isAnswer) {
      const local = localDescription(connection)?.section(mid);
      if (local !== undefined && !isRejected(section)) {
        negotiate(transceiver, local, section);
        // What this side is prepared to receive is what its own description says.
        const isPrepared = receives(directionOf(localDescription(connection)!.session, local));
        receiver.receiveCodecs = isPrepared ? commonCodecs(local, section) : [];
      }
      transceiver.currentDirection = direction;
      if (sends(direction)) transceiver.hasSent = true;
    }
  }
  // 12.
  if (isRejected(section) && !transceiver.stopped) stopTransceiver(transceiver);
}

/** A single encoding without rid becomes what the peer wants to receive. */
function adoptEnvelope({ sender }: TransceiverSlots, section: MediaSection): void {
  const proposed = proposedEncodings(section);
  if (proposed.length === 0 || sender.sendEncodings.length !== 1 || sender.sendEncodings[0]!.rid !== undefined) return;
  sender.sendEncodings = proposed;
  sender.lastReturnedParameters = null;
}
