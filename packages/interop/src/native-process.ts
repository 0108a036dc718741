import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import type { Page } from './browser-page.ts';

export type NativePeerName = 'node-datachannel' | 'wrtc';

const root = join(__dirname, '../../..');
const folder = join(root, '.cache/peers');

/** Another stack for Node in a process of its own; what it runs is in native-peer.ts. Driven like a page of a browser. */
export class NativePeer implements Page {
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #nextId = 0;

  constructor(name: NativePeerName) {
    const script = join(root, `.cache/native-peer-${process.pid}.mjs`);
    buildSync({
      entryPoints: [join(root, 'packages/interop/src/native-peer.ts')],
      outfile: script,
      bundle: true,
      format: 'esm',
      platform: 'node',
    });
    this.#process = fork(script, [folder, name], { serialization: 'advanced' });
    this.#process.on('message', ({ id, value, error }: { id: number; value?: unknown; error?: string }) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) pending?.resolve(value);
      else pending?.reject(new Error(`${name}: ${error}`));
    });
    this.#process.on('exit', (code, signal) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`${name} has ended: ${code ?? signal}`));
    });
  }

  evaluate(run: (argument: never) => unknown, argument?: unknown): Promise<never> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: (value) => resolve(value as never), reject });
      this.#process.send({ id, source: run.toString(), argument });
    });
  }

  close(): void {
    this.#process.kill('SIGKILL');
  }
}
