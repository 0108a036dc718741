/** createOffer, createAnswer, setLocalDescription, setRemoteDescription: their steps in the operations chain (W3C WebRTC §4.4.2). */
import { createTransceiver } from '../create-transceiver.ts';
import { exception } from '../errors.ts';
import type { MediaKind } from '../media-stream-track.ts';
import { inTask, type PeerConnectionSlots } from '../peer-connection-slots.ts';
import type { RTCOfferOptions } from '../rtc-peer-connection.ts';
import type { RTCLocalSessionDescriptionInit, RTCSdpType, RTCSessionDescriptionInit } from '../rtc-session-description.ts';
import { receives, sends } from '../rtc-rtp-transceiver.ts';
import { createAnswer } from './create-answer.ts';
import { createOffer } from './create-offer.ts';
import type { CreatedDescription } from './description.ts';
import { setLocalDescription, setRemoteDescription } from './set-description.ts';
import { checkState, parseDescription } from './validate-description.ts';

// createOffer ----------------------------------------------------------------------------------------------------------

export function makeOffer(connection: PeerConnectionSlots, options: RTCOfferOptions): Promise<RTCSessionDescriptionInit> {
  return connection.operations.chain(async () => {
    if (!connection.isClosed) applyLegacyOptions(connection, options);
    const { sdp } = await offerSteps(connection, options.iceRestart === true);
    return { type: 'offer', sdp };
  });
}

/** "Create an offer" */
async function offerSteps(connection: PeerConnectionSlots, iceRestart: boolean): Promise<CreatedDescription> {
  // 1.
  if (connection.signalingState !== 'stable' && connection.signalingState !== 'have-local-offer')
    throw exception('InvalidStateError', `an offer cannot be made in the state ${connection.signalingState}: first answer the peer's`);
  // In parallel: 1. A certificate.
  await haveCertificate(connection);
  // The final steps, in a task: with the state of then.
  return inTask(connection, () => (connection.lastCreatedOffer = createOffer(connection, iceRestart)));
}

/** §4.4.3.2: offerToReceiveAudio and offerToReceiveVideo. */
function applyLegacyOptions(connection: PeerConnectionSlots, { offerToReceiveAudio, offerToReceiveVideo }: RTCOfferOptions): void {
  const options: [MediaKind, boolean | undefined][] = [
    ['audio', offerToReceiveAudio],
    ['video', offerToReceiveVideo],
  ];
  for (const [kind, wanted] of options) {
    if (wanted === undefined) continue;
    const transceivers = connection.transceivers.filter((transceiver) => transceiver.kind === kind && !transceiver.stopping);
    if (!wanted) {
      for (const transceiver of transceivers)
        if (receives(transceiver.direction)) transceiver.direction = sends(transceiver.direction) ? 'sendonly' : 'inactive';
    } else if (!transceivers.some(({ direction }) => receives(direction)))
      connection.transceivers.push(
        createTransceiver(connection, { kind, track: null, streamIds: [], encodings: [], direction: 'recvonly', origin: 'addTransceiver' }),
      );
  }
}

// createAnswer ---------------------------------------------------------------------------------------------------------

export function makeAnswer(connection: PeerConnectionSlots): Promise<RTCSessionDescriptionInit> {
  return connection.operations.chain(async () => {
    const { sdp } = await answerSteps(connection);
    return { type: 'answer', sdp };
  });
}

/** "Create an answer" */
async function answerSteps(connection: PeerConnectionSlots): Promise<CreatedDescription> {
  if (connection.signalingState !== 'have-remote-offer' && connection.signalingState !== 'have-local-pranswer')
    throw exception('InvalidStateError', `an answer cannot be made in the state ${connection.signalingState}: first set the peer's offer`);
  await haveCertificate(connection);
  return inTask(connection, () => (connection.lastCreatedAnswer = createAnswer(connection)));
}

async function haveCertificate(connection: PeerConnectionSlots): Promise<void> {
  if (connection.certificate !== undefined) return;
  try {
    await connection.certificateReady;
  } catch (error) {
    throw exception('OperationError', `no certificate could be generated: ${String(error)}`);
  }
}

// setLocalDescription --------------------------------------------------------------------------------------------------

export function applyImplicitly(connection: PeerConnectionSlots, { type, sdp = '' }: RTCLocalSessionDescriptionInit): Promise<undefined> {
  return connection.operations.chain(async () => {
    // 4.1 What the state asks for.
    const { signalingState } = connection;
    const offers = signalingState === 'stable' || signalingState === 'have-local-offer' || signalingState === 'have-remote-pranswer';
    const actual: RTCSdpType = type ?? (offers ? 'offer' : 'answer');
    // A type that the state does not allow is that error first, as in browsers.
    checkState(connection, actual, false);
    if (actual === 'rollback') return applyLocal(connection, actual, undefined);
    // 4.2 4.3 Only what was created can be set.
    const last = actual === 'offer' ? connection.lastCreatedOffer : connection.lastCreatedAnswer;
    if (sdp !== '' && sdp !== last?.sdp)
      throw exception('InvalidModificationError', `this ${actual} is not the one that was created last, unchanged: set that, or pass none`);
    if (sdp !== '') return applyLocal(connection, actual, last);
    // 4.4 4.5 Made now, so that it shows the state of now.
    return applyLocal(connection, actual, actual === 'offer' ? await offerSteps(connection, false) : await answerSteps(connection));
  });
}

function applyLocal(connection: PeerConnectionSlots, type: RTCSdpType, created: CreatedDescription | undefined): Promise<undefined> {
  return inTask(connection, () => {
    setLocalDescription(connection, type, created);
    if (type !== 'rollback') connection.hasSetLocalDescription = true;
    return undefined;
  });
}

// setRemoteDescription -------------------------------------------------------------------------------------------------

export function applyRemotely(connection: PeerConnectionSlots, { type, sdp = '' }: RTCSessionDescriptionInit): Promise<undefined> {
  return connection.operations.chain(async () => {
    await haveCertificate(connection);
    // 3.1 An offer in the middle of one of ours: that is rolled back first.
    if (type === 'offer' && connection.signalingState === 'have-local-offer') {
      const rollBack = (): void => setLocalDescription(connection, 'rollback', undefined);
      // One that cannot even be read rolls back as well, and is refused at once.
      if (!isReadable(sdp)) {
        rollBack();
        parseDescription(sdp);
      }
      await inTask(connection, rollBack);
    }
    // 3.2
    return inTask(connection, () => {
      setRemoteDescription(connection, type, sdp);
      return undefined;
    });
  });
}

function isReadable(sdp: string): boolean {
  try {
    parseDescription(sdp);
    return true;
  } catch {
    return false;
  }
}
