/**
 * `npm run close-simulation -- [seeds] [percent…]`: closes over a path that loses 0, 10, 30 and 50 % of all packets (or as given) in both directions, both
 * ends ours, so many seeds each (10,000 unless given), and says how many peers noticed within a second and what it cost. The same seeds give the same figures.
 */
import { type CloseRun, simulateClose, TRAFFIC } from '../../packages/peer-connection/test/support/close-simulation.ts';
import { printTable } from '../bench/lib/table.ts';

const [count = 10_000, ...given] = process.argv.slice(2).map(Number);
const losses = given.length > 0 ? given : [0, 10, 30, 50];
const rows: (string | number)[][] = [];
for (const percent of losses) {
  const runs: CloseRun[] = [];
  for (let seed = 0; seed < count; seed++) runs.push(await simulateClose({ seed, loss: percent / 100 }));
  rows.push(summary(percent, runs));
  console.error(rows.at(-1)!.join(' | '));
  for (const traffic of TRAFFIC) console.error(`  ${traffic}: ${share(runs.filter((run) => run.traffic === traffic))}`);
}
printTable(
  [
    'loss',
    'noticed ≤ 1 s',
    '95 % ms',
    '99.9 % ms',
    'worst ms',
    'with the reason',
    'answer heard',
    'flights mean',
    'most',
    'datagrams mean',
    'most',
  ],
  rows,
);

function summary(loss: number, runs: readonly CloseRun[]): (string | number)[] {
  const delays = runs.map(({ noticedAfter = Infinity }) => noticedAfter).toSorted((a, b) => a - b);
  const flights = runs.map(({ report }) => report.flights);
  const datagrams = runs.map((run) => run.datagrams);
  const wrong = runs.filter(({ elsewhere, openHandles, report }) => elsewhere > 0 || openHandles.length > 0 || report.flights > 20);
  if (wrong.length > 0) console.error(`${wrong.length} runs sent elsewhere, leaked or flew too often`);
  return [
    `${loss} %`,
    share(runs),
    delays[Math.floor(0.95 * delays.length)]!,
    delays[Math.floor(0.999 * delays.length)]!,
    delays.at(-1)!,
    ratio(runs.filter(({ reason }) => reason === 'enough').length, runs.length),
    ratio(runs.filter(({ report }) => report.heard === 'close_notify').length, runs.length),
    mean(flights).toFixed(1),
    Math.max(...flights),
    mean(datagrams).toFixed(1),
    Math.max(...datagrams),
  ];
}

function share(runs: readonly CloseRun[]): string {
  return ratio(runs.filter(({ noticedAfter = Infinity }) => noticedAfter <= 1000).length, runs.length);
}

function ratio(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(2)} %`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
