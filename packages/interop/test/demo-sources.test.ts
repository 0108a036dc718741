import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { Browser } from 'playwright-core';
import { findPeer } from '../src/peers.ts';
import { until } from '../src/session.ts';
import { buildDemo, launchChromium } from './demo-tools.ts';
import { describeWith } from './describe-with.ts';

describeWith('ffmpeg', 'ffmpeg as the source of the demo', () => {
  describeWith('chromium', 'seen in chromium', (executablePath) => {
    let browser: Browser;
    let serverPath: string;
    const processes: ChildProcess[] = [];
    beforeAll(async () => {
      serverPath = buildDemo('demo-sources');
      browser = await launchChromium(executablePath);
    }, 60_000);
    afterAll(() => browser?.close());
    afterEach(async () => {
      for (const child of processes.splice(0)) {
        const exit = new Promise((resolve) => child.once('exit', resolve));
        if (child.exitCode === null && child.kill('SIGTERM')) await exit;
      }
    });

    /** @returns what the server has printed when it serves. */
    async function serve(args: readonly string[], environment: NodeJS.ProcessEnv = process.env): Promise<string> {
      const server = spawn(process.execPath, [serverPath, ...args], { env: { ...environment, PORT: '0' } });
      processes.push(server);
      let output = '';
      for (const stream of [server.stdout, server.stderr]) stream.on('data', (data) => (output += data));
      return await until(
        () => (server.exitCode === null && !/http:\/\/\S+\n/.test(output) ? '' : output),
        (text) => text !== '',
      );
    }

    /** Opens the page, and waits for moving pictures. @returns the wire's line about media */
    async function watch(output: string): Promise<string> {
      const page = await browser.newPage();
      await page.goto(/http:\/\/127\S+/.exec(output)![0]);
      await until(
        () => page.$eval('#picture', (caption) => caption.textContent),
        (text) => /^640×360, [1-9]/.test(text ?? ''),
        20_000,
      );
      const rows = (): Promise<string[]> => page.$$eval('#rows .rtp', (items) => items.map((item) => item.textContent ?? ''));
      const line = (await until(rows, ({ length }) => length > 0)).at(-1)!;
      await page.close();
      return line;
    }

    test.each([
      ['vp8', 'VP8'],
      ['h264', 'H264'],
    ])(
      '--source ffmpeg --codec %s',
      async (codec, name) => {
        const output = await serve(['--source', 'ffmpeg', '--codec', codec]);
        expect(await watch(output)).toMatch(new RegExp(`${name} × \\d+, opus × \\d+`));
      },
      60_000,
    );

    test('--source rtp, fed by the ffmpeg command that it prints', async () => {
      const output = await serve(['--source', 'rtp', '--video-port', '25004', '--audio-port', '25006']);
      const command = /^ {2}(ffmpeg .*)$/m.exec(output)![1]!;
      processes.push(spawn('sh', ['-c', `exec ${command}`], { stdio: 'ignore' }));
      expect(await watch(output)).toMatch(/VP8 × \d+, opus × \d+/);
    }, 60_000);

    test('without ffmpeg on the machine it says how to install it', async () => {
      const output = await serve(['--source', 'ffmpeg'], { PATH: '/nowhere' });
      expect(findPeer('ffmpeg')).toBeDefined();
      expect(output).toMatch(/ffmpeg is not installed.*apt-get install ffmpeg/);
    }, 30_000);
  });
});
