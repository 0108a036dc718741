import { describe, expect, test } from '@jest/globals';
import { Backoff, Discards, NEVER, Queue, randomFraction, randomText, randomUint32, TimerTable } from '@petrel/sans-io';

describe('TimerTable', () => {
  test('knows the earliest deadline and who is running', () => {
    const timers = new TimerTable<'a' | 'b'>(['a', 'b']);
    expect(timers.next()).toBe(NEVER);
    timers.start('a', 20);
    timers.start('b', 10);
    expect([timers.next(), timers.running(), timers.deadline('a')]).toEqual([10, ['a', 'b'], 20]);
    timers.stop('b');
    expect([timers.next(), timers.isRunning('b')]).toEqual([20, false]);
    timers.stopAll();
    expect(timers.running()).toEqual([]);
  });

  test('expires once, at its deadline and not before', () => {
    const timers = new TimerTable<'a'>(['a']);
    timers.start('a', 10);
    expect([timers.expire('a', 9), timers.expire('a', 10), timers.expire('a', 11)]).toEqual([false, true, false]);
  });
});

test('Queue: first in, first out, through many wraps', () => {
  const queue = new Queue<number>();
  let next = 0;
  for (let i = 0; i < 5000; i++) {
    queue.push(i);
    queue.push(i);
    if (i % 3 !== 0) expect(queue.shift()).toBe(next++ >> 1);
  }
  expect(queue.length).toBe(10_000 - next);
  expect(queue.peek()).toBe(next >> 1);
  expect([...queue]).toHaveLength(queue.length);
  queue.clear();
  expect([queue.length, queue.shift(), queue.peek()]).toEqual([0, undefined, undefined]);
});

test('Queue: what was taken out or cleared never comes back, however often it runs empty', () => {
  const queue = new Queue<number>();
  for (const burst of [1, 3, 1, 2000, 2, 5000, 1]) {
    for (let i = 0; i < burst; i++) queue.push(i);
    expect(queue.length).toBe(burst);
    for (let i = 0; i < burst; i++) expect(queue.shift()).toBe(i);
    expect([queue.length, queue.peek(), queue.shift(), [...queue]]).toEqual([0, undefined, undefined, []]);
    queue.push(-1);
    queue.push(-2);
    queue.shift();
    queue.clear();
    expect([queue.length, queue.peek(), [...queue]]).toEqual([0, undefined, []]);
  }
});

test('Backoff doubles up to its maximum, and begins again', () => {
  const backoff = new Backoff(100, 350);
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([100, 200, 350, 350]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

test('Discards counts by reason', () => {
  const discards = new Discards<'x' | 'y'>();
  discards.count('x');
  discards.count('x');
  expect([discards.of('x'), discards.of('y'), discards.total, discards.toJSON()]).toEqual([2, 0, 2, { x: 2 }]);
});

test('random numbers use all their bytes', () => {
  const random = { randomBytes: () => Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc) };
  expect(randomUint32(random)).toBe(0xfffefdfc);
  expect(randomFraction(random)).toBeLessThan(1);
});

test('RFC 8839 §5.4: random text has ice-chars only, each of six bits of its own', () => {
  const all = { randomBytes: (length: number) => Uint8Array.from({ length }, (_, index) => index) };
  const text = randomText(all, 256);
  expect(text).toMatch(/^[A-Za-z0-9+/]{256}$/);
  expect([new Set(text).size, text.slice(0, 64) === text.slice(192)]).toEqual([64, true]);
});
