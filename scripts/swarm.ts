/**
 * `npm run swarm -- --seeds 1000 --from 1`: simulates so many connections, everything about each random and following from its seed, and says which
 * seeds break what must always hold. `--twice N` runs every N-th seed twice and compares (10 unless given, 0 never); `--verbose` prints whole traces.
 */
import { parseArgs } from 'node:util';
import { runSwarm, type SwarmRun } from '../packages/peer-connection/test/swarm/swarm.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    twice: { type: 'string', default: '10' },
    verbose: { type: 'boolean', default: false },
  },
});
const [count, first, twice] = [Number(values.seeds), Number(values.from), Number(values.twice)];
const surfaced: string[] = [];
process.on('uncaughtException', (error) => surfaced.push(error.message ?? String(error)));
process.on('unhandledRejection', (reason) => surfaced.push(`unhandled: ${String((reason as Error)?.stack ?? reason)}`));
process.on('warning', (warning) => surfaced.push(`warning: ${warning.message}`));

const started = performance.now();
const totals = { connected: 0, packets: 0, messages: 0, thrown: 0, failed: 0 };
for (let seed = first; seed < first + count; seed++) {
  const { run, violations } = await check(seed);
  totals.connected += run.connected ? 1 : 0;
  totals.packets += run.packets;
  totals.messages += run.messages;
  totals.thrown += run.thrown.length;
  if (violations.length === 0 && !values.verbose) continue;
  if (violations.length > 0) totals.failed += 1;
  console.log(`\nseed ${seed} (${run.world})`);
  for (const violation of violations) console.log(`  ${violation.split('\n').slice(0, 6).join('\n  ')}`);
  for (const line of values.verbose ? run.trace : run.trace.slice(-15)) console.log(`    ${line.slice(0, 160)}`);
}
const seconds = (performance.now() - started) / 1000;
console.log(
  `\n${count} seeds from ${first}: ${totals.failed} failed; ${totals.connected} connected to the end, ${totals.packets} packets, ` +
    `${totals.messages} messages, ${totals.thrown} handlers threw; ${seconds.toFixed(1)} s`,
);
if (totals.failed > 0) process.exitCode = 1;

async function check(seed: number): Promise<{ run: SwarmRun; violations: string[] }> {
  surfaced.length = 0;
  const run = await runSwarm({ seed, throwing: true });
  await new Promise((resolve) => setImmediate(resolve));
  const violations = [...run.violations];
  // W03: each error of a handler surfaces once. W04: nothing else does.
  const seen = [...surfaced, ...run.escaped];
  for (const message of run.thrown) {
    const times = seen.filter((one) => one === message).length;
    if (times !== 1) violations.push(`W03: ‘${message}’ has surfaced ${times} times`);
  }
  for (const message of surfaced) if (!run.thrown.includes(message)) violations.push(`W04: ${message}`);
  if (twice > 0 && seed % twice === 0) {
    const again = await runSwarm({ seed, throwing: true });
    if (again.hash !== run.hash) violations.push(`M01: another run of the seed differs, ${difference(run.trace, again.trace)}`);
  }
  return { run, violations };
}

function difference(one: readonly string[], two: readonly string[]): string {
  const at = one.findIndex((line, index) => line !== two[index]);
  return at === -1 ? 'on the wire only' : `at ‘${one[at]}’ and ‘${two[at]}’`;
}
