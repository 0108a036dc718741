// npm run swarm: bundles scripts/swarm.ts from the sources and runs it with the arguments.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
const outfile = '.cache/swarm/swarm.mjs';
mkdirSync('.cache/swarm', { recursive: true });
await build({
  entryPoints: ['scripts/swarm.ts'],
  outfile,
  bundle: true,
  conditions: ['@petrel/source'],
  external: ['@peculiar/x509'],
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
});
const child = spawn(process.execPath, ['--enable-source-maps', outfile, ...process.argv.slice(2)], { stdio: 'inherit' });
child.on('exit', (code) => (process.exitCode = code ?? 1));
