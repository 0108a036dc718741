import { performance } from 'node:perf_hooks';
import { describe, expect, jest, test } from '@jest/globals';
import { NodeRuntime } from '@petrel/node-runtime';

describe('timers', () => {
  test('fire once, at or after their deadline, never before', async () => {
    const runtime = new NodeRuntime();
    const fired = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const deadline = runtime.now() + i + 0.3;
        return new Promise<number>((resolve) => runtime.setTimer(deadline, () => resolve(runtime.now() - deadline)));
      }),
    );
    expect(fired.every((late) => late >= 0)).toBe(true);
    expect(runtime.openHandles()).toEqual([]);
  });

  test('a cancelled timer does not fire; one in the distant future neither fires nor overflows', async () => {
    const runtime = new NodeRuntime();
    let fired = 0;
    const timeouts = jest.spyOn(globalThis, 'setTimeout');
    const soon = runtime.setTimer(runtime.now() + 1, () => fired++);
    const distant = runtime.setTimer(runtime.now() + 2 ** 40, () => fired++, true);
    runtime.setTimer(Infinity, () => fired++).cancel();
    soon.cancel();
    expect(runtime.openHandles()).toEqual(['timer (background)']);
    await new Promise<void>((resolve) => runtime.setTimer(runtime.now() + 10, resolve));
    expect(fired).toBe(0);
    expect(timeouts.mock.calls.every(([, delay]) => delay! <= 0x7fff_ffff)).toBe(true); // Node would fire at once
    timeouts.mockRestore();
    distant.cancel();
    expect(runtime.openHandles()).toEqual([]);
  });

  test('the clock is performance.now(), its origin a time of day', () => {
    const runtime = new NodeRuntime();
    expect(Math.abs(runtime.now() - performance.now())).toBeLessThan(1000);
    expect(Math.abs(runtime.timeOrigin + runtime.now() - Date.now())).toBeLessThan(60_000);
  });
});

describe('queueTask', () => {
  test('runs tasks in order, after the current one, promise reactions between two of them', async () => {
    const runtime = new NodeRuntime();
    const order: string[] = [];
    runtime.queueTask(() => {
      order.push('first');
      void Promise.resolve()
        .then(() => order.push('reaction 1'))
        .then(() => order.push('reaction 2'));
      runtime.queueTask(() => order.push('nested'));
    });
    runtime.queueTask(() => order.push('second'));
    order.push('synchronous');
    expect(runtime.openHandles()).toEqual(['tasks (2)']);
    await new Promise<void>((resolve) => runtime.queueTask(() => runtime.queueTask(resolve)));
    expect(order).toEqual(['synchronous', 'first', 'reaction 1', 'reaction 2', 'second', 'nested']);
    expect(runtime.openHandles()).toEqual([]);
  });
});

describe('interfaces and names', () => {
  test('loopback is flagged internal, addresses have no zone', () => {
    const interfaces = new NodeRuntime().networkInterfaces();
    expect(interfaces.find(({ address }) => address === '127.0.0.1')).toMatchObject({ family: 4, internal: true, linkLocal: false });
    for (const { address, family, linkLocal } of interfaces) {
      expect(address).not.toContain('%');
      expect(family).toBe(address.includes(':') ? 6 : 4);
      expect(linkLocal).toBe(/^(fe8|169\.254)/.test(address));
    }
  });

  test('IP literals resolve to themselves, names through the system, unknown names reject', async () => {
    const runtime = new NodeRuntime();
    expect(await runtime.resolve('192.0.2.1')).toEqual(['192.0.2.1']);
    expect(await runtime.resolve('[2001:db8::1]')).toEqual(['2001:db8::1']);
    const localhost = await runtime.resolve('localhost');
    expect(localhost.every((address) => ['127.0.0.1', '::1'].includes(address))).toBe(true);
    await expect(runtime.resolve('does-not-exist.invalid')).rejects.toMatchObject({ code: expect.stringMatching(/^E/) });
  });
});
