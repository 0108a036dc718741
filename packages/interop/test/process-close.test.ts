import { type ChildProcess, fork } from 'node:child_process';
import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Ending } from '../src/closing-process.ts';
import { bundleScript } from './bundle-script.ts';

let script: string;

interface Message {
  readonly type: string;
  readonly reason?: string;
}

/** Two processes that are connected `count` times. The first one ends. */
class Processes {
  readonly ending: ChildProcess;
  readonly staying: ChildProcess;
  /** What the staying one has told, with the times. */
  readonly told: (Message & { readonly at: number })[] = [];
  readonly exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly at: number }>;
  readonly output: string[] = [];
  readonly #waiting: { readonly check: () => boolean; readonly resolve: () => void }[] = [];
  #open = 0;

  constructor(count: number) {
    this.ending = start(count, 'offer');
    this.staying = start(count, 'answer');
    this.ending.stdout!.on('data', (data) => this.output.push(String(data)));
    this.exit = new Promise((resolve) => this.ending.once('exit', (code, signal) => resolve({ code, signal, at: performance.now() })));
    for (const [from, to] of [
      [this.ending, this.staying],
      [this.staying, this.ending],
    ] as const)
      from.on('message', (message: Message) => {
        if (message.type === 'description') to.send(message);
        else if (message.type === 'open') this.#open += 1;
        else if (from === this.staying) this.told.push({ ...message, at: performance.now() });
        for (const { check, resolve } of this.#waiting) if (check()) resolve();
      });
  }

  async connected(): Promise<void> {
    await this.until(() => this.#open === 2);
  }

  until(check: () => boolean): Promise<void> {
    if (check()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ check, resolve }));
  }

  goodbyes(): (Message & { readonly at: number })[] {
    return this.told.filter(({ type }) => type === 'remoteclose');
  }

  /** @returns when it was told to */
  end(how: Ending): number {
    this.ending.send({ type: 'end', how });
    return performance.now();
  }

  kill(): void {
    this.ending.kill('SIGKILL');
    this.staying.kill('SIGKILL');
  }
}

function start(count: number, role: 'offer' | 'answer'): ChildProcess {
  return fork(script, [String(count), role], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: [] });
}

describe('X09: the end of a process', () => {
  let processes: Processes;
  beforeAll(() => {
    script = bundleScript('closing-process');
  });
  afterEach(() => processes.kill());

  test('SIGTERM with 100 open connections and goodbyeOnExit(): every peer is told, and the process dies of the signal within 2 s', async () => {
    processes = new Processes(100);
    await processes.connected();
    const at = processes.end('signal');
    const exit = await processes.exit;
    await processes.until(() => processes.goodbyes().length === 100);
    expect(exit).toMatchObject({ code: null, signal: 'SIGTERM' });
    expect(exit.at - at).toBeLessThan(2000);
    expect(new Set(processes.goodbyes().map(({ reason }) => reason))).toEqual(new Set(['the process was told to end']));
    const slowest = Math.max(...processes.goodbyes().map((each) => each.at)) - at;
    process.stdout.write(`SIGTERM, 100 connections: all told after ${slowest.toFixed(0)} ms, exit after ${(exit.at - at).toFixed(0)} ms\n`);
  }, 60_000);

  test('process.exit() with goodbyeOnExit(): the flights leave synchronously', async () => {
    processes = new Processes(20);
    await processes.connected();
    const at = processes.end('exit');
    expect(await processes.exit).toMatchObject({ code: 3 });
    await processes.until(() => processes.goodbyes().length === 20);
    expect(processes.goodbyes().every(({ reason }) => reason === 'the process exits')).toBe(true);
    process.stdout.write(`process.exit(): 20 of 20 told within ${(processes.goodbyes().at(-1)!.at - at).toFixed(0)} ms\n`);
  }, 60_000);

  test('open connections keep it alive, closed ones do not; handlers that throw interrupt nothing', async () => {
    processes = new Processes(2);
    await processes.connected();
    const at = processes.end('run out');
    const exit = await processes.exit;
    expect(exit.code).toBe(0);
    expect(exit.at - at).toBeGreaterThan(490);
    expect(exit.at - at).toBeLessThan(2000);
    await processes.until(() => processes.goodbyes().length === 2);
    expect(JSON.parse(processes.output.join(''))).toEqual(Array(2).fill('a handler of the application'));
  }, 60_000);
});
