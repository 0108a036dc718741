import { type ChildProcess, spawn } from 'node:child_process';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { until } from '../src/session.ts';
import { buildDemo, launchChromium } from './demo-tools.ts';
import { describeWith } from './describe-with.ts';

/** What `npm start` serves, as a user sees it. */
describeWith('chromium', 'the demo in chromium', (executablePath) => {
  let server: ChildProcess;
  let browser: Browser;
  let page: Page;
  let output = '';

  beforeAll(async () => {
    server = spawn(process.execPath, [buildDemo('demo')], {
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    server.stdout?.on('data', (data) => (output += data));
    browser = await launchChromium(executablePath);
    page = await browser.newPage();
    await until(
      () => output,
      (text) => /http:\S+/.test(text),
    );
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    const exit = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    expect(await exit).toBe(0);
  });

  beforeEach(async () => {
    await page.goto(/http:\S+/.exec(output)![0]);
    await page.waitForSelector('#text:enabled', { timeout: 15_000 });
  }, 30_000);

  const rows = (): Promise<string[]> => page.$$eval('#rows li', (items) => items.map((item) => item.textContent ?? ''));
  const states = (): Promise<string> => page.$eval('#states', (list) => list.textContent ?? '');
  const click = (id: string): Promise<void> => page.click(`#${id}`);

  test('the picture moves, in VP8, and the clock in it runs', async () => {
    await until(
      () => page.$eval('#picture', (caption) => caption.textContent),
      (text) => /^640×360, [1-9]/.test(text ?? ''),
    );
    expect(await states()).toMatch(/connection connected.*ICE connected.*DTLS connected.*channel open.*video live.*audio live/);
    await until(rows, (all) => all.some((row) => /VP8 × \d+, opus × \d+/.test(row)));
  }, 30_000);

  test('the channel echoes, 256 KiB too', async () => {
    await page.fill('#text', 'hello, petrel');
    await page.keyboard.press('Enter');
    await click('large');
    const messages = await until(
      () => page.$$eval('#messages li', (items) => items.map((item) => item.textContent ?? '')),
      ({ length }) => length === 4,
    );
    expect(messages.filter((text) => text.startsWith('hello, petrel'))).toHaveLength(2);
    expect(messages.filter((text) => text.startsWith('262,144 bytes'))).toHaveLength(2);
  }, 30_000);

  test('server closes: the page shows the reason, the flight, what was heard, and that the process has ended', async () => {
    await click('server-closes');
    const all = await until(rows, (list) => list.some((row) => row.includes('has exited by itself')), 20_000);
    const end = all.slice(all.findIndex((row) => row.endsWith('Server closes')));
    const position = (pattern: RegExp): number => end.findIndex((row) => pattern.test(row));
    expect(position(/◀─ rtcp.*BYE/)).toBeGreaterThan(0);
    expect(position(/◀─ sctp.*ABORT/)).toBeGreaterThan(position(/◀─ rtcp.*BYE/));
    expect(position(/◀─ dtls.*Alert close_notify/)).toBeGreaterThan(position(/◀─ sctp.*ABORT/));
    for (const sign of [
      /channel error: “.*the server says goodbye/,
      /channel closed/,
      /SCTP closed/,
      /DTLS closed/,
      /petrel\/page: closed with the server/,
      /video ended/,
    ])
      expect(end.join('\n')).toMatch(sign);
    expect(await page.textContent('#verdict')).toMatch(/Your browser noticed after \d+\.\d ms.*The server heard close_notify/);
    expect(output).toMatch(/──▶ {2}rtcp.*BYE[\s\S]*──▶ {2}sctp.*ABORT[\s\S]*heard close_notify/);
  }, 60_000);

  test('page closes: the server notices', async () => {
    await click('page-closes');
    await until(rows, (list) => list.some((row) => row.includes('closed by the page')));
    expect(await page.textContent('#verdict')).toMatch(/The server noticed after \d+\.\d ms/);
    await click('reconnect');
    await page.waitForSelector('#text:enabled');
  }, 60_000);

  test('server dies without a goodbye: nothing is heard, the picture stands still', async () => {
    await until(
      () => page.$eval('#picture', (caption) => caption.textContent),
      (text) => text !== '',
    );
    await click('server-dies');
    await until(rows, (list) => list.some((row) => row.includes('the picture stands still')));
    const all = await rows();
    expect(all.join('\n')).toContain('killed (SIGKILL), without a goodbye');
    expect(await page.textContent('#verdict')).toMatch(/Your browser has noticed nothing for/);
    expect(await states()).toContain('connection connected');
  }, 60_000);
});
