/**
 * The RTP payload format for VP8 (RFC 7741).
 *
 * ```
 *         0 1 2 3 4 5 6 7
 *        +-+-+-+-+-+-+-+-+
 *        |X|R|N|S|R| PID | (REQUIRED)
 *        +-+-+-+-+-+-+-+-+
 *   X:   |I|L|T|K| RSV   | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+
 *   I:   |M| PictureID   | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+
 *        |   PictureID   |
 *        +-+-+-+-+-+-+-+-+
 *   L:   |   TL0PICIDX   | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+
 *   T/K: |TID|Y| KEYIDX  | (OPTIONAL)
 *        +-+-+-+-+-+-+-+-+                                     (§4.2)
 * ```
 */
import { ByteReader } from '@petrel/bytes';
import type { EncodedFrame, FrameLayer } from '../frame.ts';
import { evenPieces } from './even-pieces.ts';
import { type FrameFacts, type FramePieces, type PayloadReader, VideoDepacketizer } from './frame-assembler.ts';
import type { Packetizer, PayloadDiscard } from './packetizer.ts';

const EXTENDED = 0x80;
const NON_REFERENCE = 0x20;
const START_OF_PARTITION = 0x10;
const HAS_PICTURE_ID = 0x80;
const HAS_BASE_LAYER_INDEX = 0x40;
const HAS_TEMPORAL_ID = 0x20;
const HAS_KEY_INDEX = 0x10;
const LONG_PICTURE_ID = 0x80;
const LAYER_SYNC = 0x20;

/** Writes a picture id of 15 bits, and the temporal layer of frames that say theirs. Partitions are not told apart (§4.4). */
export class Vp8Packetizer implements Packetizer {
  readonly kind = 'video';
  readonly clockRate = 90_000;
  #pictureId: number;

  /** @param firstPictureId should be random (§4.2) */
  constructor(firstPictureId: number = 0) {
    this.#pictureId = firstPictureId & 0x7fff;
  }

  packetize({ data, layer }: EncodedFrame, maxPayload: number): Uint8Array[] {
    const descriptor = this.#descriptor(layer);
    const payloads = evenPieces(data, maxPayload - descriptor.length).map((piece, index) => {
      const payload = new Uint8Array(descriptor.length + piece.length);
      payload.set(descriptor);
      if (index === 0) payload[0]! |= START_OF_PARTITION;
      payload.set(piece, descriptor.length);
      return payload;
    });
    this.#pictureId = (this.#pictureId + 1) & 0x7fff;
    return payloads;
  }

  #descriptor(layer: FrameLayer | undefined): number[] {
    const pictureId = [LONG_PICTURE_ID | (this.#pictureId >>> 8), this.#pictureId & 0xff];
    if (layer === undefined) return [EXTENDED, HAS_PICTURE_ID, ...pictureId];
    const { temporalId, sync, baseLayerIndex } = layer;
    const temporal = ((temporalId & 3) << 6) | (sync ? LAYER_SYNC : 0);
    if (baseLayerIndex === undefined) return [EXTENDED, HAS_PICTURE_ID | HAS_TEMPORAL_ID, ...pictureId, temporal];
    return [EXTENDED, HAS_PICTURE_ID | HAS_BASE_LAYER_INDEX | HAS_TEMPORAL_ID, ...pictureId, baseLayerIndex & 0xff, temporal];
  }
}

/** Payloads to frames (RFC 7741 §4). */
export class Vp8Depacketizer extends VideoDepacketizer {
  constructor() {
    super(new Vp8Reader());
  }
}

/** Whether a VP8 frame can be decoded without another one: the P bit of its header is 0 (RFC 6386 §9.1). */
export function isVp8KeyFrame(frame: Uint8Array): boolean {
  return frame.length > 0 && (frame[0]! & 1) === 0;
}

/** The payload descriptor (RFC 7741 §4.2); letters in capitals are its fields. */
export interface Vp8Descriptor {
  /** Of the descriptor itself, in bytes. */
  readonly length: number;
  /** N: no other frame depends on it. */
  readonly nonReference: boolean;
  /** S */
  readonly startOfPartition: boolean;
  /** PID */
  readonly partition: number;
  readonly pictureId?: number;
  /** TL0PICIDX */
  readonly baseLayerIndex?: number;
  readonly temporalId?: number;
  /** Y */
  readonly layerSync?: boolean;
  readonly keyIndex?: number;
}

/** The payload descriptor (§4.2); undefined when it is cut off, or nothing follows it. */
export function parseVp8Descriptor(payload: Uint8Array): Vp8Descriptor | undefined {
  const reader = new ByteReader(payload);
  const first = reader.uint8();
  const extensions = first & EXTENDED ? reader.uint8() : 0;
  const pictureId = extensions & HAS_PICTURE_ID ? readPictureId(reader) : undefined;
  const baseLayerIndex = extensions & HAS_BASE_LAYER_INDEX ? reader.uint8() : undefined;
  const layer = extensions & (HAS_TEMPORAL_ID | HAS_KEY_INDEX) ? reader.uint8() : 0;
  if (reader.overrun || reader.remaining === 0) return undefined;
  return {
    length: reader.offset,
    nonReference: (first & NON_REFERENCE) !== 0,
    startOfPartition: (first & START_OF_PARTITION) !== 0,
    partition: first & 7,
    ...(pictureId === undefined ? {} : { pictureId }),
    ...(baseLayerIndex === undefined ? {} : { baseLayerIndex }),
    ...(extensions & HAS_TEMPORAL_ID ? { temporalId: layer >>> 6, layerSync: (layer & LAYER_SYNC) !== 0 } : {}),
    ...(extensions & HAS_KEY_INDEX ? { keyIndex: layer & 0x1f } : {}),
  };
}

/** VP8's and VP9's: 7 bits, or 15 when the first bit is set. */
export function readPictureId(reader: ByteReader): number {
  const first = reader.uint8();
  return first & LONG_PICTURE_ID ? ((first & 0x7f) << 8) | reader.uint8() : first;
}

/** §4.5.1: complete is a frame with nothing missing, whose first packet has S = 1 and PID = 0, and whose last one has the marker bit. */
class Vp8Reader implements PayloadReader {
  #descriptor: Vp8Descriptor | undefined;
  #keyFrame = false;

  begin(): void {
    this.#descriptor = undefined;
  }

  append(payload: Uint8Array, frame: FramePieces, first: boolean, afterLoss: boolean): PayloadDiscard | undefined {
    const descriptor = parseVp8Descriptor(payload);
    if (descriptor === undefined) return 'malformed';
    const starts = descriptor.startOfPartition && descriptor.partition === 0;
    if (starts !== first) return first && afterLoss ? 'incomplete-frame' : 'malformed';
    const data = payload.subarray(descriptor.length);
    if (first) {
      this.#descriptor = descriptor;
      this.#keyFrame = isVp8KeyFrame(data);
    } else if (descriptor.pictureId !== this.#descriptor?.pictureId) return 'malformed';
    frame.add(data);
    return undefined;
  }

  finish(): FrameFacts {
    const { pictureId, temporalId, layerSync = false, baseLayerIndex } = this.#descriptor!;
    const layer = {
      temporalId: temporalId ?? 0,
      spatialId: 0,
      sync: layerSync,
      ...(baseLayerIndex === undefined ? {} : { baseLayerIndex }),
    };
    return {
      keyFrame: this.#keyFrame,
      ...(temporalId === undefined ? {} : { layer }),
      ...(pictureId === undefined ? {} : { pictureId }),
    };
  }
}
