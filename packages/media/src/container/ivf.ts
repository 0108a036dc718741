/**
 * IVF: the simple container of VP8, VP9 and AV1. Little-endian.
 *
 * ```
 *   bytes 0-3    "DKIF"                       bytes 0-3   length of the frame
 *         4-5    version, 0                         4-11  its time, in units of the time base
 *         6-7    length of this header, 32          12-   its data
 *         8-11   the codec's FourCC
 *         12-15  width, height
 *         16-23  time base: denominator, numerator
 *         24-27  number of frames
 * ```
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

/** A frame and its time, in the file's units. */
export interface IvfFrame {
  readonly data: Uint8Array;
  readonly time: number;
}

const FILE_HEADER_LENGTH = 32;
const FRAME_HEADER_LENGTH = 12;

/**
 * Reads a whole file; frames are views into it. A frame that is cut off at the end is left out.
 * @throws TypeError when it is not an IVF file
 *
 * @example
 * const { frames, unitsPerSecond } = readIvf(await readFile('film.ivf'));
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

/**
 * A whole file, as {@link readIvf} reads it.
 * @throws RangeError for a FourCC that has not four characters, and for units per second that are no positive integer
 */
export function writeIvf({ fourCc, width, height, unitsPerSecond, frames }: IvfFile): Uint8Array {
  if (!/^[\x20-\x7e]{4}$/.test(fourCc)) throw new RangeError('a FourCC has four characters');
  if (!Number.isInteger(unitsPerSecond) || unitsPerSecond < 1) throw new RangeError('units per second are a positive integer');
  const length = frames.reduce((sum, { data }) => sum + FRAME_HEADER_LENGTH + data.length, FILE_HEADER_LENGTH);
  const file = new Uint8Array(length);
  writeAscii(file, 0, `DKIF\0\0 \0${fourCc}`);
  writeLittleEndian(file, 12, width, 2);
  writeLittleEndian(file, 14, height, 2);
  writeLittleEndian(file, 16, unitsPerSecond, 4);
  writeLittleEndian(file, 20, 1, 4);
  writeLittleEndian(file, 24, frames.length, 4);
  let offset = FILE_HEADER_LENGTH;
  for (const { data, time } of frames) {
    writeLittleEndian(file, offset, data.length, 4);
    writeLittleEndian(file, offset + 4, time, 6);
    file.set(data, offset + FRAME_HEADER_LENGTH);
    offset += FRAME_HEADER_LENGTH + data.length;
  }
  return file;
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

function writeLittleEndian(bytes: Uint8Array, offset: number, value: number, length: number): void {
  let rest = value;
  for (let i = 0; i < length; i++) {
    bytes[offset + i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

function ascii(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

function writeAscii(bytes: Uint8Array, offset: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[offset + i] = text.charCodeAt(i);
}
