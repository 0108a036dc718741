// Bundles the demo into dist/, or another folder: the server, the process that each connection runs in, the page, and the clip.
import { cp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));

export async function buildDemo(dist = join(here, 'dist')) {
  await rm(dist, { recursive: true, force: true });
  await Promise.all([
    build({
      entryPoints: { server: join(here, 'src/server/main.ts'), connection: join(here, 'src/server/connection.ts') },
      outdir: dist,
      outExtension: { '.js': '.mjs' },
      bundle: true,
      conditions: ['@petrel/source'],
      format: 'esm',
      platform: 'node',
      target: 'node20',
      sourcemap: true,
      sourcesContent: false,
    }),
    build({
      entryPoints: { page: join(here, 'src/page/main.ts') },
      outdir: join(dist, 'page'),
      bundle: true,
      conditions: ['@petrel/source'],
      format: 'esm',
      target: 'es2022',
      minify: true,
      sourcemap: true,
    }),
    ...['index.html', 'style.css', 'favicon.svg'].map((file) => cp(join(here, 'src/page', file), join(dist, 'page', file))),
    ...['clip.ivf', 'clip.ogg'].map((file) => cp(join(here, 'media', file), join(dist, 'media', file))),
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildDemo(process.argv[2]);
