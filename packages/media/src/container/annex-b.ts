/**
 * The byte stream of H.264 (ITU-T H.264 Annex B): NAL units with start codes, `00 00 01` or `00 00 00 01`, before them. It has no times: an access unit is
 * what is decoded into one picture (§7.4.1.2.3).
 */
import { concatBytes } from '@petrel/bytes';

export const START_CODE: Uint8Array = Uint8Array.of(0, 0, 0, 1);
/** ITU-T H.264 table 7-1. */
export const NAL_TYPE = { slice: 1, idrSlice: 5, sei: 6, sps: 7, pps: 8, accessUnitDelimiter: 9 } as const;

/** The NAL units, as views without their start codes. Bytes before the first start code are left out. */
export function splitNalUnits(stream: Uint8Array): Uint8Array[] {
  const units: Uint8Array[] = [];
  let start = -1;
  for (let i = 0; i + 2 < stream.length; ) {
    if (stream[i + 2]! > 1) i += 3;
    else if (stream[i]! !== 0 || stream[i + 1]! !== 0 || stream[i + 2]! !== 1) i += 1;
    else {
      addUnit(units, stream, start, i);
      i += 3;
      start = i;
    }
  }
  addUnit(units, stream, start, stream.length);
  return units;
}

/** Zeros before a start code are none of the NAL unit's bytes: it ends with a 1 bit (§7.4.1). */
function addUnit(units: Uint8Array[], stream: Uint8Array, start: number, next: number): void {
  if (start < 0) return;
  let end = next;
  while (end > start && stream[end - 1] === 0) end -= 1;
  if (end > start) units.push(stream.subarray(start, end));
}

/** The NAL units as a byte stream, each after a start code of four bytes. */
export function joinNalUnits(units: readonly Uint8Array[]): Uint8Array {
  return concatBytes(...units.flatMap((unit) => [START_CODE, unit]));
}

/** An entry of what {@link readAnnexB} gives. */
export interface AnnexBFrame {
  /** An access unit. */
  readonly data: Uint8Array;
  readonly keyFrame: boolean;
}

/**
 * The access units of a whole file.
 *
 * @example
 * for (const { data, keyFrame } of readAnnexB(await readFile('film.h264'))) source.write({ data, keyFrame, timestamp: (timestamp += 3000) });
 */
export function readAnnexB(file: Uint8Array): AnnexBFrame[] {
  const frames: AnnexBFrame[] = [];
  let unit: Uint8Array[] = [];
  const end = (): void => {
    if (unit.length > 0) frames.push({ data: joinNalUnits(unit), keyFrame: unit.some(isIdr) });
    unit = [];
  };
  let hasSlice = false;
  for (const nal of splitNalUnits(file)) {
    if (hasSlice && beginsAccessUnit(nal)) {
      end();
      hasSlice = false;
    }
    unit.push(nal);
    hasSlice ||= isSlice(nal);
  }
  end();
  return frames;
}

/** A file of access units. Their data has start codes already. */
export function writeAnnexB(frames: readonly { readonly data: Uint8Array }[]): Uint8Array {
  return concatBytes(...frames.map(({ data }) => data));
}

export function nalType(nal: Uint8Array): number {
  return nal[0]! & 0x1f;
}

/** Types 1 to 5: slices and slice data partitions. */
function isSlice(nal: Uint8Array): boolean {
  const type = nalType(nal);
  return type >= NAL_TYPE.slice && type <= NAL_TYPE.idrSlice;
}

function isIdr(nal: Uint8Array): boolean {
  return nalType(nal) === NAL_TYPE.idrSlice;
}

/** Whether a NAL unit after a picture's slices begins the next access unit (§7.4.1.2.3): parameter sets and the like, or a first slice. */
export function beginsAccessUnit(nal: Uint8Array): boolean {
  const type = nalType(nal);
  if (type >= NAL_TYPE.sei && type <= NAL_TYPE.accessUnitDelimiter) return true;
  if (type >= 14 && type <= 18) return true;
  return isSlice(nal) && startsPicture(nal);
}

/** first_mb_in_slice is 0: the first bit after the header, as ue(v) codes it. */
function startsPicture(slice: Uint8Array): boolean {
  return (slice[1] ?? 0) >= 0x80;
}
