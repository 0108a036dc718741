import { RtpPacket } from '@petrel/rtp';
import { Discards, type Instant } from '@petrel/sans-io';
import type { ReceivedFrame } from './frame.ts';
import { JitterBuffer, type JitterBufferDiscard } from './jitter-buffer.ts';
import { type Decodability, ReferenceTracker } from './reference-tracker.ts';
import type { Depacketizer, PayloadDiscard } from './payload/packetizer.ts';

/** Milliseconds between two requests for a key frame. */
const KEY_FRAME_INTERVAL = 500;

/**
 * Besides what the jitter buffer and the depacketizer drop. `malformed-packet`: not RTP. `unknown-payload-type`: no depacketizer for it.
 * `waiting-for-key-frame`, `missing-reference`: the frame depends on one that is lost.
 */
export type FrameDiscard =
  | JitterBufferDiscard
  | PayloadDiscard
  | 'malformed-packet'
  | 'unknown-payload-type'
  | 'waiting-for-key-frame'
  | 'missing-reference';

/** The argument of the constructor of {@link FrameReceiver}. */
export interface FrameReceiverOptions {
  /** A new depacketizer for a payload type; undefined when its packets are not to be read. */
  depacketizer(payloadType: number): Depacketizer | undefined;
  onframe(frame: ReceivedFrame): void;
  /** A key frame is needed; at most twice a second. */
  onkeyframeneeded?(): void;
  /** See {@link JitterBuffer}. */
  readonly patience?: number;
  /**
   * Whether frames of video are held back that depend on a lost one, until a frame comes that does not. True unless given; false suits decoders that conceal
   * losses: `lostPackets` tells them.
   */
  readonly waitForKeyFrame?: boolean;
}

/**
 * RTP packets of one track to frames, in order: jitter buffer, depacketizer, and what to do about losses. A core: it is told the time.
 *
 * @example
 * const receiver = new FrameReceiver({ depacketizer: () => createDepacketizer('video/VP8'), onframe: (frame) => file.push(frame) });
 * receiver.receive(packet, now);
 */
export class FrameReceiver {
  readonly discards: Discards<FrameDiscard> = new Discards();
  readonly #options: FrameReceiverOptions;
  readonly #buffer: JitterBuffer<RtpPacket>;
  readonly #depacketizers = new Map<number, Depacketizer>();
  readonly #references = new ReferenceTracker();
  #ssrc: number | undefined;
  #payloadType: number | undefined;
  #now: Instant = 0;
  #keyFrameAllowedAt: Instant = Number.NEGATIVE_INFINITY;
  #framesReceived = 0;
  /** Missing packets that no depacketizer has been told of. */
  #unreported = 0;
  /** Missing before frames that were held back. */
  #lostBefore = 0;

  constructor(options: FrameReceiverOptions) {
    this.#options = options;
    const { patience } = options;
    this.#buffer = new JitterBuffer({
      deliver: (packet, lost) => this.#deliver(packet, lost),
      ...(patience === undefined ? {} : { patience }),
    });
  }

  /** Frames that were given out. */
  get framesReceived(): number {
    return this.#framesReceived;
  }

  /** Packets that never came. */
  get packetsLost(): number {
    return this.#buffer.lost;
  }

  /** Another SSRC is another stream, which begins anew. */
  receive(bytes: Uint8Array, now: Instant): void {
    const packet = RtpPacket.parse(bytes);
    if (packet === undefined) return this.discards.count('malformed-packet');
    this.#now = now;
    if (packet.ssrc !== this.#ssrc) this.#restart(packet.ssrc);
    this.#buffer.insert(packet.sequenceNumber, packet, now);
  }

  handleTimeout(now: Instant): void {
    this.#now = now;
    this.#buffer.handleTimeout(now);
  }

  nextTimeout(): Instant {
    return this.#buffer.nextTimeout();
  }

  /** Frames were thrown away behind this: those that come depend on them. */
  skipToKeyFrame(): void {
    this.#references.restart();
  }

  /** Everything that was dropped, packets and frames, by reason. */
  statistics(): Record<string, number> {
    const totals: Record<string, number> = { ...this.discards.toJSON() };
    const sources = [this.#buffer.discards, ...[...this.#depacketizers.values()].map((each) => each.discards)];
    for (const source of sources)
      for (const [reason, count] of Object.entries(source.toJSON())) totals[reason] = (totals[reason] ?? 0) + count;
    return totals;
  }

  #restart(ssrc: number): void {
    this.#buffer.flush();
    if (this.#ssrc !== undefined) this.#payloadType = -1;
    this.#ssrc = ssrc;
    this.#references.restart();
  }

  #deliver(packet: RtpPacket, lost: number): void {
    const depacketizer = this.#depacketizer(packet.payloadType);
    this.#unreported += lost;
    if (depacketizer === undefined) return this.discards.count('unknown-payload-type');
    // What was begun with another payload type, or from another source, is not continued.
    const continues = this.#payloadType === undefined || packet.payloadType === this.#payloadType;
    const missing = continues ? this.#unreported : Math.max(1, this.#unreported);
    this.#unreported = 0;
    this.#payloadType = packet.payloadType;
    for (const frame of depacketizer.depacketize(packet, missing)) this.#frame(frame, depacketizer.kind === 'video');
  }

  #depacketizer(payloadType: number): Depacketizer | undefined {
    const known = this.#depacketizers.get(payloadType) ?? this.#options.depacketizer(payloadType);
    if (known !== undefined) this.#depacketizers.set(payloadType, known);
    return known;
  }

  #frame(frame: ReceivedFrame, isVideo: boolean): void {
    const decodability: Decodability = isVideo ? this.#references.judge(frame) : 'decodable';
    if (decodability === 'waiting-for-key-frame') this.#requestKeyFrame();
    if (decodability !== 'decodable' && this.#options.waitForKeyFrame !== false) {
      this.#lostBefore += frame.lostPackets;
      return this.discards.count(decodability);
    }
    const lostPackets = this.#lostBefore + frame.lostPackets;
    this.#lostBefore = 0;
    this.#framesReceived += 1;
    this.#options.onframe(lostPackets === frame.lostPackets ? frame : { ...frame, lostPackets });
  }

  #requestKeyFrame(): void {
    if (this.#now < this.#keyFrameAllowedAt) return;
    this.#keyFrameAllowedAt = this.#now + KEY_FRAME_INTERVAL;
    this.#options.onkeyframeneeded?.();
  }
}
