/** The negotiation-needed flag (W3C WebRTC §4.7.3). */
import { MSID, readAll } from '@petrel/sdp';
import { type PeerConnectionSlots } from '../peer-connection-slots.ts';
import { intersect, reverse, sends, type TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import { type Description, directionOf, isData, isRejected } from './description.ts';

/** "Update the negotiation-needed flag" */
export function updateNegotiationNeeded(connection: PeerConnectionSlots): void {
  // 1. Not while operations run: again when the chain is empty.
  if (connection.operations.length > 0) {
    connection.updateNegotiationNeededFlagOnEmptyChain = true;
    return;
  }
  // 2. In a task, so that several changes fire one event.
  connection.runtime.queueTask(() => {
    // 2.1 2.2
    if (connection.isClosed) return;
    if (connection.operations.length > 0) {
      connection.updateNegotiationNeededFlagOnEmptyChain = true;
      return;
    }
    // 2.3 In other states it is done with the next answer.
    if (connection.signalingState !== 'stable') return;
    // 2.4 - 2.6
    if (!isNegotiationNeeded(connection)) {
      connection.negotiationNeeded = false;
      return;
    }
    if (connection.negotiationNeeded) return;
    connection.negotiationNeeded = true;
    // 2.7
    connection.object.dispatchEvent(new Event('negotiationneeded'));
  });
}

/** "Check if negotiation is needed" */
function isNegotiationNeeded(connection: PeerConnectionSlots): boolean {
  // 2. ICE is to be restarted.
  if (connection.localIceCredentialsToReplace.size > 0) return true;
  // 3. 4. There are channels, and no section for them.
  const local = connection.currentLocalDescription;
  if (connection.channels.hasCreated && !(local?.media ?? []).some((section) => isData(section) && !isRejected(section))) return true;
  // 5.
  return connection.transceivers.some((transceiver) => needsNegotiation(connection, transceiver, local));
}

function needsNegotiation(connection: PeerConnectionSlots, transceiver: TransceiverSlots, local: Description | null): boolean {
  // 5.1 Stopped here, and not yet there.
  if (transceiver.stopping && !transceiver.stopped) return true;
  const mid = transceiver.jsepMid;
  const section = mid === null ? undefined : local?.section(mid);
  // 5.2 5.4
  if (transceiver.stopped) return section !== undefined && !isRejectedInEither(connection, mid!);
  if (section === undefined || local === null) return true;
  // 5.3.1 What is sent belongs to other streams.
  const { direction } = transceiver;
  if (sends(direction) && !hasStreamIds(readAll(section, MSID), transceiver.sender.associatedMediaStreamIds)) return true;
  const negotiated = directionOf(local.session, section);
  const remote = connection.currentRemoteDescription;
  const remoteSection = remote?.section(mid!);
  const offered = remote === null || remoteSection === undefined ? undefined : reverse(directionOf(remote.session, remoteSection));
  // 5.3.2
  if (local.type === 'offer') return negotiated !== direction && offered !== direction;
  // 5.3.3
  return negotiated !== (offered === undefined ? direction : intersect(direction, offered));
}

function isRejectedInEither(connection: PeerConnectionSlots, mid: string): boolean {
  return [connection.currentLocalDescription, connection.currentRemoteDescription].some((description) => {
    const section = description?.section(mid);
    return section !== undefined && isRejected(section);
  });
}

function hasStreamIds(msids: readonly { readonly stream: string }[], ids: readonly string[]): boolean {
  const described = msids.map(({ stream }) => stream).filter((stream) => stream !== '-');
  return msids.length > 0 && described.length === ids.length && ids.every((id) => described.includes(id));
}
