/**
 * AV1's open bitstream units (AV1 specification §5.3), in the low-overhead format (§5.2), where each says its size.
 *
 * ```
 *    0 1 2 3 4 5 6 7
 *   +-+-+-+-+-+-+-+-+
 *   |F| type  |X|S|-|   F: forbidden bit, X: the extension follows, S: the size follows
 *   +-+-+-+-+-+-+-+-+
 *   | TID |SID|-|-|-|   X
 *   +-+-+-+-+-+-+-+-+
 *   | size (leb128) |   S
 *   +-+-+-+-+-+-+-+-+
 * ```
 */
export const OBU_TYPE = {
  sequenceHeader: 1,
  temporalDelimiter: 2,
  frameHeader: 3,
  tileGroup: 4,
  frame: 6,
  redundantFrameHeader: 7,
  tileList: 8,
} as const;
const HAS_EXTENSION = 0x04;
const HAS_SIZE = 0x02;
/** §4.10.5: at most 8 bytes; values that do not fit into 32 bits are invalid. */
const MAX_LEB128_LENGTH = 8;

/** An OBU, whether its size was written or not. */
export interface OpenBitstreamUnit {
  readonly type: number;
  /** The first byte, without the bit that says that a size follows. */
  readonly header: number;
  /** TID and SID; undefined without the extension. */
  readonly extension: number | undefined;
  readonly payload: Uint8Array;
}

/** Reads one OBU that has all of `bytes` unless it says a size. @returns also where the next begins; undefined when it is malformed */
export function parseOpenBitstreamUnit(bytes: Uint8Array, offset: number = 0): { unit: OpenBitstreamUnit; end: number } | undefined {
  const first = bytes[offset];
  if (first === undefined || first >= 0x80) return undefined;
  let at = offset + 1;
  const extension = first & HAS_EXTENSION ? bytes[at++] : undefined;
  if (first & HAS_EXTENSION && extension === undefined) return undefined;
  let end = bytes.length;
  if (first & HAS_SIZE) {
    const size = readLeb128(bytes, at);
    if (size === undefined || size.end + size.value > bytes.length) return undefined;
    at = size.end;
    end = at + size.value;
  }
  return { unit: { type: first >>> 3, header: first & ~HAS_SIZE, extension, payload: bytes.subarray(at, end) }, end };
}

/** All OBUs of a temporal unit; undefined when it is malformed. */
export function parseTemporalUnit(bytes: Uint8Array): OpenBitstreamUnit[] | undefined {
  const units: OpenBitstreamUnit[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const parsed = parseOpenBitstreamUnit(bytes, offset);
    if (parsed === undefined) return undefined;
    units.push(parsed.unit);
    offset = parsed.end;
  }
  return units;
}

/** What comes before the payload, in the low-overhead format. */
export function openBitstreamUnitHeader({ header, extension, payload }: OpenBitstreamUnit): Uint8Array {
  return Uint8Array.from([header | HAS_SIZE, ...(extension === undefined ? [] : [extension]), ...leb128(payload.length)]);
}

/** Whether a temporal unit can be decoded without another one; false for what is none. */
export function isAv1KeyFrame(temporalUnit: Uint8Array): boolean {
  return isKeyFrameUnit(parseTemporalUnit(temporalUnit) ?? []);
}

/** A sequence header, and a first frame of type KEY_FRAME that is not a repetition (AV1 specification §5.9.2). */
export function isKeyFrameUnit(units: readonly OpenBitstreamUnit[]): boolean {
  const sequence = units.find(({ type }) => type === OBU_TYPE.sequenceHeader);
  const frame = units.find(({ type }) => type === OBU_TYPE.frame || type === OBU_TYPE.frameHeader);
  if (sequence === undefined || frame === undefined || frame.payload.length === 0) return false;
  // reduced_still_picture_header: there are nothing but key frames.
  if (((sequence.payload[0] ?? 0) & 0x08) !== 0) return true;
  return (frame.payload[0]! & 0xe0) === 0;
}

/** @returns also where what follows it begins */
export function readLeb128(bytes: Uint8Array, offset: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < MAX_LEB128_LENGTH; i++) {
    const byte = bytes[offset + i];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return value < 2 ** 32 ? { value, end: offset + i + 1 } : undefined;
  }
  return undefined;
}

/** The shortest form. */
export function leb128(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}
