import { spawn } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { NAMESPACE } from '../src/peers.ts';
import type { VanishingReport } from '../src/vanishing-interfaces.ts';
import { bundleScript } from './bundle-script.ts';
import { describeWith } from './describe-with.ts';

describeWith('virtual interfaces', 'network interfaces of the system that go away', (unshare) => {
  test('L10, X08: the connection moves to another one; without any it is disconnected; a restart over a new one goes on with the same channel', async () => {
    const report = await run(unshare, bundleScript('vanishing-interfaces'));
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
});

function run(unshare: string, script: string): Promise<VanishingReport> {
  const child = spawn(unshare, [...NAMESPACE, process.execPath, script], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, errors] = ['', ''];
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (errors += data));
  return new Promise((resolve, reject) =>
    child.once('close', (code) => (code === 0 ? resolve(JSON.parse(output) as VanishingReport) : reject(new Error(errors)))),
  );
}
