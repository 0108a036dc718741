import { describe, expect, test } from '@jest/globals';
import { writeUint16, writeUint32 } from '@petrel/bytes';
import { parseRtcp, type RtcpPacket, RtpPacket, serializeRtcp, serializeRtpPacket } from '@petrel/rtp';
import type { MediaEvent, MediaStack } from '../src/media-stack.ts';
import {
  type Delivered,
  EXTENSIONS,
  type LinkOptions,
  MediaLink,
  OPUS,
  receiveOptions,
  RED,
  RTX,
  sendOptions,
  source,
  VP8,
} from './media-link.ts';

/** Video from a to b. */
function video(options: LinkOptions = {}) {
  const link = new MediaLink(options);
  const delivered: Delivered[] = [];
  const sender = link.a.addSendStream(sendOptions(link.a));
  const receiver = link.b.addReceiveStream(receiveOptions(delivered));
  return { link, delivered, sender, receiver };
}

function rtcpFrom(link: MediaLink, from: 'a' | 'b'): RtcpPacket[] {
  return link.wire.filter((entry) => entry.from === from && entry.kind === 'rtcp').flatMap(({ packet }) => parseRtcp(packet).packets);
}

function ofType<T extends RtcpPacket['type']>(packets: readonly RtcpPacket[], type: T): Extract<RtcpPacket, { type: T }>[] {
  return packets.filter((packet): packet is Extract<RtcpPacket, { type: T }> => packet.type === type);
}

function rtpTo(stack: MediaStack, fields: Partial<Parameters<typeof serializeRtpPacket>[0]>, now = 0): void {
  const mid = { id: 1, data: new TextEncoder().encode('0') };
  const defaults = { payloadType: 96, sequenceNumber: 1, timestamp: 0, ssrc: 0x99, extensions: [mid], payload: Uint8Array.of(0, 1) };
  stack.receiveRtp(serializeRtpPacket({ ...defaults, ...fields }), now);
}

const mid = (text: string): { id: number; data: Uint8Array } => ({ id: 1, data: new TextEncoder().encode(text) });
const remb = (ssrc: number): Uint8Array =>
  serializeRtcp([{ type: 'receiver-estimated-maximum-bitrate', senderSsrc: 1, bitrate: 300_000, ssrcs: [ssrc] }]);
const numbers = (delivered: readonly Delivered[]): number[] => delivered.map(({ number }) => number);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);
const types = (events: readonly MediaEvent[]): string[] => events.map(({ type }) => type).filter((type) => type !== 'transport-feedback');

describe('sending', () => {
  test('SSRC, payload type and sequence number are replaced; MID, send time and transport sequence number added', () => {
    const { link, sender } = video();
    sender.send(source(60_000, { timestamp: 5000, marker: true }), 0);
    sender.send(source(60_001, { timestamp: 8000 }), 0);
    const [first, second] = [link.a.pollTransmit(0)!, link.a.pollTransmit(0)!].map(({ packet }) => RtpPacket.parse(packet)!);
    expect(first).toMatchObject({ ssrc: sender.ssrc, payloadType: 96, timestamp: 5000, marker: true });
    expect(first!.sequenceNumber).toBeLessThan(0x8001);
    expect(second!.sequenceNumber).toBe(first!.sequenceNumber + 1);
    expect(first!.payload).toEqual(Uint8Array.of(0xea, 0x60));
    expect(first!.extension(1)).toEqual(Uint8Array.of(0x30));
    expect([first!.extension(5), second!.extension(5)]).toEqual([Uint8Array.of(0, 0), Uint8Array.of(0, 1)]);
    expect(first!.extension(4)).toHaveLength(3);
  });

  test('sequence numbers and timestamps go on when the source changes; gaps within a source stay', () => {
    const { link, delivered, sender } = video();
    const send = (sequenceNumber: number, ssrc: number, timestamp: number): void => {
      sender.send(source(sequenceNumber, { ssrc, timestamp }), link.now);
      link.run(20);
    };
    send(100, 1, 9000);
    send(102, 1, 10_800);
    send(5, 2, 77); // another source
    send(6, 2, 1877);
    send(20_000, 2, 500_000); // restarted far ahead
    link.run(100);
    const sequence = delivered.map(({ packet }) => packet.sequenceNumber - delivered[0]!.packet.sequenceNumber);
    expect(sequence).toEqual([0, 2, 3, 4, 5]);
    expect(delivered.map(({ packet }) => packet.timestamp)).toEqual([9000, 10_800, 12_600, 14_400, 16_200]);
  });

  test('a source that starts again behind needs two packets in sequence; a straggler does not disturb', () => {
    const { link, delivered, sender } = video();
    for (const number of [1000, 1001, 500, 1002, 10, 11, 12]) sender.send(source(number), link.now);
    link.run(100);
    expect(numbers(delivered)).toEqual([1000, 1001, 1002, 11, 12]);
    expect(link.a.discards.of('stale-outgoing')).toBe(2);
  });

  test('elements of the application that were negotiated are carried over under their new id', () => {
    const { link, delivered, sender } = video();
    sender.configure({
      sourceHeaderExtensions: [
        { id: 9, uri: EXTENSIONS[5]!.uri },
        { id: 1, uri: EXTENSIONS[3]!.uri },
      ],
    });
    const extensions = [
      { id: 9, data: Uint8Array.of(0x8a) },
      { id: 1, data: Uint8Array.of(1, 2, 3) },
      { id: 7, data: Uint8Array.of(1) },
    ];
    sender.send(
      serializeRtpPacket({ payloadType: 1, sequenceNumber: 1, timestamp: 0, ssrc: 1, extensions, payload: Uint8Array.of(0, 1) }),
      0,
    );
    link.run(100);
    const { packet } = delivered[0]!;
    expect([packet.extension(6), packet.extension(1), packet.extension(7)]).toEqual([Uint8Array.of(0x8a), Uint8Array.of(0x30), undefined]);
    expect(packet.extension(4)).not.toEqual(Uint8Array.of(1, 2, 3));
  });

  test('W02 an inactive stream, and one without a codec, send nothing', () => {
    const { link, sender } = video();
    sender.configure({ active: false });
    sender.send(source(1), 0);
    sender.configure({ active: true, codecs: [RTX] });
    sender.send(source(2), 0);
    sender.send(Uint8Array.of(1, 2, 3), 0);
    expect(link.a.pollTransmit(0)).toBeUndefined();
    expect(link.a.discards.toJSON()).toEqual({ 'inactive-send-stream': 1, 'no-codec': 1, 'malformed-outgoing': 1 });
  });

  test('R11 two send streams cannot share an SSRC', () => {
    const { link, sender } = video();
    expect(() => link.a.addSendStream(sendOptions(link.a, { ssrc: sender.ssrc }))).toThrow(RangeError);
    expect(() => link.a.addSendStream(sendOptions(link.a, { rtxSsrc: sender.rtxSsrc! }))).toThrow(RangeError);
  });

  test('R11 RFC 3550 §8.2: when the remote side uses our SSRC we say BYE with it and draw another', () => {
    const { link, sender } = video();
    const { ssrc } = sender;
    sender.send(source(1), 0);
    link.flush();
    rtpTo(link.a, { ssrc });
    link.flush();
    expect(sender.ssrc).not.toBe(ssrc);
    expect(ofType(rtcpFrom(link, 'a'), 'goodbye')).toEqual([{ type: 'goodbye', ssrcs: [ssrc] }]);
    expect(link.events.a).toEqual([{ type: 'ssrc-changed', stream: sender, previous: ssrc }]);
    for (let i = 0; i < 20; i++) rtpTo(link.a, { ssrc: sender.ssrc });
    link.flush();
    expect(link.events.a).toHaveLength(4);
  });
});

/** Two sections on b: '0' with announced SSRCs, '1' with a payload type of its own. */
function setup(): { link: MediaLink; first: Delivered[]; second: Delivered[] } {
  const link = new MediaLink();
  const [first, second]: Delivered[][] = [[], []];
  link.b.addReceiveStream(receiveOptions(first!, { mid: '0', ssrcs: [0x50], rtxPairs: [{ ssrc: 0x50, rtxSsrc: 0x51 }] }));
  link.b.addReceiveStream(receiveOptions(second!, { mid: '1', codecs: [VP8, { ...VP8, payloadType: 120 }] }));
  return { link, first: first!, second: second! };
}

describe('routing (RFC 8843 §9.2)', () => {
  test('by MID, and by SSRC once it is known', () => {
    const { link, first, second } = setup();
    rtpTo(link.b, { extensions: [mid('1')] });
    rtpTo(link.b, { extensions: [], sequenceNumber: 2 });
    expect([first.length, second.length]).toEqual([0, 2]);
  });

  test('a newer MID moves the stream, an older one does not', () => {
    const { link, first, second } = setup();
    rtpTo(link.b, { extensions: [mid('1')], sequenceNumber: 10 });
    rtpTo(link.b, { extensions: [mid('0')], sequenceNumber: 9 });
    rtpTo(link.b, { extensions: [mid('0')], sequenceNumber: 11 });
    rtpTo(link.b, { extensions: [], sequenceNumber: 12 });
    expect([first.length, second.length]).toEqual([2, 2]);
  });

  test('by an announced SSRC', () => {
    const { link, first } = setup();
    rtpTo(link.b, { ssrc: 0x50, extensions: [] });
    expect(first).toHaveLength(1);
  });

  test('by a payload type that one section has only; a shared one does not route', () => {
    const { link, second } = setup();
    rtpTo(link.b, { extensions: [], payloadType: 120 });
    rtpTo(link.b, { extensions: [], ssrc: 0x98 });
    expect(second).toHaveLength(1);
    expect(link.b.discards.toJSON()).toEqual({ 'unroutable-rtp': 1 });
  });

  test('by a MID in SDES, also in front of the first packet', () => {
    const { link, second } = setup();
    const sdes: RtcpPacket = { type: 'source-description', chunks: [{ ssrc: 0x97, items: [{ type: 15, text: '1' }] }] };
    link.b.receiveRtcp(serializeRtcp([{ type: 'receiver-report', ssrc: 0x97, reports: [] }, sdes]), 0);
    rtpTo(link.b, { ssrc: 0x97, extensions: [] });
    expect(second).toHaveLength(1);
  });

  test('W02 an unknown MID, a payload type of another section, and an inactive section get nothing', () => {
    const { link, first, second } = setup();
    rtpTo(link.b, { extensions: [mid('7')] });
    rtpTo(link.b, { extensions: [mid('0')], payloadType: 120 });
    expect(link.b.discards.toJSON()).toEqual({ 'unknown-mid': 1, 'unknown-payload-type': 1 });
    rtpTo(link.b, { ssrc: 1 });
    for (const stream of link.b.receiveStreams) stream.configure({ active: false });
    rtpTo(link.b, { ssrc: 1, sequenceNumber: 2 });
    rtpTo(link.b, { ssrc: 2 });
    expect(link.b.discards.of('inactive-receive-stream')).toBe(2);
    expect([first.length, second.length]).toEqual([1, 0]);
  });

  test('a stopped stream gets nothing, and its place is free', () => {
    const { link, first } = setup();
    rtpTo(link.b, {});
    for (const stream of link.b.receiveStreams) stream.stop();
    rtpTo(link.b, { sequenceNumber: 2 });
    expect(first).toHaveLength(1);
    expect(link.b.receiveStreams.size).toBe(0);
  });

  test('P07 100,000 SSRCs make 64 sources, and those that are there go on', () => {
    const { link, first } = setup();
    rtpTo(link.b, { ssrc: 7 });
    for (let ssrc = 1000; ssrc < 101_000; ssrc++) rtpTo(link.b, { ssrc });
    expect(link.b.discards.of('too-many-sources')).toBe(100_000 - 63);
    rtpTo(link.b, { ssrc: 7, sequenceNumber: 2 });
    expect(first.filter(({ info }) => info.ssrc === 7)).toHaveLength(2);
    // A source that was silent for ten seconds gives way.
    rtpTo(link.b, { ssrc: 8 }, 11_000);
    expect(first.at(-1)?.info.ssrc).toBe(8);
  });
});

describe('receiving', () => {
  test('packets are delivered with what the receiver needs to know', () => {
    const { link, delivered, sender } = video();
    link.repeat(3, 20, (index) => sender.send(source(index, { marker: index === 2 }), link.now));
    link.run(20);
    expect(numbers(delivered)).toEqual([0, 1, 2]);
    const { info, packet } = delivered[2]!;
    expect(info).toMatchObject({ ssrc: sender.ssrc, codec: VP8, timestamp: 6000, marker: true, recovered: false, arrival: 50 });
    expect(info.extendedSequenceNumber).toBe(delivered[0]!.info.extendedSequenceNumber + 2);
    expect([info.payloadStart, info.payloadEnd]).toEqual([packet.payloadStart, packet.payloadEnd]);
  });

  test('unmute with the first packet, mute after ten seconds of silence, unmute again', () => {
    const { link, sender, receiver } = video();
    expect(receiver.muted).toBe(true);
    sender.send(source(1), link.now);
    link.run(5000);
    expect(types(link.events.b)).toEqual(['unmute']);
    link.run(10_000);
    expect(types(link.events.b)).toEqual(['unmute', 'mute']);
    expect(receiver.muted).toBe(true);
    sender.send(source(2), link.now);
    link.run(100);
    expect(types(link.events.b)).toEqual(['unmute', 'mute', 'unmute']);
  });

  test('W3C: synchronization and contributing sources of the last ten seconds, with the audio level', () => {
    const link = new MediaLink();
    const receiver = link.b.addReceiveStream(receiveOptions([], { kind: 'audio', codecs: [OPUS] }));
    const extensions = [
      { id: 1, data: Uint8Array.of(0x30) },
      { id: 6, data: Uint8Array.of(20) },
    ];
    rtpTo(link.b, { payloadType: 111, extensions, csrcs: [5, 6], timestamp: 77 }, 100);
    expect(receiver.sources(200)).toEqual([
      { type: 'synchronization', source: 0x99, timestamp: 100, rtpTimestamp: 77, audioLevel: 0.1 },
      { type: 'contributing', source: 5, timestamp: 100, rtpTimestamp: 77, audioLevel: undefined },
      { type: 'contributing', source: 6, timestamp: 100, rtpTimestamp: 77, audioLevel: undefined },
    ]);
    expect(receiver.sources(10_101)).toEqual([]);
  });

  test('P07 the sequence numbers may wrap, jump by 32,000 and start again', () => {
    const { link, delivered, receiver } = video();
    let sequence = 65_530;
    const send = (count: number): void => {
      for (let i = 0; i < count; i++) rtpTo(link.b, { sequenceNumber: sequence++ & 0xffff }, link.now);
    };
    send(10);
    expect(delivered).toHaveLength(10);
    sequence += 32_000;
    send(10); // the first of them is on probation (RFC 3550 A.1)
    expect(delivered).toHaveLength(19);
    expect(receiver.stats[0]).toMatchObject({ packetsLost: 0 });
    expect(link.b.discards.toJSON()).toEqual({ 'sequence-out-of-range': 1 });
  });

  test('malformed packets are counted', () => {
    const { link } = video();
    link.b.receiveRtp(new Uint8Array(3), 0);
    link.b.receiveRtcp(new Uint8Array(3), 0);
    link.b.receiveRtcp(Uint8Array.of(0x80, 204, 0, 0), 0);
    expect(link.b.discards.toJSON()).toEqual({ 'malformed-rtp': 1, 'malformed-rtcp': 1, 'unknown-rtcp': 1 });
  });
});

describe('loss', () => {
  test('RFC 4588: 5 % loss both ways, NACK and RTX recover everything', () => {
    const { link, delivered, sender, receiver } = video({ loss: 0.05, delay: 25 });
    link.repeat(2000, 5, (index) => sender.send(source(index), link.now));
    link.run(2000);
    expect(new Set(numbers(delivered)).size).toBeGreaterThanOrEqual(1999); // the last one may be lost without a gap
    expect(delivered.length).toBe(new Set(numbers(delivered)).size);
    expect(delivered.every(({ packet }) => packet.payloadType === 96 && packet.ssrc === sender.ssrc)).toBe(true);
    expect(sender.stats.retransmittedPacketsSent).toBeGreaterThan(50);
    expect(receiver.stats[0]!.retransmittedPacketsReceived).toBeGreaterThan(50);
    expect(receiver.stats[0]).toMatchObject({ rtxSsrc: sender.rtxSsrc, payloadType: 96 });
    expect(link.wire.filter(({ repeat }) => repeat)).toHaveLength(0);
  });

  test('without RTX the same packet goes out again, bit by bit, marked as a repetition', () => {
    const { link, delivered, sender } = video({ loss: 0.05, delay: 25 });
    sender.configure({ codecs: [VP8] });
    link.repeat(1000, 5, (index) => sender.send(source(index), link.now));
    link.run(2000);
    expect(new Set(numbers(delivered)).size).toBeGreaterThanOrEqual(999);
    const repeated = link.wire.filter(({ repeat }) => repeat);
    expect(repeated.length).toBeGreaterThan(20);
    for (const { packet } of repeated) {
      const same = link.wire.find((entry) => !entry.repeat && entry.kind === 'rtp' && entry.packet.join() === packet.join());
      expect(same).toBeDefined();
    }
  });

  test('RFC 4588 §5.3: RTX without announced pairs finds its stream by RID, and by what is missing', () => {
    const link = new MediaLink({
      filter: (packet, kind) => kind !== 'rtp' || !(RtpPacket.parse(packet)?.payload[1] === 3 && packet[1] === 96),
    });
    const delivered: Delivered[] = [];
    link.b.addReceiveStream(receiveOptions(delivered));
    const streams = ['h', 'l'].map((rid) => link.a.addSendStream(sendOptions(link.a, { rid })));
    link.repeat(20, 20, (index) => streams.forEach((stream) => stream.send(source(index), link.now)));
    link.run(500);
    for (const [index, rid] of ['h', 'l'].entries()) {
      const own = delivered.filter(({ info }) => info.rid === rid);
      expect(numbers(own).toSorted((a, b) => a - b)).toEqual(range(0, 20));
      expect(own.every(({ info }) => info.ssrc === streams[index]!.ssrc)).toBe(true);
    }
  });

  test('P05 a NACK flood: each packet once a round trip at most, and not more bytes than media', () => {
    const { link, sender } = video();
    link.repeat(200, 5, (index) => sender.send(source(index), link.now));
    const mediaBytes = link.wire
      .filter(({ from, kind }) => from === 'a' && kind === 'rtp')
      .reduce((sum, { packet }) => sum + packet.length, 0);
    const first = RtpPacket.parse(link.wire[0]!.packet)!.sequenceNumber;
    const nack = serializeRtcp([
      { type: 'nack', senderSsrc: 1, mediaSsrc: sender.ssrc, sequenceNumbers: range(0, 200).map((i) => (first + i) & 0xffff) },
    ]);
    const before = link.wire.length;
    for (let i = 0; i < 1000; i++) {
      link.a.receiveRtcp(nack, link.now);
      link.run(1);
    }
    const resent = link.wire.slice(before).filter(({ from, kind }) => from === 'a' && kind === 'rtp');
    expect(resent.length).toBeGreaterThan(100);
    expect(resent.reduce((sum, { packet }) => sum + packet.length, 0)).toBeLessThan(mediaBytes + 100);
    expect(link.a.discards.of('retransmission-budget')).toBeGreaterThan(0);
    expect(sender.stats.nackCount).toBe(1000);
  });

  test('P09 RTX: empty, without a stream, around RTX, and of a packet that is here already', () => {
    const { link, delivered } = video();
    const rtx = (payload: number[], more = {}): void =>
      rtpTo(link.b, { payloadType: 97, ssrc: 0x77, payload: Uint8Array.from(payload), ...more });
    rtx([0, 1, 9, 9]);
    expect(link.b.discards.toJSON()).toEqual({ 'unmatched-rtx': 1 });
    rtx([], { ssrc: 0x79, padding: 20 });
    expect(link.b.pollEvent()).toBeUndefined(); // probing is no media
    rtpTo(link.b, { sequenceNumber: 1 });
    rtpTo(link.b, { sequenceNumber: 3 });
    rtx([0], { sequenceNumber: 2 });
    rtx([0, 3, 9, 9], { sequenceNumber: 3 });
    rtx([], { sequenceNumber: 4, padding: 20 });
    expect(link.b.discards.toJSON()).toEqual({ 'unmatched-rtx': 1, 'malformed-rtx': 1, duplicate: 1 });
    rtx([0, 2, 7, 7], { sequenceNumber: 5 });
    expect(delivered.map(({ packet, info }) => [packet.sequenceNumber, info.recovered])).toEqual([
      [1, false],
      [3, false],
      [2, true],
    ]);
    const recursive = { ...RTX, payloadType: 98, apt: 97 };
    for (const stream of link.b.receiveStreams) stream.configure({ codecs: [VP8, RTX, recursive] });
    rtx([0, 2, 0, 2, 1], { payloadType: 98, ssrc: 0x78 });
    expect(link.b.discards.of('malformed-rtx')).toBe(2);
  });

  test('P09 RED inside RED, and RED with lengths that lie, is dropped', () => {
    const link = new MediaLink();
    const delivered: Delivered[] = [];
    link.b.addReceiveStream(receiveOptions(delivered, { kind: 'audio', codecs: [OPUS, RED] }));
    rtpTo(link.b, { payloadType: 63, payload: Uint8Array.of(63, 111, 1) });
    rtpTo(link.b, { payloadType: 63, sequenceNumber: 2, payload: Uint8Array.of(0xef, 0, 0, 9, 111) });
    expect(delivered).toHaveLength(0);
    expect(link.b.discards.toJSON()).toEqual({ 'malformed-red': 2 });
  });

  test('RFC 2198: redundant payloads stand in for lost packets, with their sequence numbers and timestamps', () => {
    const link = new MediaLink({ loss: 0.2, seed: 4 });
    const delivered: Delivered[] = [];
    const options = sendOptions(link.a, { kind: 'audio', codecs: [OPUS, RED], redundancy: 2 });
    const sender = link.a.addSendStream(options);
    link.b.addReceiveStream(receiveOptions(delivered, { kind: 'audio', codecs: [OPUS, RED] }));
    link.repeat(500, 20, (index) => sender.send(source(index, { timestamp: index * 960 }), link.now));
    link.run(100);
    const lost = link.wire.filter(({ from, kind }) => from === 'a' && kind === 'rtp').length - 400;
    expect(lost).toBe(100);
    expect(delivered.length).toBeGreaterThan(490);
    expect(new Set(numbers(delivered)).size).toBe(delivered.length);
    const base = delivered[0]!;
    for (const { packet, number, info } of delivered) {
      expect(packet.payloadType).toBe(111);
      expect(packet.timestamp).toBe(number * 960);
      expect(info.extendedSequenceNumber - base.info.extendedSequenceNumber).toBe(number - base.number);
    }
    expect(delivered.some(({ info }) => info.recovered)).toBe(true);
  });

  test('when packets are given up, video asks for a key frame', () => {
    const { link, sender } = video({
      filter: (packet, kind, from) => !(from === 'a' && kind === 'rtp' && RtpPacket.parse(packet)!.payload.at(-1) === 5),
    });
    link.repeat(100, 20, (index) => sender.send(source(index), link.now));
    link.run(2000);
    expect(types(link.events.a)).toContain('key-frame-request');
    expect(sender.stats.pliCount).toBe(1);
  });
});

describe('key frame requests', () => {
  test('RFC 4585 §6.3.1: PLI reaches the sender as an event', () => {
    const { link, sender, receiver } = video();
    expect(receiver.requestKeyFrame(0)).toBe(false);
    sender.send(source(1), 0);
    link.run(50);
    expect(receiver.requestKeyFrame(link.now)).toBe(true);
    link.run(50);
    expect(link.events.a).toEqual([{ type: 'key-frame-request', stream: sender }]);
    expect([receiver.stats[0]!.pliCount, sender.stats.pliCount]).toEqual([1, 1]);
  });

  test('RFC 5104 §4.3.1: FIR where PLI was not negotiated; a repeated command counts once', () => {
    const { link, sender, receiver } = video();
    receiver.configure({ codecs: [{ ...VP8, rtcpFeedback: ['ccm fir'] }, RTX] });
    sender.send(source(1), 0);
    link.run(50);
    receiver.requestKeyFrame(link.now);
    link.run(50);
    expect(types(link.events.a)).toEqual(['key-frame-request']);
    const [fir] = link.wire.filter(
      ({ packet, kind }) => kind === 'rtcp' && ofType(parseRtcp(packet).packets, 'full-intra-request').length > 0,
    );
    link.run(1000);
    link.a.receiveRtcp(fir!.packet, link.now);
    link.run(1000);
    expect(types(link.events.a)).toEqual(['key-frame-request']);
    expect(sender.stats.firCount).toBe(2);
  });

  test('P05 a flood of PLIs becomes one request in 500 ms, and the last one is not lost', () => {
    const { link, sender } = video();
    sender.send(source(1), 0);
    const pli = serializeRtcp([{ type: 'picture-loss-indication', senderSsrc: 1, mediaSsrc: sender.ssrc }]);
    link.repeat(900, 1, () => link.a.receiveRtcp(pli, link.now));
    link.run(5000);
    expect(types(link.events.a)).toEqual(['key-frame-request', 'key-frame-request', 'key-frame-request']);
  });

  test('at most one request leaves in 500 ms', () => {
    const { link, sender, receiver } = video();
    sender.send(source(1), 0);
    link.run(50);
    link.repeat(100, 10, () => receiver.requestKeyFrame(link.now));
    expect(ofType(rtcpFrom(link, 'b'), 'picture-loss-indication')).toHaveLength(2);
  });
});

describe('RTCP', () => {
  test('RFC 3550 §6: sender and receiver reports with SDES; each side learns loss, jitter and round-trip time', () => {
    const { link, sender, receiver } = video({ delay: 40 });
    link.repeat(500, 10, (index) => sender.send(source(index, { timestamp: index * 900 }), link.now));
    const reports = ofType(rtcpFrom(link, 'a'), 'sender-report');
    expect(reports.length).toBeGreaterThan(3);
    expect(reports.at(-1)).toMatchObject({ ssrc: sender.ssrc, packetCount: expect.any(Number) });
    expect(ofType(rtcpFrom(link, 'b'), 'receiver-report').length).toBeGreaterThan(3);
    expect(ofType(rtcpFrom(link, 'a'), 'source-description')[0]!.chunks[0]).toEqual({
      ssrc: sender.ssrc,
      items: [
        { type: 1, text: 'cname-of-a' },
        { type: 15, text: '0' },
      ],
    });
    const { remoteInbound } = sender.stats;
    expect(remoteInbound).toMatchObject({ packetsLost: 0, fractionLost: 0, ssrc: sender.ssrc });
    expect(remoteInbound!.roundTripTime).toBeCloseTo(0.08, 2);
    expect(remoteInbound!.roundTripTimeMeasurements).toBeGreaterThan(2);
    expect(link.a.roundTripTime).toBeCloseTo(80, 0);
    const [inbound] = receiver.stats;
    expect(inbound).toMatchObject({ packetsReceived: 497, packetsLost: 0, kind: 'video', mid: '0', mimeType: 'video/VP8' });
    expect(inbound!.remoteOutbound).toMatchObject({ packetsSent: reports.at(-1)!.packetCount });
    // Lip sync: the RTP timestamp of a packet maps to the time it was sent at.
    expect(receiver.toWallClock(sender.ssrc, 900 * 100)).toBeCloseTo(1_764_000_000_000 + 1000, 0);
  });

  test('RFC 3611 §4.4: a side that sends nothing measures with XR', () => {
    const { link, sender, receiver } = video({ delay: 40 });
    link.b.receiverReferenceTime = true;
    link.repeat(500, 10, (index) => sender.send(source(index), link.now));
    expect(link.b.roundTripTime).toBeCloseTo(80, 0);
    expect(receiver.stats[0]!.remoteOutbound!.roundTripTime).toBeCloseTo(0.08, 2);
  });

  test('RFC 4585 §3.1, RFC 5506: feedback stands in a compound, or alone when reduced size was negotiated', () => {
    for (const reducedSize of [false, true]) {
      const { link, sender, receiver } = video();
      link.b.reducedSize = reducedSize;
      sender.send(source(1), 0);
      link.run(50);
      receiver.requestKeyFrame(link.now);
      const packets = parseRtcp(link.b.pollTransmit(link.now)!.packet).packets.map(({ type }) => type);
      expect(packets).toEqual(
        reducedSize ? ['picture-loss-indication'] : ['receiver-report', 'source-description', 'picture-loss-indication'],
      );
    }
  });

  test('transport-wide feedback comes back as what was sent, when, and when it arrived', () => {
    const { link, sender } = video({ loss: 0.1, delay: 30 });
    link.repeat(500, 10, (index) => sender.send(source(index), link.now));
    link.run(500);
    const feedback = link.events.a.flatMap((event) => (event.type === 'transport-feedback' ? event.packets : []));
    const arrived = feedback.filter(({ receivedAt }) => receivedAt !== undefined);
    expect(arrived.length).toBeGreaterThan(350);
    for (const { sentAt, receivedAt } of arrived) expect(receivedAt! - sentAt).toBeCloseTo(30, 0);
    expect(feedback.some(({ receivedAt }) => receivedAt === undefined)).toBe(true);
  });

  test('RFC 3550 §6.4: a source that was silent since the last report is not reported on', () => {
    const { link, sender } = video();
    sender.send(source(1), 0);
    link.run(20_000);
    const reports = ofType(rtcpFrom(link, 'b'), 'receiver-report').map(({ reports: { length } }) => length);
    expect(reports.length).toBeGreaterThan(10);
    expect(reports.filter((length) => length > 0)).toHaveLength(1);
  });

  test('REMB about our stream is an event, about others nothing', () => {
    const { link, sender } = video();
    link.a.receiveRtcp(remb(sender.ssrc), 0);
    link.a.receiveRtcp(remb(1), 0);
    link.flush();
    expect(link.events.a).toEqual([{ type: 'bitrate-estimate', bitrate: 300_000, ssrcs: [sender.ssrc] }]);
  });

  test('RFC 8108: fifty senders report in compounds that fit into datagrams, every source is reported on', () => {
    const link = new MediaLink();
    const streams = range(0, 50).map((index) => link.a.addSendStream(sendOptions(link.a, { mid: `${index}` })));
    for (const index of range(0, 50)) link.b.addReceiveStream(receiveOptions([], { mid: `${index}` }));
    link.repeat(200, 20, (index) => streams.forEach((stream) => stream.send(source(index), link.now)));
    const compounds = link.wire.filter(({ kind }) => kind === 'rtcp');
    for (const { packet } of compounds) expect(packet.length).toBeLessThanOrEqual(1200);
    expect(new Set(ofType(rtcpFrom(link, 'a'), 'sender-report').map(({ ssrc }) => ssrc)).size).toBe(50);
    const reported = ofType(rtcpFrom(link, 'b'), 'receiver-report').flatMap(({ reports }) => reports.map(({ ssrc }) => ssrc));
    expect(new Set(reported).size).toBe(50);
    for (const stream of streams) expect(stream.stats.remoteInbound?.packetsLost).toBe(0);
  });

  test('P08 24 hours of reports: 10 Gbit are counted, loss and fraction stay zero, the round trip is measured', () => {
    const { link, sender } = video();
    const packet = source(0, { payload: new Uint8Array(72_500) });
    const { a, b } = link;
    let report: RtcpPacket | undefined;
    for (let now = 0, index = 0; index < 17_280; index++, now += 5000) {
      writeUint16(packet, 2, index);
      writeUint32(packet, 4, (now * 90) >>> 0);
      sender.send(packet, now);
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        if (from.nextTimeout() <= now) from.handleTimeout(now);
        for (let transmit = from.pollTransmit(now); transmit; transmit = from.pollTransmit(now)) {
          if (transmit.kind === 'rtp') to.receiveRtp(transmit.packet, now);
          else to.receiveRtcp(transmit.packet, now);
          if (transmit.kind === 'rtcp' && from === a) [report] = parseRtcp(transmit.packet).packets;
        }
        while (from.pollEvent());
      }
    }
    expect(sender.stats.bytesSent).toBe(17_280 * 72_500);
    expect(sender.stats.bytesSent * 8).toBeGreaterThan(10e9);
    expect(report).toMatchObject({ type: 'sender-report', octetCount: expect.any(Number) });
    const { octetCount, packetCount } = report as { octetCount: number; packetCount: number } & RtcpPacket;
    expect(octetCount).toBe(packetCount * 72_500);
    expect(sender.stats.remoteInbound).toMatchObject({ packetsLost: 0, fractionLost: 0 });
    expect(sender.stats.remoteInbound!.roundTripTime).toBeLessThan(5);
    expect(sender.stats.remoteInbound!.roundTripTimeMeasurements).toBeGreaterThan(8000);
  });
});

describe('BYE', () => {
  test('RFC 3550 §6.6: bye() names everything that has sent; the other side mutes, and nothing else happens', () => {
    const { link, sender, receiver } = video();
    link.a.addSendStream(sendOptions(link.a, { mid: '1' })); // has not sent
    sender.send(source(1), 0);
    link.run(50);
    const byes = link.a.bye('Tschüß', link.now);
    expect(byes).toHaveLength(1);
    expect(parseRtcp(byes[0]!).packets.map(({ type }) => type)).toEqual(['sender-report', 'source-description', 'goodbye']);
    expect(parseRtcp(byes[0]!).packets.at(-1)).toEqual({ type: 'goodbye', ssrcs: [sender.ssrc], reason: 'Tschüß' });
    expect(link.a.bye('Tschüß', link.now)).toHaveLength(1);
    link.b.receiveRtcp(byes[0]!, link.now);
    link.run(100);
    expect(types(link.events.b)).toEqual(['unmute', 'mute']);
    expect(receiver.muted).toBe(true);
    sender.send(source(2), link.now);
    expect([link.a.pollTransmit(link.now), link.a.nextTimeout()]).toEqual([undefined, Infinity]);
  });

  test('RFC 3550 §6.6: 31 SSRCs in a packet, and a reason of 255 bytes at most', () => {
    const link = new MediaLink();
    for (let i = 0; i < 40; i++) link.a.addSendStream(sendOptions(link.a, { mid: `${i}` })).send(source(1), 0);
    const byes = link.a.bye('x'.repeat(300), 0).map((compound) => ofType(parseRtcp(compound).packets, 'goodbye')[0]!);
    expect(byes.map(({ ssrcs }) => ssrcs.length)).toEqual([31, 9]);
    expect(byes[0]!.reason).toBe('x'.repeat(255));
  });

  test('RFC 3550 §6.3.7: who has sent neither RTP nor RTCP says no BYE', () => {
    const { link } = video();
    expect(link.a.bye(undefined, 0)).toEqual([]);
  });

  test('stopping a stream says BYE for it and its RTX stream', () => {
    const { link, sender } = video({ loss: 0.2 });
    link.repeat(100, 10, (index) => sender.send(source(index), link.now));
    sender.stop(link.now);
    link.run(100);
    expect(ofType(rtcpFrom(link, 'a'), 'goodbye')).toEqual([{ type: 'goodbye', ssrcs: [sender.ssrc, sender.rtxSsrc] }]);
    sender.send(source(200), link.now);
    expect(link.a.discards.of('inactive-send-stream')).toBe(1);
    expect(link.a.sendStreams.size).toBe(0);
  });

  test('P04 BYE for an unknown SSRC is ignored; RTP right after a BYE is a straggler, later a return', () => {
    const { link, delivered, sender } = video();
    sender.send(source(1), link.now);
    link.run(50);
    link.b.receiveRtcp(serializeRtcp([{ type: 'goodbye', ssrcs: [0xdead] }]), link.now);
    link.run(10);
    expect(types(link.events.b)).toEqual(['unmute']);
    link.b.receiveRtcp(serializeRtcp([{ type: 'goodbye', ssrcs: [sender.ssrc] }]), link.now);
    sender.send(source(2), link.now);
    link.run(500);
    expect([numbers(delivered), types(link.events.b)]).toEqual([[1], ['unmute', 'mute']]);
    expect(link.b.discards.toJSON()).toEqual({ 'rtp-after-bye': 1 });
    link.run(1000);
    sender.send(source(3), link.now);
    link.run(100);
    expect(types(link.events.b)).toEqual(['unmute', 'mute', 'unmute']);
    expect(numbers(delivered)).toEqual([1, 3, 2]); // the straggler was asked for again
  });
});

describe('limits', () => {
  test('descriptions of SSRCs that never come are bounded', () => {
    const { link, second } = setup();
    for (let ssrc = 0; ssrc < 10_000; ssrc++)
      link.b.receiveRtcp(serializeRtcp([{ type: 'source-description', chunks: [{ ssrc, items: [{ type: 15, text: '1' }] }] }]), 0);
    rtpTo(link.b, { ssrc: 5, extensions: [] });
    rtpTo(link.b, { ssrc: 9999, extensions: [] });
    expect(second).toHaveLength(1);
    expect(link.b.discards.toJSON()).toEqual({ 'unroutable-rtp': 1 });
  });

  test('nothing is scheduled before the first packet', () => {
    const { link } = video();
    expect(link.a.nextTimeout()).toBe(Infinity);
  });
});
