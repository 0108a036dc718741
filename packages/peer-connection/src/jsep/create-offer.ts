/** Offers (RFC 8829 §5.2). */
import {
  type Group,
  GROUP,
  EXTMAP_ALLOW_MIXED,
  type MediaSection,
  serializeSessionDescription,
  type SessionDescription,
  write,
} from '@petrel/sdp';
import { DEFAULT_MAX_MESSAGE_SIZE } from '../configuration.ts';
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import { sends, type TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import { encodingSsrcs } from '../sending.ts';
import { codecsToOffer, extensionsToOffer } from './codec-negotiation.ts';
import { type CreatedDescription, isData, isRejected, midOf } from './description.ts';
import { dataSection, rejectedSection, rtpSection, type TransportLines } from './media-section.ts';
import { transportLines, transportToOffer } from './transports.ts';

export const SCTP_PORT_NUMBER = 5000;

/** What a section of the offer is for. */
type Slot =
  | { readonly type: 'rtp'; readonly mid: string; readonly transceiver: TransceiverSlots; readonly current: MediaSection | undefined }
  | { readonly type: 'data'; readonly mid: string; readonly current: MediaSection | undefined }
  | { readonly type: 'rejected'; readonly mid: string; readonly current: MediaSection };

/** §5.2.1 for the first offer, §5.2.2 for the following ones. */
export function createOffer(connection: PeerConnectionSlots, iceRestart: boolean): CreatedDescription {
  const slots = assignSections(connection);
  const media = describeSections(connection, slots, iceRestart);
  const session = describeSession(connection, media, slots);
  const transceivers = slots.map((slot) => (slot.type === 'rtp' ? slot.transceiver : undefined));
  return { ...session, transceivers };
}

/** Sections keep their place; those that were rejected before are used again, and new ones follow. */
function assignSections(connection: PeerConnectionSlots): Slot[] {
  const base = connection.pendingLocalDescription ?? connection.currentLocalDescription;
  const mids = new MidAllocator(connection);
  const slots = (base?.media ?? []).map((section, index) => keepSection(connection, section, midOf(section, index)));
  const place = (slot: Slot): void => {
    const free = slots.findIndex((one) => one.type === 'rejected' && isRecyclable(connection, one.mid));
    if (free === -1) slots.push(slot);
    else slots[free] = slot;
  };
  for (const transceiver of connection.transceivers)
    if (!transceiver.stopping && !slots.some((slot) => slot.type === 'rtp' && slot.transceiver === transceiver))
      place({ type: 'rtp', mid: transceiver.jsepMid ?? mids.next(), transceiver, current: undefined });
  if (connection.channels.isWanted && !slots.some(({ type }) => type === 'data'))
    place({ type: 'data', mid: mids.next(), current: undefined });
  return slots;
}

function keepSection(connection: PeerConnectionSlots, current: MediaSection, mid: string): Slot {
  if (isData(current)) {
    const isWanted = !isRejected(current) || (connection.channels.isWanted && connection.sctp === null);
    return isWanted ? { type: 'data', mid, current } : { type: 'rejected', mid, current };
  }
  const transceiver = connection.transceivers.find(({ jsepMid }) => jsepMid === mid);
  // For an offer, stopping is as good as stopped (W3C WebRTC §4.4.2, createOffer).
  return transceiver === undefined || transceiver.stopping
    ? { type: 'rejected', mid, current }
    : { type: 'rtp', mid, transceiver, current };
}

/** §5.2.2: rejected in the current local or remote description. */
function isRecyclable({ currentLocalDescription, currentRemoteDescription }: PeerConnectionSlots, mid: string): boolean {
  return [currentLocalDescription, currentRemoteDescription].some((description) => {
    const section = description?.section(mid);
    return section !== undefined && isRejected(section);
  });
}

/** Short names that nothing on the connection has had (RFC 8829 §5.2.1: three bytes at most). */
class MidAllocator {
  readonly #taken: Set<string>;
  #next = 0;

  constructor({
    transceivers,
    currentLocalDescription,
    pendingLocalDescription,
    currentRemoteDescription,
    pendingRemoteDescription,
  }: PeerConnectionSlots) {
    const descriptions = [currentLocalDescription, pendingLocalDescription, currentRemoteDescription, pendingRemoteDescription];
    const used = descriptions.flatMap((description) => (description?.media ?? []).map((section, index) => midOf(section, index)));
    this.#taken = new Set([...used, ...transceivers.flatMap(({ jsepMid }) => (jsepMid === null ? [] : jsepMid))]);
  }

  next(): string {
    while (this.#taken.has(String(this.#next))) this.#next++;
    return String(this.#next++);
  }
}

function describeSections(connection: PeerConnectionSlots, slots: readonly Slot[], iceRestart: boolean): MediaSection[] {
  const kinds = new Set<string>();
  const restart = iceRestart || needsRestart(connection);
  return slots.map((slot) => {
    if (slot.type === 'rejected') return rejectedSection(slot.current, slot.mid);
    const kind = slot.type === 'data' ? 'application' : slot.transceiver.kind;
    const transport = transportToOffer(connection, slot.mid, kinds.size === 0, !kinds.has(kind));
    kinds.add(kind);
    const isRestart = restart && connection.currentLocalDescription !== null && isNegotiated(connection, slot.mid);
    const lines = transport && transportLines(connection, transport, slot.mid, 'actpass', isRestart);
    return slot.type === 'data' ? describeData(connection, slot.mid, lines) : describeRtp(connection, slot, lines);
  });
}

/** [[LocalIceCredentialsToReplace]] (W3C WebRTC §4.4.2, restartIce). */
function needsRestart(connection: PeerConnectionSlots): boolean {
  return connection.localIceCredentialsToReplace.size > 0;
}

/** Only a transport that has been negotiated can be restarted; one that joins it uses the same credentials. */
function isNegotiated(connection: PeerConnectionSlots, mid: string): boolean {
  return connection.transports.get(mid)?.remoteParameters !== undefined;
}

function describeRtp(
  connection: PeerConnectionSlots,
  slot: Extract<Slot, { type: 'rtp' }>,
  transport: TransportLines | undefined,
): MediaSection {
  const { transceiver, mid, current } = slot;
  const { kind, direction, sender } = transceiver;
  const isSimulcast = sender.sendEncodings.length > 1;
  return rtpSection({
    mid,
    transport,
    bundleOnly: transport === undefined,
    kind,
    protocol: current !== undefined && !isRejected(current) ? current.protocol : 'UDP/TLS/RTP/SAVPF',
    direction,
    wantedDirection: direction,
    codecs: codecsToOffer(connection, transceiver, current !== undefined && !isRejected(current) ? current : undefined),
    extensions: extensionsToOffer(connection, transceiver),
    streamIds: sender.associatedMediaStreamIds,
    trackId: sender.msidTrackId,
    cname: connection.cname,
    ssrcs: isSimulcast || !sends(direction) ? undefined : encodingSsrcs(sender, 0),
    sendRids: isSimulcast && sends(direction) ? sender.sendEncodings.map(({ rid }) => rid!) : [],
    reducedSize: true,
    receiverRoundTrip: true,
  });
}

function describeData(connection: PeerConnectionSlots, mid: string, transport: TransportLines | undefined): MediaSection {
  return dataSection({
    mid,
    transport,
    bundleOnly: transport === undefined,
    protocol: 'UDP/DTLS/SCTP',
    sctpPort: SCTP_PORT_NUMBER,
    maxMessageSize: connection.configuration.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE,
  });
}

/** The session part: everything that is not rejected is one BUNDLE group, with the first section as the tagged one. */
function describeSession(
  connection: PeerConnectionSlots,
  media: readonly MediaSection[],
  slots: readonly Slot[],
): { sdp: string; session: SessionDescription } {
  const bundled = slots.filter(({ type }) => type !== 'rejected').map(({ mid }) => mid);
  return finishSession(
    connection,
    media,
    bundled.length === 0 ? [] : [{ semantics: 'BUNDLE', mids: bundled }],
    connection.lastCreatedOffer,
  );
}

/** RFC 8829 §5.2.1: the version grows with every description that differs from the one before. */
export function finishSession(
  connection: PeerConnectionSlots,
  media: readonly MediaSection[],
  groups: readonly Group[],
  last: CreatedDescription | undefined,
): { sdp: string; session: SessionDescription } {
  const make = (version: number): SessionDescription => ({
    origin: {
      username: '-',
      sessionId: connection.sessionId,
      sessionVersion: String(version),
      networkType: 'IN',
      addressType: 'IP4',
      address: '127.0.0.1',
    },
    name: '-',
    timings: [{ start: '0', stop: '0' }],
    attributes: [...groups.map((group) => write(GROUP, group)), write(EXTMAP_ALLOW_MIXED, true), { name: 'msid-semantic', value: 'WMS *' }],
    media,
  });
  const same = make(connection.sessionVersion);
  const sdp = serializeSessionDescription(same);
  if (last?.sdp === sdp) return { sdp, session: same };
  connection.sessionVersion += 1;
  const session = make(connection.sessionVersion);
  return { sdp: serializeSessionDescription(session), session };
}
