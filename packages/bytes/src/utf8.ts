/** UTF-8 (RFC 3629) as the Encoding standard does it: lone surrogates and malformed bytes become U+FFFD. */
const REPLACEMENT = 0xfffd;
/** Smallest code point that needs 1, 2, 3 continuation bytes: anything shorter is an overlong form. */
const SMALLEST = [0, 0x80, 0x800, 0x10000] as const;

/**
 * The platform's own coders, where it has them: native code, and many times faster for long texts. They do exactly the same, so that what
 * follows from a text does not depend on them.
 */
interface Platform {
  readonly TextEncoder?: new () => { encode(text: string): Uint8Array };
  readonly TextDecoder?: new (label: string, options: { readonly ignoreBOM: boolean }) => { decode(bytes: Uint8Array): string };
}

const platform: Platform = globalThis as unknown as Platform;
const ENCODER: { encode(text: string): Uint8Array } | undefined = platform.TextEncoder && new platform.TextEncoder();
const DECODER: { decode(bytes: Uint8Array): string } | undefined =
  platform.TextDecoder && new platform.TextDecoder('utf-8', { ignoreBOM: true });
/** Shorter texts are done before a call into native code has begun. */
const WORTH_A_CALL = 32;

/** Length of the text in UTF-8, in bytes. */
export function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) length += 1;
    else if (unit < 0x800) length += 2;
    else if (isSurrogatePair(text, i)) {
      length += 4;
      i++;
    } else length += 3;
  }
  return length;
}

/** The text in UTF-8, in bytes that belong to the caller; lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  if (ENCODER !== undefined && text.length >= WORTH_A_CALL) return ENCODER.encode(text);
  const bytes = new Uint8Array(utf8Length(text));
  let offset = 0;
  for (let i = 0; i < text.length; i++) {
    let point = text.charCodeAt(i);
    if (point >= 0xd800 && point <= 0xdfff) {
      if (isSurrogatePair(text, i)) point = text.codePointAt(i++)!;
      else point = REPLACEMENT;
    }
    if (point < 0x80) bytes[offset++] = point;
    else {
      const continuations = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
      bytes[offset++] = ((0xf00 >>> (continuations + 1)) & 0xff) | (point >>> (6 * continuations));
      for (let shift = 6 * (continuations - 1); shift >= 0; shift -= 6) bytes[offset++] = 0x80 | ((point >>> shift) & 0x3f);
    }
  }
  return bytes;
}

/** Text of the bytes; malformed sequences become U+FFFD, one for each maximal subpart. */
export function decodeUtf8(bytes: Uint8Array): string {
  if (DECODER !== undefined && bytes.length >= WORTH_A_CALL) return DECODER.decode(bytes);
  return decode(bytes, false) as string;
}

/** Text of the bytes, or undefined when they are not well-formed UTF-8. */
export function decodeUtf8Strict(bytes: Uint8Array): string | undefined {
  return decode(bytes, true);
}

function decode(bytes: Uint8Array, strict: boolean): string | undefined {
  const units: number[] = [];
  let text = '';
  for (let i = 0; i < bytes.length; ) {
    const lead = bytes[i]!;
    if (lead < 0x80) {
      units.push(lead);
      i++;
    } else {
      const { point, length } = decodeSequence(bytes, i);
      if (point === undefined && strict) return undefined;
      pushCodePoint(units, point ?? REPLACEMENT);
      i += length;
    }
    if (units.length >= 4096) {
      text += String.fromCharCode(...units);
      units.length = 0;
    }
  }
  return text + String.fromCharCode(...units);
}

/** One sequence of two or more bytes; without a point, `length` is that of the maximal malformed subpart. */
function decodeSequence(bytes: Uint8Array, start: number): { point: number | undefined; length: number } {
  const lead = bytes[start]!;
  const continuations = lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : 0;
  if (continuations === 0) return { point: undefined, length: 1 };
  let point = lead & (0x3f >>> continuations);
  for (let i = 1; i <= continuations; i++) {
    const byte = bytes[start + i];
    if (byte === undefined || (byte & 0xc0) !== 0x80) return { point: undefined, length: i };
    point = (point << 6) | (byte & 0x3f);
    if (i === 1 && !isPossiblePrefix(lead, byte)) return { point: undefined, length: 1 };
  }
  return { point: point >= SMALLEST[continuations]! ? point : undefined, length: continuations + 1 };
}

/** Rejects overlong forms, surrogates and points above U+10FFFF by their second byte (Unicode table 3-7). */
function isPossiblePrefix(lead: number, second: number): boolean {
  if (lead === 0xe0) return second >= 0xa0;
  if (lead === 0xed) return second < 0xa0;
  if (lead === 0xf0) return second >= 0x90;
  if (lead === 0xf4) return second < 0x90;
  return true;
}

function pushCodePoint(units: number[], point: number): void {
  if (point < 0x10000) units.push(point);
  else units.push(0xd800 + ((point - 0x10000) >>> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
}

function isSurrogatePair(text: string, index: number): boolean {
  const low = text.charCodeAt(index + 1);
  const high = text.charCodeAt(index);
  return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
}
