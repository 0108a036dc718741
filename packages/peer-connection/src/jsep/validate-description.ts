/** What a description must be before it is applied (RFC 8829 §5.5 to §5.8, W3C WebRTC §4.4.1.5). Nothing has changed when this throws. */
import {
  EXTMAP,
  has,
  type MediaSection,
  MID,
  MSID,
  parseSessionDescription,
  read,
  readAll,
  RTCP_MUX,
  SdpSyntaxError,
  type SessionDescription,
} from '@petrel/sdp';
import { exception, RTCError } from '../errors.ts';
import { localDescription, type PeerConnectionSlots } from '../peer-connection-slots.ts';
import { type Direction, intersect, reverse } from '../rtc-rtp-transceiver.ts';
import type { RTCSdpType } from '../rtc-session-description.ts';
import { hasMedia, codecsOf } from './codec-negotiation.ts';
import {
  bundleGroups,
  type Description,
  directionOf,
  giveMid,
  isBundleOnly,
  isData,
  isRejected,
  midOf,
  transportAttributes,
} from './description.ts';

/** RFC 8829 §3.2, figure 3. @throws InvalidStateError */
export function checkState({ signalingState }: PeerConnectionSlots, type: RTCSdpType, remote: boolean): void {
  const allowed: Record<Exclude<RTCSdpType, 'rollback'>, readonly string[]> = remote
    ? {
        offer: ['stable', 'have-remote-offer'],
        answer: ['have-local-offer', 'have-remote-pranswer'],
        pranswer: ['have-local-offer', 'have-remote-pranswer'],
      }
    : {
        offer: ['stable', 'have-local-offer'],
        answer: ['have-remote-offer', 'have-local-pranswer'],
        pranswer: ['have-remote-offer', 'have-local-pranswer'],
      };
  // An offer is rolled back by the side that it came from.
  const states = type === 'rollback' ? [remote ? 'have-remote-offer' : 'have-local-offer'] : allowed[type];
  if (!states.includes(signalingState))
    throw exception(
      'InvalidStateError',
      `a ${remote ? 'remote' : 'local'} ${type} cannot be set in the state ${signalingState}: only in ${states.join(' and ')}`,
    );
}

/** @throws RTCError 'sdp-syntax-error' with the line */
export function parseDescription(sdp: string): SessionDescription {
  try {
    return parseSessionDescription(sdp);
  } catch (error) {
    if (!(error instanceof SdpSyntaxError)) throw error;
    throw new RTCError({ errorDetail: 'sdp-syntax-error', sdpLineNumber: error.line }, error.message);
  }
}

/** A remote description. @throws InvalidAccessError */
export function checkRemote(connection: PeerConnectionSlots, type: Exclude<RTCSdpType, 'rollback'>, session: SessionDescription): void {
  nameSections(connection, type, session);
  checkMids(session);
  checkGroups(session);
  checkStreams(session);
  if (type === 'offer') checkOfferedSections(connection, session);
  else checkAnsweredSections(session, localDescription(connection)!);
  for (const [index, section] of session.media.entries()) {
    if (isRejected(section)) continue;
    if (!isData(section)) checkMedia(section, index);
    if (!needsTransport(session, section, index)) continue;
    if (!isData(section) && !has(section, RTCP_MUX)) throw invalid(`section ${index} does not multiplex RTCP: a=rtcp-mux is required`);
    checkTransport(session, section, index, type);
  }
}

/** Sections that have no `a=mid` go by their place (RFC 8829 §5.8.2). */
function nameSections(connection: PeerConnectionSlots, type: RTCSdpType, session: SessionDescription): void {
  const known =
    type === 'offer' ? (connection.currentRemoteDescription ?? connection.currentLocalDescription) : localDescription(connection);
  for (const [index, section] of session.media.entries()) {
    const counterpart = known?.media[index];
    if (counterpart !== undefined && read(section, MID) === undefined) giveMid(section, midOf(counterpart, index));
  }
}

function invalid(message: string): DOMException {
  return exception('InvalidAccessError', message);
}

function checkMids(session: SessionDescription): void {
  const mids = session.media.map((section, index) => midOf(section, index));
  if (new Set(mids).size < mids.length) throw invalid('two sections have the same mid');
}

/** RFC 8843 §7.1: what a group names exists, and is in one group only. */
function checkGroups(session: SessionDescription): void {
  const grouped = bundleGroups(session).flat();
  const mids = new Set(session.media.map((section, index) => midOf(section, index)));
  if (grouped.some((mid) => !mids.has(mid))) throw invalid('a BUNDLE group names a section that does not exist');
  if (new Set(grouped).size < grouped.length) throw invalid('a section is in two BUNDLE groups');
}

/** RFC 8830 §2: a track of a stream is in one section only. @throws OperationError */
function checkStreams(session: SessionDescription): void {
  const tracks = session.media.flatMap((section) => (isRejected(section) ? [] : [...tracksOf(section)]));
  if (new Set(tracks).size < tracks.length) throw exception('OperationError', 'two sections have the same track (a=msid)');
}

/** A line that is there twice says no more than once. */
function tracksOf(section: MediaSection): ReadonlySet<string> {
  return new Set(readAll(section, MSID).flatMap(({ stream, track }) => (track === undefined ? [] : `${stream} ${track}`)));
}

/** RFC 3264 §8: sections stay where they are; one that was rejected may be used anew. */
function checkOfferedSections(connection: PeerConnectionSlots, session: SessionDescription): void {
  const previous = connection.currentRemoteDescription ?? connection.currentLocalDescription;
  if (previous === null) return;
  if (session.media.length < previous.media.length) throw invalid('sections have disappeared from the offer');
  for (const [index, before] of previous.media.entries()) {
    const section = session.media[index]!;
    const wasRejected =
      isRejected(before) ||
      [connection.currentLocalDescription, connection.currentRemoteDescription].some(
        (one) => one?.media[index] && isRejected(one.media[index]),
      );
    if (wasRejected) continue;
    if (section.kind !== before.kind) throw invalid(`section ${index} has become ${section.kind}`);
    if (midOf(section, index) !== midOf(before, index)) throw invalid(`the mid of section ${index} has changed`);
  }
}

/** RFC 3264 §6: an answer has the offer's sections. */
function checkAnsweredSections(session: SessionDescription, offer: Description): void {
  if (session.media.length !== offer.media.length) throw invalid('the answer has not as many sections as the offer');
  for (const [index, section] of session.media.entries()) {
    const offered = offer.media[index]!;
    if (section.kind !== offered.kind) throw invalid(`section ${index} is ${section.kind}, and was offered as ${offered.kind}`);
    if (midOf(section, index) !== midOf(offered, index)) throw invalid(`the mid of section ${index} is not that of the offer`);
    if (isRejected(offered) && !isRejected(section)) throw invalid(`section ${index} was rejected in the offer`);
    if (isRejected(section) || isData(section)) continue;
    if (!hasMedia(codecsOf(section))) throw invalid(`section ${index} has no codec that is known`);
    checkDirection(directionOf(offer.session, offered), directionOf(session, section), index);
    checkExtensions(offered, section, index);
  }
  const offeredGroups = bundleGroups(offer.session);
  for (const mids of bundleGroups(session))
    if (!offeredGroups.some((group) => mids.every((mid) => group.includes(mid))))
      throw invalid('the answer has a BUNDLE group that was not offered');
}

/** RFC 3264 §6.1: nobody sends what the other side does not receive. */
function checkDirection(offered: Direction, answered: Direction, index: number): void {
  if (intersect(reverse(offered), answered) !== answered) throw invalid(`section ${index} answers ${offered} with ${answered}`);
}

/** RFC 8285 §6: an answer does not give an identifier another meaning. */
function checkExtensions(offered: MediaSection, section: MediaSection, index: number): void {
  const uris = new Map(readAll(offered, EXTMAP).map(({ id, uri }) => [id, uri]));
  const changed = readAll(section, EXTMAP).find(({ id, uri }) => uris.has(id) && uris.get(id) !== uri);
  if (changed !== undefined) throw invalid(`section ${index} answers with another header extension ${changed.id}`);
}

/** Payload types that RTCP multiplexing takes away (RFC 5761 §4). */
function checkMedia(section: MediaSection, index: number): void {
  const reserved = codecsOf(section).find(({ payloadType }) => payloadType >= 64 && payloadType <= 95);
  if (reserved !== undefined) throw invalid(`section ${index} has the payload type ${reserved.payloadType}, which RTCP has (RFC 5761 §4)`);
}

/** The tagged section of a group has the transport; the others need not repeat it (RFC 8843 §7.1.3). */
function needsTransport(session: SessionDescription, section: MediaSection, index: number): boolean {
  if (isBundleOnly(section)) return false;
  const group = bundleGroups(session).find((mids) => mids.includes(midOf(section, index)));
  return group === undefined || group[0] === midOf(section, index);
}

/** RFC 8839 §5.4: ice-chars. A password that is too short weakens nobody but the peer. */
function isIceText(text: string | undefined): boolean {
  return text !== undefined && /^[A-Za-z0-9+/]+$/.test(text);
}

/** RFC 8829 §5.8.2, RFC 8827 §6.5. */
function checkTransport(session: SessionDescription, section: MediaSection, index: number, type: RTCSdpType): void {
  const { usernameFragment, password, fingerprints, setup } = transportAttributes(session, section);
  if (!isIceText(usernameFragment) || !isIceText(password)) throw invalid(`section ${index} has no ICE credentials`);
  if (fingerprints.length === 0) throw invalid(`section ${index} has no DTLS fingerprint`);
  if (type !== 'offer' && setup === 'actpass') throw invalid(`section ${index} answers with a=setup:actpass, as if it were an offer`);
  if (setup === 'holdconn') throw invalid(`section ${index} holds the connection (a=setup:holdconn)`);
}
