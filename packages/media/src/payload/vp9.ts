/**
 * The RTP payload format for VP9 (RFC 9628).
 *
 * ```
 *         0 1 2 3 4 5 6 7
 *        +-+-+-+-+-+-+-+-+
 *        |I|P|L|F|B|E|V|Z| (REQUIRED)
 *        +-+-+-+-+-+-+-+-+
 *   I:   |M| PICTURE ID  |
 *        +-+-+-+-+-+-+-+-+
 *   M:   | EXTENDED PID  |
 *        +-+-+-+-+-+-+-+-+
 *   L:   | TID |U| SID |D|
 *        +-+-+-+-+-+-+-+-+                             -\
 *   P,F: | P_DIFF      |N| flexible mode (F = 1)       - up to 3 times
 *        +-+-+-+-+-+-+-+-+                             -/
 *   L:   |   TL0PICIDX   | non-flexible mode (F = 0)
 *        +-+-+-+-+-+-+-+-+
 *   V:   | SS            |
 *        | ..            |
 *        +-+-+-+-+-+-+-+-+                                     (§4.2)
 * ```
 */
import { ByteReader } from '@petrel/bytes';
import type { EncodedFrame, FrameLayer } from '../frame.ts';
import { evenPieces } from './even-pieces.ts';
import { type FrameFacts, type FramePieces, type PayloadReader, VideoDepacketizer } from './frame-assembler.ts';
import type { Packetizer, PayloadDiscard } from './packetizer.ts';
import { readPictureId } from './vp8.ts';

const HAS_PICTURE_ID = 0x80;
const INTER_PICTURE_PREDICTED = 0x40;
const HAS_LAYER = 0x20;
const FLEXIBLE = 0x10;
const START_OF_FRAME = 0x08;
const END_OF_FRAME = 0x04;
const HAS_STRUCTURE = 0x02;
const NOT_FOR_UPPER_LAYERS = 0x01;
const MAX_REFERENCES = 3;

/**
 * Flexible mode, with a picture id of 15 bits. Every frame but key frames is said to depend on the one before: what an encoder did in truth is not
 * told by its output. Frames have one spatial layer; temporal layers are written when the frames say theirs.
 */
export class Vp9Packetizer implements Packetizer {
  readonly kind = 'video';
  readonly clockRate = 90_000;
  #pictureId: number;

  /** @param firstPictureId should be random (§4.2) */
  constructor(firstPictureId: number = 0) {
    this.#pictureId = firstPictureId & 0x7fff;
  }

  packetize(frame: EncodedFrame, maxPayload: number): Uint8Array[] {
    const descriptor = this.#descriptor(frame);
    const pieces = evenPieces(frame.data, maxPayload - descriptor.length);
    this.#pictureId = (this.#pictureId + 1) & 0x7fff;
    return pieces.map((piece, index) => {
      const payload = new Uint8Array(descriptor.length + piece.length);
      payload.set(descriptor);
      if (index === 0) payload[0]! |= START_OF_FRAME;
      if (index === pieces.length - 1) payload[0]! |= END_OF_FRAME;
      payload.set(piece, descriptor.length);
      return payload;
    });
  }

  #descriptor({ keyFrame, layer }: EncodedFrame): number[] {
    const first = HAS_PICTURE_ID | FLEXIBLE | (keyFrame ? 0 : INTER_PICTURE_PREDICTED) | (layer ? HAS_LAYER : 0);
    const descriptor = [first, 0x80 | (this.#pictureId >>> 8), this.#pictureId & 0xff];
    if (layer) descriptor.push(((layer.temporalId & 7) << 5) | (layer.sync ? 0x10 : 0));
    if (!keyFrame) descriptor.push(1 << 1);
    return descriptor;
  }
}

/** Payloads to pictures (RFC 9628 §4). */
export class Vp9Depacketizer extends VideoDepacketizer {
  constructor() {
    super(new Vp9Reader());
  }
}

/** Whether a VP9 frame can be decoded without another one: by the uncompressed header of the VP9 bitstream specification, §6.2. */
export function isVp9KeyFrame(frame: Uint8Array): boolean {
  if (frame.length === 0 || frame[0]! >>> 6 !== 2) return false;
  // frame_marker (2), profile (2), a reserved bit in profile 3, show_existing_frame, frame_type.
  const profile3 = (frame[0]! & 0x30) === 0x30;
  return (frame[0]! & (profile3 ? 0x06 : 0x0c)) === 0;
}

/** The payload descriptor (RFC 9628 §4.2); letters in capitals are its fields. */
export interface Vp9Descriptor {
  /** Of the descriptor itself, in bytes. */
  readonly length: number;
  /** B, E: of a frame, which is one spatial layer of a picture. */
  readonly startOfFrame: boolean;
  readonly endOfFrame: boolean;
  /** P */
  readonly interPicturePredicted: boolean;
  readonly flexible: boolean;
  /** Z */
  readonly notForUpperLayers: boolean;
  readonly pictureId?: number;
  readonly temporalId?: number;
  readonly spatialId?: number;
  /** U */
  readonly switchingUpPoint?: boolean;
  /** D */
  readonly interLayerPredicted?: boolean;
  /** TL0PICIDX */
  readonly baseLayerIndex?: number;
  /** P_DIFF: how many pictures back the ones lie that it depends on. */
  readonly references: readonly number[];
  readonly structure?: Vp9ScalabilityStructure;
}

/**
 * ```
 *        +-+-+-+-+-+-+-+-+
 *   V:   | N_S |Y|G|-|-|-|
 *        +-+-+-+-+-+-+-+-+              -\
 *   Y:   |     WIDTH     |               .
 *        |               |               .
 *        +-+-+-+-+-+-+-+-+               . - N_S + 1 times
 *        |     HEIGHT    |               .
 *        |               |               .
 *        +-+-+-+-+-+-+-+-+              -/
 *   G:   |      N_G      |
 *        +-+-+-+-+-+-+-+-+                            -\
 *   N_G: | TID |U| R |-|-|                            .
 *        +-+-+-+-+-+-+-+-+              -\            . - N_G times
 *        |    P_DIFF     |               . - R times  .
 *        +-+-+-+-+-+-+-+-+              -/            -/      (§4.2.1)
 * ```
 */
export interface Vp9ScalabilityStructure {
  readonly spatialLayers: number;
  /** One for each spatial layer, or none. */
  readonly resolutions: readonly { readonly width: number; readonly height: number }[];
  readonly pictureGroup: readonly {
    readonly temporalId: number;
    readonly switchingUpPoint: boolean;
    readonly references: readonly number[];
  }[];
}

/** The payload descriptor (§4.2); undefined when it is cut off or against the rules, or nothing follows it. */
export function parseVp9Descriptor(payload: Uint8Array): Vp9Descriptor | undefined {
  const reader = new ByteReader(payload);
  const first = reader.uint8();
  const flexible = (first & FLEXIBLE) !== 0;
  const pictureId = first & HAS_PICTURE_ID ? readPictureId(reader) : undefined;
  // "I: MUST be set in flexible mode."
  if (flexible && pictureId === undefined) return undefined;
  const layer = first & HAS_LAYER ? reader.uint8() : undefined;
  const baseLayerIndex = layer !== undefined && !flexible ? reader.uint8() : undefined;
  const references = flexible && first & INTER_PICTURE_PREDICTED ? readReferences(reader) : [];
  const structure = first & HAS_STRUCTURE ? readStructure(reader) : undefined;
  if (references === undefined || reader.overrun || reader.remaining === 0) return undefined;
  return {
    length: reader.offset,
    startOfFrame: (first & START_OF_FRAME) !== 0,
    endOfFrame: (first & END_OF_FRAME) !== 0,
    interPicturePredicted: (first & INTER_PICTURE_PREDICTED) !== 0,
    flexible,
    notForUpperLayers: (first & NOT_FOR_UPPER_LAYERS) !== 0,
    references,
    ...(pictureId === undefined ? {} : { pictureId }),
    ...(layer === undefined ? {} : readLayer(layer)),
    ...(baseLayerIndex === undefined ? {} : { baseLayerIndex }),
    ...(structure === undefined ? {} : { structure }),
  };
}

function readLayer(byte: number): Pick<Vp9Descriptor, 'temporalId' | 'switchingUpPoint' | 'spatialId' | 'interLayerPredicted'> {
  return {
    temporalId: byte >>> 5,
    switchingUpPoint: (byte & 0x10) !== 0,
    spatialId: (byte >>> 1) & 7,
    interLayerPredicted: (byte & 1) !== 0,
  };
}

/** N: another one follows. At most three. */
function readReferences(reader: ByteReader): number[] | undefined {
  const references: number[] = [];
  for (;;) {
    const byte = reader.uint8();
    references.push(byte >>> 1);
    if ((byte & 1) === 0) return references;
    if (references.length === MAX_REFERENCES) return undefined;
  }
}

function readStructure(reader: ByteReader): Vp9ScalabilityStructure {
  const first = reader.uint8();
  const spatialLayers = (first >>> 5) + 1;
  const resolutions =
    first & 0x10 ? Array.from({ length: spatialLayers }, () => ({ width: reader.uint16(), height: reader.uint16() })) : [];
  const pictures = first & 0x08 ? reader.uint8() : 0;
  const pictureGroup: Vp9ScalabilityStructure['pictureGroup'][number][] = [];
  while (pictureGroup.length < pictures && !reader.overrun) {
    const byte = reader.uint8();
    const references = Array.from({ length: (byte >>> 2) & 3 }, () => reader.uint8());
    pictureGroup.push({ temporalId: byte >>> 5, switchingUpPoint: (byte & 0x10) !== 0, references });
  }
  return { spatialLayers, resolutions, pictureGroup };
}

/** A picture is whole when each of its frames begins with B and ends with E, and nothing is missing. */
class Vp9Reader implements PayloadReader {
  #first: Vp9Descriptor | undefined;
  #last: Vp9Descriptor | undefined;

  begin(): void {
    this.#first = undefined;
    this.#last = undefined;
  }

  append(payload: Uint8Array, frame: FramePieces, first: boolean, afterLoss: boolean): PayloadDiscard | undefined {
    const descriptor = parseVp9Descriptor(payload);
    if (descriptor === undefined) return 'malformed';
    if (descriptor.startOfFrame !== (this.#last?.endOfFrame ?? true)) return first && afterLoss ? 'incomplete-frame' : 'malformed';
    // A lower layer, which it depends on, may have been in the packets that are missing.
    if (first && afterLoss && descriptor.interLayerPredicted === true) return 'incomplete-frame';
    if (!first && descriptor.pictureId !== this.#first?.pictureId) return 'malformed';
    this.#first ??= descriptor;
    this.#last = descriptor;
    frame.add(payload.subarray(descriptor.length));
    return undefined;
  }

  finish(): FrameFacts | PayloadDiscard {
    const first = this.#first!;
    const last = this.#last!;
    if (!last.endOfFrame) return 'incomplete-frame';
    const layer = frameLayer(first, last);
    return {
      keyFrame: !first.interPicturePredicted && first.interLayerPredicted !== true,
      ...(layer === undefined ? {} : { layer }),
      ...(first.pictureId === undefined ? {} : { pictureId: first.pictureId }),
    };
  }
}

function frameLayer(first: Vp9Descriptor, last: Vp9Descriptor): FrameLayer | undefined {
  const { temporalId, switchingUpPoint = false, baseLayerIndex } = first;
  if (temporalId === undefined) return undefined;
  const layer = { temporalId, spatialId: last.spatialId ?? 0, sync: switchingUpPoint };
  return baseLayerIndex === undefined ? layer : { ...layer, baseLayerIndex };
}
