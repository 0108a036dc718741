import { concatBytes } from '@petrel/bytes';
import { Discards } from '@petrel/sans-io';
import type { FrameLayer, ReceivedFrame } from '../frame.ts';
import { type Depacketizer, MAX_FRAME_LENGTH, type PayloadDiscard, type PayloadPacket } from './packetizer.ts';

/** More pieces than an honest sender needs for the largest frame; each costs memory of its own. */
const MAX_PIECES = 32_768;
const NONE: readonly ReceivedFrame[] = [];

/** What one codec's payload format knows; {@link VideoDepacketizer} does what is common to all. */
export interface PayloadReader {
  /** A frame begins. */
  begin(): void;
  /**
   * Reads a payload that is not empty, and adds what it contains of the frame to `frame`.
   * @param first the frame's first payload
   * @param afterLoss packets are missing before the frame's first payload: is this really its beginning?
   */
  append(payload: Uint8Array, frame: FramePieces, first: boolean, afterLoss: boolean): PayloadDiscard | undefined;
  /** All payloads have been read. */
  finish(frame: FramePieces): FrameFacts | PayloadDiscard;
}

export interface FrameFacts {
  readonly keyFrame: boolean;
  readonly layer?: FrameLayer;
  readonly pictureId?: number;
}

/** The bytes of a frame that is being put together, of bounded size. */
export class FramePieces {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  get tooLarge(): boolean {
    return this.#length > MAX_FRAME_LENGTH || this.#pieces.length > MAX_PIECES;
  }

  get length(): number {
    return this.#length;
  }

  add(piece: Uint8Array): void {
    this.#length += piece.length;
    if (this.tooLarge) this.#pieces.length = MAX_PIECES + 1;
    else this.#pieces.push(piece);
  }

  clear(): void {
    this.#pieces.length = 0;
    this.#length = 0;
  }

  join(): Uint8Array {
    return this.#pieces.length === 1 ? this.#pieces[0]! : concatBytes(...this.#pieces);
  }
}

type Reason = PayloadDiscard | undefined;

/**
 * Frames of video from packets: those of a frame have one timestamp, and the last has the marker bit (RFC 3550 §5.1). A frame also ends where the
 * next timestamp begins, when nothing is missing between.
 */
export class VideoDepacketizer implements Depacketizer {
  readonly kind = 'video';
  readonly clockRate = 90_000;
  readonly discards: Discards<PayloadDiscard> = new Discards();
  readonly #reader: PayloadReader;
  readonly #pieces = new FramePieces();
  #state: 'between-frames' | 'in-frame' | 'dropping' = 'between-frames';
  #timestamp = 0;
  #first = true;
  /** Also at the very beginning: who knows what came before. */
  #afterLoss = true;
  #lost = 0;

  constructor(reader: PayloadReader) {
    this.#reader = reader;
  }

  depacketize(packet: PayloadPacket, lost: number): readonly ReceivedFrame[] {
    const frames: ReceivedFrame[] = [];
    this.#lost += lost;
    if (lost > 0 && this.#state === 'in-frame') this.#drop('incomplete-frame');
    const { payload, timestamp } = packet;
    // Padding only: it has a place in the order, and nothing else.
    if (payload.length === 0) {
      this.#afterLoss ||= lost > 0;
      return NONE;
    }
    if (this.#state !== 'between-frames' && timestamp !== this.#timestamp) this.#end(frames);
    if (this.#state === 'between-frames') this.#begin(timestamp, lost > 0 || this.#afterLoss);
    if (this.#state === 'in-frame') this.#append(payload);
    if (packet.marker) this.#end(frames);
    return frames.length > 0 ? frames : NONE;
  }

  #begin(timestamp: number, afterLoss: boolean): void {
    this.#state = 'in-frame';
    this.#timestamp = timestamp;
    this.#first = true;
    this.#afterLoss = afterLoss;
    this.#reader.begin();
  }

  #append(payload: Uint8Array): void {
    let reason: Reason = this.#reader.append(payload, this.#pieces, this.#first, this.#afterLoss);
    if (this.#pieces.tooLarge) reason = 'frame-too-large';
    this.#first = false;
    if (reason !== undefined) this.#drop(reason);
  }

  #end(frames: ReceivedFrame[]): void {
    if (this.#state === 'in-frame') {
      const facts = this.#reader.finish(this.#pieces);
      if (typeof facts === 'string') this.#drop(facts);
      else if (this.#pieces.tooLarge) this.#drop('frame-too-large');
      else if (this.#pieces.length > 0) {
        frames.push({ ...facts, data: this.#pieces.join(), timestamp: this.#timestamp, lostPackets: this.#lost });
        this.#lost = 0;
      }
    }
    this.#pieces.clear();
    this.#state = 'between-frames';
    this.#afterLoss = false;
  }

  /** The rest of the frame is passed over. */
  #drop(reason: PayloadDiscard): void {
    this.discards.count(reason);
    this.#pieces.clear();
    this.#state = 'dropping';
    // Its packets are missing in what the decoder gets.
    this.#lost = Math.max(this.#lost, 1);
  }
}
