import { expect, test } from '@jest/globals';
import { runSwarm } from './swarm/swarm.ts';

const SEEDS = 36;

// Handlers that throw are in `npm run swarm`: Jest does not let a test count what surfaces in the process.
test.each(Array.from({ length: 6 }, (_, group) => group))(
  'M02, W01, W04, W05, L03, L04, N10: whatever happens, nothing happens that must not; seeds of group %i',
  async (group) => {
    for (let seed = 1 + (group * SEEDS) / 6; seed <= ((group + 1) * SEEDS) / 6; seed++) {
      const run = await runSwarm({ seed });
      expect([seed, run.violations]).toEqual([seed, []]);
    }
  },
  120_000,
);

test('M01: the same seed makes the same run, to the bytes on the wire', async () => {
  for (const seed of [3, 7, 21]) expect((await runSwarm({ seed })).hash).toBe((await runSwarm({ seed })).hash);
}, 60_000);
