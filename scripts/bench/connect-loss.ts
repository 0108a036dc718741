// L01, L02: whole connections (ICE, DTLS, SCTP, an open data channel) over a lossy path with a round trip of 100 ms, on virtual time, 1,000 seeds each.
import { connectTime } from '../../packages/peer-connection/test/support/connect-time.ts';
import { printTable } from './lib/table.ts';

const SEEDS = Number(process.env['SEEDS'] ?? 1000);

const rows = [];
for (const loss of [0, 0.05, 0.1, 0.2, 0.3, 0.5]) {
  const times: number[] = [];
  for (let seed = 1; seed <= SEEDS; seed++) times.push(await connectTime({ seed, conditions: { delay: 50, loss } }));
  times.sort((a, b) => a - b);
  const within = (limit: number): string => `${((100 * times.filter((time) => time <= limit).length) / SEEDS).toFixed(1)} %`;
  const at = (share: number): string => times[Math.min(SEEDS - 1, Math.floor(share * SEEDS))]!.toFixed(0);
  rows.push([`${loss * 100} %`, within(30_000), within(60_000), at(0.5), at(0.95), at(0.99), at(1)]);
  console.error(rows.at(-1)!.join(' | '));
}
printTable(['loss', 'within 30 s', 'within 60 s', 'p50 ms', 'p95 ms', 'p99 ms', 'slowest ms'], rows);
