import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** Builds the demo into a folder of the test's own, for tests run at the same time. @returns the path of its server */
export function buildDemo(name: string): string {
  const folder = join(__dirname, '../dist', name);
  execFileSync(process.execPath, [join(__dirname, '../../demo/build.mjs'), folder]);
  return join(folder, 'server.mjs');
}

export function launchChromium(executablePath: string): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--disable-background-networking',
    '--autoplay-policy=no-user-gesture-required',
  ];
  return chromium.launch({ executablePath, args });
}
