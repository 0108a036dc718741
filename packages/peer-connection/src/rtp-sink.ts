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
  /** Called with each whole RTP packet, in order of arrival. The packet is the listener's to keep, but shared: it must not be changed. */
  onpacket: ((packet: Uint8Array) => void) | null = null;
  readonly #track: MediaStreamTrack;
  readonly #unsubscribe: () => void;

  /** @throws TypeError when `track` is not a MediaStreamTrack */
  constructor(track: MediaStreamTrack) {
    this.#track = toTrack(track, 'RtpSink constructor');
    this.#unsubscribe = subscribeToTrack(this.#track, (packet) => this.onpacket?.(packet));
  }

  get track(): MediaStreamTrack {
    return this.#track;
  }

  /** Asks the sender for a key frame (RTCP PLI, RFC 4585 §6.3.1). */
  requestKeyFrame(): void {
    mediaStreamTrackSlots(this.#track).source.requestKeyFrame();
  }

  /** No more packets; the track itself goes on. */
  close(): void {
    this.#unsubscribe();
  }
}

const toTrack = interfaceType<MediaStreamTrack>('MediaStreamTrack');
