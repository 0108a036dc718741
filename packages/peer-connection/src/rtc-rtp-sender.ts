/** RTCRtpSender (W3C WebRTC §5.2). */
import { exception } from './errors.ts';
import { codecCapabilities, codecsMatch, isAuxiliary, type NegotiableCodec } from './jsep/codecs.ts';
import { trackCodec } from './jsep/codec-negotiation.ts';
import { HEADER_EXTENSIONS, type HeaderExtension } from './jsep/header-extensions.ts';
import { updateNegotiationNeeded } from './jsep/negotiation-needed.ts';
import type { SendStream } from './media/send-stream.ts';
import { type MediaStream, streamId } from './media-stream.ts';
import type { MediaKind, MediaStreamTrack } from './media-stream-track.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import type { PeerTransport } from './peer-transport.ts';
import { randomUuid } from './random-uuid.ts';
import type { RTCDtlsTransport } from './rtc-dtls-transport.ts';
import type { RTCDTMFSender } from './rtc-dtmf-sender.ts';
import {
  checkScalability,
  checkScaling,
  type RTCRtpCapabilities,
  type RTCRtpEncodingParameters,
  type RTCRtpSendParameters,
  toCodecList,
  toExtensionList,
  toSendParameters,
} from './rtc-rtp-parameters.ts';
import { sends, type TransceiverSlots } from './rtc-rtp-transceiver.ts';
import { cannotBeSent, connectTrack, configureSendStreams } from './sending.ts';
import { getStatsOf } from './stats/get-stats.ts';
import type { RTCStatsReport } from './stats/rtc-stats-report.ts';
import * as webidl from './webidl.ts';

/** The SSRCs of one encoding. */
export interface EncodingSsrcs {
  readonly ssrc: number;
  readonly rtxSsrc: number;
}

/** The internal slots. */
export interface SenderSlots {
  readonly connection: PeerConnectionSlots;
  readonly kind: MediaKind;
  readonly object: RTCRtpSender;
  transceiver: TransceiverSlots;
  track: MediaStreamTrack | null;
  transport: PeerTransport | null;
  lastStableStateTransport: PeerTransport | null;
  dtmf: RTCDTMFSender | null;
  associatedMediaStreamIds: string[];
  sendEncodings: RTCRtpEncodingParameters[];
  lastStableRidlessSendEncodings: RTCRtpEncodingParameters[] | null;
  sendCodecs: readonly NegotiableCodec[];
  lastReturnedParameters: RTCRtpSendParameters | null;
  /** Negotiated for sending. */
  headerExtensions: readonly HeaderExtension[];
  reducedSize: boolean;
  /** By index of the encoding; they stay for the life of the sender. */
  readonly ssrcs: EncodingSsrcs[];
  /** The streams of the media stack, by index of the encoding, while the transport has them. */
  streams: SendStream[];
  /** Ends the subscription to the track's packets. */
  disconnect: (() => void) | undefined;
  /** The id that `a=msid` gives the track: that of the first track, for the life of the sender (RFC 8829 §5.2.1). */
  readonly msidTrackId: string;
}

export let createRTCRtpSender: (slots: Omit<SenderSlots, 'object'>) => SenderSlots;
export let senderSlots: (sender: RTCRtpSender) => SenderSlots;

/**
 * Sends one track, or none (W3C WebRTC §5.2).
 *
 * @example
 * const sender = pc.addTrack(source.track);
 * await sender.replaceTrack(other.track); // without negotiation
 */
export class RTCRtpSender {
  readonly #slots: SenderSlots;

  private constructor(...[token, slots]: [token?: unknown, slots?: SenderSlots]) {
    webidl.requireInternal(token);
    this.#slots = slots!;
  }

  get track(): MediaStreamTrack | null {
    return this.#slots.track;
  }

  get transport(): RTCDtlsTransport | null {
    return this.#slots.transport?.dtls ?? null;
  }

  /** For audio only (§7). */
  get dtmf(): RTCDTMFSender | null {
    return this.#slots.dtmf;
  }

  /** What could be sent; null for a kind that does not exist. */
  static getCapabilities(kind: string): RTCRtpCapabilities | null {
    webidl.requireArguments(arguments.length, 1, 'RTCRtpSender.getCapabilities');
    return capabilities(webidl.domString(kind, 'RTCRtpSender.getCapabilities'));
  }

  /**
   * Changes what is sent, within what was negotiated. `parameters` come from {@link getParameters}, in the same task.
   * Rejects with InvalidStateError, InvalidModificationError, OperationError or RangeError.
   */
  setParameters(parameters: RTCRtpSendParameters, ...[options]: [options?: object]): Promise<undefined> {
    return webidl.promised(() => {
      const slots = this.#slots;
      webidl.requireArguments(arguments.length, 1, 'RTCRtpSender.setParameters');
      void options;
      return setParameters(slots, toSendParameters(parameters, 'RTCRtpSender.setParameters'));
    });
  }

  getParameters(): RTCRtpSendParameters {
    const slots = this.#slots;
    // 2. The same for the rest of the task; a dictionary is the caller's to change.
    if (slots.lastReturnedParameters !== null) return structuredClone(slots.lastReturnedParameters);
    // 3.
    const result: RTCRtpSendParameters = {
      transactionId: randomUuid(slots.connection.runtime.crypto),
      encodings: structuredClone(slots.sendEncodings),
      headerExtensions: toExtensionList(slots.headerExtensions),
      codecs: toCodecList(slots.sendCodecs),
      rtcp: { cname: slots.connection.cname, reducedSize: slots.reducedSize },
    };
    // 4. 5.
    slots.lastReturnedParameters = result;
    slots.connection.runtime.queueTask(() => {
      if (slots.lastReturnedParameters === result) slots.lastReturnedParameters = null;
    });
    return structuredClone(result);
  }

  /** Sends another track, or none, without negotiation. Rejects with TypeError for a track of another kind, InvalidStateError when stopped. */
  replaceTrack(withTrack: MediaStreamTrack | null): Promise<undefined> {
    return webidl.promised(() => {
      const slots = this.#slots;
      webidl.requireArguments(arguments.length, 1, 'RTCRtpSender.replaceTrack');
      return replaceTrack(slots, toTrackOrNull(withTrack, 'RTCRtpSender.replaceTrack'));
    });
  }

  /** The streams that the track belongs to at the other side; needs negotiation. */
  setStreams(...streams: MediaStream[]): void {
    const slots = this.#slots;
    const ids = streams.map((stream) => streamId(toStream(stream, 'RTCRtpSender.setStreams'), slots.connection.runtime.crypto));
    // 3.
    if (slots.connection.isClosed) throw exception('InvalidStateError', 'the connection is closed');
    // 5. 6. The set of their ids.
    slots.associatedMediaStreamIds = [...new Set(ids)];
    // 7.
    updateNegotiationNeeded(slots.connection);
  }

  getStats(): Promise<RTCStatsReport> {
    return webidl.promised(() => getStatsOf(this.#slots.connection, this.#slots));
  }

  static {
    createRTCRtpSender = (slots) => {
      const complete = slots as SenderSlots;
      const sender = new RTCRtpSender(webidl.INTERNAL, complete);
      (complete as { object: RTCRtpSender }).object = sender;
      return complete;
    };
    senderSlots = (sender) => sender.#slots;
    webidl.defineInterface({
      name: 'RTCRtpSender',
      prototype: RTCRtpSender.prototype,
      isInstance: (value) => #slots in value,
      shown: ['track', 'transport'],
    });
  }
}

const toTrackOrNull = webidl.nullable(webidl.interfaceType<MediaStreamTrack>('MediaStreamTrack'));
const toStream = webidl.interfaceType<MediaStream>('MediaStream');

/** Senders and receivers implement the same. */
export function capabilities(kind: string): RTCRtpCapabilities | null {
  if (kind !== 'audio' && kind !== 'video') return null;
  return { codecs: codecCapabilities(kind), headerExtensions: HEADER_EXTENSIONS[kind].map(({ uri }) => ({ uri })) };
}

/** §5.2, setParameters */
async function setParameters(slots: SenderSlots, parameters: RTCRtpSendParameters): Promise<undefined> {
  const last = slots.lastReturnedParameters;
  // 4. 5.
  if (slots.transceiver.stopping) throw exception('InvalidStateError', 'the transceiver is stopped');
  if (last === null)
    throw exception('InvalidStateError', 'setParameters: call getParameters first, in the same task, and pass what it returned');
  // 6. Validation.
  checkReadOnly(parameters, last, slots);
  checkCodecs(parameters, slots);
  checkScalability(
    parameters.encodings,
    slots.sendCodecs.find((codec) => !isAuxiliary(codec)),
  );
  checkScaling(slots.kind, parameters.encodings, 'InvalidModificationError');
  if (slots.kind === 'video') for (const encoding of parameters.encodings) encoding.scaleResolutionDownBy ??= 1;
  // 8. 9. Nothing has to be configured but the choice of codec and what is active.
  await new Promise<void>((resolve) => slots.connection.runtime.queueTask(resolve));
  slots.lastReturnedParameters = null;
  // Encodings that a description has removed meanwhile stay removed.
  slots.sendEncodings = slots.sendEncodings.map((one) => parameters.encodings.find(({ rid }) => rid === one.rid) ?? one);
  configureSendStreams(slots);
  return undefined;
}

function checkReadOnly(parameters: RTCRtpSendParameters, last: RTCRtpSendParameters, { sendEncodings }: SenderSlots): void {
  if (parameters.encodings.length !== sendEncodings.length) refuse('the number of encodings');
  if (parameters.encodings.some(({ rid }, index) => rid !== sendEncodings[index]!.rid)) refuse('the order of encodings and their rids');
  if (parameters.transactionId !== last.transactionId) refuse('transactionId');
  for (const member of ['codecs', 'headerExtensions', 'rtcp'] as const) if (!isSame(parameters[member], last[member])) refuse(member);
}

function refuse(what: string): never {
  throw exception('InvalidModificationError', `setParameters cannot change ${what}: pass what getParameters returned`);
}

function checkCodecs({ encodings, codecs }: RTCRtpSendParameters, { kind }: SenderSlots): void {
  const choosable = codecs.length > 0 ? codecs : codecCapabilities(kind);
  for (const { codec } of encodings) {
    if (codec === undefined) continue;
    const isChoosable = choosable.some((one) => codecsMatch(one, codec, true)) && !isAuxiliary(codec);
    if (!isChoosable)
      throw exception('InvalidModificationError', `${codec.mimeType} was not negotiated: take a codec of getParameters().codecs`);
  }
}

/** Equal as JSON, with the members in any order. */
function isSame(one: unknown, two: unknown): boolean {
  return JSON.stringify(sorted(one)) === JSON.stringify(sorted(two));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}

/** §5.2, replaceTrack */
function replaceTrack(slots: SenderSlots, withTrack: MediaStreamTrack | null): Promise<undefined> {
  const { connection, transceiver } = slots;
  // 5.
  if (withTrack !== null && withTrack.kind !== slots.kind)
    return Promise.reject(new TypeError(`replaceTrack: a sender of ${slots.kind} takes no track of ${withTrack.kind}`));
  // 6.
  return connection.operations.chain(async () => {
    if (transceiver.stopping) throw exception('InvalidStateError', 'the transceiver is stopped');
    await new Promise<void>((resolve) => connection.runtime.queueTask(resolve));
    // Packets of any codec that was negotiated can be sent at once.
    if (withTrack !== null && sends(transceiver.currentDirection) && cannotBeSent(slots, withTrack))
      throw exception('InvalidModificationError', `${trackCodec(withTrack)!.mimeType}, which the track contains, was not negotiated`);
    slots.track = withTrack;
    connectTrack(slots);
    return undefined;
  });
}
