/** Which codecs and header extensions a section offers, answers, and in the end uses (RFC 8829 §5.2, §5.3; RFC 3264 §5.1, §6.1). */
import { EXTMAP, FMTP, type MediaSection, readAll, RTCP_FEEDBACK, RTPMAP } from '@petrel/sdp';
import { type MediaKind, type MediaStreamTrack, mediaStreamTrackSlots } from '../media-stream-track.ts';
import type { PeerConnectionSlots } from '../peer-connection-slots.ts';
import type { Direction, TransceiverSlots } from '../rtc-rtp-transceiver.ts';
import {
  associatedPayloadType,
  codecsMatch,
  DEFAULT_CODECS,
  encodingName,
  formatsCompatible,
  isAcceptable,
  isAuxiliary,
  type NegotiableCodec,
  type RTCRtpCodec,
  toCapability,
} from './codecs.ts';
import { HEADER_EXTENSIONS, type HeaderExtension, isSupportedExtension, REPAIRED_RID_URI, RID_URI } from './header-extensions.ts';
import { localDescription, remoteDescription } from '../peer-connection-slots.ts';
import { isRejected } from './description.ts';

/** RFC 3551 §6: payload types that need no `a=rtpmap`. */
const STATIC: ReadonlyMap<number, { readonly name: string; readonly clockRate: number; readonly kind: MediaKind }> = new Map([
  [0, { name: 'PCMU', clockRate: 8000, kind: 'audio' }],
  [8, { name: 'PCMA', clockRate: 8000, kind: 'audio' }],
  [9, { name: 'G722', clockRate: 8000, kind: 'audio' }],
  [13, { name: 'CN', clockRate: 8000, kind: 'audio' }],
  [18, { name: 'G729', clockRate: 8000, kind: 'audio' }],
]);

const FEEDBACK: ReadonlySet<string> = new Set(['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli']);

/** The codecs of a section, in its order of preference. */
export function codecsOf(section: MediaSection): NegotiableCodec[] {
  const kind = section.kind as MediaKind;
  const maps = new Map(readAll(section, RTPMAP).map((map) => [map.payloadType, map]));
  const lines = new Map(readAll(section, FMTP).map(({ format, parameters }) => [format, parameters]));
  const feedback = readAll(section, RTCP_FEEDBACK);
  return [...new Set(section.formats)].flatMap((format) => {
    const payloadType = Number(format);
    const map = maps.get(payloadType);
    const known = STATIC.get(payloadType);
    if (map === undefined && known?.kind !== kind) return [];
    const sdpFmtpLine = lines.get(format);
    const channels = kind === 'audio' ? (map?.channels ?? 1) : undefined;
    return {
      payloadType,
      mimeType: `${kind}/${map?.encoding ?? known!.name}`,
      clockRate: map?.clockRate ?? known!.clockRate,
      ...(channels === undefined ? {} : { channels }),
      ...(sdpFmtpLine === undefined ? {} : { sdpFmtpLine }),
      rtcpFeedback: feedback
        .filter((one) => one.payloadType === payloadType || one.payloadType === '*')
        .map(({ type, parameter }) => (parameter === undefined ? type : `${type} ${parameter}`)),
    };
  });
}

/** The order of preference that the application has: setCodecPreferences, or else what its track contains. */
function preferencesOf({ preferredCodecs, sender }: TransceiverSlots): {
  readonly list: readonly RTCRtpCodec[];
  readonly isExhaustive: boolean;
} {
  if (preferredCodecs.length > 0) return { list: preferredCodecs, isExhaustive: true };
  const codec = sender.track === null ? undefined : trackCodec(sender.track);
  return { list: codec === undefined ? [] : [codec], isExhaustive: false };
}

/** What the packets of a track contain, when its source says so. */
export function trackCodec(track: MediaStreamTrack): RTCRtpCodec | undefined {
  const codec = mediaStreamTrackSlots(track).source.codec;
  return codec === undefined ? undefined : { ...codec };
}

function isSameMedia(one: RTCRtpCodec, two: RTCRtpCodec): boolean {
  return (
    encodingName(one) === encodingName(two) &&
    one.clockRate === two.clockRate &&
    (one.channels ?? two.channels) === (two.channels ?? one.channels)
  );
}

/**
 * Sorts and filters by preference. RTX and RED follow the codec that they belong to; an exhaustive list leaves out what it does not name.
 */
function applyPreferences(codecs: readonly NegotiableCodec[], transceiver: TransceiverSlots): NegotiableCodec[] {
  const { list, isExhaustive } = preferencesOf(transceiver);
  if (list.length === 0) return [...codecs];
  const ordered: NegotiableCodec[] = [];
  const add = (codec: NegotiableCodec): void => {
    if (!ordered.includes(codec)) ordered.push(codec);
  };
  for (const preferred of list) {
    if (encodingName(preferred) === 'rtx') continue;
    for (const codec of codecs) {
      const matches = isExhaustive ? codecsMatch(toCapability(codec), preferred, true) : isSameMedia(codec, preferred);
      if (!matches) continue;
      add(codec);
      if (isExhaustive && !list.some((one) => encodingName(one) === 'rtx')) continue;
      for (const repair of codecs) if (encodingName(repair) === 'rtx' && associatedPayloadType(repair) === codec.payloadType) add(repair);
    }
  }
  if (!isExhaustive) for (const codec of codecs) add(codec);
  return withoutOrphans(ordered);
}

/** RTX and RED without the codec that they refer to mean nothing. */
function withoutOrphans(codecs: readonly NegotiableCodec[]): NegotiableCodec[] {
  return codecs.filter((codec) => {
    const associated = associatedPayloadType(codec);
    return associated === undefined ? encodingName(codec) !== 'rtx' : codecs.some(({ payloadType }) => payloadType === associated);
  });
}

// Offers ---------------------------------------------------------------------------------------------------------------

/**
 * The codecs of an offered section: those that the section had, under their payload types (RFC 8829 §5.2.2), then the rest of ours,
 * under payload types that mean nothing else on this connection.
 */
export function codecsToOffer(
  connection: PeerConnectionSlots,
  transceiver: TransceiverSlots,
  current: MediaSection | undefined,
): NegotiableCodec[] {
  const taken = usedPayloadTypes(connection);
  const kept = current === undefined ? [] : codecsOf(current).filter((codec) => isAcceptable(transceiver.kind, codec));
  for (const codec of kept) taken.set(codec.payloadType, codec);
  const templates = templatesFor(transceiver);
  const offered = [...kept];
  const renumbered = new Map<number, number>();
  for (const template of templates) {
    const line = renumber(template, renumbered);
    const already = offered.find((codec) => isSameFormat(codec, line));
    const payloadType = already?.payloadType ?? payloadTypeFor(line, taken);
    if (payloadType === undefined) continue;
    renumbered.set(template.payloadType, payloadType);
    if (already !== undefined) continue;
    const codec = { ...line, payloadType };
    taken.set(payloadType, codec);
    offered.push(codec);
  }
  return applyPreferences(offered, transceiver);
}

/** Ours, and what the track contains that is not among them. */
function templatesFor({ kind, sender }: TransceiverSlots): readonly NegotiableCodec[] {
  const templates = DEFAULT_CODECS[kind];
  const codec = sender.track === null ? undefined : trackCodec(sender.track);
  if (codec === undefined || templates.some((one) => isSameMedia(one, codec))) return templates;
  const rtcpFeedback = kind === 'video' ? templates[0]!.rtcpFeedback : [];
  const added: NegotiableCodec = { ...codec, payloadType: 35, rtcpFeedback };
  const channels = kind === 'audio' ? { channels: codec.channels ?? 1 } : {};
  if (kind === 'audio') return [{ ...added, ...channels }, ...templates];
  return [
    added,
    { payloadType: 36, mimeType: 'video/rtx', clockRate: codec.clockRate, sdpFmtpLine: 'apt=35', rtcpFeedback: [] },
    ...templates,
  ];
}

/** RTX and RED name other payload types, which may have been changed. */
function renumber(template: NegotiableCodec, renumbered: ReadonlyMap<number, number>): NegotiableCodec {
  const associated = associatedPayloadType(template);
  const actual = associated === undefined ? undefined : renumbered.get(associated);
  if (actual === undefined || actual === associated) return template;
  const sdpFmtpLine = encodingName(template) === 'rtx' ? `apt=${actual}` : `${actual}/${actual}`;
  return { ...template, sdpFmtpLine };
}

function isSameFormat(one: NegotiableCodec, two: NegotiableCodec): boolean {
  const name = encodingName(one);
  if (name === 'rtx' || name === 'red') return name === encodingName(two) && associatedPayloadType(one) === associatedPayloadType(two);
  return formatsCompatible(one, two);
}

/** Every payload type that a section in force gives a meaning: in a BUNDLE group it can have only one (RFC 8843 §10.1.2). */
function usedPayloadTypes(connection: PeerConnectionSlots): Map<number, NegotiableCodec> {
  const used = new Map<number, NegotiableCodec>();
  for (const description of [localDescription(connection), remoteDescription(connection)])
    for (const section of description?.media ?? [])
      if (!isRejected(section) && (section.kind === 'audio' || section.kind === 'video'))
        for (const codec of codecsOf(section)) used.set(codec.payloadType, codec);
  return used;
}

/** The preferred one if it is free or means the same, or else a free dynamic one (RFC 3551 §3, RFC 5761 §4). */
function payloadTypeFor(codec: NegotiableCodec, taken: ReadonlyMap<number, NegotiableCodec>): number | undefined {
  const isFree = (payloadType: number): boolean => {
    const other = taken.get(payloadType);
    return other === undefined || (other.mimeType.toLowerCase() === codec.mimeType.toLowerCase() && isSameFormat(other, codec));
  };
  if (isFree(codec.payloadType)) return codec.payloadType;
  for (let payloadType = 127; payloadType >= 96; payloadType--) if (isFree(payloadType)) return payloadType;
  for (let payloadType = 63; payloadType >= 35; payloadType--) if (isFree(payloadType)) return payloadType;
  return undefined;
}

// Answers --------------------------------------------------------------------------------------------------------------

/** The offered codecs that are accepted, under the offer's payload types and in its order unless the application prefers another. */
export function codecsToAnswer(transceiver: TransceiverSlots, offer: MediaSection): NegotiableCodec[] {
  const acceptable = codecsOf(offer).filter((codec) => isAcceptable(transceiver.kind, codec));
  const accepted = withoutOrphans(acceptable).map((codec) => ({
    ...codec,
    rtcpFeedback: codec.rtcpFeedback.filter((feedback) => FEEDBACK.has(feedback)),
  }));
  return applyPreferences(accepted, transceiver);
}

/** Whether there is media that both sides know. */
export function hasMedia(codecs: readonly NegotiableCodec[]): boolean {
  return codecs.some((codec) => !isAuxiliary(codec));
}

/** What the peer wants to receive and what can be sent, in its order and with its numbers; an answer may name codecs that were not offered (RFC 3264 §6.1). */
export function sendableCodecs(remote: MediaSection, local: MediaSection): NegotiableCodec[] {
  const common = commonCodecs(remote, local);
  const added = codecsOf(remote).filter(
    (codec) =>
      !isAuxiliary(codec) && isAcceptable(remote.kind as MediaKind, codec) && !common.some((one) => one.payloadType === codec.payloadType),
  );
  return [
    ...common,
    ...added.map((codec) => ({ ...codec, rtcpFeedback: codec.rtcpFeedback.filter((feedback) => FEEDBACK.has(feedback)) })),
  ];
}

/**
 * The codecs of one description that the other one has too, as the first one writes them: its payload types, its order, the feedback of both.
 */
export function commonCodecs(section: MediaSection, other: MediaSection): NegotiableCodec[] {
  const others = codecsOf(other);
  const common = codecsOf(section).flatMap((codec) => {
    const match =
      others.find(
        ({ payloadType, mimeType }) => payloadType === codec.payloadType && mimeType.toLowerCase() === codec.mimeType.toLowerCase(),
      ) ?? others.find((one) => encodingName(one) !== 'rtx' && formatsCompatible(one, codec));
    if (match === undefined || !isAcceptable(section.kind as MediaKind, codec)) return [];
    return {
      ...codec,
      rtcpFeedback: codec.rtcpFeedback.filter((feedback) => FEEDBACK.has(feedback) && match.rtcpFeedback.includes(feedback)),
    };
  });
  return withoutOrphans(common);
}

// Header extensions ----------------------------------------------------------------------------------------------------

/** Ours, under the identifiers that the connection has given them already (RFC 8843 §10.2: one meaning in a BUNDLE group). */
export function extensionsToOffer(
  connection: PeerConnectionSlots,
  { kind, sender, headerExtensions }: TransceiverSlots,
): (HeaderExtension & { direction?: Direction })[] {
  const byUri = new Map<string, number>();
  for (const description of [localDescription(connection), remoteDescription(connection)])
    for (const section of description?.media ?? []) for (const { id, uri } of readAll(section, EXTMAP)) byUri.set(uri, id);
  const taken = new Set(byUri.values());
  const isSimulcast = sender.sendEncodings.length > 1;
  return HEADER_EXTENSIONS[kind].flatMap(({ id: preferred, uri }) => {
    const direction = headerExtensions.offered(uri);
    if (direction === undefined || (!isSimulcast && kind === 'audio' && (uri === RID_URI || uri === REPAIRED_RID_URI))) return [];
    let id = byUri.get(uri) ?? preferred;
    if (!byUri.has(uri)) while (taken.has(id)) id = (id % 14) + 1 === preferred ? 15 : (id % 14) + 1;
    if (id > 14 && !byUri.has(uri)) return [];
    taken.add(id);
    byUri.set(uri, id);
    return direction === 'sendrecv' ? { id, uri } : { id, uri, direction };
  });
}

/** The offered ones that are known, with their direction turned round (RFC 8285 §6). */
export function extensionsToAnswer(
  { kind, headerExtensions }: TransceiverSlots,
  offer: MediaSection,
): { id: number; uri: string; direction?: 'sendonly' | 'recvonly' | 'inactive' }[] {
  const seen = new Set<string>();
  return readAll(offer, EXTMAP).flatMap(({ id, uri, direction }) => {
    if (!isSupportedExtension(kind, uri) || !headerExtensions.accepts(uri) || id > 255 || seen.has(uri)) return [];
    seen.add(uri);
    if (direction === undefined || direction === 'sendrecv') return { id, uri };
    return { id, uri, direction: direction === 'sendonly' ? 'recvonly' : direction === 'recvonly' ? 'sendonly' : 'inactive' };
  });
}

/** The extensions of an answer that both sides have, for each direction as this side sees it. */
export function commonExtensions(local: MediaSection, remote: MediaSection): { send: HeaderExtension[]; receive: HeaderExtension[] } {
  const others = new Map(readAll(remote, EXTMAP).map((extension) => [extension.uri, extension]));
  const result: { send: HeaderExtension[]; receive: HeaderExtension[] } = { send: [], receive: [] };
  for (const { id, uri, direction = 'sendrecv' } of readAll(local, EXTMAP)) {
    const other = others.get(uri);
    if (other === undefined || other.id !== id) continue;
    const theirs = other.direction ?? 'sendrecv';
    if (direction.startsWith('send') && (theirs === 'sendrecv' || theirs === 'recvonly')) result.send.push({ id, uri });
    if ((direction === 'sendrecv' || direction === 'recvonly') && theirs.startsWith('send')) result.receive.push({ id, uri });
  }
  return result;
}
