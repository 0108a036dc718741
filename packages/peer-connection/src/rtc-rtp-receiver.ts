/** RTCRtpReceiver (W3C WebRTC §5.3). */
import type { NegotiableCodec } from './jsep/codecs.ts';
import type { HeaderExtension } from './jsep/header-extensions.ts';
import type { ReceiveStream } from './media/receive-stream.ts';
import type { MediaStream } from './media-stream.ts';
import type { MediaKind, MediaStreamTrack } from './media-stream-track.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import type { PeerTransport } from './peer-transport.ts';
import type { ReceiverSource } from './receiving.ts';
import type { RTCDtlsTransport } from './rtc-dtls-transport.ts';
import { type RTCRtpCapabilities, type RTCRtpReceiveParameters, toCodecList, toExtensionList } from './rtc-rtp-parameters.ts';
import { capabilities } from './rtc-rtp-sender.ts';
import type { TransceiverSlots } from './rtc-rtp-transceiver.ts';
import { getStatsOf } from './stats/get-stats.ts';
import type { RTCStatsReport } from './stats/rtc-stats-report.ts';
import * as webidl from './webidl.ts';

/** Who was heard in the last ten seconds (W3C WebRTC §5.3). */
export interface RTCRtpContributingSource {
  /** Milliseconds since the Unix epoch. */
  timestamp: number;
  source: number;
  /** 0 to 1. */
  audioLevel?: number;
  rtpTimestamp: number;
}

/** The same, for SSRCs. */
export type RTCRtpSynchronizationSource = RTCRtpContributingSource;

/** The internal slots. */
export interface ReceiverSlots {
  readonly connection: PeerConnectionSlots;
  readonly kind: MediaKind;
  readonly object: RTCRtpReceiver;
  transceiver: TransceiverSlots;
  readonly track: MediaStreamTrack;
  readonly source: ReceiverSource;
  transport: PeerTransport | null;
  lastStableStateTransport: PeerTransport | null;
  associatedRemoteMediaStreams: MediaStream[];
  lastStableStateAssociatedRemoteMediaStreams: MediaStream[];
  receiveCodecs: readonly NegotiableCodec[];
  lastStableStateReceiveCodecs: readonly NegotiableCodec[];
  headerExtensions: readonly HeaderExtension[];
  reducedSize: boolean;
  /** By RTCP XR, also while nothing is sent (RFC 3611 §4.4, §5.2). */
  measuresRoundTrip: boolean;
  jitterBufferTarget: number | null;
  /** The stream of the media stack, while the transport has it. */
  stream: ReceiveStream | undefined;
}

export let createRTCRtpReceiver: (slots: Omit<ReceiverSlots, 'object'>) => ReceiverSlots;
export let receiverSlots: (receiver: RTCRtpReceiver) => ReceiverSlots;

/**
 * Receives one track (W3C WebRTC §5.3). Its packets come out of an `RtpSink` on `track`, its frames out of a `FrameSink`.
 *
 * @example
 * pc.ontrack = ({ receiver }) => {
 *   new FrameSink(receiver).onframe = ({ data }) => decoder.decode(data);
 * };
 */
export class RTCRtpReceiver {
  readonly #slots: ReceiverSlots;

  private constructor(...[token, slots]: [token?: unknown, slots?: ReceiverSlots]) {
    webidl.requireInternal(token);
    this.#slots = slots!;
  }

  get track(): MediaStreamTrack {
    return this.#slots.track;
  }

  get transport(): RTCDtlsTransport | null {
    return this.#slots.transport?.dtls ?? null;
  }

  /** WebRTC Extensions §6: milliseconds, 0 to 4000, or null. Nothing is buffered here, so it is only kept. */
  get jitterBufferTarget(): number | null {
    return this.#slots.jitterBufferTarget;
  }

  set jitterBufferTarget(value: number | null) {
    const slots = this.#slots;
    const target = webidl.nullable(webidl.double)(value, 'RTCRtpReceiver.jitterBufferTarget');
    if (target !== null && (target < 0 || target > 4000)) throw new RangeError('jitterBufferTarget is between 0 and 4000 milliseconds');
    slots.jitterBufferTarget = target;
  }

  /** What could be received; null for a kind that does not exist. */
  static getCapabilities(kind: string): RTCRtpCapabilities | null {
    webidl.requireArguments(arguments.length, 1, 'RTCRtpReceiver.getCapabilities');
    return capabilities(webidl.domString(kind, 'RTCRtpReceiver.getCapabilities'));
  }

  getParameters(): RTCRtpReceiveParameters {
    const { headerExtensions, receiveCodecs, reducedSize } = this.#slots;
    return { headerExtensions: toExtensionList(headerExtensions), codecs: toCodecList(receiveCodecs), rtcp: { reducedSize } };
  }

  /** Mixers' sources of the last ten seconds, the latest first. */
  getContributingSources(): RTCRtpContributingSource[] {
    return sources(this.#slots, 'contributing');
  }

  /** SSRCs of the last ten seconds, the latest first. */
  getSynchronizationSources(): RTCRtpSynchronizationSource[] {
    return sources(this.#slots, 'synchronization');
  }

  getStats(): Promise<RTCStatsReport> {
    return webidl.promised(() => getStatsOf(this.#slots.connection, this.#slots));
  }

  static {
    createRTCRtpReceiver = (slots) => {
      const complete = slots as ReceiverSlots;
      const receiver = new RTCRtpReceiver(webidl.INTERNAL, complete);
      (complete as { object: RTCRtpReceiver }).object = receiver;
      return complete;
    };
    receiverSlots = (receiver) => receiver.#slots;
    webidl.defineInterface({
      name: 'RTCRtpReceiver',
      prototype: RTCRtpReceiver.prototype,
      isInstance: (value) => #slots in value,
      shown: ['track', 'transport'],
    });
  }
}

function sources({ stream, connection }: ReceiverSlots, type: 'contributing' | 'synchronization'): RTCRtpContributingSource[] {
  const { runtime } = connection;
  const all = stream?.sources(runtime.now()) ?? [];
  return all
    .filter((one) => one.type === type)
    .map(({ source, timestamp, rtpTimestamp, audioLevel }) => ({
      timestamp: runtime.timeOrigin + timestamp,
      source,
      rtpTimestamp,
      ...(audioLevel === undefined ? {} : { audioLevel }),
    }));
}
