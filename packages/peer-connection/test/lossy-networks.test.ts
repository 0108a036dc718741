import { expect, test } from '@jest/globals';
import { connectTime } from './support/connect-time.ts';

// The whole table, 1,000 seeds each, is `npm run bench -- connect-loss`.
test.each([
  ['L01', 0, 1000],
  ['L01', 0.05, 5000],
  ['L01', 0.1, 5000],
  ['L01', 0.2, 10_000],
  ['L01', 0.3, 20_000],
  ['L02', 0.5, 60_000],
])(
  '%s: connects at a loss of %d in both directions, 100 ms round trip, within %d ms',
  async (_, loss, within) => {
    for (let seed = 1; seed <= 10; seed++) expect(await connectTime({ seed, conditions: { delay: 50, loss } })).toBeLessThan(within);
  },
  30_000,
);

test.each([
  ['L03', { delay: 20, burstLoss: { share: 0.1, length: 5 }, jitter: 200, reorder: 0.3, duplicate: 0.1 }, 20_000],
  ['L08', { delay: 500 }, 10_000],
  ['L08', { delay: 1000 }, 20_000],
  ['L09', { delay: 20, rate: 50_000, queue: 1000 }, 20_000],
])(
  '%s: connects with %j within %d ms',
  async (_, conditions, within) => {
    for (let seed = 1; seed <= 5; seed++) expect(await connectTime({ seed, conditions })).toBeLessThan(within);
  },
  30_000,
);
