/** addIceCandidate (W3C WebRTC §4.4.2, RFC 8829 §5.10). */
import { parseCandidate } from '@petrel/ice';
import { exception } from '../errors.ts';
import { inTask, type PeerConnectionSlots, remoteDescription } from '../peer-connection-slots.ts';
import type { PeerTransport } from '../peer-transport.ts';
import type { RTCIceCandidateInit } from '../rtc-ice-candidate.ts';
import { addRemoteCandidate } from './apply-transports.ts';
import { type Description, isData, isRejected, midOf, transportAttributes } from './description.ts';

/** From step 4 on: what runs in the operations chain. */
export async function addIceCandidate(connection: PeerConnectionSlots, candidate: RTCIceCandidateInit): Promise<undefined> {
  const { candidate: line = '', usernameFragment = null } = candidate;
  // 4.1
  const remote = remoteDescription(connection);
  if (remote === null) throw exception('InvalidStateError', 'there is no remote description yet: keep candidates until it is set');
  // 4.2 4.3
  const index = sectionIndex(remote, candidate);
  // 4.4
  if (index !== undefined && isStopped(connection, remote, index)) return undefined;
  // 4.5
  const descriptions = [connection.pendingRemoteDescription, connection.currentRemoteDescription].filter((one) => one !== null);
  if (usernameFragment !== null && !descriptions.some((one) => hasGeneration(one, index, usernameFragment)))
    throw exception('OperationError', `no section of the remote description has the username fragment '${usernameFragment}'`);
  // 4.6 - 4.8
  if (line !== '' && parseCandidate(line.replace(/^a=/, '')) === undefined)
    throw exception('OperationError', `'${line}' is not a candidate: 'candidate:…' is expected (RFC 8839 §5.1)`);
  return inTask(connection, () => {
    apply(connection, line.replace(/^a=/, ''), index, usernameFragment);
    return undefined;
  });
}

function sectionIndex(remote: Description, { sdpMid = null, sdpMLineIndex = null }: RTCIceCandidateInit): number | undefined {
  if (sdpMid !== null) {
    const index = remote.indexOf(sdpMid);
    if (index === -1) throw exception('OperationError', `no section of the remote description has the mid '${sdpMid}'`);
    return index;
  }
  if (sdpMLineIndex === null) return undefined;
  if (sdpMLineIndex >= remote.media.length)
    throw exception(
      'OperationError',
      `the remote description has ${remote.media.length} sections, and none with the index ${sdpMLineIndex}`,
    );
  return sdpMLineIndex;
}

function isStopped(connection: PeerConnectionSlots, remote: Description, index: number): boolean {
  const section = remote.media[index]!;
  const mid = midOf(section, index);
  if (isData(section)) return isRejected(section);
  return connection.transceivers.find(({ jsepMid }) => jsepMid === mid)?.stopped ?? true;
}

/** Of one section, or of any when none is named. */
function hasGeneration(description: Description, index: number | undefined, usernameFragment: string): boolean {
  return description.media.some((section, at) => {
    if (index !== undefined && at !== index) return false;
    return transportAttributes(description.session, section).usernameFragment === usernameFragment;
  });
}

function apply(connection: PeerConnectionSlots, line: string, index: number | undefined, usernameFragment: string | null): void {
  const value = line.replace(/^candidate:/, '');
  const remote = remoteDescription(connection)!;
  const indices = index === undefined ? [...remote.media.keys()] : [index];
  for (const at of indices) {
    // Without a fragment it belongs to the newest generation.
    const fragment = usernameFragment ?? fragmentOf(remote, at);
    for (const description of [connection.pendingRemoteDescription, connection.currentRemoteDescription]) {
      if (description === null || description.media[at] === undefined || fragmentOf(description, at) !== fragment) continue;
      if (value === '') description.addEndOfCandidates(at);
      else description.addCandidate(at, value);
    }
    const transport = transportFor(connection, midOf(remote.media[at]!, at), fragment);
    if (transport === undefined) continue;
    if (value === '') transport.driver.input(({ ice }, now) => ice.endOfRemoteCandidates(now));
    else addRemoteCandidate(connection, transport, value);
  }
}

function fragmentOf(description: Description, index: number): string | undefined {
  return transportAttributes(description.session, description.media[index]!).usernameFragment;
}

/**
 * The transport that takes the candidate now: that of an unanswered offer gets it from the description, when it is answered.
 * In a BUNDLE group only the tagged section's candidates count (RFC 8843 §10.1.1).
 */
function transportFor(connection: PeerConnectionSlots, mid: string, fragment: string | undefined): PeerTransport | undefined {
  const transport = connection.transports.get(mid);
  if (transport === undefined || transport.isClosed || transport.mid !== mid) return undefined;
  return transport.remoteParameters?.usernameFragment === fragment ? transport : undefined;
}
