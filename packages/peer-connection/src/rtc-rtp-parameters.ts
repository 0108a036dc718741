/** Dictionaries of RTP parameters (W3C WebRTC §5.2, WebRTC Priority §4.1, SVC §4) and their conversion. */
import { exception } from './errors.ts';
import { codecsMatch, encodingName, type NegotiableCodec, type RTCRtpCodec } from './jsep/codecs.ts';
import type { HeaderExtension } from './jsep/header-extensions.ts';
import type { MediaKind } from './media-stream-track.ts';
import type { RTCPriorityType } from './rtc-data-channel.ts';
import * as webidl from './webidl.ts';

/** Seen from this side; `stopped` is final. */
export type RTCRtpTransceiverDirection = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive' | 'stopped';

/** A codec with its negotiated payload type. */
export interface RTCRtpCodecParameters extends RTCRtpCodec {
  payloadType: number;
}

/** A header extension, and in which direction it is negotiated (WebRTC Extensions). */
export interface RTCRtpHeaderExtensionCapability {
  uri: string;
  /** WebRTC Extensions: of a transceiver's extension, whether it is negotiated, and which way. */
  direction?: RTCRtpTransceiverDirection;
}

/** A negotiated header extension (RFC 8285). */
export interface RTCRtpHeaderExtensionParameters {
  uri: string;
  id: number;
  encrypted?: boolean;
}

/** CNAME, and whether RTCP has reduced size (RFC 5506). */
export interface RTCRtcpParameters {
  cname?: string;
  reducedSize?: boolean;
}

/** What senders and receivers have in common. */
export interface RTCRtpParameters {
  headerExtensions: RTCRtpHeaderExtensionParameters[];
  rtcp: RTCRtcpParameters;
  codecs: RTCRtpCodecParameters[];
}

/** What a receiver's `getParameters` says. */
export type RTCRtpReceiveParameters = RTCRtpParameters;

/** What a sender's `getParameters` says and its `setParameters` takes, which checks `transactionId` and changes encodings only. */
export interface RTCRtpSendParameters extends RTCRtpParameters {
  transactionId: string;
  encodings: RTCRtpEncodingParameters[];
}

/** One encoding of a sender (W3C WebRTC §5.2.5). */
export interface RTCRtpEncodingParameters {
  rid?: string;
  /** Default true. */
  active?: boolean;
  codec?: RTCRtpCodec;
  /** Bits per second. Packets are encoded already, so this and the following are only kept. */
  maxBitrate?: number;
  maxFramerate?: number;
  scaleResolutionDownBy?: number;
  /** WebRTC Extensions: both at least 1, and for all active encodings or none. */
  scaleResolutionDownTo?: RTCResolutionRestriction;
  priority?: RTCPriorityType;
  networkPriority?: RTCPriorityType;
  scalabilityMode?: string;
  /** WebRTC Extensions, audio: packets of another length in time of need. The application makes the packets, so this is only kept. */
  adaptivePtime?: boolean;
}

/** WebRTC Extensions: pixels at most, whichever way the picture is turned. */
export interface RTCResolutionRestriction {
  maxWidth?: number;
  maxHeight?: number;
}

/** What `getCapabilities` says, and `setCodecPreferences` takes codecs from. */
export interface RTCRtpCapabilities {
  codecs: RTCRtpCodec[];
  headerExtensions: RTCRtpHeaderExtensionCapability[];
}

/** The second argument of `addTransceiver`. */
export interface RTCRtpTransceiverInit {
  direction?: RTCRtpTransceiverDirection;
  streams?: MediaStream[];
  sendEncodings?: RTCRtpEncodingParameters[];
}

type MediaStream = import('./media-stream.ts').MediaStream;

export const toDirection: webidl.Converter<RTCRtpTransceiverDirection> = webidl.enumeration<RTCRtpTransceiverDirection>(
  'RTCRtpTransceiverDirection',
  ['sendrecv', 'sendonly', 'recvonly', 'inactive', 'stopped'],
);

const toPriority = webidl.enumeration<RTCPriorityType>('RTCPriorityType', ['very-low', 'low', 'medium', 'high']);

export const toRTCRtpCodec: webidl.Converter<RTCRtpCodec> = webidl.dictionary<RTCRtpCodec>('RTCRtpCodec', {
  channels: { convert: webidl.unsignedShort },
  clockRate: { convert: webidl.unsignedLong, required: true },
  mimeType: { convert: webidl.domString, required: true },
  sdpFmtpLine: { convert: webidl.domString },
});

const toCodecParameters = webidl.dictionary<RTCRtpCodecParameters, RTCRtpCodec>(
  'RTCRtpCodecParameters',
  { payloadType: { convert: webidl.octet, required: true } } as webidl.Members<RTCRtpCodecParameters>,
  toRTCRtpCodec,
);

const toResolutionRestriction = webidl.dictionary<RTCResolutionRestriction>('RTCResolutionRestriction', {
  maxHeight: { convert: webidl.unsignedLong },
  maxWidth: { convert: webidl.unsignedLong },
});

const toEncoding: webidl.Converter<RTCRtpEncodingParameters> = webidl.dictionary<RTCRtpEncodingParameters>('RTCRtpEncodingParameters', {
  active: { convert: webidl.boolean, fallback: () => true },
  adaptivePtime: { convert: webidl.boolean, fallback: () => false },
  codec: { convert: toRTCRtpCodec },
  maxBitrate: { convert: webidl.unsignedLong },
  maxFramerate: { convert: webidl.double },
  networkPriority: { convert: toPriority },
  priority: { convert: toPriority },
  rid: { convert: webidl.domString },
  scalabilityMode: { convert: webidl.domString },
  scaleResolutionDownBy: { convert: webidl.double },
  scaleResolutionDownTo: { convert: toResolutionRestriction },
});

export const toTransceiverInit: webidl.Converter<RTCRtpTransceiverInit> = webidl.dictionary<RTCRtpTransceiverInit>(
  'RTCRtpTransceiverInit',
  {
    direction: { convert: toDirection, fallback: () => 'sendrecv' },
    sendEncodings: { convert: webidl.sequence(toEncoding), fallback: () => [] },
    streams: { convert: webidl.sequence(webidl.interfaceType<MediaStream>('MediaStream')), fallback: () => [] },
  },
);

const toHeaderExtension = webidl.dictionary<RTCRtpHeaderExtensionParameters>('RTCRtpHeaderExtensionParameters', {
  encrypted: { convert: webidl.boolean, fallback: () => false },
  id: { convert: webidl.unsignedShort, required: true },
  uri: { convert: webidl.domString, required: true },
});

const toRtcp = webidl.dictionary<RTCRtcpParameters>('RTCRtcpParameters', {
  cname: { convert: webidl.domString },
  reducedSize: { convert: webidl.boolean },
});

export const toSendParameters: webidl.Converter<RTCRtpSendParameters> = webidl.dictionary<RTCRtpSendParameters>('RTCRtpSendParameters', {
  // Absent codecs are a modification (and no TypeError) in browsers.
  codecs: { convert: webidl.sequence(toCodecParameters), fallback: () => [] },
  encodings: { convert: webidl.sequence(toEncoding), required: true },
  headerExtensions: { convert: webidl.sequence(toHeaderExtension), required: true },
  rtcp: { convert: toRtcp, required: true },
  transactionId: { convert: webidl.domString, required: true },
});

/** As `getParameters` shows them. */
export function toCodecList(codecs: readonly NegotiableCodec[]): RTCRtpCodecParameters[] {
  return codecs.map(({ payloadType, mimeType, clockRate, channels, sdpFmtpLine }) => ({
    payloadType,
    mimeType,
    clockRate,
    ...(channels === undefined ? {} : { channels }),
    ...(sdpFmtpLine === undefined ? {} : { sdpFmtpLine }),
  }));
}

export function toExtensionList(extensions: readonly HeaderExtension[]): RTCRtpHeaderExtensionParameters[] {
  return extensions.map(({ uri, id }) => ({ uri, id, encrypted: false }));
}

export const MAX_ENCODINGS: { readonly [Kind in MediaKind]: number } = { audio: 1, video: 3 };

/**
 * "addTransceiver sendEncodings validation steps" (§5.1.4). Changes the encodings as the steps say.
 * @throws TypeError, InvalidAccessError, OperationError or RangeError
 */
export function validateSendEncodings(
  kind: MediaKind,
  encodings: RTCRtpEncodingParameters[],
  capabilities: readonly RTCRtpCodec[],
): RTCRtpEncodingParameters[] {
  // 1. Rids: well-formed (RFC 8851 §10) and short enough for a one-byte header extension (RFC 8285 §4.2), all or none, no two the same.
  const rids = encodings.flatMap(({ rid }) => (rid === undefined ? [] : [rid]));
  if (rids.some((rid) => !/^[A-Za-z0-9]{1,16}$/.test(rid)))
    throw new TypeError('sendEncodings: a rid consists of 1 to 16 letters and digits');
  if (rids.length > 0 && rids.length < encodings.length) throw new TypeError('sendEncodings: either all encodings have a rid, or none has');
  if (encodings.length > 1 && rids.length === 0) throw new TypeError('sendEncodings: several encodings need a rid each');
  if (new Set(rids).size < rids.length) throw new TypeError('sendEncodings: two encodings have the same rid');
  // 3. 4. Codecs that can be sent.
  for (const { codec } of encodings)
    if (codec !== undefined && !capabilities.some((one) => codecsMatch(one, codec, true)))
      throw exception('OperationError', `${codec.mimeType} is not supported: take a codec of RTCRtpSender.getCapabilities('${kind}')`);
  checkScalability(encodings);
  // 5. - 7. Ranges.
  checkScaling(kind, encodings, 'OperationError');
  // 9. 11. What has no scale gets one.
  if (encodings.some(({ scaleResolutionDownBy }) => scaleResolutionDownBy !== undefined))
    for (const encoding of encodings) encoding.scaleResolutionDownBy ??= 1;
  // 10. No more than can be sent.
  const kept = encodings.slice(0, MAX_ENCODINGS[kind]);
  if (kind === 'video' && kept.every(({ scaleResolutionDownBy }) => scaleResolutionDownBy === undefined))
    for (const [index, encoding] of kept.entries()) encoding.scaleResolutionDownBy = 2 ** (kept.length - index - 1);
  // 12. A single encoding needs no rid.
  if (kept.length === 1) delete kept[0]!.rid;
  return kept;
}

/**
 * WebRTC SVC §6: the modes that exist, and that the codec can have.
 * @param negotiated what an encoding that asks for no codec is sent with, when that is known
 * @throws OperationError
 */
export function checkScalability(encodings: readonly RTCRtpEncodingParameters[], negotiated?: RTCRtpCodec): void {
  for (const { scalabilityMode, codec = negotiated } of encodings) {
    if (scalabilityMode === undefined) continue;
    if (!SCALABILITY_MODE.test(scalabilityMode))
      throw exception(
        'OperationError',
        `'${scalabilityMode}' is not a scalability mode: these are L1T1 to L3T3_KEY_SHIFT, and S2T1 to S3T3h`,
      );
    if (codec !== undefined && possibleScalability(scalabilityMode, codec) !== scalabilityMode)
      throw exception('OperationError', `${codec.mimeType} has no spatial layers, as '${scalabilityMode}' wants: use L1T1, L1T2 or L1T3`);
  }
}

const SCALABILITY_MODE = /^(?:L1T[123]|L[23]T[123](?:h|_KEY)?|L[23]T[23]_KEY_SHIFT|S[23]T[123]h?)$/;

/** WebRTC SVC §6: only VP9 and AV1 have spatial layers. Of a mode with them others keep the temporal ones. */
export function possibleScalability(mode: string, codec: RTCRtpCodec): string {
  const hasSpatialLayers = ['vp9', 'av1'].includes(encodingName(codec));
  return hasSpatialLayers ? mode : mode.replace(/^[LS][23](T[123]).*$/, 'L1$1');
}

/** Removes what only the other kind has, and checks the ranges of what video has. */
export function checkScaling(
  kind: MediaKind,
  encodings: readonly RTCRtpEncodingParameters[],
  refusal: 'OperationError' | 'InvalidModificationError',
): void {
  for (const encoding of encodings) {
    if (kind === 'audio') {
      delete encoding.scaleResolutionDownBy;
      delete encoding.scaleResolutionDownTo;
      delete encoding.maxFramerate;
      continue;
    }
    delete encoding.adaptivePtime;
    const { scaleResolutionDownBy = 1, scaleResolutionDownTo, maxFramerate = 0 } = encoding;
    if (scaleResolutionDownBy < 1) throw new RangeError(`scaleResolutionDownBy is at least 1, not ${scaleResolutionDownBy}`);
    if (maxFramerate < 0) throw new RangeError(`maxFramerate is not negative: ${maxFramerate}`);
    const { maxWidth = 0, maxHeight = 0 } = scaleResolutionDownTo ?? {};
    if (scaleResolutionDownTo !== undefined && (maxWidth === 0 || maxHeight === 0))
      throw exception(refusal, 'scaleResolutionDownTo needs a maxWidth and a maxHeight of at least 1');
  }
  const restricted = encodings
    .filter(({ active }) => active !== false)
    .map(({ scaleResolutionDownTo }) => scaleResolutionDownTo !== undefined);
  if (restricted.includes(true) && restricted.includes(false))
    throw exception(refusal, 'either all active encodings have a scaleResolutionDownTo, or none has');
}
