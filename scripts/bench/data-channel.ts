/**
 * One reliable, ordered data channel between two processes on loopback: throughput, CPU time of each side, and how long an echo takes; beside the stacks that
 * `scripts/install-peers.mjs --bench` has installed. CPU time and ratios count: MB/s depend on what else the machine does.
 */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
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
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const SIZES = (process.env['BENCH_SIZES'] ?? '100,1200,16384,65536').split(',').map(Number);
/** What is loaded, by name; `petrel-1400` is Petrel with the packets of a network, although the peer is on the same machine. */
const MODULES = {
  petrel: undefined,
  'petrel-1400': undefined,
  'node-datachannel': 'node-datachannel/polyfill',
  wrtc: '@roamhq/wrtc',
  werift: 'werift',
} as const;
type Stack = keyof typeof MODULES;
/** Seconds to connect and to warm up; how often that is tried. */
const TIME_LIMIT = 10;
const ATTEMPTS = 2;
/** What the others are measured against. */
const REFERENCE: Stack = 'node-datachannel';
const wanted = process.env['BENCH_STACKS']?.split(',') ?? Object.keys(MODULES);
const stacks = (Object.keys(MODULES) as Stack[]).filter((stack) => wanted.includes(stack) && isInstalled(MODULES[stack]));

const rows: string[][] = [];
for (const size of SIZES) {
  const results = await inTurn((stack) => run<Result>(stack, size));
  const reference = median((results.get(REFERENCE) ?? []).map(cpuPerGigabyte));
  for (const [stack, rounds] of results) rows.push(describe(stack, size, rounds, reference));
}
const header = ['message', 'stack', 'MB/s', 'CPU s/GB tx', 'CPU s/GB rx', 'messages/s', 'CPU µs tx', 'CPU µs rx', `CPU / ${REFERENCE}'s`];
printTable(header, rows);

const echoRows: string[][] = [];
for (const [stack, rounds] of await inTurn((each) => run<Echoes>(each, 100, 'echo').then((results) => results?.[0]))) {
  const at = (quantile: number): string =>
    median(rounds.map(({ times }) => times.toSorted((a, b) => a - b)[Math.floor(times.length * quantile)]!)).toFixed(0);
  echoRows.push([stack, String(rounds[0]!.times.length), at(0.5), at(0.99)]);
}
printTable(['echo of 100 B', 'round trips', 'p50 µs', 'p99 µs'], echoRows);
function isInstalled(module: string | undefined): boolean {
  return module === undefined || existsSync(`.cache/peers/node_modules/${module.replace(/\/polyfill$/, '')}`);
}

/** Every stack, and all of them again, so that what else the machine does concerns all alike. Those that do not finish are left out. */
async function inTurn<T>(measure: (stack: Stack) => Promise<T | undefined>): Promise<Map<Stack, T[]>> {
  const results = new Map<Stack, T[]>(stacks.map((stack) => [stack, []]));
  for (let round = 0; round < ROUNDS; round++) {
    for (const [stack, rounds] of results) {
      const result = await measure(stack);
      if (result === undefined) results.delete(stack);
      else rounds.push(result);
    }
  }
  return results;
}

/** @returns the sender's result, and the receiver's unless it only echoes */
async function run<Kind extends { type: 'result' }>(
  stack: Stack,
  size: number,
  mode: 'bulk' | 'echo' = 'bulk',
): Promise<Kind[] | undefined> {
  const args = [String(size), String(SECONDS), stack, MODULES[stack] ?? '', mode];
  // Not every connection of every stack is set up.
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const receiver = startPeer('data-channel', 'receiver', ...args);
    const sender = startPeer('data-channel', 'sender', ...args);
    introduce(sender, receiver);
    const results = [nextMessage<Kind>(sender, 'result'), ...(mode === 'bulk' ? [nextMessage<Kind>(receiver, 'result')] : [])];
    const failures = [
      once(sender, 'exit'),
      once(receiver, 'exit'),
      setTimeout(1000 * (TIME_LIMIT + 6 * SECONDS), undefined, { ref: false }),
    ];
    const all = await Promise.race([Promise.all(results), ...failures.map((failure) => failure.then(() => undefined))]);
    receiver.kill('SIGKILL');
    sender.kill('SIGKILL');
    if (all !== undefined) return all;
  }
  console.log(`${stack} does not finish: ${mode}, ${size} B`);
  return undefined;
}

function cpuPerGigabyte([sent, received]: readonly Result[]): number {
  return (sent!.cpuMs + received!.cpuMs) / (received!.bytes / 1e6);
}

/** Medians of the rounds. */
function describe(stack: Stack, size: number, rounds: readonly Result[][], reference: number): string[] {
  const of = (figure: (sent: Result, received: Result) => number): number =>
    median(rounds.map(([sent, received]) => figure(sent!, received!)));
  const messages = of((_, received) => (received.messages / received.milliseconds) * 1000);
  return [
    `${size} B`,
    stack,
    of((_, received) => received.bytes / 1000 / received.milliseconds).toFixed(1),
    of((sent, received) => sent.cpuMs / (received.bytes / 1e6)).toFixed(1),
    of((_, received) => received.cpuMs / (received.bytes / 1e6)).toFixed(1),
    Math.round(messages).toLocaleString('en'),
    of((sent, received) => (sent.cpuMs / received.messages) * 1000).toFixed(1),
    of((_, received) => (received.cpuMs / received.messages) * 1000).toFixed(1),
    reference > 0 ? (median(rounds.map(cpuPerGigabyte)) / reference).toFixed(2) : '-',
  ];
}
