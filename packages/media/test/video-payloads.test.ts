import { describe, expect, test } from '@jest/globals';
import { fromHex, toHex } from '@petrel/bytes';
import {
  Av1Depacketizer,
  Av1Packetizer,
  createDepacketizer,
  type Depacketizer,
  H264Depacketizer,
  H264Packetizer,
  isAv1KeyFrame,
  isH264KeyFrame,
  isVp9KeyFrame,
  MAX_FRAME_LENGTH,
  type PayloadPacket,
  parseVp8Descriptor,
  parseVp9Descriptor,
  type ReceivedFrame,
  Vp8Depacketizer,
  Vp8Packetizer,
  Vp9Depacketizer,
  Vp9Packetizer,
} from '@petrel/media';
import vectors from './vectors/rfc7741-rfc6184-payloads.json' with { type: 'json' };

/** One frame's payloads, in order, in hexadecimal; `-` for one that is missing. */
function receive(depacketizer: Depacketizer, payloads: readonly string[], timestamp = 0): readonly ReceivedFrame[] {
  let lost = 0;
  return payloads.flatMap((hex, index) => {
    if (hex === '-') {
      lost += 1;
      return [];
    }
    const frames = depacketizer.depacketize({ payload: fromHex(hex), timestamp, marker: index === payloads.length - 1 }, lost);
    lost = 0;
    return frames;
  });
}

const packet = (hex: string, timestamp: number, marker = false): PayloadPacket => ({ payload: fromHex(hex), timestamp, marker });

const data = (frames: readonly ReceivedFrame[]): string[] => frames.map((frame) => toHex(frame.data));

describe('VP8', () => {
  test.each(vectors.vp8)('$rfc: the descriptor $descriptor', ({ descriptor, expect: expected }) => {
    const { S, PID, length, pictureId } = expected as { S: number; PID: number; length: number; pictureId?: number };
    const parsed = parseVp8Descriptor(fromHex(`${descriptor}00`))!;
    expect(parsed).toMatchObject({ startOfPartition: S === 1, partition: PID, length, nonReference: false });
    expect(parsed.pictureId).toBe(pictureId);
  });

  test('RFC 7741 §4.2: every field of the descriptor', () => {
    expect(parseVp8Descriptor(fromHex('b0f0926755e1aa'))).toEqual({
      length: 6,
      nonReference: true,
      startOfPartition: true,
      partition: 0,
      pictureId: 4711,
      baseLayerIndex: 0x55,
      temporalId: 3,
      layerSync: true,
      keyIndex: 1,
    });
  });

  test.each(['', '80', '8080', '808092', '9080926755'.slice(0, 8), '10', '90f0926755e1'])(
    'P06 cut off, or nothing after it: "%s" is no payload',
    (hex) => {
      expect(parseVp8Descriptor(fromHex(hex))).toBeUndefined();
      const depacketizer = new Vp8Depacketizer();
      expect(receive(depacketizer, [hex])).toEqual([]);
      expect(depacketizer.discards.total).toBe(hex === '' ? 0 : 1);
    },
  );

  test('RFC 7741 §4.2: the packetizer writes S on the first payload, and a picture id that counts and wraps', () => {
    const packetizer = new Vp8Packetizer(0x7fff);
    const frame = { data: Uint8Array.of(0, 1, 2, 3), timestamp: 0, keyFrame: true };
    expect(packetizer.packetize(frame, 6).map(toHex)).toEqual(['9080ffff0001', '8080ffff0203']);
    expect(packetizer.packetize(frame, 100).map(toHex)).toEqual(['9080800000010203']);
    expect(() => packetizer.packetize(frame, 4)).toThrow(RangeError);
  });

  test('RFC 7741 §4.2: temporal layers are written and read', () => {
    const layer = { temporalId: 2, spatialId: 0, sync: true, baseLayerIndex: 9 };
    const [payload] = new Vp8Packetizer(1).packetize({ data: Uint8Array.of(1), timestamp: 0, keyFrame: false, layer }, 100);
    expect(receive(new Vp8Depacketizer(), [toHex(payload!)])).toMatchObject([{ layer, pictureId: 1, keyFrame: false }]);
    const withoutIndex = { temporalId: 1, spatialId: 0, sync: false };
    const [other] = new Vp8Packetizer(1).packetize({ data: Uint8Array.of(1), timestamp: 0, keyFrame: false, layer: withoutIndex }, 100);
    expect(receive(new Vp8Depacketizer(), [toHex(other!)])[0]!.layer).toEqual(withoutIndex);
  });

  test('RFC 7741 §4.3: the P bit tells key frames', () => {
    const depacketizer = new Vp8Depacketizer();
    expect(receive(depacketizer, ['1000'])[0]!.keyFrame).toBe(true);
    expect(receive(depacketizer, ['1001'], 1)[0]!.keyFrame).toBe(false);
  });

  test.each([
    ['RFC 7741 §4.5.1: without its first packet', ['-', '0001'], 'incomplete-frame'],
    ['without a packet in the middle', ['1000', '-', '0001'], 'incomplete-frame'],
    ['begun twice', ['1000', '1000'], 'malformed'],
    ['with two picture ids', ['90801100', '80801200'], 'malformed'],
    ['that begins with the middle of one', ['0000'], 'incomplete-frame'],
  ])('a frame %s is dropped, and the next one is not', (_, payloads, reason) => {
    const depacketizer = new Vp8Depacketizer();
    if (payloads[0] === '-') receive(depacketizer, ['1000'], 5);
    expect(receive(depacketizer, payloads)).toEqual([]);
    expect(depacketizer.discards.toJSON()).toEqual({ [reason]: 1 });
    expect(receive(depacketizer, ['1000aa'], 1)).toMatchObject([{ timestamp: 1, lostPackets: expect.any(Number) }]);
  });

  test('RFC 3550 §5.1: without the marker a frame ends where the next timestamp begins', () => {
    const depacketizer = new Vp8Depacketizer();
    expect(depacketizer.depacketize(packet('1000', 1), 0)).toEqual([]);
    expect(depacketizer.depacketize(packet('100102', 2), 0)).toMatchObject([{ timestamp: 1, lostPackets: 0 }]);
    // Two at once: the one before ends here, and this one has a marker.
    expect(depacketizer.depacketize(packet('1001', 3, true), 0)).toMatchObject([{ timestamp: 2 }, { timestamp: 3 }]);
    expect(depacketizer.depacketize(packet('1001', 4), 0)).toEqual([]);
    // Here something is missing between: the end of the one before, who knows.
    expect(depacketizer.depacketize(packet('1001', 5, true), 1)).toMatchObject([{ timestamp: 5, lostPackets: 1 }]);
    expect(depacketizer.discards.toJSON()).toEqual({ 'incomplete-frame': 1 });
  });

  test('padding alone does not end a frame, and is none', () => {
    const depacketizer = new Vp8Depacketizer();
    expect(depacketizer.depacketize(packet('', 0), 0)).toEqual([]);
    depacketizer.depacketize(packet('1000', 1), 0);
    expect(depacketizer.depacketize(packet('', 0), 0)).toEqual([]);
    expect(depacketizer.depacketize(packet('0001', 1, true), 0)).toMatchObject([{ data: Uint8Array.of(0, 1), lostPackets: 0 }]);
  });

  test('P06 a frame of more than 8 MiB is dropped, and does not use more memory', () => {
    const depacketizer = new Vp8Depacketizer();
    const first = new Uint8Array(60_000);
    first[0] = 0x10;
    const other = new Uint8Array(60_000);
    for (let i = 0; i * 60_000 < MAX_FRAME_LENGTH + 200_000; i++)
      expect(depacketizer.depacketize({ payload: i === 0 ? first : other, timestamp: 0, marker: false }, 0)).toEqual([]);
    expect(depacketizer.discards.toJSON()).toEqual({ 'frame-too-large': 1 });
    expect(receive(depacketizer, ['1000'], 1)).toHaveLength(1);
  });

  test('P06 a frame of endless tiny payloads is dropped', () => {
    const depacketizer = new Vp8Depacketizer();
    for (let i = 0; i < 40_000; i++)
      depacketizer.depacketize({ payload: Uint8Array.of(i === 0 ? 0x10 : 0, 0), timestamp: 0, marker: false }, 0);
    expect(depacketizer.discards.toJSON()).toEqual({ 'frame-too-large': 1 });
  });
});

describe('VP9', () => {
  test('RFC 9628 §4.2: every field in flexible mode', () => {
    expect(parseVp9Descriptor(fromHex('fd9267570304aa'))).toEqual({
      length: 6,
      startOfFrame: true,
      endOfFrame: true,
      interPicturePredicted: true,
      flexible: true,
      notForUpperLayers: true,
      pictureId: 4711,
      temporalId: 2,
      switchingUpPoint: true,
      spatialId: 3,
      interLayerPredicted: true,
      references: [1, 2],
    });
  });

  test('RFC 9628 §4.2.1: non-flexible mode with a scalability structure', () => {
    const parsed = parseVp9Descriptor(fromHex('aa11000938014000f0028001e00244044033'));
    expect(parsed).toMatchObject({ flexible: false, pictureId: 0x11, temporalId: 0, spatialId: 0, baseLayerIndex: 9 });
    expect(parsed!.structure).toEqual({
      spatialLayers: 2,
      resolutions: [
        { width: 320, height: 240 },
        { width: 640, height: 480 },
      ],
      pictureGroup: [
        { temporalId: 2, switchingUpPoint: false, references: [4] },
        { temporalId: 2, switchingUpPoint: false, references: [] },
      ],
    });
  });

  test.each([
    ['', 'empty'],
    ['80', 'cut off'],
    ['8c', 'without picture id'],
    ['1c00', 'I is 0 in flexible mode'],
    ['dc920103050706aa', 'four references'],
    ['8e1138', 'a structure that is cut off'],
    ['8c11', 'nothing after it'],
  ])('P06 %s (%s) is no payload', (hex) => {
    expect(parseVp9Descriptor(fromHex(hex))).toBeUndefined();
  });

  test('RFC 9628 §4.2: the packetizer writes B, E, a picture id, and that frames depend on the one before', () => {
    const packetizer = new Vp9Packetizer(0x7fff);
    const frame = { data: Uint8Array.of(0x82, 1, 2, 3), timestamp: 0, keyFrame: true };
    expect(packetizer.packetize(frame, 5).map(toHex)).toEqual(['98ffff8201', '94ffff0203']);
    expect(packetizer.packetize({ ...frame, keyFrame: false }, 100).map(toHex)).toEqual(['dc80000282010203']);
    const layer = { temporalId: 1, spatialId: 0, sync: true };
    const [payload] = packetizer.packetize({ ...frame, keyFrame: false, layer }, 100);
    expect(receive(new Vp9Depacketizer(), [toHex(payload!)])).toMatchObject([{ layer, pictureId: 1, keyFrame: false }]);
  });

  test('RFC 9628 §4.2: a picture of two spatial layers is one frame', () => {
    const layers = ['ac1100 09aa', 'ac110309bb'].map((hex) => hex.replaceAll(' ', ''));
    const frames = receive(new Vp9Depacketizer(), layers);
    expect(frames).toMatchObject([{ keyFrame: true, pictureId: 0x11, layer: { temporalId: 0, spatialId: 1, baseLayerIndex: 9 } }]);
    expect(data(frames)).toEqual(['aabb']);
  });

  test.each([
    ['begins in the middle', ['8011aa'], 'incomplete-frame'],
    ['has no end', ['8811aa'], 'incomplete-frame'],
    ['has two beginnings', ['8811aa', '8811bb'], 'malformed'],
    ['goes on after its end', ['8c11aa', '8411bb'], 'malformed'],
    ['has two picture ids', ['8811aa', '8412bb'], 'malformed'],
  ])('a picture that %s is dropped', (_, payloads, reason) => {
    const depacketizer = new Vp9Depacketizer();
    expect(receive(depacketizer, payloads)).toEqual([]);
    expect(depacketizer.discards.toJSON()).toEqual({ [reason]: 1 });
  });

  test('after a loss, an upper layer without the lower one it depends on is dropped', () => {
    const depacketizer = new Vp9Depacketizer();
    receive(depacketizer, ['8c11aa'], 1);
    expect(receive(depacketizer, ['-', 'ac110309bb'], 2)).toEqual([]);
    expect(depacketizer.discards.toJSON()).toEqual({ 'incomplete-frame': 1 });
  });

  test.each([
    ['82', true],
    ['86', false],
    ['8a', false],
    ['b0', true],
    ['b2', false],
    ['b4', false],
    ['02', false],
    ['', false],
  ])('VP9 bitstream §6.2: is a frame that begins with %s a key frame?', (hex, answer) => {
    expect(isVp9KeyFrame(fromHex(hex))).toBe(answer);
  });
});

describe('H264', () => {
  const readable = vectors.h264.filter(({ expect: expected }) => !('error' in expected));
  const broken = vectors.h264.filter(({ expect: expected }) => 'error' in expected);

  test('RFC 6184 §5.6, §5.7.1: single NAL units and STAP-A', () => {
    const [single, aggregated] = readable;
    expect(data(receive(new H264Depacketizer(), [single!.payload]))).toEqual(['000000016588']);
    expect(data(receive(new H264Depacketizer(), [aggregated!.payload]))).toEqual(['0000000167aa0000000168bb']);
  });

  test('RFC 6184 §5.8: FU-A', () => {
    const fragments = readable.filter(({ rfc }) => rfc.includes('FU-A')).map(({ payload }) => payload);
    const frames = receive(new H264Depacketizer(), fragments);
    expect(data(frames)).toEqual(['0000000165aabbccdd']);
    expect(frames[0]!.keyFrame).toBe(true);
  });

  test.each([
    ...broken.map(({ rfc, payload }) => [rfc, [payload], 'malformed'] as const),
    ['P06 a STAP-A of nothing', ['78'], 'malformed'],
    ['P06 a unit of no bytes', ['780000'], 'malformed'],
    ['P06 a size that is cut off', ['78000267aa00'], 'malformed'],
    ['P06 a STAP-A in a STAP-A', ['78000178'], 'malformed'],
    ['P06 an FU-A of a STAP-A', ['7c98aa'], 'malformed'],
    ['P06 an FU-A without data', ['7c85'], 'malformed'],
    ['P06 an FU-A that does not begin', ['6588', '7c05aa'], 'malformed'],
    ['P06 an FU-A that begins twice', ['7c85aa', '7c85bb'], 'malformed'],
    ['P06 an FU-A that becomes another unit', ['7c85aa', '7c41bb'], 'malformed'],
    ['P06 a unit among fragments', ['7c85aa', '6588'], 'malformed'],
    ['an FU-A without an end', ['7c85aa', '7c05bb'], 'incomplete-frame'],
    ['an FU-A of which the first is missing', ['7c05bb'], 'incomplete-frame'],
    ['RFC 6184 §5.4: STAP-B, of the interleaved mode', ['79000167'], 'unsupported'],
    ['RFC 6184 §5.4: FU-B', ['7d85aaaa'], 'unsupported'],
    ['type 0', ['60aa'], 'unsupported'],
  ] as const)('%s is dropped', (_, payloads, reason) => {
    const depacketizer = new H264Depacketizer();
    expect(receive(depacketizer, payloads)).toEqual([]);
    expect(depacketizer.discards.toJSON()).toEqual({ [reason]: 1 });
    expect(receive(depacketizer, ['6588'], 1)).toHaveLength(1);
  });

  test.each([
    ['a slice that is not the first', '4108', 0],
    ['a first slice', '4188', 1],
    ['parameter sets', '67aa', 1],
    ['fragments of a slice that is not the first', '7c8108', 0],
    ['fragments of a first slice', '5c8188', 1],
    ['a STAP-A that begins with a later slice', '7800024108', 0],
  ])('H.264 §7.4.1.2.3: after a loss %s begins a frame, or does not', (_, payload, count) => {
    const depacketizer = new H264Depacketizer();
    receive(depacketizer, ['6588'], 1);
    const payloads = payload.startsWith('7c81') || payload.startsWith('5c81') ? [payload, `${payload.slice(0, 2)}41aa`] : [payload];
    expect(receive(depacketizer, ['-', ...payloads], 2)).toHaveLength(count);
  });

  test('RFC 6184 §5.7.1: a STAP-A has the highest NRI of its units, and F if any has it', () => {
    const aggregated = ['0000000106aa000000012799', '0000000186aa000000016799'].map((hex) =>
      new H264Packetizer().packetize({ data: fromHex(hex), timestamp: 0, keyFrame: true }, 100).map(toHex),
    );
    expect(aggregated).toEqual([['38000206aa00022799'], ['f8000286aa00026799']]);
  });

  test('RFC 6184 §5.8: FU-A keep NRI, and S and E are never together', () => {
    const payloads = new H264Packetizer().packetize({ data: fromHex('0000000165aabbccdd'), timestamp: 0, keyFrame: true }, 4);
    expect(payloads.map(toHex)).toEqual(['7c85aabb', '7c45ccdd']);
  });

  test('key frames are those with an IDR slice', () => {
    expect(isH264KeyFrame(fromHex('00000167aa0000016588'))).toBe(true);
    expect(isH264KeyFrame(fromHex('00000167aa0000014188'))).toBe(false);
  });
});

describe('AV1', () => {
  const sequence = '0a0100';
  const keyFrame = '32021000';
  const temporalUnit = `${sequence}${keyFrame}`;

  test('AV1 RTP §4.4, §4.5: temporal delimiters and sizes are removed, and N begins a sequence', () => {
    const frame = { data: fromHex(`1200${temporalUnit}`), timestamp: 0, keyFrame: true };
    const payloads = new Av1Packetizer().packetize(frame, 100).map(toHex);
    expect(payloads).toEqual(['28020800301000']);
    const frames = receive(new Av1Depacketizer(), payloads);
    expect(data(frames)).toEqual([temporalUnit]);
    expect(frames[0]!.keyFrame).toBe(true);
  });

  test('AV1 RTP §4.4: fragments have Y, and Z', () => {
    const payloads = new Av1Packetizer().packetize({ data: fromHex('3204aabbccdd'), timestamp: 0, keyFrame: false }, 5).map(toHex);
    expect(payloads).toEqual(['5030aabb', '90ccdd']);
    expect(data(receive(new Av1Depacketizer(), payloads))).toEqual(['3204aabbccdd']);
  });

  test('AV1 RTP §4.4: more than three elements all have sizes, and W is 0', () => {
    const data_ = fromHex('2a01aa2a01bb2a01cc2a01dd');
    expect(new Av1Packetizer().packetize({ data: data_, timestamp: 0, keyFrame: false }, 100).map(toHex)).toEqual([
      '000228aa0228bb0228cc0228dd',
    ]);
  });

  test('AV1 RTP §5: OBUs of two layers are not in one packet', () => {
    const payloads = new Av1Packetizer().packetize({ data: fromHex('360001aa360801bb'), timestamp: 0, keyFrame: false }, 100).map(toHex);
    expect(payloads).toEqual(['103400aa', '103408bb']);
    const frames = receive(new Av1Depacketizer(), payloads);
    expect(frames[0]!.layer).toEqual({ temporalId: 0, spatialId: 1, sync: false });
  });

  test('AV1 RTP §5: temporal delimiters and tile lists are ignored', () => {
    const frames = receive(new Av1Depacketizer(), ['30011002 4001 30aa'.replaceAll(' ', '')]);
    expect(data(frames)).toEqual(['3201aa']);
  });

  test('an OBU that has its size in the packet too', () => {
    expect(data(receive(new Av1Depacketizer(), ['103201aa']))).toEqual(['3201aa']);
  });

  test.each([
    ['P06 nothing but the header', ['10'], 'malformed'],
    ['P06 a size beyond the end', ['000530aa'], 'malformed'],
    ['P06 a size of 2^63', ['00ffffffffffffffff7f30'], 'malformed'],
    ['P06 a size that does not end', ['00ffff'], 'malformed'],
    ['P06 an element of no bytes', ['0000'], 'malformed'],
    ['P06 fewer elements than W', ['20', '30'], 'malformed'],
    ['P06 an OBU whose own size is beyond its end', ['103205aa'], 'malformed'],
    ['P06 an OBU whose own size is before its end', ['103201aabb'], 'malformed'],
    ['P06 an OBU with the forbidden bit', ['10b0aa'], 'malformed'],
    ['P06 an OBU without its extension', ['1034'], 'malformed'],
    ['AV1 RTP §4.4: N and Z', ['5030aa', '98bb'], 'malformed'],
    ['a continuation of nothing', ['9030aa'], 'incomplete-frame'],
    ['a fragment that does not go on', ['5030aa', '1030bb'], 'malformed'],
    ['a fragment at the end', ['5030aa'], 'incomplete-frame'],
    ['a tile group first, where its frame header is missing', ['1020aa'], 'incomplete-frame'],
  ])('%s is dropped', (_, payloads, reason) => {
    const depacketizer = new Av1Depacketizer();
    expect(receive(depacketizer, payloads)).toEqual([]);
    expect(depacketizer.discards.toJSON()).toEqual({ [reason]: 1 });
    expect(receive(depacketizer, ['1030aa'], 1)).toHaveLength(1);
  });

  test('what is no temporal unit cannot be sent', () => {
    const frame = { data: fromHex('3205aa'), timestamp: 0, keyFrame: false };
    expect(() => new Av1Packetizer().packetize(frame, 100)).toThrow(TypeError);
    expect(() => new Av1Packetizer().packetize(frame, 2)).toThrow(RangeError);
  });

  test.each([
    [temporalUnit, true],
    [`${sequence}32023000`, false], // INTER_FRAME
    [`${sequence}32028000`, false], // show_existing_frame
    [`0a0118${keyFrame}`, true], // reduced_still_picture_header
    [keyFrame, false],
    [sequence, false],
    ['3205aa', false],
  ])('AV1 §5.9.2: is %s a key frame?', (hex, answer) => {
    expect(isAv1KeyFrame(fromHex(hex))).toBe(answer);
  });

  test('P06 endless fragments and elements are dropped', () => {
    for (const payload of ['d0aa', `0001aa`.padEnd(400, '01aa')]) {
      const depacketizer = new Av1Depacketizer();
      for (let i = 0; i < 40_000 && depacketizer.discards.total === 0; i++)
        depacketizer.depacketize({ payload: fromHex(i === 0 ? '5030' : payload), timestamp: 0, marker: false }, 0);
      expect(depacketizer.discards.total).toBe(1);
    }
  });
});

test.each(['video/VP8', 'video/VP9', 'video/H264', 'video/AV1'])('%s: reports the clock of all video', (mimeType) => {
  expect(createDepacketizer(mimeType)).toMatchObject({ kind: 'video', clockRate: 90_000 });
});
