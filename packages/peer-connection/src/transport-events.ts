/** What a transport's stack reports, as changes of W3C objects and events on them. Each call is a task of its own (the driver's doing). */
import type { IceEvent } from '@petrel/ice';
import type { DtlsFailure, DtlsState } from '@petrel/dtls';
import { deriveConnectionState, deriveGatheringState, deriveIceConnectionState, type TransportState } from './connection-state.ts';
import { RemoteCloseEvent, RTCPeerConnectionIceErrorEvent, RTCPeerConnectionIceEvent } from './events.ts';
import { type Description, midOf, transportAttributes } from './jsep/description.ts';
import type { MediaEvent } from './media-stack.ts';
import { mediaStreamTrackSlots, setTrackMuted } from './media-stream-track.ts';
import { localDescription, type PeerConnectionSlots } from './peer-connection-slots.ts';
import { type PeerTransport, sameFingerprints } from './peer-transport.ts';
import { dtlsTransportSlots, fireDtlsError } from './rtc-dtls-transport.ts';
import { createRTCIceCandidate, RTCIceCandidate } from './rtc-ice-candidate.ts';
import { createRTCIceCandidatePair, iceTransportSlots, type RTCIceGathererState } from './rtc-ice-transport.ts';
import { sctpTransportSlots } from './rtc-sctp-transport.ts';
import type { StackEvent } from './transport-stack.ts';

export function handleStackEvent(connection: PeerConnectionSlots, transport: PeerTransport, event: StackEvent): void {
  if (connection.isClosed || transport.isClosed) return;
  switch (event.layer) {
    case 'ice':
      return handleIceEvent(connection, transport, event.event);
    case 'dtls':
      return setDtlsState(connection, transport, event.state, event.failure);
    case 'sctp':
      return setSctpState(connection, transport, event.state, event.maxChannels);
    case 'channel':
      return connection.channels.handleEvent(event.event);
    case 'media':
      return handleMediaEvent(transport, event.event);
    case 'remote-close':
      return handleRemoteClose(connection, transport, event.reason);
  }
}

function handleIceEvent(connection: PeerConnectionSlots, transport: PeerTransport, event: IceEvent): void {
  switch (event.type) {
    case 'gathering-state':
      if (event.state === 'complete') return finishGathering(connection, transport);
      return setGatheringState(connection, transport, event.state);
    case 'candidate': {
      const mid = transport.mid;
      const index = localDescription(connection)?.indexOf(mid) ?? -1;
      const candidate = createRTCIceCandidate(event.candidate, mid, index === -1 ? null : index);
      return makeAvailable(connection, transport, candidate);
    }
    case 'candidate-error':
      connection.object.dispatchEvent(
        new RTCPeerConnectionIceErrorEvent('icecandidateerror', {
          address: event.address ?? null,
          port: event.port ?? null,
          url: event.url,
          errorCode: event.errorCode,
          errorText: event.errorText,
        }),
      );
      return;
    case 'selected-pair': {
      const [local, remote] = [event.local, event.remote].map((one) => createRTCIceCandidate(one, transport.mid, null));
      iceTransportSlots(transport.ice).selectedPair = createRTCIceCandidatePair(local!, remote!);
      transport.ice.dispatchEvent(new Event('selectedcandidatepairchange'));
      return;
    }
    case 'state':
      return setIceState(connection, transport, event.state);
    case 'role':
      iceTransportSlots(transport.ice).role = event.role;
      return;
    default:
      return;
  }
}

// Candidates (§5.6) ----------------------------------------------------------------------------------------------------

/** "A new ICE candidate is available": shown at once, or when the description with its generation is applied. */
function makeAvailable(connection: PeerConnectionSlots, transport: PeerTransport, candidate: RTCIceCandidate): void {
  if (descriptionsOf(connection, transport, candidate.usernameFragment).length > 0) surface(connection, transport, candidate);
  else connection.earlyCandidates.push({ transport, candidate });
}

/** "Release early candidates" */
export function releaseEarlyCandidates(connection: PeerConnectionSlots): void {
  const early = connection.earlyCandidates;
  connection.earlyCandidates = [];
  for (const { transport, candidate } of early) connection.runtime.queueTask(() => surface(connection, transport, candidate));
}

/** "Surface the candidate" */
function surface(connection: PeerConnectionSlots, transport: PeerTransport, candidate: RTCIceCandidate): void {
  // 1.
  if (connection.isClosed || transport.isClosed) return;
  // 3. 4. It becomes part of the descriptions of its generation.
  const value = candidate.candidate.replace(/^candidate:/, '');
  for (const { description, index } of descriptionsOf(connection, transport, candidate.usernameFragment))
    description.addCandidate(index, value);
  // 6. 7.
  iceTransportSlots(transport.ice).localCandidates.push(candidate);
  connection.object.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate', { candidate, url: candidate.url }));
}

/** The local descriptions that have the generation, with the section's index in them. */
function descriptionsOf(
  connection: PeerConnectionSlots,
  transport: PeerTransport,
  usernameFragment: string | null,
): { description: Description; index: number }[] {
  return [connection.pendingLocalDescription, connection.currentLocalDescription].flatMap((description) => {
    if (description === null) return [];
    const index = description.media.findIndex((section, at) => midOf(section, at) === transport.mid);
    if (index === -1) return [];
    const fragment = transportAttributes(description.session, description.media[index]!).usernameFragment;
    return usernameFragment === null || fragment === usernameFragment ? [{ description, index }] : [];
  });
}

/** "Finished gathering a generation": two tasks, the second one for the states. */
function finishGathering(connection: PeerConnectionSlots, transport: PeerTransport): void {
  const { usernameFragment } = transport.driver.stack.ice.localParameters;
  const places = descriptionsOf(connection, transport, usernameFragment);
  for (const { description, index } of places) description.addEndOfCandidates(index);
  const sdpMLineIndex = places[0]?.index ?? null;
  const candidate = new RTCIceCandidate({ candidate: '', sdpMid: transport.mid, sdpMLineIndex, usernameFragment });
  connection.runtime.queueTask(() => {
    if (connection.isClosed || transport.isClosed) return;
    setGatheringState(connection, transport, 'complete');
  });
  connection.object.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate', { candidate }));
}

function setGatheringState(connection: PeerConnectionSlots, transport: PeerTransport, state: RTCIceGathererState): void {
  iceTransportSlots(transport.ice).gatheringState = state;
  const before = connection.iceGatheringState;
  connection.iceGatheringState = deriveGatheringState(transportStates(connection));
  const changed = connection.iceGatheringState !== before;
  transport.ice.dispatchEvent(new Event('gatheringstatechange'));
  if (changed) connection.object.dispatchEvent(new Event('icegatheringstatechange'));
  if (connection.iceGatheringState !== 'complete') return;
  if (changed) endGathering(connection);
  if (state === 'complete') connection.object.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate', { candidate: null }));
}

/** Not when a restart has begun to gather while the task was under way. */
function endGathering(connection: PeerConnectionSlots): void {
  const { transports, gatheringCompletion } = connection;
  if (![...transports.values()].some(({ driver }) => driver.stack.ice.gatheringState === 'gathering')) gatheringCompletion.end();
}

// States (§4.3, §5.5, §5.6) --------------------------------------------------------------------------------------------

/** Of the transports that transceivers and data channels use. */
function transportStates(connection: PeerConnectionSlots): TransportState[] {
  const used = new Set<PeerTransport>();
  for (const { sender, stopped } of connection.transceivers) if (sender.transport !== null && !stopped) used.add(sender.transport);
  if (connection.sctp !== null) used.add(connection.sctp.transport);
  return [...used].map((transport) => transport.state);
}

/** "Change the selected candidate pair and state" */
function setIceState(connection: PeerConnectionSlots, transport: PeerTransport, state: TransportState['ice']): void {
  iceTransportSlots(transport.ice).state = state;
  const iceBefore = connection.iceConnectionState;
  const before = connection.connectionState;
  deriveStates(connection);
  const iceChanged = connection.iceConnectionState !== iceBefore;
  const changed = connection.connectionState !== before;
  transport.ice.dispatchEvent(new Event('statechange'));
  if (iceChanged) connection.object.dispatchEvent(new Event('iceconnectionstatechange'));
  if (changed) connection.object.dispatchEvent(new Event('connectionstatechange'));
}

function deriveStates(connection: PeerConnectionSlots): void {
  const states = transportStates(connection);
  connection.iceConnectionState = deriveIceConnectionState(states);
  connection.connectionState = deriveConnectionState(connection.iceConnectionState, states);
}

/** The set of transports has changed (BUNDLE, a stopped transceiver): the states derived from it may have too. They tell of it in a task. */
export function updateAggregateStates(connection: PeerConnectionSlots): void {
  const { iceConnectionState, connectionState, iceGatheringState } = connection;
  deriveStates(connection);
  connection.iceGatheringState = deriveGatheringState(transportStates(connection));
  const events: string[] = [];
  if (connection.iceGatheringState !== iceGatheringState) events.push('icegatheringstatechange');
  if (connection.iceConnectionState !== iceConnectionState) events.push('iceconnectionstatechange');
  if (connection.connectionState !== connectionState) events.push('connectionstatechange');
  if (events.length === 0) return;
  connection.runtime.queueTask(() => {
    if (connection.isClosed) return;
    for (const type of events) connection.object.dispatchEvent(new Event(type));
    if (!events.includes('icegatheringstatechange') || connection.iceGatheringState !== 'complete') return;
    endGathering(connection);
    connection.object.dispatchEvent(new RTCPeerConnectionIceEvent('icecandidate', { candidate: null }));
  });
}

/** §5.5, and "update the connection state" (§4.4.1.3) in a task of its own. */
function setDtlsState(connection: PeerConnectionSlots, transport: PeerTransport, state: DtlsState, failure: DtlsFailure | undefined): void {
  const slots = dtlsTransportSlots(transport.dtls);
  if (slots.state === 'failed' || slots.state === state) return;
  slots.state = state;
  if (state === 'connected') slots.remoteCertificates = transport.driver.stack.dtls?.peerCertificates ?? [];
  if (state === 'failed') fireDtlsError(transport.dtls, failure);
  transport.dtls.dispatchEvent(new Event('statechange'));
  connection.runtime.queueTask(() => {
    if (connection.isClosed) return;
    const newState = deriveConnectionState(connection.iceConnectionState, transportStates(connection));
    if (newState === connection.connectionState) return;
    connection.connectionState = newState;
    connection.object.dispatchEvent(new Event('connectionstatechange'));
  });
}

/** "Connected procedure" and its opposite (§6.1.1); the channels' own events follow. */
function setSctpState(
  connection: PeerConnectionSlots,
  transport: PeerTransport,
  state: 'connecting' | 'connected' | 'closed',
  maxChannels: number | undefined,
): void {
  const { sctp } = connection;
  if (sctp === null || sctp.transport !== transport) return;
  const slots = sctpTransportSlots(sctp.object);
  if (slots.state === state) return;
  slots.state = state;
  if (maxChannels !== undefined) slots.maxChannels = maxChannels;
  sctp.object.dispatchEvent(new Event('statechange'));
}

// Media ----------------------------------------------------------------------------------------------------------------

function handleMediaEvent(transport: PeerTransport, event: MediaEvent): void {
  switch (event.type) {
    case 'unmute':
    case 'mute': {
      const receiver = transport.receivers.get(event.stream);
      if (receiver === undefined) return;
      // Only what is received is unmuted ([[Receptive]], §5.3); a later packet asks again.
      if (event.type === 'unmute' && !receiver.transceiver.receptive) return void event.stream.setMuted(true);
      return setTrackMuted(receiver.track, event.type === 'mute');
    }
    case 'key-frame-request': {
      const track = transport.senders.get(event.stream)?.track;
      return track ? mediaStreamTrackSlots(track).source.requestKeyFrame() : undefined;
    }
    default:
      return;
  }
}

// The other side closes ------------------------------------------------------------------------------------------------

/** Chromium says close_notify to a DTLS association that an ICE restart with another fingerprint replaces: that is no goodbye. */
const REPLACEMENT_PERIOD = 5000;

function handleRemoteClose(connection: PeerConnectionSlots, transport: PeerTransport, reason: string): void {
  const isReplacement = isBeingReplaced(connection, transport);
  if (!isReplacement) transport.driver.input(({ ice }) => ice.refuseChecks()); // RFC 7675 §5.2
  connection.object.dispatchEvent(new RemoteCloseEvent('remoteclose', { reason }));
  if (connection.configuration.autoClose === true && !isReplacement) connection.object.close();
}

/** Whether other ICE credentials or fingerprints are being negotiated, or were a moment ago. */
function isBeingReplaced(connection: PeerConnectionSlots, transport: PeerTransport): boolean {
  if (connection.runtime.now() - transport.identityChangedAt <= REPLACEMENT_PERIOD) return true;
  const { pendingLocalDescription, currentLocalDescription, pendingRemoteDescription, currentRemoteDescription } = connection;
  return (
    changesIdentity(transport.mid, pendingLocalDescription, currentLocalDescription) ||
    changesIdentity(transport.mid, pendingRemoteDescription, currentRemoteDescription)
  );
}

function changesIdentity(mid: string, pending: Description | null, current: Description | null): boolean {
  const [before, after] = [current, pending].map((description) => {
    const section = description?.section(mid);
    return section && transportAttributes(description!.session, section);
  });
  if (before === undefined || after === undefined) return false;
  return before.usernameFragment !== after.usernameFragment || !sameFingerprints(before.fingerprints, after.fingerprints);
}
