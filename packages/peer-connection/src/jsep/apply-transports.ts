/** From descriptions to transports: gathering, credentials, candidates, DTLS and SCTP (RFC 8829 §5.9 to §5.11, RFC 8842, RFC 8841). */
import { type Candidate, hasNamedAddress, parseCandidate } from '@petrel/ice';
import { CANDIDATE, END_OF_CANDIDATES, has, type MediaSection, readAll, type SessionDescription } from '@petrel/sdp';
import { localDescription, type PeerConnectionSlots, remoteDescription } from '../peer-connection-slots.ts';
import type { PeerTransport } from '../peer-transport.ts';
import { RTCIceCandidate } from '../rtc-ice-candidate.ts';
import { iceTransportSlots } from '../rtc-ice-transport.ts';
import { createRTCSctpTransport, sctpTransportSlots, updateMaxMessageSize } from '../rtc-sctp-transport.ts';
import { maxMessageSizeOf, sctpPortOf } from './create-answer.ts';
import {
  bundleGroups,
  type Description,
  isBundleOnly,
  isData,
  isRejected,
  MAX_CANDIDATES,
  midOf,
  transportAttributes,
} from './description.ts';
import { applyBundle, transportShown, transportToAnswer } from './transports.ts';

/** A local offer: each transport in it gathers. */
export function startGathering(connection: PeerConnectionSlots, description: Description): void {
  for (const { transport, usernameFragment } of transportsIn(connection, description))
    if (usernameFragment !== undefined) transport.applyLocal(usernameFragment);
}

interface TransportInDescription {
  readonly transport: PeerTransport;
  readonly section: MediaSection;
  readonly usernameFragment: string | undefined;
}

/** Each transport once, with the section that speaks for it. */
function transportsIn(connection: PeerConnectionSlots, description: Description): TransportInDescription[] {
  const found = new Map<PeerTransport, TransportInDescription>();
  for (const [index, section] of description.media.entries()) {
    const mid = midOf(section, index);
    const transport = connection.transports.get(mid);
    if (isRejected(section) || transport === undefined || transport.isClosed) continue;
    if (found.has(transport) && transport.mid !== mid) continue;
    const speaker = speakerFor(description, section, mid);
    const { usernameFragment } = transportAttributes(description.session, speaker);
    found.set(transport, { transport, section: speaker, usernameFragment });
  }
  return [...found.values()];
}

/** The tagged section speaks for those that are bundle-only, even if it was rejected. */
function speakerFor(description: Description, section: MediaSection, mid: string): MediaSection {
  if (!isBundleOnly(section)) return section;
  const group = bundleGroups(description.session).find((mids) => mids.includes(mid));
  return (group && description.section(group[0]!)) ?? section;
}

/** An answer, final or not: both descriptions are there, so that checks and DTLS can begin. */
export function applyTransports(connection: PeerConnectionSlots, answer: Description, remote: boolean): void {
  const local = localDescription(connection)!;
  const theirs = remoteDescription(connection)!;
  applyBundle(connection, answer.session, answer.type === 'answer');
  shareTransports(connection);
  const offeredByPeer = remote ? undefined : theirs.session;
  for (const { transport, usernameFragment } of transportsIn(connection, local)) {
    transport.setRole(remote || (offeredByPeer !== undefined && isLite(offeredByPeer)) ? 'controlling' : 'controlled');
    if (usernameFragment !== undefined) transport.applyLocal(usernameFragment);
  }
  for (const { transport, section } of transportsIn(connection, theirs)) connectTransport(connection, transport, local, theirs, section);
  startSctp(connection, local, theirs);
}

function isLite(session: SessionDescription): boolean {
  return session.attributes.some(({ name }) => name === 'ice-lite');
}

/** Senders and receivers show the transport that their section has now. */
function shareTransports(connection: PeerConnectionSlots): void {
  for (const { sender, receiver, jsepMid, stopped } of connection.transceivers) {
    const transport = jsepMid === null ? undefined : connection.transports.get(jsepMid);
    if (transport === undefined || stopped) continue;
    sender.transport = transport;
    receiver.transport = transport;
  }
}

function connectTransport(
  connection: PeerConnectionSlots,
  transport: PeerTransport,
  local: Description,
  remote: Description,
  section: MediaSection,
): void {
  const theirs = transportAttributes(remote.session, section);
  const own = local.section(transport.mid);
  const ours = own && speakerFor(local, own, transport.mid);
  if (theirs.usernameFragment === undefined || theirs.password === undefined || ours === undefined) return;
  transport.applyRemote({ usernameFragment: theirs.usernameFragment, password: theirs.password, lite: theirs.lite });
  for (const value of readAll(section, CANDIDATE)) addRemoteCandidate(connection, transport, value);
  if (has(section, END_OF_CANDIDATES)) transport.driver.input(({ ice }, now) => ice.endOfRemoteCandidates(now));
  startDtls(transport, transportAttributes(local.session, ours).setup, theirs);
}

/** RFC 8842 §5: who answered `active` is the client. */
function startDtls(transport: PeerTransport, ours: string | undefined, theirs: ReturnType<typeof transportAttributes>): void {
  const isClient =
    theirs.setup === 'passive' || (theirs.setup === 'actpass' && ours === 'active') || (theirs.setup === undefined && ours === 'active');
  transport.startDtls(isClient ? 'client' : 'server', theirs.fingerprints);
}

/** @returns false when the line is no candidate */
export function addRemoteCandidate(connection: PeerConnectionSlots, transport: PeerTransport, value: string): boolean {
  const candidate = parseCandidate(value);
  if (candidate === undefined) return false;
  const object = new RTCIceCandidate({ candidate: `candidate:${value.replace(/^candidate:/, '')}`, sdpMid: transport.mid });
  const known = iceTransportSlots(transport.ice).remoteCandidates;
  if (known.length >= MAX_CANDIDATES || known.some((one) => one.candidate === object.candidate)) return true;
  known.push(object);
  if (!hasNamedAddress(candidate)) {
    transport.driver.input(({ ice }, now) => ice.addRemoteCandidate(candidate, now));
    return true;
  }
  // A name, usually of multicast DNS; RFC 8839 §5.1.1. With the relay policy nothing is looked up.
  if (connection.configuration.iceTransportPolicy === 'relay') return true;
  resolveCandidate(connection, transport, candidate);
  return true;
}

/** The candidate belongs to the credentials of today, whenever its name is resolved. */
function resolveCandidate(connection: PeerConnectionSlots, transport: PeerTransport, candidate: Candidate): void {
  const usernameFragment = candidate.usernameFragment ?? transport.remoteParameters?.usernameFragment;
  void connection.runtime.resolve(candidate.address).then(
    ([address]) => {
      if (address === undefined || transport.isClosed) return;
      const resolved = { ...candidate, address, ...(usernameFragment !== undefined && { usernameFragment }) };
      transport.driver.input(({ ice }, now) => ice.addRemoteCandidate(resolved, now));
    },
    () => {},
  );
}

// SCTP -----------------------------------------------------------------------------------------------------------------

function dataSectionOf(description: Description | null): { readonly section: MediaSection; readonly mid: string } | undefined {
  const index = description?.media.findIndex((section) => isData(section) && !isRejected(section)) ?? -1;
  return index === -1 ? undefined : { section: description!.media[index]!, mid: midOf(description!.media[index]!, index) };
}

/** 4.5.7, 4.5.8: [[SctpTransport]] comes with a description of it, and goes with its rejection. */
export function updateSctp(connection: PeerConnectionSlots, description: Description, remote: boolean): void {
  const data = dataSectionOf(description);
  if (data === undefined) {
    if (description.type === 'answer') connection.sctp = null;
    return;
  }
  const { session, type } = description;
  // Of a remote offer, the transport that an answer would use.
  const group = bundleGroups(session).find((mids) => mids.includes(data.mid));
  const transport =
    remote && type === 'offer'
      ? transportToAnswer(connection, data.mid, group)
      : (transportShown(connection, session, data.mid) ??
        transportShown(connection, localDescription(connection)?.session ?? session, data.mid));
  if (connection.sctp === null && transport !== null) connection.sctp = { object: createRTCSctpTransport(transport.dtls), transport };
}

function startSctp(connection: PeerConnectionSlots, local: Description, remote: Description): void {
  const ours = dataSectionOf(local);
  const theirs = dataSectionOf(remote);
  const transport = ours && connection.transports.get(ours.mid);
  if (ours === undefined || theirs === undefined || transport === undefined) return;
  // The object stays the same when BUNDLE moves it to another transport.
  connection.sctp ??= { object: createRTCSctpTransport(transport.dtls), transport };
  connection.sctp.transport = transport;
  sctpTransportSlots(connection.sctp.object).transport = transport.dtls;
  updateMaxMessageSize(connection.sctp.object, maxMessageSizeOf(theirs.section));
  connection.channels.bind(transport);
  const ports = { localPort: sctpPortOf(ours.section), remotePort: sctpPortOf(theirs.section) };
  transport.driver.input((stack, now) => stack.startSctp(ports, now));
}
