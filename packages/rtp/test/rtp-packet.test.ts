import { describe, expect, test } from '@jest/globals';
import { fromHex, toHex } from '@petrel/bytes';
import {
  decodeAbsCaptureTime,
  decodeAbsSendTime,
  decodeAudioLevel,
  decodeTextExtension,
  decodeTransportSequenceNumber,
  decodeVideoOrientation,
  encodeAbsCaptureTime,
  encodeAbsSendTime,
  encodeAudioLevel,
  encodeTextExtension,
  encodeTransportSequenceNumber,
  encodeVideoOrientation,
  findExtension,
  parseExtensions,
  parseRed,
  rtpHeaderLength,
  RtpPacket,
  serializeRed,
  serializeRtpPacket,
  unwrapRetransmission,
} from '@petrel/rtp';
import fc from 'fast-check';
import vectors from './vectors/rfc3550-rfc8285.json' with { type: 'json' };

const fixed = { payloadType: 96, sequenceNumber: 7, timestamp: 0x01020304, ssrc: 0xcafebabe } as const;
const payload = Uint8Array.of(1, 2, 3);

describe('RTP packets', () => {
  test('RFC 3550 §5.1: every field is read as it was written', () => {
    const extensions = [
      { id: 3, data: Uint8Array.of(9) },
      { id: 5, data: Uint8Array.of(1, 2, 3, 4, 5) },
    ];
    const bytes = serializeRtpPacket({ ...fixed, marker: true, csrcs: [1, 0xffffffff], extensions, payload, padding: 5 });
    const packet = RtpPacket.parse(bytes)!;
    expect(packet).toMatchObject({ ...fixed, marker: true, csrcCount: 2, payloadLength: 3 });
    expect(packet.payload).toEqual(payload);
    expect(packet.csrc(1)).toBe(0xffffffff);
    expect(packet.extension(5)).toEqual(Uint8Array.of(1, 2, 3, 4, 5));
    expect(packet.extension(4)).toBeUndefined();
    expect(bytes.length).toBe(12 + 8 + 12 + 3 + 5);
  });

  test('RFC 3550 §5.1: without extension and padding the header is 12 bytes', () => {
    expect(toHex(serializeRtpPacket({ ...fixed, payload }))).toBe('8060000701020304cafebabe010203');
  });

  test.each(vectors.malformedRtp.filter(({ id }) => !id.startsWith('ext-element')))('P02 malformed: $id is not a packet', ({ hex }) => {
    expect(RtpPacket.parse(fromHex(hex))).toBeUndefined();
  });

  test.each(['', '80', '8060000701020304cafeba', '4060000701020304cafebabe', 'c060000701020304cafebabe'])(
    'too short or another version: "%s" is not a packet',
    (hex) => {
      expect(RtpPacket.parse(fromHex(hex))).toBeUndefined();
      expect(rtpHeaderLength(fromHex(hex))).toBe(-1);
    },
  );

  test('P02 padding that fills everything behind the header leaves an empty payload', () => {
    const packet = RtpPacket.parse(serializeRtpPacket({ ...fixed, payload: new Uint8Array(0), padding: 4 }))!;
    expect(packet.payloadLength).toBe(0);
  });

  test('reading never throws, and what is read lies inside of the packet', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const packet = RtpPacket.parse(bytes);
        if (packet === undefined) return;
        expect(packet.payloadStart).toBeLessThanOrEqual(packet.payloadEnd);
        expect(packet.payloadEnd).toBeLessThanOrEqual(bytes.length);
        for (let id = 1; id < 256; id++) packet.extension(id);
      }),
    );
  });
});

const parse = (hex: string): { id: number; data: string }[] => {
  const bytes = fromHex(hex);
  const profile = (bytes[0]! << 8) | bytes[1]!;
  return parseExtensions(bytes, profile, 4, bytes.length).map(({ id, data }) => ({ id, data: toHex(data) }));
};

const twoByte = (extensions: { id: number; data: Uint8Array }[]): boolean =>
  RtpPacket.parse(serializeRtpPacket({ ...fixed, extensions, payload }))!.extensionProfile === 0x1000;

describe('RTP header extensions', () => {
  test.each([vectors.headerExtensionOneByte, vectors.headerExtensionTwoByte])('P01 $rfc', ({ hex, expect: expected }) => {
    expect(parse(hex)).toEqual(expected);
    const bytes = fromHex(hex);
    for (const { id, data } of expected) {
      const at = findExtension(bytes, (bytes[0]! << 8) | bytes[1]!, 4, bytes.length, id);
      expect(toHex(bytes.subarray(at, at + data.length / 2))).toBe(data);
    }
  });

  test('P01 RFC 8285 §4.2: id 15 ends the processing, what came before stays', () => {
    expect(parse('bede000210aaf1bbcc20dd00')).toEqual([{ id: 1, data: 'aa' }]);
    expect(findExtension(fromHex('bede000210aaf1bbcc20dd00'), 0xbede, 4, 12, 2)).toBe(-1);
  });

  test('P01 RFC 8285 §4.2: id 0 with a length ends the processing', () => {
    expect(parse('bede000210aa01bbcc20dd00')).toEqual([{ id: 1, data: 'aa' }]);
    expect(findExtension(fromHex('bede000210aa01bbcc20dd00'), 0xbede, 4, 12, 2)).toBe(-1);
  });

  test('P01 an element that overruns the block is not read', () => {
    expect(parse('bede00011f414141')).toEqual([]);
    expect(parse('1000000101ff4141')).toEqual([]);
    expect(parse('100000010101aa02')).toEqual([{ id: 1, data: 'aa' }]);
    expect(RtpPacket.parse(fromHex(vectors.malformedRtp[2]!.hex))?.extension(1)).toBeUndefined();
  });

  test('P01 an unknown profile has no elements', () => {
    expect(parse('abcd000110aa0000')).toEqual([]);
    expect(findExtension(fromHex('abcd000110aa0000'), 0xabcd, 4, 8, 1)).toBe(-1);
  });

  test('RFC 8285 §4.1.2: the two-byte form is used when an element needs it', () => {
    expect(twoByte([{ id: 14, data: new Uint8Array(16) }])).toBe(false);
    expect(twoByte([{ id: 15, data: new Uint8Array(1) }])).toBe(true);
    expect(twoByte([{ id: 1, data: new Uint8Array(17) }])).toBe(true);
    expect(twoByte([{ id: 1, data: new Uint8Array(0) }])).toBe(true);
  });

  test('what is written is read, in both forms', () => {
    const element = fc.record({ id: fc.integer({ min: 1, max: 255 }), data: fc.uint8Array({ maxLength: 40 }) });
    fc.assert(
      fc.property(fc.uniqueArray(element, { selector: ({ id }) => id, maxLength: 8 }), (extensions) => {
        const packet = RtpPacket.parse(serializeRtpPacket({ ...fixed, extensions, payload }))!;
        expect(packet.payload).toEqual(payload);
        for (const { id, data } of extensions) expect(packet.extension(id)).toEqual(data);
      }),
    );
  });

  test('values: abs-send-time, transport-cc, audio level, orientation, capture time, text', () => {
    expect(toHex(encodeAbsSendTime(1500))).toBe('060000');
    expect(decodeAbsSendTime(encodeAbsSendTime(65_500))).toBe(1500);
    expect(decodeTransportSequenceNumber(encodeTransportSequenceNumber(0xabcd))).toBe(0xabcd);
    expect(decodeAudioLevel(encodeAudioLevel({ voice: true, level: 30 }))).toEqual({ voice: true, level: 30 });
    const orientation = { backFacing: true, flip: false, rotation: 270 } as const;
    expect(decodeVideoOrientation(encodeVideoOrientation(orientation))).toEqual(orientation);
    const capture = { captureTime: 0x0123_4567_89ab_cdefn, clockOffset: -5n };
    expect(decodeAbsCaptureTime(encodeAbsCaptureTime(capture))).toEqual(capture);
    expect(decodeAbsCaptureTime(encodeAbsCaptureTime({ captureTime: 1n }))).toEqual({ captureTime: 1n });
    expect(decodeTextExtension(encodeTextExtension('hi'))).toBe('hi');
    const short = new Uint8Array(0);
    expect([decodeAbsSendTime(short), decodeTransportSequenceNumber(short), decodeAudioLevel(short)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([decodeVideoOrientation(short), decodeAbsCaptureTime(short)]).toEqual([undefined, undefined]);
  });
});

describe('RTX and RED', () => {
  test('RFC 4588 §4: the original packet comes out of the retransmission, header extensions included', () => {
    const extensions = [{ id: 4, data: Uint8Array.of(7) }];
    const rtx = serializeRtpPacket({ ...fixed, marker: true, extensions, payload: Uint8Array.of(0x12, 0x34, 1, 2, 3) });
    const original = unwrapRetransmission(RtpPacket.parse(rtx)!, 0x55, 100)!;
    expect(toHex(original)).toBe(
      toHex(serializeRtpPacket({ ...fixed, marker: true, extensions, payload, sequenceNumber: 0x1234, ssrc: 0x55, payloadType: 100 })),
    );
  });

  test('P09 RFC 4588: an empty retransmission has no original', () => {
    for (const empty of [new Uint8Array(0), Uint8Array.of(1)])
      expect(unwrapRetransmission(RtpPacket.parse(serializeRtpPacket({ ...fixed, payload: empty }))!, 1, 100)).toBeUndefined();
  });

  test('RFC 2198 §3: blocks are read as they were written, oldest first', () => {
    const red = {
      payloadType: 111,
      data: payload,
      redundant: [
        { payloadType: 111, timestampOffset: 1920, data: Uint8Array.of(7) },
        { payloadType: 111, timestampOffset: 960, data: Uint8Array.of(8, 9) },
      ],
    };
    expect(parseRed(serializeRed(red))).toEqual(red);
    expect(toHex(serializeRed({ ...red, redundant: red.redundant.slice(1) }))).toBe('ef0f00026f0809010203');
  });

  test('RFC 2198 §3: blocks that do not fit into their header fields are left out', () => {
    const block = { payloadType: 1, timestampOffset: 0x4000, data: payload };
    const long = { payloadType: 1, timestampOffset: 1, data: new Uint8Array(1024) };
    expect(parseRed(serializeRed({ payloadType: 1, data: payload, redundant: [block, long] }))?.redundant).toEqual([]);
  });

  test('P09 RED with lengths that go past the payload, or without a primary block, is malformed', () => {
    for (const hex of ['', 'ef0f0002', 'ef0f00036f0809', 'ef', 'ffffffffffffffff']) expect(parseRed(fromHex(hex))).toBeUndefined();
  });
});
