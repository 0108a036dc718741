import { describe, expect, test } from '@jest/globals';
import { concatBytes, toHex } from '@petrel/bytes';
import { encodeStunMessage, FrameReader, measureStunFrame } from '@petrel/stun';

const message = encodeStunMessage({
  class: 'request',
  method: 'binding',
  transactionId: new Uint8Array(12),
  attributes: { username: 'abc' },
});
/** ChannelData with five bytes, padded to eight. */
const channelData = Uint8Array.of(0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0);
const stream = concatBytes(message, channelData, message);

function framesOf(reader: FrameReader): string[] {
  const frames: string[] = [];
  for (let frame = reader.next(); frame; frame = reader.next()) frames.push(toHex(frame));
  return frames;
}

describe('RFC 8489 §6.2.2, RFC 8656 §12.5: frames of a stream', () => {
  const expected = [message, channelData, message].map((frame) => toHex(frame));

  test.each([1, 2, 3, 5, 19, 64, 1000])('in pieces of %i bytes', (size) => {
    const reader = new FrameReader(measureStunFrame);
    const frames: string[] = [];
    for (let offset = 0; offset < stream.length; offset += size) {
      reader.push(stream.slice(offset, offset + size));
      frames.push(...framesOf(reader));
    }
    expect([frames, reader.buffered, reader.broken]).toEqual([expected, 0, false]);
  });

  test('frames that were handed out are not written over by what comes later', () => {
    const reader = new FrameReader(measureStunFrame);
    reader.push(message.slice(0, 10));
    reader.push(concatBytes(message.slice(10), channelData.slice(0, 6)));
    const first = reader.next()!;
    reader.push(channelData.slice(6));
    reader.push(message.slice());
    expect([toHex(first), ...framesOf(reader)]).toEqual(expected);
  });

  test('what is buffered for one frame is bounded by its 16-bit length', () => {
    const reader = new FrameReader(measureStunFrame);
    reader.push(Uint8Array.of(0x40, 0, 0xff, 0xff));
    let frames = 0;
    for (let count = 0; count < 100; count++) {
      reader.push(new Uint8Array(1024).fill(0x40));
      frames += framesOf(reader).length;
      expect(reader.buffered).toBeLessThan(65_535 + 8);
    }
    expect(frames).toBeGreaterThan(0);
  });

  test.each([
    ['neither STUN nor ChannelData', [0x80]],
    ['a STUN length that is no multiple of four', [0, 1, 0, 3]],
    ['RTP', [0x90, 0, 0, 0]],
  ])('%s breaks the stream for good', (_, bytes) => {
    const reader = new FrameReader(measureStunFrame);
    reader.push(Uint8Array.from(bytes));
    expect([reader.next(), reader.broken]).toEqual([undefined, true]);
    reader.push(message.slice());
    expect([reader.next(), reader.buffered]).toEqual([undefined, 0]);
  });
});
