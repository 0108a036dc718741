import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fromHex, toHex } from '@petrel/bytes';
import {
  isVp8KeyFrame,
  joinNalUnits,
  opusDuration,
  readAnnexB,
  readIvf,
  readOggOpus,
  splitNalUnits,
  writeAnnexB,
  writeIvf,
  writeOggOpus,
} from '@petrel/media';
import fc from 'fast-check';

const clip = (name: string): Buffer => readFileSync(join(__dirname, '../../demo/media', name));

describe('IVF', () => {
  test('a file of an encoder is read', () => {
    const { frames, ...header } = readIvf(clip('clip.ivf'));
    expect(header).toEqual({ fourCc: 'VP80', width: 640, height: 360, unitsPerSecond: 30 });
    expect(frames).toHaveLength(300);
    expect(frames.map(({ time }) => time)).toEqual(frames.map((_, index) => index));
    expect(frames.flatMap(({ data }, index) => (isVp8KeyFrame(data) ? [index] : []))).toEqual(Array.from({ length: 10 }, (_, i) => i * 30));
  });

  test('what is written is read again the same, and as the encoder wrote it', () => {
    const file = clip('clip.ivf');
    const written = writeIvf(readIvf(file));
    // Bytes 28 to 31 are not used.
    expect(Buffer.compare(written.subarray(0, 28), file.subarray(0, 28))).toBe(0);
    expect(Buffer.compare(written.subarray(32), file.subarray(32))).toBe(0);
  });

  test('a frame that is cut off is left out', () => {
    const file = clip('clip.ivf');
    expect(readIvf(file.subarray(0, -1)).frames).toHaveLength(299);
  });

  test('what is not IVF is refused', () => {
    expect(() => readIvf(new Uint8Array(40))).toThrow(TypeError);
    expect(() => readIvf(clip('clip.ivf').subarray(0, 31))).toThrow(TypeError);
    const file = Uint8Array.from(clip('clip.ivf'));
    file.fill(0, 16, 20);
    expect(() => readIvf(file)).toThrow('time base');
    const parts = { fourCc: 'VP80', width: 1, height: 1, unitsPerSecond: 30, frames: [] };
    expect(() => writeIvf({ ...parts, fourCc: 'VP8' })).toThrow(RangeError);
    expect(() => writeIvf({ ...parts, unitsPerSecond: 29.97 })).toThrow(RangeError);
  });
});

describe('Opus in Ogg', () => {
  test('RFC 7845: a file of an encoder is read', () => {
    const { packets, ...head } = readOggOpus(clip('clip.ogg'));
    expect(head).toEqual({ channels: 1, preSkip: 312 });
    expect(packets.length).toBeGreaterThanOrEqual(500);
    expect(packets.every((packet) => opusDuration(packet) === 960)).toBe(true);
  });

  test('RFC 7845: what is written is read again the same', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 }), fc.nat(3840), (packets, preSkip) => {
        const file = { channels: 2, preSkip, packets };
        const { packets: read, ...head } = readOggOpus(writeOggOpus(file));
        expect(head).toEqual({ channels: 2, preSkip });
        expect(read.map(toHex)).toEqual(packets.map(toHex));
      }),
      { numRuns: 50 },
    );
  });

  test('RFC 3533 §6: pages have checksums, numbers, positions, and flags', () => {
    const packets = Array.from({ length: 600 }, () => Uint8Array.of(0x78, 1, 2));
    const pages = readPages(writeOggOpus({ channels: 1, preSkip: 0, packets }, 7));
    expect(pages.map(({ flags }) => flags)).toEqual([2, 0, 0, 0, 4]);
    expect(pages.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4]);
    expect(pages.every(({ serial }) => serial === 7)).toBe(true);
    expect(pages.map(({ position }) => position)).toEqual([0n, 0n, 255n * 960n, 510n * 960n, 600n * 960n]);
  });

  test('RFC 3533 §6: the checksum of a page that an encoder wrote is the one that we would write', () => {
    const file = Uint8Array.from(clip('clip.ogg'));
    const head = writeOggOpus(
      { channels: 1, preSkip: 312, packets: [] },
      file[14]! | (file[15]! << 8) | (file[16]! << 16) | (file[17]! << 24),
    );
    expect(toHex(head.subarray(0, 47))).toBe(toHex(file.subarray(0, 47)));
  });

  test('what is not Opus in Ogg is refused', () => {
    expect(() => readOggOpus(new Uint8Array(100))).toThrow('no page begins');
    expect(() => readOggOpus(new Uint8Array(0))).toThrow('OpusHead');
    expect(() => readOggOpus(clip('clip.ogg').subarray(0, 47))).toThrow('OpusTags');
  });
});

describe('Annex B', () => {
  test('ITU-T H.264 B.1: start codes of three and four bytes, zeros around', () => {
    const units = splitNalUnits(fromHex('aa00000167aa000000000168bb00000001650000038800'));
    expect(units.map(toHex)).toEqual(['67aa', '68bb', '6500000388']);
    expect(toHex(joinNalUnits(units))).toBe('0000000167aa0000000168bb000000016500000388');
    expect(splitNalUnits(fromHex('000001000001'))).toEqual([]);
    expect(splitNalUnits(new Uint8Array(0))).toEqual([]);
  });

  test('ITU-T H.264 §7.4.1.2.3: access units', () => {
    const units = ['67aa', '68bb', '6588', '6508', '4188', '4108', '09f0', '419a', '06aa', '5c88'];
    const frames = readAnnexB(joinNalUnits(units.map(fromHex)));
    expect(frames.map(({ data, keyFrame }) => [splitNalUnits(data).map(toHex).join(' '), keyFrame])).toEqual([
      ['67aa 68bb 6588 6508', true],
      ['4188 4108', false],
      ['09f0 419a', false],
      ['06aa 5c88', false],
    ]);
    expect(readAnnexB(writeAnnexB(frames))).toEqual(frames);
  });
});

function readPages(file: Uint8Array): { flags: number; position: bigint; serial: number; number: number }[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const pages = [];
  for (let offset = 0; offset < file.length; ) {
    const segments = file.subarray(offset + 27, offset + 27 + file[offset + 26]!);
    pages.push({
      flags: file[offset + 5]!,
      position: view.getBigUint64(offset + 6, true),
      serial: view.getUint32(offset + 14, true),
      number: view.getUint32(offset + 18, true),
    });
    offset += 27 + segments.length + segments.reduce((sum, length) => sum + length, 0);
  }
  return pages;
}
