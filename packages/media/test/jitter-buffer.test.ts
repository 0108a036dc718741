import { beforeEach, describe, expect, test } from '@jest/globals';
import { JitterBuffer } from '@petrel/media';
import { NEVER } from '@petrel/sans-io';
import fc from 'fast-check';

let delivered: string[];
let buffer: JitterBuffer<number>;
beforeEach(() => {
  delivered = [];
  buffer = new JitterBuffer({
    deliver: (packet, lost) => delivered.push(lost > 0 ? `${lost} lost, ${packet}` : String(packet)),
    patience: 100,
  });
});

function insert(now: number, ...sequenceNumbers: number[]): void {
  for (const sequenceNumber of sequenceNumbers) buffer.insert(sequenceNumber, sequenceNumber, now);
}

describe('the jitter buffer', () => {
  test('what is in order goes through at once', () => {
    insert(0, 10, 11, 12);
    expect(delivered).toEqual(['10', '11', '12']);
    expect(buffer.held).toBe(0);
    expect(buffer.nextTimeout()).toBe(NEVER);
  });

  test('what comes early waits for what is missing', () => {
    insert(0, 10, 13, 12);
    expect(delivered).toEqual(['10']);
    expect(buffer.held).toBe(2);
    insert(50, 11);
    expect(delivered).toEqual(['10', '11', '12', '13']);
    expect(buffer.lost).toBe(0);
  });

  test('a gap is given up when its time is over, counted from the packet after it', () => {
    insert(0, 10);
    insert(20, 12);
    insert(60, 15);
    expect(buffer.nextTimeout()).toBe(120);
    buffer.handleTimeout(119);
    expect(delivered).toEqual(['10']);
    buffer.handleTimeout(120);
    expect(delivered).toEqual(['10', '1 lost, 12']);
    expect(buffer.nextTimeout()).toBe(160);
    buffer.handleTimeout(1000);
    expect(delivered.at(-1)).toBe('2 lost, 15');
    expect(buffer.lost).toBe(3);
  });

  test('without a timer, the next packet finds that the time is over', () => {
    insert(0, 10, 12);
    insert(100, 13);
    expect(delivered).toEqual(['10', '1 lost, 12', '13']);
  });

  test('P07: duplicates and late packets are dropped', () => {
    insert(0, 10, 12, 12, 10);
    buffer.handleTimeout(100);
    insert(100, 11);
    expect(delivered).toEqual(['10', '1 lost, 12']);
    expect(buffer.discards.toJSON()).toEqual({ duplicate: 1, late: 2 });
  });

  test('P07: sequence numbers wrap', () => {
    insert(0, 65534, 0, 65535, 1);
    expect(delivered).toEqual(['65534', '65535', '0', '1']);
  });

  test('P07: never more than 512 packets are held', () => {
    insert(0, 0);
    for (let i = 2; i < 2000; i++) {
      insert(0, i);
      expect(buffer.held).toBeLessThan(512);
    }
    expect(delivered.slice(0, 2)).toEqual(['0', '1 lost, 2']);
    for (let i = 0; i < 100_000; i++) insert(1, (3001 + 2 * i) & 0xffff);
    expect(buffer.held).toBeLessThanOrEqual(512);
  });

  test('RFC 3550 A.1: a gap of fewer than 3,000 packets is loss', () => {
    insert(0, 10, 12, 2900);
    expect(delivered).toEqual(['10', '1 lost, 12']);
    buffer.handleTimeout(100);
    expect(delivered.at(-1)).toBe('2887 lost, 2900');
  });

  test('RFC 3550 A.1: one packet from far away is dropped, two in sequence are a restart', () => {
    insert(0, 10, 12, 40_000);
    expect(delivered).toEqual(['10']);
    expect(buffer.discards.toJSON()).toEqual({ 'out-of-range': 1 });
    insert(0, 40_001, 40_002);
    expect(delivered).toEqual(['10', '1 lost, 12', '1 lost, 40001', '40002']);
  });

  test('P07: a source that goes back a little is followed within 16 packets', () => {
    insert(0, 1000, 1001);
    for (let i = 0; i < 20; i++) insert(i * 20, 900 + i);
    expect(delivered.slice(2)).toEqual(['1 lost, 915', '916', '917', '918', '919']);
  });

  test('late retransmissions between new packets are no restart', () => {
    insert(0, 1000);
    for (let i = 1; i < 50; i++) insert(i, 1000 + i, 900 + i);
    expect(delivered).toHaveLength(50);
    expect(buffer.discards.of('late')).toBe(49);
  });

  test('flush delivers what is held, and begins anew', () => {
    insert(0, 10, 12);
    buffer.flush();
    insert(0, 7);
    expect(delivered).toEqual(['10', '1 lost, 12', '7']);
  });

  test('whatever comes, what goes out is in order, and nothing twice', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffff),
        fc.array(fc.tuple(fc.integer({ min: -20, max: 200 }), fc.nat(60)), { maxLength: 300 }),
        (first, steps) => {
          const out: number[] = [];
          const under = new JitterBuffer<number>({ deliver: (packet) => out.push(packet), patience: 100 });
          let now = 0;
          under.insert(first, 0, now);
          for (const [offset, wait] of steps) {
            now += wait;
            under.insert((first + offset) & 0xffff, offset, now);
            if (under.nextTimeout() <= now) throw new Error('a gap is overdue');
          }
          under.flush();
          if (under.discards.of('late') < 16) expect(out).toEqual([...new Set(out)].toSorted((a, b) => a - b));
          expect(under.held).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});
