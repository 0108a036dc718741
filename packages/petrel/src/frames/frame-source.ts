/** Where an application puts media in as frames. Not part of the W3C's API. */
import { randomInt } from 'node:crypto';
import { createPacketizer, type EncodedFrame, FrameSender, type Packetizer } from '@petrel/media';
import { type MediaStreamTrack, type MediaTrackSettings, RtpSource } from '@petrel/peer-connection';

/** The second argument of the constructor of {@link FrameSource}. */
export interface FrameSourceOptions {
  /** Bytes of a frame in one packet; 1,100 unless given, which leaves room for what the layers below add. */
  readonly maxPayload?: number;
  /** Of H264: 1 unless given. 0 has neither aggregation nor fragments. */
  readonly packetizationMode?: 0 | 1;
  /** What `track.getSettings()` says. */
  readonly settings?: MediaTrackSettings;
}

/** A writer that is later than this, in milliseconds, is not made to hurry: the clock is set anew. */
const TOO_LATE = 1000;

/**
 * A track whose media the application supplies as encoded frames.
 *
 * @example
 * const source = new FrameSource('video/VP8');
 * pc.addTrack(source.track);
 * source.write({ data, timestamp, keyFrame: isVp8KeyFrame(data) });
 */
export class FrameSource {
  /** Called when a receiver needs a key frame. */
  onkeyframerequest: (() => void) | null = null;
  readonly #packets: RtpSource;
  readonly #packetizer: Packetizer;
  readonly #sender: FrameSender;
  #writable: WritableStream<EncodedFrame> | undefined;

  /**
   * @param mimeType `video/VP8`, `video/VP9`, `video/H264`, `video/AV1`, `audio/opus`, `audio/PCMU`, `audio/PCMA` or `audio/G722`
   * @throws TypeError for another
   */
  constructor(mimeType: string, options: FrameSourceOptions = {}) {
    const { maxPayload, packetizationMode = 1, settings = {} } = options;
    this.#packetizer = createPacketizer(mimeType, { firstPictureId: randomInt(0x8000), packetizationMode });
    const { kind, clockRate } = this.#packetizer;
    this.#packets = new RtpSource(kind, { mimeType, clockRate, settings });
    this.#packets.onkeyframerequest = () => this.onkeyframerequest?.();
    this.#sender = new FrameSender({
      packetizer: this.#packetizer,
      send: (packet) => this.#packets.write(packet),
      firstSequenceNumber: randomInt(0x10000),
      ...(maxPayload === undefined ? {} : { maxPayload }),
    });
  }

  /** The track to give to `addTrack`, `addTransceiver` or `replaceTrack`. */
  get track(): MediaStreamTrack {
    return this.#packets.track;
  }

  /**
   * Sends a frame now, on every connection that the track was added to.
   * @throws TypeError when it is not a frame of the codec
   */
  write(frame: EncodedFrame): void {
    if (!ArrayBuffer.isView(frame.data) || !Number.isFinite(frame.timestamp))
      throw new TypeError('FrameSource.write: a frame has data, a Uint8Array, and a timestamp, a number of the clock of the codec');
    this.#sender.send(frame);
  }

  /**
   * Takes frames from a file or an encoder, and sends each when its timestamp says: a writer that is faster has to wait.
   *
   * @example
   * await ReadableStream.from(frames).pipeTo(source.writable);
   */
  get writable(): WritableStream<EncodedFrame> {
    this.#writable ??= this.#makeWritable();
    return this.#writable;
  }

  #makeWritable(): WritableStream<EncodedFrame> {
    const pacer = new Pacer(this.#packetizer.clockRate);
    return new WritableStream<EncodedFrame>(
      {
        write: async (frame, { signal }) => {
          await pacer.wait(frame.timestamp, signal);
          if (!signal.aborted) this.write(frame);
        },
      },
      { highWaterMark: 1 },
    );
  }
}

/** Turns timestamps into waiting. */
class Pacer {
  readonly #ticksPerMillisecond: number;
  #last: number | undefined;
  /** When the last frame was due. */
  #due = 0;

  constructor(clockRate: number) {
    this.#ticksPerMillisecond = clockRate / 1000;
  }

  async wait(timestamp: number, signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const elapsed = this.#last === undefined ? 0 : ((timestamp - this.#last) | 0) / this.#ticksPerMillisecond;
    const due = this.#due + elapsed;
    this.#due = this.#last === undefined || now - due > TOO_LATE ? now : due;
    this.#last = timestamp;
    if (this.#due > now) await pause(this.#due - now, signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
