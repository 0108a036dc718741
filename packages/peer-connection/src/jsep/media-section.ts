/** The lines of a media section (RFC 8829 §5.2.1, §5.3.1), in the order in which browsers write them. */
import {
  type Attribute,
  BUNDLE_ONLY,
  CANDIDATE,
  type ConnectionAddress,
  END_OF_CANDIDATES,
  EXTMAP,
  FINGERPRINT,
  type FingerprintAttribute,
  flag,
  FMTP,
  ICE_OPTIONS,
  ICE_PWD,
  ICE_UFRAG,
  MAX_MESSAGE_SIZE,
  type MediaSection,
  MID,
  MSID,
  RID,
  RTCP,
  RTCP_FEEDBACK,
  RTCP_MUX,
  read,
  RTCP_EXTENDED_REPORTS,
  RTCP_REDUCED_SIZE,
  RTPMAP,
  SCTP_PORT,
  SETUP,
  type Setup,
  SIMULCAST,
  SSRC,
  SSRC_GROUP,
  write,
} from '@petrel/sdp';
import type { MediaKind } from '../media-stream-track.ts';
import type { EncodingSsrcs } from '../rtc-rtp-sender.ts';
import { type Direction, sends } from '../rtc-rtp-transceiver.ts';
import type { NegotiableCodec } from './codecs.ts';

/** What a section says about its ICE and DTLS transport. */
export interface TransportLines {
  readonly usernameFragment: string;
  readonly password: string;
  readonly fingerprints: readonly FingerprintAttribute[];
  readonly setup: Setup;
  /** Gathered already, as values of `a=candidate`. */
  readonly candidates: readonly string[];
  readonly endOfCandidates: boolean;
}

export interface SectionBase {
  /** Undefined in an answer to a section without `a=mid`. */
  readonly mid: string | undefined;
  /** Undefined for a bundle-only section: it has no transport of its own. */
  readonly transport: TransportLines | undefined;
  readonly bundleOnly: boolean;
}

export interface RtpSectionOptions extends SectionBase {
  readonly kind: MediaKind;
  readonly protocol: string;
  readonly direction: Direction;
  readonly codecs: readonly NegotiableCodec[];
  readonly extensions: readonly { readonly id: number; readonly uri: string; readonly direction?: Direction }[];
  /** The direction of the transceiver, whatever has become of it in an answer: if it is one that sends there is an `a=msid` (RFC 8829 §5.3.1). */
  readonly wantedDirection: Direction;
  /** Stream ids and the track's id, for `a=msid`. */
  readonly streamIds: readonly string[];
  readonly trackId: string;
  readonly cname: string;
  /** Of the first encoding; undefined: not announced (simulcast, or nothing is sent). */
  readonly ssrcs: EncodingSsrcs | undefined;
  /** Rids of simulcast, in order of preference. */
  readonly sendRids: readonly string[];
  readonly reducedSize: boolean;
  /** Who only receives may measure the round-trip time (RFC 3611 §4.4). */
  readonly receiverRoundTrip: boolean;
}

/** RFC 3611 §5.2: it is used if both sides have it. */
export function hasReceiverRoundTrip(section: MediaSection): boolean {
  return (read(section, RTCP_EXTENDED_REPORTS) ?? []).some((format) => /^rcvr-rtt=/i.test(format));
}

/** An audio or video section. */
export function rtpSection(options: RtpSectionOptions): MediaSection {
  const { kind, protocol, direction, codecs, extensions, transport, bundleOnly } = options;
  return {
    kind,
    port: bundleOnly ? 0 : defaultPort(transport),
    protocol,
    formats: codecs.map(({ payloadType }) => String(payloadType)),
    connections: [defaultAddress(transport)],
    attributes: [
      write(RTCP, { port: 9, address: 'IN IP4 0.0.0.0' }),
      ...transportAttributes(transport),
      ...identification(options),
      ...extensions.map((extension) => write(EXTMAP, extension)),
      write(flag(direction), true),
      ...msids(options),
      write(RTCP_MUX, true),
      ...(options.reducedSize ? [write(RTCP_REDUCED_SIZE, true)] : []),
      ...(options.receiverRoundTrip ? [write(RTCP_EXTENDED_REPORTS, ['rcvr-rtt=all'])] : []),
      ...codecs.flatMap(codecAttributes),
      ...sourceAttributes(options),
      ...simulcastAttributes(options.sendRids),
    ],
  };
}

export interface DataSectionOptions extends SectionBase {
  /** `UDP/DTLS/SCTP`, or what the offer had. */
  readonly protocol: string;
  readonly sctpPort: number;
  readonly maxMessageSize: number;
}

/** The application section (RFC 8841 §5, §6; the older form of draft-ietf-mmusic-sctp-sdp-05 for offers that have it). */
export function dataSection(options: DataSectionOptions): MediaSection {
  const { protocol, sctpPort, maxMessageSize, transport, bundleOnly } = options;
  const isLegacy = protocol === 'DTLS/SCTP';
  return {
    kind: 'application',
    port: bundleOnly ? 0 : defaultPort(transport),
    protocol,
    formats: [isLegacy ? String(sctpPort) : 'webrtc-datachannel'],
    connections: [defaultAddress(transport)],
    attributes: [
      ...transportAttributes(transport),
      ...identification(options),
      isLegacy ? { name: 'sctpmap', value: `${sctpPort} webrtc-datachannel 65535` } : write(SCTP_PORT, sctpPort),
      write(MAX_MESSAGE_SIZE, maxMessageSize),
    ],
  };
}

/** RFC 8829 §5.2.1, §5.3.1: port zero. It keeps its mid, and the formats that it had. */
export function rejectedSection(section: Pick<MediaSection, 'kind' | 'protocol' | 'formats'>, mid: string | undefined): MediaSection {
  const { kind, protocol, formats } = section;
  const attributes = kind === 'application' ? [] : [write(flag('inactive'), true)];
  return {
    kind,
    port: 0,
    protocol,
    formats,
    connections: [{ networkType: 'IN', addressType: 'IP4', address: '0.0.0.0' }],
    attributes: [...(mid === undefined ? [] : [write(MID, mid)]), ...attributes],
  };
}

function transportAttributes(transport: TransportLines | undefined): Attribute[] {
  if (transport === undefined) return [];
  return [
    ...transport.candidates.map((candidate) => write(CANDIDATE, candidate)),
    ...(transport.endOfCandidates ? [write(END_OF_CANDIDATES, true)] : []),
    write(ICE_UFRAG, transport.usernameFragment),
    write(ICE_PWD, transport.password),
    write(ICE_OPTIONS, ['trickle']),
    ...transport.fingerprints.map((fingerprint) => write(FINGERPRINT, fingerprint)),
    write(SETUP, transport.setup),
  ];
}

function identification({ mid, bundleOnly }: SectionBase): Attribute[] {
  return [...(mid === undefined ? [] : [write(MID, mid)]), ...(bundleOnly ? [write(BUNDLE_ONLY, true)] : [])];
}

/** RFC 8830 §2; without a stream the id is a dash. */
function msids({ wantedDirection, streamIds, trackId }: RtpSectionOptions): Attribute[] {
  if (!sends(wantedDirection)) return [];
  const ids = streamIds.length > 0 ? streamIds : ['-'];
  return ids.map((stream) => write(MSID, { stream, track: trackId }));
}

function codecAttributes({ payloadType, mimeType, clockRate, channels, sdpFmtpLine, rtcpFeedback }: NegotiableCodec): Attribute[] {
  const encoding = mimeType.slice(mimeType.indexOf('/') + 1);
  const map = { payloadType, encoding, clockRate, ...(channels !== undefined && channels > 1 ? { channels } : {}) };
  return [
    write(RTPMAP, map),
    ...rtcpFeedback.map((feedback) => write(RTCP_FEEDBACK, { payloadType, type: feedback })),
    ...(sdpFmtpLine === undefined ? [] : [write(FMTP, { format: String(payloadType), parameters: sdpFmtpLine })]),
  ];
}

/** RFC 5576: helps peers that do not route by MID. */
function sourceAttributes({ direction, ssrcs, cname, codecs, streamIds, trackId }: RtpSectionOptions): Attribute[] {
  if (ssrcs === undefined || !sends(direction)) return [];
  const hasRtx = codecs.some(({ mimeType }) => mimeType.toLowerCase().endsWith('/rtx'));
  const { ssrc, rtxSsrc } = ssrcs;
  const msid = `${streamIds[0] ?? '-'} ${trackId}`;
  const lines = (one: number): Attribute[] => [
    write(SSRC, { ssrc: one, attribute: 'cname', value: cname }),
    write(SSRC, { ssrc: one, attribute: 'msid', value: msid }),
  ];
  if (!hasRtx) return lines(ssrc);
  return [write(SSRC_GROUP, { semantics: 'FID', ssrcs: [ssrc, rtxSsrc] }), ...lines(ssrc), ...lines(rtxSsrc)];
}

/** RFC 8851, RFC 8853. */
function simulcastAttributes(rids: readonly string[]): Attribute[] {
  if (rids.length === 0) return [];
  const send = rids.map((id) => [{ id, paused: false }]);
  return [...rids.map((id) => write(RID, { id, direction: 'send' })), write(SIMULCAST, { send })];
}

/** RFC 8839 §5.1: `foundation component protocol priority address port typ …` */
function defaultCandidate(transport: TransportLines | undefined): { address: string; port: number } | undefined {
  const parsed = (transport?.candidates ?? []).map((candidate) => candidate.split(/ +/));
  const usable = parsed.filter((words) => words[2]?.toLowerCase() === 'udp' && !words[4]!.endsWith('.local'));
  // RFC 8839 §4.2.2: the one that is likeliest to work; IPv4 first, for peers that read nothing else.
  const [best] = usable.toSorted((a, b) => Number(a[4]!.includes(':')) - Number(b[4]!.includes(':')) || rank(a) - rank(b));
  return best === undefined ? undefined : { address: best[4]!, port: Number(best[5]) };
}

function rank({ 7: type = '' }: readonly string[]): number {
  return ['relay', 'srflx', 'host'].indexOf(type);
}

/** RFC 8840 §4.1.1: port 9 while there is no candidate. */
function defaultPort(transport: TransportLines | undefined): number {
  return defaultCandidate(transport)?.port ?? 9;
}

function defaultAddress(transport: TransportLines | undefined): ConnectionAddress {
  const address = defaultCandidate(transport)?.address ?? '0.0.0.0';
  return { networkType: 'IN', addressType: address.includes(':') ? 'IP6' : 'IP4', address };
}
