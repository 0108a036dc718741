/** Where an application takes media out: RTP packets, as they were received. Not part of the W3C's API. */
import { mediaStreamTrackSlots, type MediaStreamTrack, subscribeToTrack } from './media-stream-track.ts';
import { interfaceType } from './webidl.ts';

/**
 * Hands out the packets of a track, usually a receiver's.
 *
 * @example
 * pc.ontrack = ({ track }) => {
 *   const sink = new RtpSink(track);
 *   sink.onpacket = (packet) => udpSocket.send(packet, 5004);
 * };
 */
export class RtpSink {
  /** Packets that {@link readable} had no room for. */
  dropped: number = 0;
  /**
   * Called with each whole RTP packet, in order of arrival. The packet is the listener's to keep, but shared: it must not be changed. What a listener
   * throws about a received packet is an uncaught exception of the process, as in event handlers; the connection goes on.
   */
  onpacket: ((packet: Uint8Array) => void) | null = null;
  readonly #track: MediaStreamTrack;
  readonly #unsubscribe: () => void;
  #readable: ReadableStream<Uint8Array> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** @throws TypeError when `track` is not a MediaStreamTrack */
  constructor(track: MediaStreamTrack) {
    this.#track = toTrack(track, 'RtpSink constructor');
    this.#unsubscribe = subscribeToTrack(this.#track, (packet) => this.#deliver(packet));
    this.#track.addEventListener('ended', () => this.close());
  }

  get track(): MediaStreamTrack {
    return this.#track;
  }

  /** Asks the sender for a key frame (RTCP PLI, RFC 4585 §6.3.1). */
  requestKeyFrame(): void {
    mediaStreamTrackSlots(this.#track).source.requestKeyFrame();
  }

  /**
   * The packets from now on as a stream, which ends with the track or with {@link close}. While nobody reads, 512 packets wait; those that come
   * then are dropped and counted in {@link dropped}, as media cannot be asked to wait.
   */
  get readable(): ReadableStream<Uint8Array> & AsyncIterable<Uint8Array> {
    this.#readable ??= new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => {
          this.#controller = undefined;
          this.close();
        },
      },
      { highWaterMark: READ_AHEAD },
    );
    return this.#readable;
  }

  /** No more packets; the track itself goes on. */
  close(): void {
    this.#unsubscribe();
    this.#controller?.close();
    this.#controller = undefined;
  }

  #deliver(packet: Uint8Array): void {
    this.onpacket?.(packet);
    if (this.#controller === undefined) return;
    if (this.#controller.desiredSize! > 0) this.#controller.enqueue(packet);
    else this.dropped += 1;
  }
}

const READ_AHEAD = 512;

const toTrack = interfaceType<MediaStreamTrack>('MediaStreamTrack');
