/** From the wire to a track: the source of a receiver's track is a stream of the media stack. */
import type { HeaderExtension } from './jsep/header-extensions.ts';
import type { NegotiableCodec } from './jsep/codecs.ts';
import type { PacketHandler, ReceiveStreamOptions } from './media/rtp-parameters.ts';
import type { MediaKind, PacketListener, TrackSource } from './media-stream-track.ts';
import type { PeerTransport } from './peer-transport.ts';
import type { ReceiverSlots } from './rtc-rtp-receiver.ts';
import type { Runtime } from './runtime.ts';
import { receives } from './rtc-rtp-transceiver.ts';
import { toRtpCodec } from './sending.ts';

/** Hands the packets of whatever stream is attached to the listeners. */
export class ReceiverSource implements TrackSource {
  readonly kind: MediaKind;
  readonly #runtime: Pick<Runtime, 'queueTask'>;
  /** Set by the connection. */
  onKeyFrameRequest: () => void = () => {};
  /** As negotiated. */
  headerExtensions: readonly HeaderExtension[] = [];
  #codec: TrackSource['codec'];
  /** Replaced when it changes. */
  #listeners: readonly { readonly listener: PacketListener }[] = [];

  constructor(kind: MediaKind, runtime: Pick<Runtime, 'queueTask'>) {
    this.kind = kind;
    this.#runtime = runtime;
  }

  /** Of the latest packet, so that a track that is sent on says what it contains. */
  get codec(): TrackSource['codec'] {
    return this.#codec;
  }

  subscribe(listener: PacketListener): () => void {
    const entry = { listener };
    this.#listeners = [...this.#listeners, entry];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  requestKeyFrame(): void {
    this.onKeyFrameRequest();
  }

  /** Called while the stack takes a datagram, which an exception of the application must not end: it gets a task, as event handlers have, to be thrown in. */
  readonly deliver: PacketHandler = (packet, { codec }) => {
    this.#codec = codec;
    for (const { listener } of this.#listeners) {
      try {
        listener(packet);
      } catch (error) {
        this.#runtime.queueTask(() => {
          throw error;
        });
      }
    }
  };
}

/** What a description announces about the streams of a section. */
export interface AnnouncedSources {
  readonly ssrcs: readonly number[];
  readonly rtxPairs: readonly { readonly ssrc: number; readonly rtxSsrc: number }[];
}

/** After an answer: the stream of the media stack becomes what was negotiated. */
export function configureReceiveStream(receiver: ReceiverSlots, announced: AnnouncedSources): void {
  const { transceiver, transport, source } = receiver;
  const isReceiving = !transceiver.stopping && receives(transceiver.currentDirection);
  if (transport === null || transport.isClosed) {
    receiver.stream = undefined;
    return;
  }
  if (receiver.stream !== undefined && !transport.receivers.has(receiver.stream)) receiver.stream = undefined;
  if (receiver.stream === undefined && !isReceiving) return;
  source.headerExtensions = receiver.headerExtensions;
  const settings = {
    ...(transceiver.mid === null ? {} : { mid: transceiver.mid }),
    codecs: receiver.receiveCodecs.map(toRtpCodec),
    headerExtensions: receiver.headerExtensions,
    ...announced,
    active: isReceiving,
  };
  if (receiver.stream !== undefined) {
    if (!isReceiving) receiver.stream.setMuted(true);
    return receiver.stream.configure(settings);
  }
  addStream(receiver, transport, settings);
}

/** Before the answer: what was offered is received, over a transport that is connected already. */
export function receiveEarly(
  receiver: ReceiverSlots,
  codecs: readonly NegotiableCodec[],
  headerExtensions: readonly HeaderExtension[],
): void {
  const { transceiver, transport, stream } = receiver;
  if (stream !== undefined || transport === null || transport.isClosed) return;
  const mid = transceiver.mid === null ? {} : { mid: transceiver.mid };
  addStream(receiver, transport, { ...mid, codecs: codecs.map(toRtpCodec), headerExtensions });
}

function addStream(receiver: ReceiverSlots, transport: PeerTransport, settings: Omit<ReceiveStreamOptions, 'kind' | 'onPacket'>): void {
  const { source, kind } = receiver;
  const stream = transport.driver.input(({ media }) => media.addReceiveStream({ ...settings, kind, onPacket: source.deliver }));
  receiver.stream = stream;
  transport.receivers.set(stream, receiver);
  source.onKeyFrameRequest = () => transport.driver.input((_stack, now) => stream.requestKeyFrame(now));
}

export function stopReceiving(receiver: ReceiverSlots): void {
  const { stream, transport } = receiver;
  receiver.stream = undefined;
  receiver.source.onKeyFrameRequest = () => {};
  if (stream === undefined) return;
  stream.stop();
  transport?.receivers.delete(stream);
}
