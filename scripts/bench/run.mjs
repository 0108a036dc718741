// npm run bench: runs scripts/bench/*.ts, one process after the other. `npm run bench -- sctp srtp` runs only those; numbers are passed on to them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
const wanted = process.argv.slice(2).filter((name) => !/^\d+$/.test(name));
const numbers = process.argv.slice(2).filter((name) => /^\d+$/.test(name));
const names = readdirSync('scripts/bench')
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.worker.ts'))
  .map((file) => basename(file, '.ts'))
  .filter((name) => wanted.length === 0 || wanted.includes(name));
const out = '.cache/bench';
mkdirSync(out, { recursive: true });
/** Sources that look for files beside themselves do so where they lie, not where the bundle is. */
const ownFolder = {
  name: 'own-folder',
  setup({ onLoad }) {
    onLoad({ filter: /packages\/interop\/src\/.*\.ts$/ }, ({ path }) => ({
      contents: `const __dirname = ${JSON.stringify(dirname(path))};\n${readFileSync(path, 'utf8')}`,
      loader: 'ts',
    }));
  },
};
await build({
  entryPoints: readdirSync('scripts/bench')
    .filter((file) => file.endsWith('.ts'))
    .map((file) => `scripts/bench/${file}`),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  conditions: ['@petrel/source'],
  external: ['@peculiar/x509', 'esbuild'],
  plugins: [ownFolder],
  format: 'esm',
  platform: 'node',
  target: 'node20',
});
for (const name of names) {
  console.log(`\n# ${name}`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(out, `${name}.mjs`), ...numbers], { stdio: 'inherit' });
  if (status !== 0) process.exitCode = 1;
}
