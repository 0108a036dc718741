/**
 * The codecs and header extensions that can be negotiated. Media passes through this stack encoded, so "implemented" means: its packets are carried
 * with the feedback and repair that belongs to it.
 */
import { parseFormatParameters } from '@petrel/sdp';
import type { MediaKind } from '../media-stream-track.ts';

/** W3C WebRTC §5.2.9 */
export interface RTCRtpCodec {
  mimeType: string;
  /** In Hz. */
  clockRate: number;
  channels?: number;
  sdpFmtpLine?: string;
}

/** A codec that has its payload type: one `a=rtpmap` with what belongs to it. */
export interface NegotiableCodec extends RTCRtpCodec {
  readonly payloadType: number;
  /** The rest of `a=rtcp-fb:<pt>`. */
  readonly rtcpFeedback: readonly string[];
}

/** A codec as it is offered by default; the payload types are Chromium's, which servers expect. */
type Template = NegotiableCodec;

const VIDEO_FEEDBACK: readonly string[] = ['goog-remb', 'transport-cc', 'ccm fir', 'nack', 'nack pli'];
const H264 = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=';

const AUDIO: readonly Template[] = [
  {
    payloadType: 111,
    mimeType: 'audio/opus',
    clockRate: 48000,
    channels: 2,
    sdpFmtpLine: 'minptime=10;useinbandfec=1',
    rtcpFeedback: ['transport-cc'],
  },
  { payloadType: 63, mimeType: 'audio/red', clockRate: 48000, channels: 2, sdpFmtpLine: '111/111', rtcpFeedback: [] },
  { payloadType: 9, mimeType: 'audio/G722', clockRate: 8000, channels: 1, rtcpFeedback: [] },
  { payloadType: 0, mimeType: 'audio/PCMU', clockRate: 8000, channels: 1, rtcpFeedback: [] },
  { payloadType: 8, mimeType: 'audio/PCMA', clockRate: 8000, channels: 1, rtcpFeedback: [] },
  { payloadType: 13, mimeType: 'audio/CN', clockRate: 8000, channels: 1, rtcpFeedback: [] },
  { payloadType: 110, mimeType: 'audio/telephone-event', clockRate: 48000, channels: 1, rtcpFeedback: [] },
  { payloadType: 126, mimeType: 'audio/telephone-event', clockRate: 8000, channels: 1, rtcpFeedback: [] },
];

const VIDEO: readonly Template[] = [
  ...withRtx({ payloadType: 96, mimeType: 'video/VP8', clockRate: 90000, rtcpFeedback: VIDEO_FEEDBACK }, 97),
  ...withRtx(
    { payloadType: 102, mimeType: 'video/H264', clockRate: 90000, sdpFmtpLine: `${H264}42e01f`, rtcpFeedback: VIDEO_FEEDBACK },
    103,
  ),
  ...withRtx({ payloadType: 98, mimeType: 'video/VP9', clockRate: 90000, sdpFmtpLine: 'profile-id=0', rtcpFeedback: VIDEO_FEEDBACK }, 99),
  ...withRtx(
    { payloadType: 45, mimeType: 'video/AV1', clockRate: 90000, sdpFmtpLine: 'level-idx=5;profile=0;tier=0', rtcpFeedback: VIDEO_FEEDBACK },
    46,
  ),
];

/** What is offered when nothing else is asked for, in this order. */
export const DEFAULT_CODECS: { readonly [Kind in MediaKind]: readonly NegotiableCodec[] } = { audio: AUDIO, video: VIDEO };

/** Names that are accepted from a peer, besides those that are offered. FEC is not among them. */
const ACCEPTED: { readonly [Kind in MediaKind]: ReadonlySet<string> } = {
  audio: new Set([
    'opus',
    'multiopus',
    'red',
    'g722',
    'pcmu',
    'pcma',
    'cn',
    'telephone-event',
    'l16',
    'ilbc',
    'g729',
    'amr',
    'amr-wb',
    'mp4a-latm',
    'speex',
    'isac',
  ]),
  video: new Set(['vp8', 'vp9', 'h264', 'h265', 'av1', 'rtx', 'h263-2000', 'mp4v-es', 'jxsv', 'vvc']),
};

/** RFC 4588 (rtx), RFC 2198 (red), RFC 5109 and RFC 8627 (fec), RFC 3389 (CN), RFC 4733 (DTMF): they accompany a codec. */
const AUXILIARY: ReadonlySet<string> = new Set(['rtx', 'red', 'ulpfec', 'flexfec', 'flexfec-03', 'cn', 'telephone-event']);
const NOT_PREFERABLE: ReadonlySet<string> = new Set(['rtx', 'red', 'ulpfec', 'flexfec', 'flexfec-03', 'cn']);

function withRtx(codec: Template, payloadType: number): Template[] {
  return [codec, { payloadType, mimeType: 'video/rtx', clockRate: 90000, sdpFmtpLine: `apt=${codec.payloadType}`, rtcpFeedback: [] }];
}

/** `VP8` of `video/VP8`, in lower case. */
export function encodingName({ mimeType }: RTCRtpCodec): string {
  return mimeType.slice(mimeType.indexOf('/') + 1).toLowerCase();
}

/** Not a media format by itself. */
export function isAuxiliary(codec: RTCRtpCodec): boolean {
  return AUXILIARY.has(encodingName(codec));
}

/** setCodecPreferences refuses lists of nothing else (RTX, RED, FEC, comfort noise). */
export function isOnlyRepair(codec: RTCRtpCodec): boolean {
  return NOT_PREFERABLE.has(encodingName(codec));
}

export function isAcceptable(kind: MediaKind, codec: RTCRtpCodec): boolean {
  return ACCEPTED[kind].has(encodingName(codec));
}

/** The payload type that RTX repairs (RFC 4588 §8.6) or that RED contains (RFC 2198 §5). */
export function associatedPayloadType(codec: RTCRtpCodec): number | undefined {
  const line = codec.sdpFmtpLine ?? '';
  const text =
    encodingName(codec) === 'rtx' ? parseFormatParameters(line).get('apt') : encodingName(codec) === 'red' ? line.split('/')[0] : undefined;
  return text !== undefined && /^\d{1,3}$/.test(text.trim()) ? Number(text) : undefined;
}

/** `getCapabilities`: one entry for each codec, one for RTX altogether (§5.2.11). */
export function codecCapabilities(kind: MediaKind): RTCRtpCodec[] {
  const capabilities: RTCRtpCodec[] = [];
  for (const codec of DEFAULT_CODECS[kind]) {
    const name = encodingName(codec);
    if (name === 'rtx' && capabilities.some((other) => encodingName(other) === 'rtx')) continue;
    capabilities.push(toCapability(codec));
  }
  return capabilities;
}

/** Without payload type; RTX and RED name others' payload types, so their line is left out. */
export function toCapability(codec: RTCRtpCodec): RTCRtpCodec {
  const { mimeType, clockRate, channels, sdpFmtpLine } = codec;
  const hidesLine = sdpFmtpLine === undefined || encodingName(codec) === 'rtx' || encodingName(codec) === 'red';
  return { mimeType, clockRate, ...(channels === undefined ? {} : { channels }), ...(hidesLine ? {} : { sdpFmtpLine }) };
}

/** The codec dictionary match algorithm (§5.4.2). */
export function codecsMatch(first: RTCRtpCodec, second: RTCRtpCodec, ignoreAsymmetricalParameters = false): boolean {
  if (first.mimeType.toLowerCase() !== second.mimeType.toLowerCase() || first.clockRate !== second.clockRate) return false;
  if (first.channels !== second.channels) return false;
  if ((first.sdpFmtpLine === undefined) !== (second.sdpFmtpLine === undefined)) return false;
  if (first.sdpFmtpLine === undefined || second.sdpFmtpLine === undefined) return true;
  if (!first.sdpFmtpLine.includes('=') || !second.sdpFmtpLine.includes('=')) return first.sdpFmtpLine === second.sdpFmtpLine;
  if (!formatsCompatible(first, second)) return false;
  return (
    ignoreAsymmetricalParameters || parametersEqual(parseFormatParameters(first.sdpFmtpLine), parseFormatParameters(second.sdpFmtpLine))
  );
}

/**
 * Whether two codecs are the same media format, so that an answer may accept it: name, clock rate, channels, and the parameters that must be symmetrical
 * (H264: packetization mode and profile, RFC 6184 §8.2.2; VP9 and AV1: profile).
 */
export function formatsCompatible(first: RTCRtpCodec, second: RTCRtpCodec): boolean {
  if (first.mimeType.toLowerCase() !== second.mimeType.toLowerCase() || first.clockRate !== second.clockRate) return false;
  if ((first.channels ?? 1) !== (second.channels ?? 1)) return false;
  const one = parseFormatParameters(first.sdpFmtpLine ?? '');
  const two = parseFormatParameters(second.sdpFmtpLine ?? '');
  switch (encodingName(first)) {
    case 'h264':
      return (one.get('packetization-mode') ?? '0') === (two.get('packetization-mode') ?? '0') && h264Profile(one) === h264Profile(two);
    case 'vp9':
      return (one.get('profile-id') ?? '0') === (two.get('profile-id') ?? '0');
    case 'h265':
      return (one.get('profile-id') ?? '1') === (two.get('profile-id') ?? '1');
    default:
      return true;
  }
}

/** The profile without the level: constrained baseline has several spellings (RFC 6184 §8.1, table 5). */
function h264Profile(parameters: Map<string, string>): string {
  const id = Number.parseInt(parameters.get('profile-level-id') ?? '420010', 16);
  const profile = id >> 16;
  const constraints = (id >> 8) & 0xff;
  const isConstrainedBaseline =
    (profile === 0x42 && (constraints & 0x40) !== 0) ||
    (profile === 0x4d && (constraints & 0x80) !== 0) ||
    (profile === 0x58 && (constraints & 0xc0) === 0xc0);
  if (isConstrainedBaseline) return 'constrained-baseline';
  return `${profile.toString(16)}:${(constraints & 0xf8 & (profile === 0x42 ? 0x7f : 0xff)).toString(16)}`;
}

function parametersEqual(one: Map<string, string>, two: Map<string, string>): boolean {
  return one.size === two.size && [...one].every(([name, value]) => two.get(name) === value);
}
