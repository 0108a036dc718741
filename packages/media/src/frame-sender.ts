import { serializeRtpPacket } from '@petrel/rtp';
import type { EncodedFrame } from './frame.ts';
import type { Packetizer } from './payload/packetizer.ts';

/** Leaves room for SRTP, TURN, UDP and IP in a datagram of 1,280 bytes, and for header extensions. */
export const DEFAULT_MAX_PAYLOAD = 1100;

/** The argument of the constructor of {@link FrameSender}. */
export interface FrameSenderOptions {
  readonly packetizer: Packetizer;
  /** Takes the packets. */
  send(packet: Uint8Array): void;
  /** Bytes; 1,100 unless given. */
  readonly maxPayload?: number;
  /** Those of the packets, where nobody rewrites them. 96 and 0 unless given. */
  readonly payloadType?: number;
  readonly ssrc?: number;
  readonly firstSequenceNumber?: number;
}

/**
 * Frames to RTP packets.
 *
 * @example
 * const sender = new FrameSender({ packetizer: createPacketizer('video/VP8'), send: (packet) => source.write(packet) });
 * sender.send({ data, timestamp, keyFrame: isVp8KeyFrame(data) });
 */
export class FrameSender {
  readonly packetizer: Packetizer;
  readonly #send: (packet: Uint8Array) => void;
  readonly #maxPayload: number;
  readonly #payloadType: number;
  readonly #ssrc: number;
  #sequenceNumber: number;
  #nextTimestamp: number | undefined;

  constructor(options: FrameSenderOptions) {
    this.packetizer = options.packetizer;
    this.#send = options.send;
    this.#maxPayload = options.maxPayload ?? DEFAULT_MAX_PAYLOAD;
    this.#payloadType = options.payloadType ?? 96;
    this.#ssrc = options.ssrc ?? 0;
    this.#sequenceNumber = options.firstSequenceNumber ?? 0;
  }

  /**
   * @returns the number of packets
   * @throws what the packetizer throws, for frames that are not the codec's
   */
  send(frame: EncodedFrame): number {
    const payloads = this.packetizer.packetize(frame, this.#maxPayload);
    if (this.packetizer.kind === 'audio') this.#sendAudio(payloads, frame.timestamp);
    else payloads.forEach((payload, index) => this.#sendPayload(payload, frame.timestamp, index === payloads.length - 1));
    return payloads.length;
  }

  /** The marker bit begins a talkspurt: the first packet, and one after a pause (RFC 3551 §4.1). */
  #sendAudio(payloads: readonly Uint8Array[], timestamp: number): void {
    let time = timestamp;
    for (const payload of payloads) {
      this.#sendPayload(payload, time, time !== this.#nextTimestamp);
      time = (time + (this.packetizer.duration?.(payload) ?? 0)) >>> 0;
      this.#nextTimestamp = time;
    }
  }

  #sendPayload(payload: Uint8Array, timestamp: number, marker: boolean): void {
    const sequenceNumber = this.#sequenceNumber;
    this.#sequenceNumber = (sequenceNumber + 1) & 0xffff;
    this.#send(serializeRtpPacket({ payloadType: this.#payloadType, sequenceNumber, timestamp, ssrc: this.#ssrc, marker, payload }));
  }
}
