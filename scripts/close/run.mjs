// Runs one of the scripts here, bundled from the sources: `node scripts/close/run.mjs report`. The rest of the arguments are the script's.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDependencies } from '../install.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
installDependencies();
const { build } = await import('esbuild');
const [name, ...args] = process.argv.slice(2);
const outfile = `.cache/close/${name}.mjs`;
mkdirSync('.cache/close', { recursive: true });
await build({
  entryPoints: [`scripts/close/${name}.ts`],
  outfile,
  bundle: true,
  conditions: ['@petrel/source'],
  external: ['@peculiar/x509', 'esbuild', 'playwright-core'],
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
});
const child = spawn(process.execPath, ['--enable-source-maps', outfile, ...args], { stdio: 'inherit' });
child.on('exit', (code) => (process.exitCode = code ?? 1));
