/**
 * The RTP payload format for H.264 (RFC 6184), packetization modes 0 (single NAL unit) and 1 (non-interleaved).
 *
 * ```
 *    STAP-A (§5.7.1)
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |STAP-A NAL HDR |         NALU 1 Size           | NALU 1 HDR    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                         NALU 1 Data                           |
 *   :                                                               :
 *   +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |               | NALU 2 Size                   | NALU 2 HDR    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *    FU-A (§5.8): FU indicator, FU header, and a part of the NAL unit without its header
 *   +---------------+---------------+
 *   |0|1|2|3|4|5|6|7|0|1|2|3|4|5|6|7|
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |F|NRI|  Type   |S|E|R|  Type   |
 *   +---------------+---------------+
 * ```
 */
import { readUint16, writeUint16 } from '@petrel/bytes';
import { beginsAccessUnit, NAL_TYPE, nalType, splitNalUnits, START_CODE } from '../container/annex-b.ts';
import type { EncodedFrame } from '../frame.ts';
import { evenPieces } from './even-pieces.ts';
import { type FrameFacts, type FramePieces, type PayloadReader, VideoDepacketizer } from './frame-assembler.ts';
import type { Packetizer, PayloadDiscard } from './packetizer.ts';

const STAP_A = 24;
const FU_A = 28;
const START = 0x80;
const END = 0x40;
const FORBIDDEN = 0x80;
const IMPORTANCE = 0x60;
const TYPE = 0x1f;
const SIZE_LENGTH = 2;
const MAX_SINGLE_TYPE = 23;

/** The argument of its constructor. */
export interface H264PacketizerOptions {
  /** `packetization-mode` in the SDP: 0 has neither aggregation nor fragments. 1 unless given. */
  readonly packetizationMode?: 0 | 1;
}

/** Access units in Annex B form to payloads (RFC 6184 §5): single NAL units, aggregation (STAP-A), fragments (FU-A). */
export class H264Packetizer implements Packetizer {
  readonly kind = 'video';
  readonly clockRate = 90_000;
  readonly #mode: 0 | 1;

  constructor({ packetizationMode = 1 }: H264PacketizerOptions = {}) {
    this.#mode = packetizationMode;
  }

  /**
   * @throws RangeError in packetization mode 0 when a NAL unit is longer than `maxPayload`: the encoder has to make shorter slices (§6.2)
   */
  packetize({ data }: EncodedFrame, maxPayload: number): Uint8Array[] {
    const units = splitNalUnits(data);
    return this.#mode === 0 ? singleUnits(units, maxPayload) : aggregatedUnits(units, maxPayload);
  }
}

function singleUnits(units: readonly Uint8Array[], maxPayload: number): Uint8Array[] {
  const longest = Math.max(0, ...units.map(({ length }) => length));
  if (longest > maxPayload) throw new RangeError(`a NAL unit of ${longest} bytes, in packetization mode 0, where ${maxPayload} fit`);
  return [...units];
}

/** Runs of short units become a STAP-A each, long ones several FU-A. */
function aggregatedUnits(units: readonly Uint8Array[], maxPayload: number): Uint8Array[] {
  const payloads: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let length = 1;
  const flush = (): void => {
    if (run.length > 0) payloads.push(run.length === 1 ? run[0]! : aggregate(run, length));
    run = [];
    length = 1;
  };
  for (const unit of units) {
    if (length + SIZE_LENGTH + unit.length > maxPayload) flush();
    if (unit.length > maxPayload) payloads.push(...fragments(unit, maxPayload));
    else {
      run.push(unit);
      length += SIZE_LENGTH + unit.length;
    }
  }
  flush();
  return payloads;
}

/** §5.7.1: F is set if it is set in any unit; NRI is the highest. */
function aggregate(units: readonly Uint8Array[], length: number): Uint8Array {
  const payload = new Uint8Array(length);
  let forbidden = 0;
  let importance = 0;
  let offset = 1;
  for (const unit of units) {
    forbidden |= unit[0]! & FORBIDDEN;
    importance = Math.max(importance, unit[0]! & IMPORTANCE);
    writeUint16(payload, offset, unit.length);
    payload.set(unit, offset + SIZE_LENGTH);
    offset += SIZE_LENGTH + unit.length;
  }
  payload[0] = forbidden | importance | STAP_A;
  return payload;
}

/** §5.8: at least two, for S and E are never set in one. */
function fragments(unit: Uint8Array, maxPayload: number): Uint8Array[] {
  const header = unit[0]!;
  const pieces = evenPieces(unit.subarray(1), maxPayload - 2);
  return pieces.map((piece, index) => {
    const payload = new Uint8Array(2 + piece.length);
    payload[0] = (header & ~TYPE) | FU_A;
    payload[1] = (header & TYPE) | (index === 0 ? START : 0) | (index === pieces.length - 1 ? END : 0);
    payload.set(piece, 2);
    return payload;
  });
}

/** Gives access units in Annex B form. Reads both packetization modes. */
export class H264Depacketizer extends VideoDepacketizer {
  constructor() {
    super(new H264Reader());
  }
}

/** Whether an access unit (Annex B) can be decoded without another one: it has an IDR slice. */
export function isH264KeyFrame(frame: Uint8Array): boolean {
  return splitNalUnits(frame).some((nal) => nalType(nal) === NAL_TYPE.idrSlice);
}

class H264Reader implements PayloadReader {
  #keyFrame = false;
  /** The NAL header of the unit whose fragments are coming; -1 between units. */
  #fragmented = -1;

  begin(): void {
    this.#keyFrame = false;
    this.#fragmented = -1;
  }

  append(payload: Uint8Array, frame: FramePieces, first: boolean, afterLoss: boolean): PayloadDiscard | undefined {
    const type = payload[0]! & TYPE;
    if (type === FU_A) return this.#fragment(payload, frame, first && afterLoss);
    if (this.#fragmented >= 0) return 'malformed';
    if (type === STAP_A) return this.#aggregate(payload, frame, first && afterLoss);
    // 25 to 27 and 29 belong to the interleaved mode (§5.4, table 3), the rest is nobody's.
    if (type === 0 || type > MAX_SINGLE_TYPE) return 'unsupported';
    return this.#unit(payload, frame, first && afterLoss);
  }

  finish(): FrameFacts | PayloadDiscard {
    return this.#fragmented >= 0 ? 'incomplete-frame' : { keyFrame: this.#keyFrame };
  }

  #unit(unit: Uint8Array, frame: FramePieces, mustBegin: boolean): PayloadDiscard | undefined {
    if (mustBegin && !beginsAccessUnit(unit)) return 'incomplete-frame';
    this.#keyFrame ||= nalType(unit) === NAL_TYPE.idrSlice;
    frame.add(START_CODE);
    frame.add(unit);
    return undefined;
  }

  #aggregate(payload: Uint8Array, frame: FramePieces, mustBegin: boolean): PayloadDiscard | undefined {
    let offset = 1;
    while (offset < payload.length) {
      if (offset + SIZE_LENGTH > payload.length) return 'malformed';
      const size = readUint16(payload, offset);
      const end = offset + SIZE_LENGTH + size;
      if (end > payload.length) return 'malformed';
      const unit = payload.subarray(offset + SIZE_LENGTH, end);
      const type = nalType(unit);
      // Neither aggregation nor fragments in it (§5.7.1); a unit of no bytes has type 0.
      if (type === 0 || type > MAX_SINGLE_TYPE) return 'malformed';
      const reason = this.#unit(unit, frame, mustBegin && offset === 1);
      if (reason !== undefined) return reason;
      offset = end;
    }
    return offset === 1 ? 'malformed' : undefined;
  }

  #fragment(payload: Uint8Array, frame: FramePieces, mustBegin: boolean): PayloadDiscard | undefined {
    if (payload.length < 3) return 'malformed';
    const flags = payload[1]!;
    const header = (payload[0]! & ~TYPE) | (flags & TYPE);
    const starts = (flags & START) !== 0;
    const ends = (flags & END) !== 0;
    if ((starts && ends) || (header & TYPE) === 0 || (header & TYPE) > MAX_SINGLE_TYPE) return 'malformed';
    if (starts !== this.#fragmented < 0) return mustBegin ? 'incomplete-frame' : 'malformed';
    if (!starts && header !== this.#fragmented) return 'malformed';
    if (starts) {
      if (mustBegin && !beginsAccessUnit(Uint8Array.of(header, payload[2]!))) return 'incomplete-frame';
      this.#keyFrame ||= (header & TYPE) === NAL_TYPE.idrSlice;
      frame.add(START_CODE);
      frame.add(Uint8Array.of(header));
    }
    frame.add(payload.subarray(2));
    this.#fragmented = ends ? -1 : header;
    return undefined;
  }
}
