/** Answers (RFC 8829 §5.3). */
import {
  type Group,
  MAX_MESSAGE_SIZE,
  type MediaSection,
  MID,
  read,
  RTCP_REDUCED_SIZE,
  has,
  SCTP_PORT,
  type Setup,
  SIMULCAST,
} from '@petrel/sdp';
import { DEFAULT_MAX_MESSAGE_SIZE } from '../configuration.ts';
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import type { PeerTransport } from '../peer-transport.ts';
import { intersect, reverse, sends, type TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import { encodingSsrcs } from '../sending.ts';
import { codecsToAnswer, extensionsToAnswer, hasMedia } from './codec-negotiation.ts';
import { finishSession, SCTP_PORT_NUMBER } from './create-offer.ts';
import {
  bundleGroups,
  type CreatedDescription,
  type Description,
  directionOf,
  isData,
  isRejected,
  midOf,
  transportAttributes,
} from './description.ts';
import { dataSection, hasReceiverRoundTrip, rejectedSection, rtpSection, type TransportLines } from './media-section.ts';
import { transportLines, transportToAnswer } from './transports.ts';

/** The pending remote offer, answered section by section. */
export function createAnswer(connection: PeerConnectionSlots): CreatedDescription {
  const offer = connection.pendingRemoteDescription!;
  const transceivers = offer.media.map((section, index) => {
    const mid = midOf(section, index);
    return isData(section) ? undefined : connection.transceivers.find(({ jsepMid }) => jsepMid === mid);
  });
  const accepted = acceptedSections(connection, offer, transceivers);
  const groups = bundleGroups(offer.session)
    .map((mids) => mids.filter((mid) => accepted.has(mid)))
    .filter((mids) => mids.length > 0);
  const media = offer.media.map((section, index) => {
    const mid = midOf(section, index);
    if (!accepted.has(mid)) return rejectedSection(section, read(section, MID));
    const group = groups.find((mids) => mids.includes(mid));
    const transport = transportToAnswer(connection, mid, group);
    const lines = describeTransport(connection, offer, section, mid, group, transport);
    return isData(section)
      ? describeData(connection, section, lines)
      : describeRtp(connection, offer, section, transceivers[index]!, lines);
  });
  const bundles: Group[] = groups.map((mids) => ({ semantics: 'BUNDLE', mids }));
  return { ...finishSession(connection, media, bundles, connection.lastCreatedAnswer), transceivers };
}

/** §5.3.1: the mids of sections that are not rejected. */
function acceptedSections(
  connection: PeerConnectionSlots,
  offer: Description,
  transceivers: readonly (TransceiverSlots | undefined)[],
): Set<string> {
  const accepted = new Set<string>();
  const groups = bundleGroups(offer.session);
  let hasData = false;
  for (const [index, section] of offer.media.entries()) {
    const mid = midOf(section, index);
    if (isRejected(section)) continue;
    if (isData(section)) {
      if (hasData) continue;
      hasData = true;
    } else {
      const transceiver = transceivers[index];
      if (transceiver === undefined || transceiver.stopped || !isRtpProtocol(section.protocol)) continue;
      if (!hasMedia(codecsToAnswer(transceiver, section))) continue;
    }
    // §4.1.1, max-bundle: nothing outside of the first section's group.
    const isOutside = accepted.size > 0 && !groups.some((mids) => mids.includes(mid) && [...accepted].some((one) => mids.includes(one)));
    if (connection.configuration.bundlePolicy === 'max-bundle' && isOutside) continue;
    accepted.add(mid);
  }
  return accepted;
}

/** RFC 5764 §8, RFC 8829 §5.1.2; the last one only says AVPF, which DTLS makes secure all the same. */
function isRtpProtocol(protocol: string): boolean {
  return /^((UDP|TCP)\/(TLS|DTLS)\/)?RTP\/SAVPF?$/.test(protocol);
}

function describeTransport(
  connection: PeerConnectionSlots,
  offer: Description,
  section: MediaSection,
  mid: string,
  group: readonly string[] | undefined,
  transport: PeerTransport,
): TransportLines {
  // Of a BUNDLE group, the tagged section speaks (RFC 8843 §7.1.3).
  const tagged = group === undefined ? section : (offer.section(group[0]!) ?? section);
  const offered = transportAttributes(offer.session, tagged);
  const { remoteParameters } = transport;
  const isRestart =
    remoteParameters !== undefined &&
    (remoteParameters.usernameFragment !== offered.usernameFragment || remoteParameters.password !== offered.password);
  const setup = answerSetup(transport, offered.setup);
  transport.mid = group?.[0] ?? mid;
  return transportLines(connection, transport, mid, setup, isRestart);
}

/** RFC 8842 §5.3, RFC 5763 §5: the answerer is the client unless the offer or an existing association says otherwise. */
function answerSetup({ dtlsRole }: PeerTransport, offered: Setup | undefined): Setup {
  if (offered === 'active') return 'passive';
  if (offered === 'passive') return 'active';
  return dtlsRole === 'server' ? 'passive' : 'active';
}

function describeRtp(
  connection: PeerConnectionSlots,
  offer: Description,
  section: MediaSection,
  transceiver: TransceiverSlots,
  transport: TransportLines,
): MediaSection {
  const { kind, sender } = transceiver;
  const direction = intersect(transceiver.direction, reverse(directionOf(offer.session, section)));
  const sendRids = sender.sendEncodings.length > 1 ? answeredRids(section, transceiver) : [];
  return rtpSection({
    mid: read(section, MID),
    transport,
    bundleOnly: false,
    kind,
    protocol: section.protocol,
    direction,
    wantedDirection: transceiver.direction,
    codecs: codecsToAnswer(transceiver, section),
    extensions: extensionsToAnswer(transceiver, section),
    streamIds: sender.associatedMediaStreamIds,
    trackId: sender.msidTrackId,
    cname: connection.cname,
    ssrcs: sendRids.length > 0 || !sends(direction) ? undefined : encodingSsrcs(sender, 0),
    sendRids: sends(direction) ? sendRids : [],
    reducedSize: has(section, RTCP_REDUCED_SIZE),
    receiverRoundTrip: hasReceiverRoundTrip(section),
  });
}

/** What the peer wants to receive as simulcast, the first of alternatives, as far as the sender has it (W3C WebRTC §4.4.2, createAnswer). */
function answeredRids(section: MediaSection, { sender }: TransceiverSlots): string[] {
  const wanted = (read(section, SIMULCAST)?.recv ?? []).flatMap((alternatives) => alternatives.slice(0, 1).map(({ id }) => id));
  return [...new Set(wanted)].filter((id) => sender.sendEncodings.some(({ rid }) => rid === id));
}

function describeData(connection: PeerConnectionSlots, section: MediaSection, transport: TransportLines): MediaSection {
  return dataSection({
    mid: read(section, MID),
    transport,
    bundleOnly: false,
    protocol: section.protocol,
    sctpPort: SCTP_PORT_NUMBER,
    maxMessageSize: connection.configuration.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE,
  });
}

/** RFC 8841 §5; in the older form the port is the format. */
export function sctpPortOf(section: MediaSection): number {
  return read(section, SCTP_PORT) ?? (/^\d{1,5}$/.test(section.formats[0] ?? '') ? Number(section.formats[0]) : SCTP_PORT_NUMBER);
}

/** RFC 8841 §6. */
export function maxMessageSizeOf(section: MediaSection): number | undefined {
  return read(section, MAX_MESSAGE_SIZE);
}
