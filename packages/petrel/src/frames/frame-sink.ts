/** Where an application takes media out as frames. Not part of the W3C's API. */
import { createDepacketizer, type Depacketizer, FrameReceiver, type ReceivedFrame } from '@petrel/media';
import { MediaStreamTrack, type RTCRtpReceiver, RtpSink } from '@petrel/peer-connection';

/** The second argument of the constructor of {@link FrameSink}. */
export interface FrameSinkOptions {
  /** What the packets contain. Needed for tracks that are not a receiver's. */
  readonly mimeType?: string;
  /** How long a missing packet is waited for, in milliseconds. 200 unless given. */
  readonly patience?: number;
  /** Whether frames that depend on a lost one are held back, and a key frame is asked for. True unless given. */
  readonly waitForKeyFrame?: boolean;
}

/** Frames that a stream holds for a reader; more are dropped. */
const READ_AHEAD = 64;

/**
 * Hands out the frames of a track, in order: packets are put in order, missing ones waited for, frames put together.
 *
 * @example
 * pc.ontrack = ({ receiver }) => {
 *   const sink = new FrameSink(receiver);
 *   sink.onframe = ({ data, keyFrame }) => decoder.decode(data);
 * };
 */
export class FrameSink {
  /** Called with each frame. Its data is the listener's to keep, but may be shared: it must not be changed. */
  onframe: ((frame: ReceivedFrame) => void) | null = null;
  readonly #packets: RtpSink;
  readonly #frames: FrameReceiver;
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #readable: ReadableStream<ReceivedFrame> | undefined;
  #reader: ReadableStreamDefaultController<ReceivedFrame> | undefined;
  #droppedForReader = 0;

  /**
   * @param source a receiver, whose negotiated codecs say what the packets contain; or a track, with `mimeType`
   * @throws TypeError for a track without a `mimeType` that can be depacketized
   */
  constructor(source: RTCRtpReceiver | MediaStreamTrack, options: FrameSinkOptions = {}) {
    const { mimeType, patience, waitForKeyFrame } = options;
    const isTrack = source instanceof MediaStreamTrack;
    if (isTrack && createDepacketizer(mimeType ?? '') === undefined)
      throw new TypeError(
        mimeType === undefined
          ? "FrameSink: a track needs a mimeType, 'video/VP8' for example; or pass the receiver"
          : `FrameSink: no depacketizer for '${mimeType}'`,
      );
    this.#frames = new FrameReceiver({
      depacketizer: (payloadType) =>
        mimeType === undefined && !isTrack ? negotiated(source, payloadType) : createDepacketizer(mimeType ?? ''),
      onframe: (frame) => this.#deliver(frame),
      onkeyframeneeded: () => this.requestKeyFrame(),
      ...(patience === undefined ? {} : { patience }),
      ...(waitForKeyFrame === undefined ? {} : { waitForKeyFrame }),
    });
    this.#packets = new RtpSink(isTrack ? source : source.track);
    this.#packets.onpacket = (packet) => {
      this.#frames.receive(packet, performance.now());
      this.#arm();
    };
    this.track.addEventListener('ended', () => this.close());
  }

  get track(): MediaStreamTrack {
    return this.#packets.track;
  }

  /**
   * The frames as a stream. A reader that is too slow loses frames, and is given a key frame next; what it lost is counted.
   *
   * @example
   * for await (const frame of sink.readable) await encoder.write(frame.data);
   */
  get readable(): ReadableStream<ReceivedFrame> & AsyncIterable<ReceivedFrame> {
    this.#readable ??= new ReadableStream<ReceivedFrame>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        cancel: () => {
          this.#reader = undefined;
        },
      },
      { highWaterMark: READ_AHEAD },
    );
    return this.#readable;
  }

  /** What came, and what was dropped, by reason. */
  get statistics(): { readonly framesReceived: number; readonly packetsLost: number; readonly dropped: Readonly<Record<string, number>> } {
    const { framesReceived, packetsLost } = this.#frames;
    const dropped = this.#frames.statistics();
    if (this.#droppedForReader > 0) dropped['slow-reader'] = this.#droppedForReader;
    return { framesReceived, packetsLost, dropped };
  }

  /** Asks the sender for a key frame (RTCP PLI, RFC 4585 §6.3.1). */
  requestKeyFrame(): void {
    this.#packets.requestKeyFrame();
  }

  /** No more frames; the stream ends. The track itself goes on. */
  close(): void {
    this.#packets.close();
    clearTimeout(this.#timer);
    this.#reader?.close();
    this.#reader = undefined;
  }

  #deliver(frame: ReceivedFrame): void {
    this.onframe?.(frame);
    if (this.#reader === undefined) return;
    if ((this.#reader.desiredSize ?? 0) > 0) return this.#reader.enqueue(frame);
    this.#droppedForReader += 1;
    if (this.onframe === null) this.#frames.skipToKeyFrame();
  }

  /** The timer is moved only when it has to be earlier; a late deadline is found when it fires. */
  #arm(): void {
    const at = this.#frames.nextTimeout();
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#onTimer(), Math.max(0, at - performance.now()));
  }

  #onTimer(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.#frames.handleTimeout(performance.now());
    this.#arm();
  }
}

function negotiated(receiver: RTCRtpReceiver, payloadType: number): Depacketizer | undefined {
  const codec = receiver.getParameters().codecs.find((each) => each.payloadType === payloadType);
  return codec === undefined ? undefined : createDepacketizer(codec.mimeType);
}
