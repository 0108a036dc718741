// npm run bench: runs scripts/bench/*.ts, one process after the other. `npm run bench -- sctp srtp` runs only those; numbers are passed on to them.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../bundle.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
const wanted = process.argv.slice(2).filter((name) => !/^\d+$/.test(name));
const numbers = process.argv.slice(2).filter((name) => /^\d+$/.test(name));
const files = readdirSync('scripts/bench').filter((file) => file.endsWith('.ts'));
const names = files
  .filter((file) => !file.endsWith('.worker.ts'))
  .map((file) => basename(file, '.ts'))
  .filter((name) => wanted.length === 0 || wanted.includes(name));
const out = '.cache/bench';
await bundle(
  files.map((file) => `scripts/bench/${file}`),
  out,
);
for (const name of names) {
  console.log(`\n# ${name}`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(out, `${name}.mjs`), ...numbers], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
