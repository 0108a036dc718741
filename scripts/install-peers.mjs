// Installs the npm peers of the interop tests into .cache/peers: other WebRTC stacks with prebuilt binaries. They are no dependencies of anything here.
// With --bench also what only benchmarks are run against.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '../.cache/peers');
const dependencies = {
  '@roamhq/wrtc': '0.10.0',
  'node-datachannel': '0.33.4',
  ...(process.argv.includes('--bench') && { werift: '0.25.2' }),
};
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, 'package.json'), `${JSON.stringify({ private: true, dependencies }, undefined, 2)}\n`);
const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--no-package-lock'], { cwd: folder, stdio: 'inherit' });
process.exitCode = status ?? 1;
