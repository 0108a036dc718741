import { describe, expect, test } from '@jest/globals';
import { createDepacketizer, createPacketizer, FrameReceiver, FrameSender, type ReceivedFrame } from '@petrel/media';
import fc from 'fast-check';
import { depacketize, FRAME_DATA, packetize } from './support.ts';

/** Enough for every descriptor and a byte, up to a large datagram. */
const maxPayload = fc.integer({ min: 8, max: 1500 });
const codecs = Object.entries(FRAME_DATA);
const isAudio = (mimeType: string): boolean => mimeType.startsWith('audio');

describe.each(codecs)('%s', (mimeType, data) => {
  const step = isAudio(mimeType) ? 960 : 3000;

  test('a frame is cut into payloads that fit, and comes back the same', () => {
    fc.assert(
      fc.property(data, maxPayload, (frame, room) => {
        const encoded = { data: frame, timestamp: 77, keyFrame: true };
        const packets = packetize(createPacketizer(mimeType), [encoded], room);
        if (mimeType !== 'audio/opus') for (const { payload } of packets) expect(payload.length).toBeLessThanOrEqual(room);
        const frames = depacketize(createDepacketizer(mimeType)!, packets);
        expect(Buffer.concat(frames.map((each) => each.data))).toEqual(Buffer.from(frame));
        if (!isAudio(mimeType)) expect(frames).toHaveLength(1);
        expect(frames[0]).toMatchObject({ timestamp: 77, lostPackets: 0 });
      }),
      { numRuns: 200 },
    );
  });

  test('frames come back in order from packets in any order within the jitter buffer', () => {
    fc.assert(
      fc.property(
        fc.array(data, { minLength: 2, maxLength: 6 }),
        fc.integer({ min: 60, max: 1500 }),
        fc.nat(0xffff),
        fc.infiniteStream(fc.nat(40)),
        (frames, room, firstSequenceNumber, delays) => {
          const packets: Uint8Array[] = [];
          const sender = new FrameSender({
            packetizer: createPacketizer(mimeType),
            send: (packet) => packets.push(packet),
            maxPayload: room,
            firstSequenceNumber,
          });
          frames.forEach((frame, index) => sender.send({ data: frame, timestamp: index * step, keyFrame: true }));
          const received: ReceivedFrame[] = [];
          const receiver = new FrameReceiver({
            depacketizer: () => createDepacketizer(mimeType),
            onframe: (frame) => received.push(frame),
            waitForKeyFrame: false,
          });
          // The first packet comes first: nobody knows of one before it.
          const order = packets.map((packet, index) => ({ packet, at: index === 0 ? -1 : index + delays.next().value! }));
          for (const { packet, at } of order.toSorted((a, b) => a.at - b.at)) receiver.receive(packet, at);
          expect(receiver.statistics()).toEqual({});
          expect(Buffer.concat(received.map((frame) => frame.data))).toEqual(Buffer.concat(frames));
          if (!isAudio(mimeType)) expect(received.map(({ timestamp }) => timestamp)).toEqual(frames.map((_, index) => index * step));
        },
      ),
      { numRuns: 100 },
    );
  });

  test('after any losses, what comes out is frames that were sent, in order', () => {
    fc.assert(
      fc.property(
        fc.array(data, { minLength: 3, maxLength: 6 }),
        fc.integer({ min: 60, max: 400 }),
        fc.infiniteStream(fc.nat(5)),
        (frames, room, dice) => {
          const sent = frames.map((frame, index) => ({ data: frame, timestamp: index * step, keyFrame: true }));
          const packets = packetize(createPacketizer(mimeType), sent, room);
          const arrived = packets.filter(() => dice.next().value! > 0);
          const depacketizer = createDepacketizer(mimeType)!;
          const timestamps = depacketize(depacketizer, arrived).map(({ timestamp }) => timestamp);
          expect(timestamps).toEqual(timestamps.toSorted((a, b) => a - b));
        },
      ),
      { numRuns: 100 },
    );
  });
});

test('H264, packetization mode 0: every NAL unit is a payload', () => {
  const frame = { data: Uint8Array.of(0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 0x88), timestamp: 0, keyFrame: true };
  const payloads = createPacketizer('video/H264', { packetizationMode: 0 }).packetize(frame, 100);
  expect(payloads.map((payload) => [...payload])).toEqual([
    [0x67, 1],
    [0x65, 0x88],
  ]);
  expect(() => createPacketizer('video/H264', { packetizationMode: 0 }).packetize(frame, 1)).toThrow(RangeError);
});

test('a codec without a payload format here', () => {
  expect(() => createPacketizer('video/H265')).toThrow(TypeError);
  expect(createDepacketizer('video/rtx')).toBeUndefined();
});
