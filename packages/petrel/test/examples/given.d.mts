/**
 * What the examples of the documentation take as given: names that the reader's application has, and that need no explanation. The name keeps them out of the
 * types of the tests.
 */
import type {
  MediaStreamTrack as Track,
  RTCDataChannel as Channel,
  RTCPeerConnection as Connection,
  RTCRtpReceiver as Receiver,
} from 'petrel';

declare global {
  const pc: Connection;
  const channel: Channel;
  const track: Track;
  const receiver: Receiver;
  const offer: { type: 'offer'; sdp: string };
  /** Whatever carries descriptions and candidates to the peer. */
  const signaling: { send(message: unknown): void };
  /** One encoded frame, or one RTP packet. */
  const data: Uint8Array;
  const packet: Uint8Array;
  /** In units of the codec's clock. */
  const timestamp: number;
  const encoder: { forceKeyFrame(): void };
  const decoder: { decode(data: Uint8Array): void };
}
