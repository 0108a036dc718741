import { concatBytes } from '@petrel/bytes';
import type { Depacketizer, EncodedFrame, Packetizer, ReceivedFrame } from '@petrel/media';
import fc from 'fast-check';

/** Packets of frames, as a sender would number them; and what a depacketizer makes of those that are left. */
export interface TestPacket {
  readonly payload: Uint8Array;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly sequenceNumber: number;
}

export function packetize(packetizer: Packetizer, frames: readonly EncodedFrame[], maxPayload: number): TestPacket[] {
  const packets: TestPacket[] = [];
  for (const frame of frames) {
    const payloads = packetizer.packetize(frame, maxPayload);
    for (const [index, payload] of payloads.entries())
      packets.push({ payload, timestamp: frame.timestamp, marker: index === payloads.length - 1, sequenceNumber: packets.length });
  }
  return packets;
}

export function depacketize(depacketizer: Depacketizer, packets: readonly TestPacket[]): ReceivedFrame[] {
  let next = packets[0]?.sequenceNumber ?? 0;
  return packets.flatMap((packet) => {
    const lost = packet.sequenceNumber - next;
    next = packet.sequenceNumber + 1;
    return depacketizer.depacketize(packet, lost);
  });
}

const bytes = (minLength: number, maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength, maxLength });

/** A NAL unit: a header, and bytes that contain no start code and do not end with a zero. */
const nalUnit = (...headers: number[]): fc.Arbitrary<Uint8Array> =>
  fc.tuple(fc.constantFrom(...headers), bytes(1, 400)).map(([header, body]) => Uint8Array.from([header, ...body.map((byte) => byte | 1)]));

const openBitstreamUnit = (...types: number[]): fc.Arbitrary<Uint8Array> =>
  fc.tuple(fc.constantFrom(...types), fc.option(fc.nat(31), { nil: undefined }), bytes(0, 300)).map(([type, layer, body]) => {
    const size = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
    return Uint8Array.from([
      (type << 3) | 2 | (layer === undefined ? 0 : 4),
      ...(layer === undefined ? [] : [layer << 3]),
      ...size,
      ...body,
    ]);
  });

/** The data of one frame, in the form that depacketizers give. */
export const FRAME_DATA: Readonly<Record<string, fc.Arbitrary<Uint8Array>>> = {
  'video/VP8': bytes(1, 3000),
  'video/VP9': bytes(1, 3000),
  'video/H264': fc
    .tuple(nalUnit(0x67, 0x09), fc.array(nalUnit(0x68, 0x06, 0x65, 0x41, 0x61), { maxLength: 6 }))
    .map(([first, units]) => [first, ...units])
    .map((units) => concatBytes(...units.flatMap((unit) => [Uint8Array.of(0, 0, 0, 1), unit]))),
  'video/AV1': fc
    .tuple(openBitstreamUnit(1, 3, 6), fc.array(openBitstreamUnit(1, 3, 4, 5, 6, 15), { maxLength: 6 }))
    .map(([first, units]) => concatBytes(first, ...units)),
  'audio/opus': bytes(1, 300).map((data) => Uint8Array.from([data[0]! & 0xfc, ...data.subarray(1)])),
  'audio/PCMU': bytes(1, 300),
  'audio/PCMA': bytes(1, 300),
  'audio/G722': bytes(1, 300),
};
