/**
 * IVF: the simple container of VP8, VP9 and AV1. Little-endian: a file header of 32 bytes ("DKIF", version, header length, codec's FourCC, width, height, time
 * base as denominator and numerator, number of frames), then for each frame its length (4 bytes), its time (8 bytes, in units of the time base), its data.
 */
export interface IvfFile {
  /** `VP80`, `VP90`, `AV01`. */
  readonly fourCc: string;
  readonly width: number;
  readonly height: number;
  /** Units of {@link IvfFrame.time} in one second. */
  readonly unitsPerSecond: number;
  readonly frames: readonly IvfFrame[];
}

export interface IvfFrame {
  readonly data: Uint8Array;
  readonly time: number;
}

const FILE_HEADER_LENGTH = 32;
const FRAME_HEADER_LENGTH = 12;

/**
 * Reads a whole file; frames are views into it. A frame that is cut off at the end is left out.
 * @throws TypeError when it is not an IVF file
 */
export function readIvf(file: Uint8Array): IvfFile {
  if (file.length < FILE_HEADER_LENGTH || ascii(file, 0, 4) !== 'DKIF') throw new TypeError('not an IVF file: it does not begin with DKIF');
  const denominator = littleEndian(file, 16, 4);
  const numerator = littleEndian(file, 20, 4);
  if (denominator === 0 || numerator === 0) throw new TypeError('not an IVF file: the time base is 0');
  return {
    fourCc: ascii(file, 8, 4),
    width: littleEndian(file, 12, 2),
    height: littleEndian(file, 14, 2),
    unitsPerSecond: denominator / numerator,
    frames: readFrames(file, Math.max(FILE_HEADER_LENGTH, littleEndian(file, 6, 2))),
  };
}

function readFrames(file: Uint8Array, start: number): IvfFrame[] {
  const frames: IvfFrame[] = [];
  for (let offset = start; offset + FRAME_HEADER_LENGTH <= file.length; ) {
    const length = littleEndian(file, offset, 4);
    const data = offset + FRAME_HEADER_LENGTH;
    if (data + length > file.length) break;
    frames.push({ data: file.subarray(data, data + length), time: littleEndian(file, offset + 4, 6) });
    offset = data + length;
  }
  return frames;
}

function littleEndian(bytes: Uint8Array, offset: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = value * 256 + bytes[offset + i]!;
  return value;
}

function ascii(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}
