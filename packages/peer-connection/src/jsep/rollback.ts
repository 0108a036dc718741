/** Rollback (W3C WebRTC §4.4.1.5, step 4.5.10; RFC 8829 §4.1.10.2): as it was in the last stable state. */
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import { stopReceiving } from '../receiving.ts';
import { receives, stopTransceiver, type TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import { processRemoteTracks, type TrackChanges } from './remote-tracks.ts';
import { dropPendingTransports } from './transports.ts';

export function rollBack(connection: PeerConnectionSlots, changes: TrackChanges): void {
  const isRemote = connection.signalingState === 'have-remote-offer';
  connection.sctp = connection.lastStableStateSctp;
  for (const transceiver of connection.transceivers) restore(transceiver, isRemote, changes);
  connection.transceivers = connection.transceivers.filter((transceiver) => {
    if (!transceiver.createdByPendingDescription || transceiver.trackAttached) {
      if (transceiver.createdByPendingDescription) forgetEnvelope(transceiver);
      transceiver.createdByPendingDescription = false;
      return true;
    }
    stopTransceiver(transceiver);
    return false;
  });
  connection.pendingLocalDescription = null;
  connection.pendingRemoteDescription = null;
  connection.signalingState = 'stable';
  dropPendingTransports(connection);
}

/** What the offer wanted to receive is no more. */
function forgetEnvelope({ sender, kind }: TransceiverSlots): void {
  if (sender.sendEncodings.every(({ rid }) => rid === undefined)) return;
  sender.sendEncodings = [kind === 'video' ? { active: true, scaleResolutionDownBy: 1 } : { active: true }];
  sender.lastReturnedParameters = null;
}

function restore(transceiver: TransceiverSlots, isRemote: boolean, changes: TrackChanges): void {
  const { sender, receiver } = transceiver;
  // 2.1
  if (transceiver.associatedByPendingDescription) {
    transceiver.associatedByPendingDescription = false;
    transceiver.jsepMid = null;
    transceiver.mid = null;
  }
  // 2.2 - 2.5
  sender.transport = sender.lastStableStateTransport;
  receiver.transport = receiver.lastStableStateTransport;
  if (sender.lastStableRidlessSendEncodings !== null && sender.sendEncodings.some(({ rid }) => rid !== undefined)) {
    sender.sendEncodings = sender.lastStableRidlessSendEncodings;
    sender.lastReturnedParameters = null;
  }
  receiver.receiveCodecs = receiver.lastStableStateReceiveCodecs;
  if (!receives(transceiver.currentDirection)) stopReceiving(receiver);
  // 2.6
  if (!isRemote) return;
  const msids = receiver.lastStableStateAssociatedRemoteMediaStreams.map(({ id }) => id);
  processRemoteTracks(transceiver, transceiver.currentDirection, msids, changes);
}
