import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import type { VanishingReport } from '../src/vanishing-interfaces.ts';

jest.retryTimes(1, { logErrorsBeforeRetry: true });

const root = join(__dirname, '../../..');
const script = join(root, 'packages/interop/dist/vanishing-interfaces.mjs');
/** A network namespace of our own, and whatever is started in it ends with it. */
const NAMESPACE = ['-rn', '--kill-child=SIGKILL'] as const;

const isPermitted =
  spawnSync('unshare', [...NAMESPACE, 'ip', 'link', 'add', 'veth1', 'type', 'veth', 'peer', 'name', 'veth2']).status === 0;
const title = 'network interfaces of the system that go away';
const describePermitted = isPermitted ? describe : describe.skip;

describePermitted(
  isPermitted ? title : `${title} [no virtual ones permitted: apt-get install iproute2 util-linux, user namespaces]`,
  () => {
    test('L10, X08: the connection moves to another one; without any it is disconnected; a restart over a new one goes on with the same channel', async () => {
      build();
      const report = await run();
      expect(report).toMatchObject({ uncaught: [], inOrder: true });
      expect(report.states).toEqual(['connecting', 'connected', 'disconnected', 'connecting', 'connected']);
      const [first, second, third] = report.addresses;
      expect([first, second].toSorted()).toEqual(['10.77.1.1', '10.77.2.1']);
      expect(third).toBe('10.77.3.1');
      expect(report.moved).toBeLessThan(5_000);
      const { moved, disconnected, restarted, echoes } = report;
      process.stdout.write(
        `moved after ${moved.toFixed(0)} ms, disconnected after ${disconnected.toFixed(0)} ms, restarted in ${restarted.toFixed(0)} ms, ${echoes} messages\n`,
      );
    }, 100_000);
  },
);

function build(): void {
  const source = join(root, 'packages/interop/src/vanishing-interfaces.ts');
  const options = ['--bundle', '--platform=node', '--format=esm', '--conditions=@petrel/source', '--external:@peculiar/x509'];
  execFileSync(join(root, 'node_modules/.bin/esbuild'), [source, ...options, `--outfile=${script}`, '--log-level=error'], { cwd: root });
}

function run(): Promise<VanishingReport> {
  const child = spawn('unshare', [...NAMESPACE, process.execPath, script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (errors += data));
  return new Promise((resolve, reject) =>
    child.once('close', (code) => (code === 0 ? resolve(JSON.parse(output) as VanishingReport) : reject(new Error(errors)))),
  );
}
