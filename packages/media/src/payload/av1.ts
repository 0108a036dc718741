/**
 * The RTP payload format for AV1 (AV1 RTP Payload Specification 1.0, by the Alliance for Open Media): OBUs, whole or in pieces, after an aggregation header.
 *
 * ```
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |Z|Y| W |N|-|-|-|  OBU element 1 size (leb128)  |               |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+               |
 *   :                      OBU element 1 data                       :
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | OBU e... 2 size                OBU element 2 data             :   (§4.4, §4.5)
 * ```
 *
 * Z: the first element continues one of the packet before. Y: the last one goes on in the next packet. W: how many elements, of which the last has no
 * size; 0: any number, all with sizes. N: a coded video sequence begins.
 */
import { concatBytes } from '@petrel/bytes';
import type { EncodedFrame, FrameLayer } from '../frame.ts';
import { type FrameFacts, type FramePieces, type PayloadReader, VideoDepacketizer } from './frame-assembler.ts';
import {
  isKeyFrameUnit,
  leb128,
  OBU_TYPE,
  type OpenBitstreamUnit,
  openBitstreamUnitHeader,
  parseOpenBitstreamUnit,
  parseTemporalUnit,
  readLeb128,
} from './open-bitstream-units.ts';
import { MAX_FRAME_LENGTH, type Packetizer, type PayloadDiscard } from './packetizer.ts';

const CONTINUES = 0x80;
const GOES_ON = 0x40;
const NEW_SEQUENCE = 0x08;
const COUNT_SHIFT = 4;
const MAX_COUNT = 3;
/** The aggregation header, a size, a byte. */
const MIN_PAYLOAD = 3;
/** More than an honest sender needs for the largest frame; each costs memory of its own. */
const MAX_ELEMENTS = 32_768;

/** Removes temporal delimiters and tile lists (§5), and the sizes inside OBUs. */
export class Av1Packetizer implements Packetizer {
  readonly kind = 'video';
  readonly clockRate = 90_000;

  packetize({ data }: EncodedFrame, maxPayload: number): Uint8Array[] {
    if (maxPayload < MIN_PAYLOAD) throw new RangeError('no room for a payload');
    const units = parseTemporalUnit(data)?.filter(isTransmitted);
    if (units === undefined) throw new TypeError('not a temporal unit of AV1 in the low-overhead format');
    const aggregator = new Aggregator(maxPayload);
    for (const unit of units) aggregator.add(unit);
    const payloads = aggregator.finish();
    if (payloads.length > 0 && isKeyFrameUnit(units)) payloads[0]![0]! |= NEW_SEQUENCE;
    return payloads;
  }
}

/** Fills payloads with elements, one after another. */
class Aggregator {
  readonly #maxPayload: number;
  readonly #payloads: Uint8Array[] = [];
  #elements: Uint8Array[] = [];
  #length = 1;
  #layer: number | undefined;
  #continues = false;

  constructor(maxPayload: number) {
    this.#maxPayload = maxPayload;
  }

  add({ header, extension, payload }: OpenBitstreamUnit): void {
    // OBUs in one packet are of one layer (§5).
    if (extension !== undefined && this.#layer !== undefined && extension !== this.#layer) this.#flush(false);
    this.#layer = extension ?? this.#layer;
    let rest = concatBytes(Uint8Array.from(extension === undefined ? [header] : [header, extension]), payload);
    while (rest.length > 0) {
      const room = this.#room(rest.length);
      if (room < 1) {
        this.#flush(false);
        this.#layer = extension;
        continue;
      }
      const element = rest.subarray(0, room);
      rest = rest.subarray(element.length);
      this.#elements.push(element);
      this.#length += leb128(element.length).length + element.length;
      if (rest.length > 0) this.#flush(true);
    }
  }

  finish(): Uint8Array[] {
    this.#flush(false);
    return this.#payloads;
  }

  /** For an element of at most this length, with its size. */
  #room(length: number): number {
    const room = this.#maxPayload - this.#length;
    return room - leb128(Math.max(0, Math.min(length, room))).length;
  }

  #flush(goesOn: boolean): void {
    if (this.#elements.length === 0) return;
    const count = this.#elements.length > MAX_COUNT ? 0 : this.#elements.length;
    const header = (this.#continues ? CONTINUES : 0) | (goesOn ? GOES_ON : 0) | (count << COUNT_SHIFT);
    const parts = this.#elements.flatMap((element, index) =>
      index + 1 === count ? [element] : [Uint8Array.from(leb128(element.length)), element],
    );
    this.#payloads.push(concatBytes(Uint8Array.of(header), ...parts));
    this.#elements = [];
    this.#length = 1;
    this.#layer = undefined;
    this.#continues = goesOn;
  }
}

/** Gives temporal units in the low-overhead format, without temporal delimiters. */
export class Av1Depacketizer extends VideoDepacketizer {
  constructor() {
    super(new Av1Reader());
  }
}

class Av1Reader implements PayloadReader {
  #units: OpenBitstreamUnit[] = [];
  #fragments: Uint8Array[] = [];
  #length = 0;
  #elements = 0;

  begin(): void {
    this.#units = [];
    this.#fragments = [];
    this.#length = 0;
    this.#elements = 0;
  }

  append(payload: Uint8Array, _frame: FramePieces, first: boolean, afterLoss: boolean): PayloadDiscard | undefined {
    const header = payload[0]!;
    const continues = (header & CONTINUES) !== 0;
    if (continues !== this.#fragments.length > 0) return first && afterLoss ? 'incomplete-frame' : 'malformed';
    // "If N equals 1 then Z must equal 0" (§4.4), and a sequence begins with a temporal unit.
    if (header & NEW_SEQUENCE && (continues || !first)) return 'malformed';
    this.#length += payload.length;
    if (this.#length > MAX_FRAME_LENGTH) return 'frame-too-large';
    const elements = splitElements(payload);
    if (elements === undefined) return 'malformed';
    this.#elements += elements.length;
    if (this.#elements > MAX_ELEMENTS) return 'frame-too-large';
    for (const [index, element] of elements.entries()) {
      this.#fragments.push(element);
      const goesOn = index === elements.length - 1 && (header & GOES_ON) !== 0;
      if (!goesOn && !this.#endUnit()) return 'malformed';
    }
    if (first && afterLoss && this.#units[0]?.type === OBU_TYPE.tileGroup) return 'incomplete-frame';
    return undefined;
  }

  finish(frame: FramePieces): FrameFacts | PayloadDiscard {
    if (this.#fragments.length > 0) return 'incomplete-frame';
    for (const unit of this.#units) {
      frame.add(openBitstreamUnitHeader(unit));
      frame.add(unit.payload);
    }
    const layer = highestLayer(this.#units);
    return { keyFrame: isKeyFrameUnit(this.#units), ...(layer === undefined ? {} : { layer }) };
  }

  #endUnit(): boolean {
    const bytes = this.#fragments.length === 1 ? this.#fragments[0]! : concatBytes(...this.#fragments);
    this.#fragments = [];
    const parsed = parseOpenBitstreamUnit(bytes);
    if (parsed === undefined || parsed.end !== bytes.length) return false;
    if (isTransmitted(parsed.unit)) this.#units.push(parsed.unit);
    return true;
  }
}

/** The OBU elements of a payload; undefined when there are none, or a size is beyond the end. */
function splitElements(payload: Uint8Array): Uint8Array[] | undefined {
  const count = (payload[0]! >>> COUNT_SHIFT) & MAX_COUNT;
  const elements: Uint8Array[] = [];
  for (let offset = 1; offset < payload.length; ) {
    const last = count > 0 && elements.length === count - 1;
    const size = last ? { value: payload.length - offset, end: offset } : readLeb128(payload, offset);
    if (size === undefined || size.value === 0 || size.end + size.value > payload.length) return undefined;
    offset = size.end + size.value;
    elements.push(payload.subarray(size.end, offset));
  }
  return elements.length === 0 || (count > 0 && elements.length !== count) ? undefined : elements;
}

/** "MUST be ignored by receivers" (§5). */
function isTransmitted({ type }: OpenBitstreamUnit): boolean {
  return type !== OBU_TYPE.temporalDelimiter && type !== OBU_TYPE.tileList;
}

function highestLayer(units: readonly OpenBitstreamUnit[]): FrameLayer | undefined {
  let highest = -1;
  for (const { extension } of units) if (extension !== undefined) highest = Math.max(highest, extension >>> 3);
  return highest < 0 ? undefined : { temporalId: highest >>> 2, spatialId: highest & 3, sync: false };
}
