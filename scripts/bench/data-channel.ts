/**
 * One reliable, ordered data channel between two processes on loopback: throughput, CPU time of each side, and how long an echo takes; beside the stacks that
 * `scripts/install-peers.mjs` has installed. CPU time and ratios count: MB/s depend on what else the machine does.
 */
import { existsSync } from 'node:fs';
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { median, printTable } from './lib/table.ts';

interface Result {
  readonly type: 'result';
  readonly bytes: number;
  readonly messages: number;
  readonly milliseconds: number;
  readonly cpuMs: number;
}

interface Echoes {
  readonly type: 'result';
  readonly times: readonly number[];
}

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 3);
const SIZES = (process.env['BENCH_SIZES'] ?? '100,1200,16384,65536').split(',').map(Number);
const modules = { petrel: undefined, 'node-datachannel': 'node-datachannel' };
const wanted = process.env['BENCH_STACKS']?.split(',') ?? Object.keys(modules);
const stacks = Object.entries(modules)
  .filter(([stack]) => wanted.includes(stack))
  .filter(([, name]) => name === undefined || existsSync(`.cache/peers/node_modules/${name}`));
const rows: string[][] = [];
for (const size of SIZES) {
  let ours: Result[] | undefined;
  for (const [stack] of stacks) {
    const results = await measure(stack, size);
    ours ??= results;
    rows.push(describe(stack, size, results, ours));
  }
}
printTable(['message', 'stack', 'MB/s', 'CPU s/GB tx', 'CPU s/GB rx', 'messages/s', 'CPU µs tx', 'CPU µs rx', 'CPU of ours / its'], rows);

const echoRows: string[][] = [];
for (const [stack] of stacks) {
  const { times } = await run<Echoes>(stack, 100, 'echo').then(([sent]) => sent!);
  const sorted = times.toSorted((a, b) => a - b);
  echoRows.push([stack, String(times.length), median(times).toFixed(0), sorted[Math.floor(sorted.length * 0.99)]!.toFixed(0)]);
}
printTable(['echo of 100 B', 'round trips', 'p50 µs', 'p99 µs'], echoRows);

async function measure(stack: string, size: number): Promise<Result[]> {
  return await run<Result>(stack, size);
}

/** @returns the sender's result, and the receiver's unless it only echoes */
async function run<Kind extends { type: 'result' }>(stack: string, size: number, mode: 'bulk' | 'echo' = 'bulk'): Promise<Kind[]> {
  const receiver = startPeer('data-channel', 'receiver', String(size), String(SECONDS), stack, mode);
  const sender = startPeer('data-channel', 'sender', String(size), String(SECONDS), stack, mode);
  introduce(sender, receiver);
  const results = [nextMessage<Kind>(sender, 'result'), ...(mode === 'bulk' ? [nextMessage<Kind>(receiver, 'result')] : [])];
  const all = await Promise.all(results);
  receiver.kill('SIGKILL');
  sender.kill('SIGKILL');
  return all;
}

function describe(stack: string, size: number, [sent, received]: Result[], ours: Result[]): string[] {
  const { bytes, messages, milliseconds, cpuMs } = received!;
  const perGigabyte = (sent!.cpuMs + cpuMs) / bytes;
  const oursPerGigabyte = (ours[0]!.cpuMs + ours[1]!.cpuMs) / ours[1]!.bytes;
  return [
    `${size} B`,
    stack,
    (bytes / 1000 / milliseconds).toFixed(1),
    (sent!.cpuMs / (bytes / 1e6)).toFixed(1),
    (cpuMs / (bytes / 1e6)).toFixed(1),
    Math.round((messages / milliseconds) * 1000).toLocaleString('en'),
    ((sent!.cpuMs / messages) * 1000).toFixed(1),
    ((cpuMs / messages) * 1000).toFixed(1),
    (oursPerGigabyte / perGigabyte).toFixed(2),
  ];
}
