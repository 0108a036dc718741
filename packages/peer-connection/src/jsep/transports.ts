/** Which transport each media section uses: BUNDLE (RFC 8843, RFC 8829 §4.1.1 and §5.2.1). */
import type { IceRole } from '@petrel/ice';
import type { SessionDescription, Setup } from '@petrel/sdp';
import { takeFromPool } from '../candidate-pool.ts';
import { localDescription, type PeerConnectionSlots } from '../peer-connection-slots.ts';
import { PeerTransport } from '../peer-transport.ts';
import { iceTransportSlots } from '../rtc-ice-transport.ts';
import { certificateSlots } from '../rtc-certificate.ts';
import { handleStackEvent } from '../transport-events.ts';
import { bundleGroups, isRejected, midOf } from './description.ts';
import type { TransportLines } from './media-section.ts';

/** The transport of a section that has one of its own. */
export function transportOf(connection: PeerConnectionSlots, mid: string, role: IceRole): PeerTransport {
  const existing = connection.transports.get(mid);
  if (existing !== undefined && !existing.isClosed) return existing;
  const transport =
    takeFromPool(connection, mid, role) ??
    new PeerTransport(connection, mid, role, (from, event) => handleStackEvent(connection, from, event));
  connection.transports.set(mid, transport);
  return transport;
}

/** The transport that a negotiated BUNDLE group shares; new sections join it. */
function negotiatedBundle(
  connection: PeerConnectionSlots,
): { readonly transport: PeerTransport; readonly mids: readonly string[] } | undefined {
  const { currentLocalDescription: local, currentRemoteDescription: remote } = connection;
  const answer = local?.type === 'answer' ? local : remote;
  for (const mids of answer === null ? [] : bundleGroups(answer.session)) {
    const transport = anyTransport(connection, mids);
    if (transport !== undefined) return { transport, mids };
  }
  return undefined;
}

/**
 * For a section of an offer: its transport, or undefined when it is bundle-only.
 * @param isFirst of all sections; @param isFirstOfKind of its media type
 */
export function transportToOffer(
  connection: PeerConnectionSlots,
  mid: string,
  isFirst: boolean,
  isFirstOfKind: boolean,
): PeerTransport | undefined {
  const existing = connection.transports.get(mid);
  if (existing !== undefined && !existing.isClosed) return existing;
  const bundle = negotiatedBundle(connection);
  if (bundle !== undefined) {
    connection.transports.set(mid, bundle.transport);
    return bundle.transport;
  }
  const { bundlePolicy } = connection.configuration;
  const hasOwn = bundlePolicy === 'max-compat' || isFirst || (bundlePolicy === 'balanced' && isFirstOfKind);
  return hasOwn ? transportOf(connection, mid, 'controlling') : undefined;
}

/** For an offered section that is accepted: the transport of its BUNDLE group, or its own. */
export function transportToAnswer(
  connection: PeerConnectionSlots,
  mid: string,
  acceptedGroup: readonly string[] | undefined,
): PeerTransport {
  const mids = acceptedGroup ?? [mid];
  const transport = anyTransport(connection, mids) ?? transportOf(connection, mids[0]!, 'controlled');
  connection.transports.set(mid, transport);
  return transport;
}

/**
 * A local offer: bundle-only sections are shown with the tagged section's transport.
 */
export function transportShown(connection: PeerConnectionSlots, session: SessionDescription, mid: string): PeerTransport | null {
  const own = connection.transports.get(mid);
  if (own !== undefined) return own;
  const group = bundleGroups(session).find((mids) => mids.includes(mid));
  return (group && connection.transports.get(group[0]!)) ?? null;
}

/** The answer decides: sections of a group move to the transport of its tagged section, and what nobody uses any more is closed. */
export function applyBundle(connection: PeerConnectionSlots, answer: SessionDescription, isFinal: boolean): void {
  const before = new Set(connection.transports.values());
  for (const mids of bundleGroups(answer)) {
    const accepted = mids.filter((mid) => answer.media.some((section, index) => midOf(section, index) === mid && !isRejected(section)));
    const transport = anyTransport(connection, accepted) ?? offeredTransport(connection, accepted);
    if (transport === undefined) continue;
    for (const mid of accepted) connection.transports.set(mid, transport);
    if (accepted[0] !== undefined) transport.mid = accepted[0];
  }
  if (!isFinal) return;
  for (const [index, section] of answer.media.entries()) if (isRejected(section)) connection.transports.delete(midOf(section, index));
  closeUnused(connection, before);
}

function anyTransport(connection: PeerConnectionSlots, mids: readonly string[]): PeerTransport | undefined {
  return mids.map((mid) => connection.transports.get(mid)).find((transport) => transport !== undefined && !transport.isClosed);
}

/** Bundle-only sections whose tagged section was rejected: the transport is still that of the offered group. */
function offeredTransport(connection: PeerConnectionSlots, accepted: readonly string[]): PeerTransport | undefined {
  const offered = bundleGroups(localDescription(connection)!.session).find((mids) => accepted.some((mid) => mids.includes(mid)));
  return offered && anyTransport(connection, offered);
}

/** After a rollback: transports that only the pending description had. Those that were only described, and never gathered, may be used yet. */
export function dropPendingTransports(connection: PeerConnectionSlots): void {
  const before = new Set(connection.transports.values());
  const known = new Set((connection.currentLocalDescription?.media ?? []).map((section, index) => midOf(section, index)));
  for (const [mid, transport] of connection.transports) if (!known.has(mid) && transport.isApplied) connection.transports.delete(mid);
  closeUnused(connection, before);
}

function closeUnused(connection: PeerConnectionSlots, candidates: ReadonlySet<PeerTransport>): void {
  const used = new Set(connection.transports.values());
  for (const transport of candidates) if (!used.has(transport)) transport.discard();
}

/** What a description says of a transport; candidates only where the section is the tagged one (RFC 8843 §10.1.1). */
export function transportLines(
  connection: PeerConnectionSlots,
  transport: PeerTransport,
  mid: string,
  setup: Setup,
  restart: boolean,
): TransportLines {
  const { usernameFragment, password } = transport.localParameters(restart);
  const { localCandidates, gatheringState } = iceTransportSlots(transport.ice);
  const isTagged = transport.mid === mid && !restart;
  return {
    usernameFragment,
    password,
    fingerprints: fingerprintsOf(connection),
    setup,
    candidates: isTagged ? localCandidates.map(({ candidate }) => candidate.replace(/^candidate:/, '')) : [],
    endOfCandidates: isTagged && gatheringState === 'complete',
  };
}

/** Of all certificates that were configured, although the first one is used (RFC 8829 §5.2.1). */
function fingerprintsOf({ configuration, certificate }: PeerConnectionSlots): TransportLines['fingerprints'] {
  const certificates = configuration.certificates.length > 0 ? configuration.certificates : [certificate!];
  return certificates.flatMap((one) => certificateSlots(one).fingerprints);
}
