import { RtpPacket, serializeRtpPacket } from '@petrel/rtp';
import { nodeCrypto } from '@petrel/crypto/node';
import { seededRandom, VirtualClock } from '@petrel/testing';
import { type MediaEvent, MediaStack } from '../src/media-stack.ts';
import type { PacketInfo, ReceiveStreamOptions, RtpCodec, RtpHeaderExtension, SendStreamOptions } from '../src/media/rtp-parameters.ts';

export const VP8: RtpCodec = {
  payloadType: 96,
  mimeType: 'video/VP8',
  clockRate: 90_000,
  rtcpFeedback: ['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc'],
};
export const RTX: RtpCodec = { payloadType: 97, mimeType: 'video/rtx', clockRate: 90_000, apt: 96 };
export const OPUS: RtpCodec = { payloadType: 111, mimeType: 'audio/opus', clockRate: 48_000, channels: 2 };
export const RED: RtpCodec = { payloadType: 63, mimeType: 'audio/red', clockRate: 48_000, channels: 2 };
export const EXTENSIONS: readonly RtpHeaderExtension[] = [
  { id: 1, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' },
  { id: 2, uri: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id' },
  { id: 3, uri: 'urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id' },
  { id: 4, uri: 'http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time' },
  { id: 5, uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01' },
  { id: 6, uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level' },
];

export interface LinkOptions {
  readonly delay?: number;
  readonly loss?: number;
  readonly seed?: number;
  /** False drops the packet. */
  readonly filter?: (packet: Uint8Array, kind: 'rtp' | 'rtcp', from: 'a' | 'b') => boolean;
}

/** Two media stacks joined by a simulated link on a virtual clock. */
export class MediaLink {
  readonly clock: VirtualClock = new VirtualClock();
  readonly a: MediaStack;
  readonly b: MediaStack;
  readonly events: { a: MediaEvent[]; b: MediaEvent[] } = { a: [], b: [] };
  readonly wire: { from: 'a' | 'b'; kind: 'rtp' | 'rtcp'; packet: Uint8Array; repeat: boolean; at: number }[] = [];
  readonly #options: LinkOptions;
  readonly #random;
  readonly #cancel: { a?: () => void; b?: () => void } = {};

  constructor(options: LinkOptions = {}) {
    const timeOrigin = 1_764_000_000_000;
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
    this.a = new MediaStack({ crypto: nodeCrypto(seededRandom(11)), timeOrigin });
    this.b = new MediaStack({ crypto: nodeCrypto(seededRandom(22)), timeOrigin: timeOrigin + 5_000 });
  }

  get now(): number {
    return this.clock.now();
  }

  flush(): void {
    for (const side of ['a', 'b'] as const) {
      const stack = this[side];
      for (let transmit = stack.pollTransmit(this.now); transmit; transmit = stack.pollTransmit(this.now)) this.#send(side, transmit);
      for (let event = stack.pollEvent(); event; event = stack.pollEvent()) this.events[side].push(event);
      this.#cancel[side]?.();
      const deadline = stack.nextTimeout();
      if (deadline === Infinity) delete this.#cancel[side];
      else
        this.#cancel[side] = this.clock.schedule(deadline, () => {
          stack.handleTimeout(this.now);
          this.flush();
        });
    }
  }

  run(milliseconds: number): void {
    this.flush();
    this.clock.advanceBy(milliseconds);
  }

  /** Calls `input` every `interval` milliseconds, `count` times. */
  repeat(count: number, interval: number, input: (index: number) => void): void {
    for (let index = 0; index < count; index++) {
      input(index);
      this.flush();
      this.clock.advanceBy(interval);
    }
  }

  #send(from: 'a' | 'b', { kind, packet, repeat }: { kind: 'rtp' | 'rtcp'; packet: Uint8Array; repeat: boolean }): void {
    this.wire.push({ from, kind, packet: packet.slice(), repeat, at: this.now });
    if (this.#options.filter?.(packet, kind, from) === false || this.#random.fraction() < (this.#options.loss ?? 0)) return;
    const copy = packet.slice();
    const to = from === 'a' ? this.b : this.a;
    this.clock.schedule(this.now + (this.#options.delay ?? 10), () => {
      if (kind === 'rtp') to.receiveRtp(copy, this.now);
      else to.receiveRtcp(copy, this.now);
      this.flush();
    });
  }
}

/** A packet as an application writes it. */
export function source(
  sequenceNumber: number,
  options: { ssrc?: number; timestamp?: number; payload?: Uint8Array; marker?: boolean } = {},
): Uint8Array {
  return serializeRtpPacket({
    payloadType: 100,
    sequenceNumber: sequenceNumber & 0xffff,
    timestamp: options.timestamp ?? sequenceNumber * 3000,
    ssrc: options.ssrc ?? 0x1234,
    marker: options.marker ?? false,
    payload: options.payload ?? Uint8Array.of(sequenceNumber >> 8, sequenceNumber & 0xff),
  });
}

export function sendOptions(stack: MediaStack, more: Partial<SendStreamOptions> = {}): SendStreamOptions {
  return {
    mid: '0',
    kind: 'video',
    ssrc: stack.allocateSsrc(),
    rtxSsrc: stack.allocateSsrc(),
    cname: 'cname-of-a',
    codecs: [VP8, RTX],
    headerExtensions: EXTENSIONS,
    ...more,
  };
}

export interface Delivered {
  readonly packet: RtpPacket;
  readonly info: PacketInfo;
  /** The two bytes that {@link source} wrote. */
  readonly number: number;
}

export function receiveOptions(delivered: Delivered[], more: Partial<ReceiveStreamOptions> = {}): ReceiveStreamOptions {
  return {
    mid: '0',
    kind: 'video',
    codecs: [VP8, RTX],
    headerExtensions: EXTENSIONS,
    onPacket: (bytes, info) => {
      const packet = RtpPacket.parse(bytes.slice())!;
      delivered.push({ packet, info: { ...info }, number: (packet.payload[0]! << 8) | packet.payload[1]! });
    },
    ...more,
  };
}
