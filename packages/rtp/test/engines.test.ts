import { describe, expect, test } from '@jest/globals';
import {
  compactNtp,
  fromNtp,
  type Membership,
  NackGenerator,
  NtpMapping,
  ReceptionStatistics,
  ReportScheduler,
  RetransmissionBuffer,
  roundTripTime,
  toNtp,
  Unwrapper,
} from '@petrel/rtp';
import { seededRandom } from '@petrel/testing';
import vectors from './vectors/rfc3550-rfc8285.json' with { type: 'json' };

const received = (sequenceNumbers: readonly number[], statistics = new ReceptionStatistics(1)): ReceptionStatistics => {
  for (const sequenceNumber of sequenceNumbers) statistics.update(sequenceNumber);
  return statistics;
};

describe('reception statistics', () => {
  test('RFC 3550 A.1: a source is valid after two packets in sequence', () => {
    const statistics = new ReceptionStatistics();
    expect([5, 9, 10, 11].map((sequenceNumber) => statistics.update(sequenceNumber))).toEqual([false, false, true, true]);
    expect([statistics.received, statistics.expected]).toEqual([2, 2]);
  });

  test('RFC 3550 A.1: the wrap counts as a cycle', () => {
    const statistics = received([65534, 65535, 0, 1]);
    expect([statistics.extendedHighest, statistics.expected, statistics.lost]).toEqual([65537, 4, 0]);
  });

  test('RFC 3550 A.1: a large jump is refused once, and is a restart when the next packet follows it', () => {
    const statistics = received([1, 2, 3]);
    expect(statistics.update(20_000)).toBe(false);
    expect(statistics.update(4)).toBe(true);
    expect(statistics.update(30_000)).toBe(false);
    expect(statistics.update(30_001)).toBe(true);
    expect([statistics.extendedHighest, statistics.received, statistics.lost]).toEqual([30_001, 1, 0]);
  });

  test('RFC 3550 A.1: reordering within 100 is counted, not refused', () => {
    const statistics = received([100, 101, 200]);
    expect(statistics.update(120)).toBe(true);
    expect(statistics.extendedHighest).toBe(200);
  });

  test('RFC 3550 A.3: fraction lost is of the interval, cumulative loss of everything', () => {
    const statistics = received([1, 2, 4, 5]);
    expect(statistics.report(9, 0, 0)).toMatchObject({ ssrc: 9, fractionLost: Math.floor(256 / 5), packetsLost: 1 });
    received([6, 7, 8], statistics);
    expect(statistics.report(9, 0, 0)).toMatchObject({ fractionLost: 0, packetsLost: 1, extendedHighestSequenceNumber: 8 });
  });

  test('P08 RFC 3550 A.3: duplicates make the loss negative, never the fraction', () => {
    const statistics = received([1, 2, 2, 2, 3, 3]);
    expect(statistics.report(9, 0, 0)).toMatchObject({ fractionLost: 0, packetsLost: -3 });
  });

  test('P08 RFC 3550 A.3: cumulative loss is clamped to 24 bits', () => {
    const statistics = received([0]);
    for (let lost = 0; lost < 9_000_000; lost += 2999) statistics.update((lost + 2999) & 0xffff);
    expect(statistics.report(9, 0, 0).packetsLost).toBe(0x7f_ffff);
  });

  test('RFC 3550 A.8: jitter follows the difference of transit times by a sixteenth', () => {
    const statistics = new ReceptionStatistics(1);
    statistics.updateJitter(0, 1000);
    statistics.updateJitter(160, 1160);
    expect(statistics.jitter).toBe(0);
    statistics.updateJitter(320, 1352);
    expect(statistics.jitter).toBe(2);
    statistics.updateJitter(480, 1480);
    expect(statistics.jitter).toBe(2 + (32 - 2) / 16);
  });

  test('RFC 3550 A.8: the timestamp may wrap', () => {
    const statistics = new ReceptionStatistics(1);
    statistics.updateJitter(0xffff_ff00, 5000);
    statistics.updateJitter(0x100, 5512);
    expect(statistics.jitter).toBe(0);
  });
});

describe('time', () => {
  test('P08 RFC 3550 §6.4.1 figure 2: 6.125 seconds', () => {
    const { srNtpSec: seconds, srNtpFrac: fraction, lsr, dlsr, arrivalCompactNtp, rttSeconds } = vectors.rttExample;
    expect(compactNtp({ seconds, fraction })).toBe(lsr);
    expect(roundTripTime(arrivalCompactNtp, lsr, dlsr)).toBe(rttSeconds * 1000);
  });

  test('P08 RFC 3550 §6.4.1: no report to refer to means no round-trip time; clocks that round make none negative', () => {
    expect(roundTripTime(5, 0, 0)).toBeUndefined();
    expect(roundTripTime(100, 90, 20)).toBe(0);
    expect(roundTripTime(10, 0xffff_fff0, 10)).toBeCloseTo(16 / 65.536, 6);
  });

  test('NTP time goes there and back, in both eras', () => {
    for (const milliseconds of [0, 1_764_000_000_123.5, Date.UTC(2040, 0, 1)])
      expect(fromNtp(toNtp(milliseconds))).toBeCloseTo(milliseconds, 3);
    expect(toNtp(0)).toEqual({ seconds: 2_208_988_800, fraction: 0 });
  });

  test('RFC 3550 §6.4.1: timestamps map to the wall clock, over their wrap', () => {
    const mapping = new NtpMapping(90_000);
    expect(mapping.toWallClock(5)).toBeUndefined();
    mapping.update(toNtp(1_000_000), 0xffff_ffff);
    expect(mapping.toWallClock(89_999)).toBeCloseTo(1_001_000, 3);
    expect(mapping.toWallClock(0xffff_ffff - 45_000)).toBeCloseTo(999_500, 3);
    expect(mapping.toRtpTimestamp(1_001_000)).toBe(89_999);
  });

  test('numbers unwrap to the nearest', () => {
    const unwrapper = new Unwrapper(16);
    expect([65_530, 65_535, 3, 65_533, 5, 2].map((value) => unwrapper.unwrap(value))).toEqual([
      65_530, 65_535, 65_539, 65_533, 65_541, 65_538,
    ]);
    const timestamps = new Unwrapper(32);
    expect([0xffff_ff00, 0x10].map((value) => timestamps.unwrap(value))).toEqual([0xffff_ff00, 0x1_0000_0010]);
    expect(new Unwrapper(16).unwrap(0)).toBe(0);
  });

  test('a packet from before the first one unwraps below it', () => {
    const unwrapper = new Unwrapper(16);
    unwrapper.unwrap(0);
    expect(unwrapper.unwrap(65_535)).toBe(-1);
  });
});

describe('NACK generator', () => {
  test('RFC 4585 §6.2.1: a gap is asked for at once, then once a round trip, until it is filled', () => {
    const nack = new NackGenerator();
    expect([1, 2, 5].map((sequenceNumber) => nack.receive(sequenceNumber, 0))).toEqual(['next', 'next', 'gap']);
    expect(nack.poll(0, 50)).toEqual([3, 4]);
    expect(nack.poll(49, 50)).toEqual([]);
    expect(nack.nextTimeout()).toBe(50);
    expect(nack.receive(3, 49)).toBe('filled');
    expect(nack.poll(50, 50)).toEqual([4]);
    expect(nack.receive(4, 60)).toBe('filled');
    expect(nack.receive(4, 60)).toBe('old');
    expect([nack.missing, nack.nextTimeout()]).toEqual([0, Infinity]);
  });

  test('gives up after ten requests, and says so once', () => {
    const nack = new NackGenerator();
    nack.receive(1, 0);
    nack.receive(3, 0);
    let requests = 0;
    for (let now = 0; now < 5000; now += 10) requests += nack.poll(now, 100).length;
    expect([requests, nack.missing, nack.takeGaveUp(), nack.takeGaveUp()]).toEqual([10, 0, true, false]);
  });

  test('P07 a gap of more than 1,000 is not asked for', () => {
    const nack = new NackGenerator();
    nack.receive(1, 0);
    nack.receive(1500, 0);
    expect([nack.poll(0, 10), nack.missing, nack.takeGaveUp()]).toEqual([[], 0, true]);
  });
});

describe('retransmission buffer', () => {
  test('P05 a packet is given once a round trip, however often it is asked for', () => {
    const buffer = new RetransmissionBuffer(16);
    buffer.allocate(7, 22, 0);
    let given = 0;
    for (let now = 0; now < 1000; now++) if (buffer.take(7, now, 100)) given += 1;
    expect(given).toBe(10);
  });

  test('keeps the latest packets only, and not for long', () => {
    const buffer = new RetransmissionBuffer(16, 1000);
    for (let i = 0; i < 20; i++) buffer.allocate(i, 22, 0);
    expect([buffer.take(3, 1, 10), buffer.take(4, 1, 10)?.length, buffer.take(20, 1, 10)]).toEqual([undefined, 22, undefined]);
    expect(buffer.take(5, 1001, 10)).toBeUndefined();
  });

  test('a place is used again for a packet of another size', () => {
    const buffer = new RetransmissionBuffer(2);
    for (const [sequenceNumber, length] of [10, 300, 20, 20, 1500].entries()) {
      buffer.allocate(sequenceNumber, length, 0).fill(sequenceNumber, 12);
      const taken = buffer.take(sequenceNumber, 0, 10)!;
      expect([taken.length, taken[3], ...new Set(taken.subarray(12))]).toEqual([
        length,
        sequenceNumber,
        ...(length > 12 ? [sequenceNumber] : []),
      ]);
    }
    buffer.clear();
    expect(buffer.take(4, 0, 10)).toBeUndefined();
  });
});

/** Times of the reports within `duration`. */
const run = (membership: Membership, duration: number, options: { bandwidth?: number; minimumInterval?: number } = {}): number[] => {
  const scheduler = new ReportScheduler({ random: seededRandom(3), ...options });
  const reports: number[] = [];
  scheduler.start(0, membership);
  for (let now = scheduler.nextTimeout(); now < duration; now = scheduler.nextTimeout()) {
    if (!scheduler.expire(now, membership)) continue;
    reports.push(now);
    scheduler.sent(100, now, membership);
  }
  return reports;
};
const intervals = (times: readonly number[]): number[] => times.slice(1).map((time, index) => time - times[index]!);
const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('report scheduler', () => {
  const alone: Membership = { members: 2, senders: 1, weSent: true };

  test('RFC 3550 §6.2: the minimum interval holds on average, halved for the first report', () => {
    const times = run(alone, 5_000_000, { minimumInterval: 5000 });
    expect(times[0]).toBeLessThan((2500 * 1.5) / (Math.E - 1.5) + 2500);
    expect(average(intervals(times))).toBeGreaterThan(4500);
    expect(average(intervals(times))).toBeLessThan(5500);
  });

  test('RFC 3550 §6.3.1: intervals are random between half and one and a half, compensated', () => {
    for (const interval of intervals(run(alone, 1_000_000, { minimumInterval: 1000 }))) {
      expect(interval).toBeGreaterThan(500 / (Math.E - 1.5) - 1);
      expect(interval).toBeLessThan(2 * (1500 / (Math.E - 1.5)) + 1);
    }
  });

  test('RFC 3550 §6.2: with many members the bandwidth is what limits', () => {
    const many: Membership = { members: 1000, senders: 500, weSent: true };
    // 128 octets on the wire each, 6,250 octets a second, a thousand members: 20.5 seconds.
    expect(average(intervals(run(many, 20_000_000)))).toBeGreaterThan(18_000);
    expect(average(intervals(run(many, 20_000_000)))).toBeLessThan(23_000);
  });

  test('RFC 3711 §3.4: what SRTCP adds counts', () => {
    const many: Membership = { members: 1000, senders: 500, weSent: true };
    const interval = (overhead: number): number => {
      const scheduler = new ReportScheduler({ random: seededRandom(3), overhead });
      for (let i = 0; i < 200; i++) scheduler.received(100);
      return scheduler.deterministicInterval(many);
    };
    expect(interval(100)).toBeCloseTo(2 * interval(0), 0);
  });

  test('RFC 3550 §6.3.4: when members leave, the next report comes earlier', () => {
    const scheduler = new ReportScheduler({ random: seededRandom(3) });
    const many: Membership = { members: 1000, senders: 0, weSent: false };
    scheduler.start(0, many);
    scheduler.expire(scheduler.nextTimeout(), many);
    const before = scheduler.nextTimeout();
    scheduler.membersLeft(1000, 100);
    expect(scheduler.nextTimeout()).toBeCloseTo(1000 + (before - 1000) / 10, 6);
  });
});
