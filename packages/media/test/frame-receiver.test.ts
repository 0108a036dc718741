import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  createDepacketizer,
  createPacketizer,
  type EncodedFrame,
  FrameReceiver,
  type FrameReceiverOptions,
  FrameSender,
  type FrameLayer,
  type ReceivedFrame,
} from '@petrel/media';
import { RtpPacket, serializeRtpPacket } from '@petrel/rtp';

const CODECS: Readonly<Record<number, string>> = { 96: 'video/VP8', 102: 'video/H264', 111: 'audio/opus', 0: 'audio/PCMU' };
let received: ReceivedFrame[];
let keyFramesNeeded: number;

function receiver(options: Partial<FrameReceiverOptions> = {}): FrameReceiver {
  return new FrameReceiver({
    depacketizer: (payloadType) => createDepacketizer(CODECS[payloadType] ?? ''),
    onframe: (frame) => received.push(frame),
    onkeyframeneeded: () => keyFramesNeeded++,
    ...options,
  });
}

/** Packets of VP8 frames: `k` a key frame, `p` another; a digit after it is its temporal layer, `!` says that it is a switching point. */
function video(pattern: string, packetsPerFrame = 1, ssrc = 1): Uint8Array[][] {
  const frames: Uint8Array[][] = [];
  const sender = new FrameSender({
    packetizer: createPacketizer('video/VP8'),
    maxPayload: packetsPerFrame === 1 ? 100 : 8,
    ssrc,
    send: (packet) => frames.at(-1)!.push(packet),
  });
  let baseLayerIndex = 0;
  for (const [index, text] of pattern.split(' ').entries()) {
    const temporalId = Number(text[1]);
    if (temporalId === 0) baseLayerIndex += 1;
    const layer: FrameLayer = { temporalId, spatialId: 0, sync: text.endsWith('!'), baseLayerIndex };
    const data = new Uint8Array(packetsPerFrame * 4).fill(index * 2);
    data[0] = text[0] === 'k' ? 0 : 1;
    const frame: EncodedFrame = {
      data,
      timestamp: index * 3000,
      keyFrame: text[0] === 'k',
      ...(Number.isNaN(temporalId) ? {} : { layer }),
    };
    frames.push([]);
    sender.send(frame);
  }
  return frames;
}

beforeEach(() => {
  received = [];
  keyFramesNeeded = 0;
});

const frameNumbers = (): number[] => received.map(({ timestamp }) => timestamp / 3000);

describe('waiting for a key frame', () => {
  test('RFC 4585 §6.3.1: before the first one, frames are dropped and one is asked for, at most twice a second', () => {
    const under = receiver();
    video('p p p k p').forEach((packets, index) => packets.forEach((packet) => under.receive(packet, index * 200)));
    expect(frameNumbers()).toEqual([3, 4]);
    expect(under.statistics()).toEqual({ 'waiting-for-key-frame': 3 });
    expect(keyFramesNeeded).toBe(1);
    expect(under.framesReceived).toBe(2);
  });

  test('after a loss that was waited for, frames are dropped until the next one', () => {
    const under = receiver({ patience: 100 });
    const frames = video('k p p p k p', 2);
    frames.forEach((packets, index) => {
      for (const [part, packet] of packets.entries()) if (index !== 1 || part !== 1) under.receive(packet, index * 33);
    });
    expect(frameNumbers()).toEqual([0]);
    under.handleTimeout(under.nextTimeout());
    expect(frameNumbers()).toEqual([0, 4, 5]);
    expect(under.statistics()).toEqual({ 'incomplete-frame': 1, 'waiting-for-key-frame': 2 });
    expect(under.packetsLost).toBe(1);
    expect(keyFramesNeeded).toBe(1);
    expect(received[1]!.lostPackets).toBeGreaterThan(0);
  });

  test('a retransmission in time loses nothing', () => {
    const under = receiver({ patience: 100 });
    const packets = video('k p p', 2).flat();
    const missing = packets.splice(3, 1);
    for (const packet of [...packets, ...missing]) under.receive(packet, 0);
    expect(frameNumbers()).toEqual([0, 1, 2]);
    expect(keyFramesNeeded).toBe(0);
  });

  test('decoders that conceal get all whole frames, and are told of losses', () => {
    const under = receiver({ patience: 0, waitForKeyFrame: false });
    const frames = video('p p p');
    for (const packet of [...frames[0]!, ...frames[2]!]) under.receive(packet, 0);
    expect(received).toMatchObject([{ lostPackets: 0 }, { lostPackets: 1 }]);
  });

  test('what was lost between two frames whose picture ids follow was no frame', () => {
    const under = receiver({ patience: 0 });
    const [first, second] = video('k p');
    under.receive(first![0]!, 0);
    const later = Uint8Array.from(second![0]!);
    later[3]! += 1;
    under.receive(later, 0);
    expect(frameNumbers()).toEqual([0, 1]);
  });

  test('frames behind a full reader are skipped until a key frame', () => {
    const under = receiver();
    const frames = video('k p p k p');
    frames.slice(0, 2).forEach(([packet]) => under.receive(packet!, 0));
    under.skipToKeyFrame();
    frames.slice(2).forEach(([packet]) => under.receive(packet!, 0));
    expect(frameNumbers()).toEqual([0, 1, 3, 4]);
  });
});

describe('RFC 7741 §4.2: temporal layers after a loss', () => {
  test.each([
    ['k0 p2 p1 p2 p0 p2 p1! p2 p2!', 1, [0, 4, 6, 8]],
    // The base layer is lost: nothing can be decoded before a key frame.
    ['k0 p1 p0 p1 p0 p1 k0 p1', 2, [0, 1, 6, 7]],
    // A switching point on the same base layer frame.
    ['k0 p1 p1! p1', 1, [0, 2, 3]],
    ['k0 p1 p1 p0 p1', 1, [0, 3]],
  ])('%s without frame %d', (pattern, missing, expected) => {
    const under = receiver({ patience: 0 });
    video(pattern).forEach((packets, index) => {
      if (index !== missing) under.receive(packets[0]!, index);
    });
    // Frames of a layer that is not whole wait for a switching point, or for the base layer.
    expect(frameNumbers()).toEqual(expected);
  });
});

describe('streams', () => {
  test('P07: another SSRC begins anew', () => {
    const under = receiver();
    for (const packet of [...video('k p').flat(), ...video('p k', 1, 2).flat()]) under.receive(packet, 0);
    expect(frameNumbers()).toEqual([0, 1, 1]);
    expect(under.statistics()).toEqual({ 'waiting-for-key-frame': 1 });
  });

  test('P07: 100,000 SSRCs leave nothing behind', () => {
    const under = receiver();
    const [packet] = video('k')[0]!;
    for (let ssrc = 0; ssrc < 100_000; ssrc++) {
      packet!.set([ssrc >>> 16, ssrc >>> 8, ssrc], 9);
      under.receive(packet!, 0);
    }
    expect(under.framesReceived).toBe(100_000);
    expect(under.nextTimeout()).toBe(Infinity);
  });

  test('the payload type may change: another depacketizer goes on', () => {
    const under = receiver();
    const [vp8] = video('k')[0]!;
    const payload = Uint8Array.of(0x65, 0x88);
    under.receive(vp8!, 0);
    under.receive(serializeRtpPacket({ payloadType: 102, sequenceNumber: 1, timestamp: 9000, ssrc: 1, marker: true, payload }), 0);
    expect(received.map(({ data }) => data[0])).toEqual([0, 0]);
    expect(received[1]).toMatchObject({ keyFrame: true, data: Uint8Array.of(0, 0, 0, 1, 0x65, 0x88) });
  });

  test('what is not RTP, and payload types without a codec, are counted', () => {
    const under = receiver();
    under.receive(Uint8Array.of(1, 2, 3), 0);
    under.receive(serializeRtpPacket({ payloadType: 13, sequenceNumber: 1, timestamp: 0, ssrc: 1, payload: Uint8Array.of(1) }), 0);
    expect(under.statistics()).toEqual({ 'malformed-packet': 1, 'unknown-payload-type': 1 });
  });
});

describe('audio', () => {
  test('RFC 3551 §4.1: the marker begins a talkspurt', () => {
    const { sender, packets } = audio('audio/opus', 111);
    for (const timestamp of [960, 1920, 9600]) sender.send({ data: Uint8Array.of(0x78, 1), timestamp, keyFrame: true });
    expect(packets.map((packet) => RtpPacket.parse(packet)!.marker)).toEqual([true, false, true]);
  });

  test('RFC 3551 §4.5.14: a long frame of samples is cut, and every piece has its own timestamp', () => {
    const { sender, packets } = audio('audio/PCMU', 0, 100);
    expect(sender.send({ data: new Uint8Array(160), timestamp: 0xffff_ffff, keyFrame: true })).toBe(2);
    sender.send({ data: new Uint8Array(80), timestamp: 159, keyFrame: true });
    const headers = packets.map((packet) => RtpPacket.parse(packet)!);
    expect(headers.map(({ timestamp }) => timestamp)).toEqual([0xffff_ffff, 79, 159]);
    expect(headers.map(({ marker }) => marker)).toEqual([true, false, false]);
  });

  test('losses are told, so that a decoder conceals them', () => {
    const { sender, packets } = audio('audio/opus', 111);
    for (let i = 0; i < 5; i++) sender.send({ data: Uint8Array.of(0x78, i), timestamp: i * 960, keyFrame: true });
    const under = receiver({ patience: 50 });
    for (const index of [0, 1, 4]) under.receive(packets[index]!, index * 20);
    under.handleTimeout(130);
    expect(received.map(({ timestamp, lostPackets }) => [timestamp, lostPackets])).toEqual([
      [0, 0],
      [960, 0],
      [3840, 2],
    ]);
    expect(keyFramesNeeded).toBe(0);
  });

  test('a loss before a packet of another kind is told, too', () => {
    const under = receiver({ patience: 0 });
    const [payload, fixed] = [Uint8Array.of(0x78), { timestamp: 0, ssrc: 1 }];
    under.receive(serializeRtpPacket({ ...fixed, payloadType: 111, sequenceNumber: 1, payload }), 0);
    under.receive(serializeRtpPacket({ ...fixed, payloadType: 126, sequenceNumber: 3, payload }), 0);
    under.receive(serializeRtpPacket({ ...fixed, payloadType: 111, sequenceNumber: 4, payload }), 0);
    expect(received.map(({ lostPackets }) => lostPackets)).toEqual([0, 1]);
  });

  test.each([
    ['P06 a packet of three frames whose count is cut off', [0x7b]],
    ['P06 longer than 120 ms', [0x1b, 0x3f]],
    ['P06 no frames', [0x7b, 0]],
  ])('RFC 6716 §3.2: %s is dropped', (_, payload) => {
    const under = receiver();
    under.receive(serializeRtpPacket({ payloadType: 111, sequenceNumber: 1, timestamp: 0, ssrc: 1, payload: Uint8Array.from(payload) }), 0);
    expect(received).toEqual([]);
    expect(under.statistics()).toEqual({ malformed: 1 });
  });
});

function audio(mimeType: string, payloadType: number, maxPayload = 1100): { sender: FrameSender; packets: Uint8Array[] } {
  const packets: Uint8Array[] = [];
  const send = (packet: Uint8Array): void => void packets.push(packet);
  return { sender: new FrameSender({ packetizer: createPacketizer(mimeType), payloadType, maxPayload, send }), packets };
}
