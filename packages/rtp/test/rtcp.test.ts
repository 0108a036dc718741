import { describe, expect, test } from '@jest/globals';
import { fromHex, toHex } from '@petrel/bytes';
import { NOT_RECEIVED, parseRtcp, type RtcpPacket, SDES_ITEM, serializeRtcp, TransportFeedbackRecorder } from '@petrel/rtp';
import fc from 'fast-check';
import vectors from './vectors/rfc3550-rfc8285.json' with { type: 'json' };

const block = {
  ssrc: 0x11223344,
  fractionLost: 64,
  packetsLost: -2,
  extendedHighestSequenceNumber: 0x0001_0005,
  jitter: 99,
  lastSenderReport: 0xb7052000,
  delaySinceLastSenderReport: 0x00054000,
};
const ALL: readonly RtcpPacket[] = [
  {
    type: 'sender-report',
    ssrc: 1,
    ntp: { seconds: 0xb44d_b705, fraction: 0x2000_0000 },
    rtpTimestamp: 0xffff_ffff,
    packetCount: 3,
    octetCount: 4,
    reports: [block],
  },
  { type: 'receiver-report', ssrc: 2, reports: [block, { ...block, ssrc: 5, packetsLost: 0x7f_ffff }] },
  {
    type: 'source-description',
    chunks: [
      {
        ssrc: 1,
        items: [
          { type: SDES_ITEM.cname, text: 'ä@b' },
          { type: SDES_ITEM.mid, text: '0' },
        ],
      },
      { ssrc: 2, items: [] },
    ],
  },
  { type: 'nack', senderSsrc: 1, mediaSsrc: 2, sequenceNumbers: [65535, 0, 15, 16, 40] },
  { type: 'picture-loss-indication', senderSsrc: 1, mediaSsrc: 2 },
  { type: 'full-intra-request', senderSsrc: 1, requests: [{ ssrc: 2, sequenceNumber: 255 }] },
  { type: 'receiver-estimated-maximum-bitrate', senderSsrc: 1, bitrate: 1_500_000, ssrcs: [2, 3] },
  {
    type: 'transport-feedback',
    senderSsrc: 1,
    mediaSsrc: 2,
    baseSequenceNumber: 65530,
    referenceTime: -3,
    feedbackCount: 7,
    arrivals: Int32Array.of(0, 10, NOT_RECEIVED, 3000, 2990, NOT_RECEIVED, NOT_RECEIVED, 2991, 2992),
  },
  {
    type: 'extended-report',
    ssrc: 1,
    receiverReferenceTime: { seconds: 5, fraction: 6 },
    dlrr: [{ ssrc: 9, lastReceiverReport: 8, delaySinceLastReceiverReport: 7 }],
  },
  { type: 'goodbye', ssrcs: [1, 2], reason: 'bye now' },
];

describe('RTCP', () => {
  test('every packet is read as it was written, alone and in a compound', () => {
    for (const packet of ALL) expect(parseRtcp(serializeRtcp([packet]))).toEqual({ packets: [packet], malformed: 0, unknown: 0 });
    expect(parseRtcp(serializeRtcp(ALL))).toEqual({ packets: ALL, malformed: 0, unknown: 0 });
  });

  test('RFC 3550 §6.4, §6.5, §6.6: bytes of a compound', () => {
    const compound = serializeRtcp([
      { type: 'receiver-report', ssrc: 0xcafebabe, reports: [] },
      { type: 'source-description', chunks: [{ ssrc: 0xcafebabe, items: [{ type: 1, text: 'ab' }] }] },
      { type: 'goodbye', ssrcs: [0xcafebabe], reason: 'x' },
    ]);
    expect(toHex(compound)).toBe('80c90001cafebabe81ca0003cafebabe010261620000000081cb0002cafebabe01780000');
  });

  test('RFC 3550 §6.6: a reason of more than 255 bytes is cut between characters', () => {
    const [packet] = parseRtcp(serializeRtcp([{ type: 'goodbye', ssrcs: [1], reason: 'é'.repeat(200) }])).packets;
    expect(packet).toMatchObject({ reason: 'é'.repeat(127) });
  });

  test('five bits count: 31 SSRCs in a BYE, not 32', () => {
    const ssrcs = Array.from({ length: 32 }, (_, index) => index);
    expect(parseRtcp(serializeRtcp([{ type: 'goodbye', ssrcs: ssrcs.slice(1) }])).packets[0]).toMatchObject({ ssrcs: ssrcs.slice(1) });
    expect(() => serializeRtcp([{ type: 'goodbye', ssrcs }])).toThrow(RangeError);
  });

  test.each(vectors.malformedRtcp.filter(({ id }) => id !== 'twcc-65535-runlength'))(
    'P03 malformed: $id is counted, nothing is read',
    ({ hex }) => {
      expect(parseRtcp(fromHex(hex))).toEqual({ packets: [], malformed: 1, unknown: 0 });
    },
  );

  test('P03 a malformed packet does not spoil the ones behind it, as its length is known', () => {
    const good = serializeRtcp([{ type: 'picture-loss-indication', senderSsrc: 1, mediaSsrc: 2 }]);
    const { packets, malformed } = parseRtcp(fromHex('9fc90001cafebabe' + toHex(good)));
    expect({ packets: packets.length, malformed }).toEqual({ packets: 1, malformed: 1 });
  });

  test('P03 transport feedback that claims 65,535 packets in 24 bytes costs no more than an array of them', () => {
    const vector = vectors.malformedRtcp.find(({ id }) => id === 'twcc-65535-runlength')!;
    const { packets, malformed } = parseRtcp(fromHex(vector.hex));
    expect(packets.length + malformed).toBe(1);
    // 65,535 statuses in nine run length chunks, none received.
    const runs = '1fff'.repeat(8) + '00080000';
    const [feedback] = parseRtcp(fromHex('8fcd0009cafebabe000000010000ffff00000000' + runs)).packets;
    expect(feedback).toMatchObject({ type: 'transport-feedback' });
    expect((feedback as { arrivals: Int32Array }).arrivals).toHaveLength(65535);
  });

  test('draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1: deltas that are promised but not there are malformed', () => {
    expect(parseRtcp(fromHex('8fcd0005cafebabe00000001000000ff0000000020ff0102'))).toMatchObject({ packets: [], malformed: 1 });
  });

  test('RFC 3550 §6.4.1: padding that is larger than the packet, or zero, is malformed', () => {
    expect(parseRtcp(fromHex('a0c90002cafebabe00000004'))).toMatchObject({ malformed: 0, packets: [{ type: 'receiver-report' }] });
    for (const count of ['00', '09', 'ff']) expect(parseRtcp(fromHex(`a0c90002cafebabe000000${count}`)).malformed).toBe(1);
  });

  test('unknown types are counted and skipped', () => {
    expect(parseRtcp(fromHex('80cc0001cafebabe80c90001cafebabe'))).toMatchObject({
      unknown: 1,
      packets: [{ type: 'receiver-report' }],
    });
  });

  test('P03 parsing never throws', () => {
    const seeds = ALL.map((packet) => serializeRtcp([packet]));
    const mutated = fc
      .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 6 }))
      .map(([seed, changes]) => {
        const bytes = seed.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 100 })), (bytes) => void parseRtcp(bytes)),
      { numRuns: 2000 },
    );
  });
});

/** What the sender learns: arrivals by sequence number, in milliseconds. */
function decode(feedback: readonly RtcpPacket[]): Map<number, number | undefined> {
  const result = new Map<number, number | undefined>();
  for (const packet of parseRtcp(serializeRtcp(feedback)).packets) {
    if (packet.type !== 'transport-feedback') throw new Error('not feedback');
    packet.arrivals.forEach((arrival, index) => {
      const receivedAt = arrival === NOT_RECEIVED ? undefined : packet.referenceTime * 64 + arrival / 4;
      result.set((packet.baseSequenceNumber + index) & 0xffff, receivedAt);
    });
  }
  return result;
}

describe('transport-wide feedback', () => {
  test('arrivals come back to a quarter of a millisecond, losses as losses, over the wrap', () => {
    const recorder = new TransportFeedbackRecorder();
    const arrivals: [number, number][] = [
      [65534, 1000],
      [65535, 1000.5],
      [1, 1100],
      [2, 1099],
      [5, 5000],
    ];
    for (const [sequenceNumber, now] of arrivals) recorder.receive(sequenceNumber, now);
    const decoded = decode(recorder.build(1, 2));
    for (const [sequenceNumber, now] of arrivals) expect(decoded.get(sequenceNumber)).toBeCloseTo(now, 0);
    expect([decoded.has(0), decoded.get(0), decoded.get(3)]).toEqual([true, undefined, undefined]);
  });

  test('packets lost between two feedbacks are reported, late ones again, and nothing twice', () => {
    const recorder = new TransportFeedbackRecorder();
    recorder.receive(10, 0);
    recorder.receive(13, 1);
    expect([...decode(recorder.build(1, 2)).keys()]).toEqual([10, 11, 12, 13]);
    recorder.receive(11, 2);
    recorder.receive(16, 3);
    expect(decode(recorder.build(1, 2))).toEqual(
      new Map([
        [11, 2],
        [14, undefined],
        [15, undefined],
        [16, 3],
      ]),
    );
    expect(recorder.build(1, 2)).toEqual([]);
  });

  test('arrivals that a delta cannot span, or that do not fit into one packet, take several', () => {
    const recorder = new TransportFeedbackRecorder();
    recorder.receive(1, 0);
    recorder.receive(2, 9000);
    for (let i = 3; i < 1500; i++) recorder.receive(i, 9000 + i);
    const feedback = recorder.build(1, 2);
    expect(feedback.length).toBeGreaterThan(3);
    for (const packet of feedback) expect(serializeRtcp([packet]).length).toBeLessThan(1200);
    expect(decode(feedback).size).toBe(1499);
    expect(feedback.map(({ feedbackCount }) => feedbackCount)).toEqual(feedback.map((_, index) => index));
  });

  test('any pattern of losses and delays comes back', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.integer({ min: -20, max: 300 })), { minLength: 1, maxLength: 200 }), (steps) => {
        const recorder = new TransportFeedbackRecorder();
        const expected = new Map<number, number>();
        let now = 10_000;
        steps.forEach((step, sequenceNumber) => {
          if (step === null) return;
          now += step;
          recorder.receive(sequenceNumber, now);
          expected.set(sequenceNumber, now);
        });
        const decoded = decode(recorder.build(1, 2));
        for (const [sequenceNumber, receivedAt] of decoded) expect(receivedAt).toBe(expected.get(sequenceNumber));
        for (const sequenceNumber of expected.keys()) expect(decoded.has(sequenceNumber)).toBe(true);
      }),
    );
  });
});
