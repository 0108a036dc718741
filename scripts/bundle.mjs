// Bundles TypeScript of scripts/ with the packages' sources, for Node to run.
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';

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

/** @returns {Promise<string[]>} the bundles' paths in the order of `entryPoints`, from the current folder, the root of the repository */
export async function bundle(entryPoints, outdir) {
  await build({
    entryPoints,
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    conditions: ['@petrel/source'],
    external: ['@peculiar/x509', 'esbuild', 'playwright-core'],
    plugins: [ownFolder],
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'error',
  });
  return entryPoints.map((path) => join(outdir, `${basename(path, '.ts')}.mjs`));
}
