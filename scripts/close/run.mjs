// Runs one of the scripts here, bundled from the sources: `node scripts/close/run.mjs report`. The rest of the arguments are the script's.
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDependencies } from '../install.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
installDependencies();
const { build } = await import('esbuild');
const [name, ...args] = process.argv.slice(2);
const outfile = `.cache/close/${name}.mjs`;
mkdirSync('.cache/close', { recursive: true });
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
  entryPoints: [`scripts/close/${name}.ts`],
  outfile,
  bundle: true,
  conditions: ['@petrel/source'],
  external: ['@peculiar/x509', 'esbuild', 'playwright-core'],
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
  plugins: [ownFolder],
});
const child = spawn(process.execPath, ['--enable-source-maps', outfile, ...args], { stdio: 'inherit' });
child.on('exit', (code) => (process.exitCode = code ?? 1));
