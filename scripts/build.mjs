// Builds every package for publication: ESM and CommonJS bundles by esbuild, declarations by tsc.
// `petrel`, the umbrella, is self-contained: the other packages' code and declarations go into it.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

const packages = readdirSync('packages')
  .map((name) => ({
    name,
    dir: join('packages', name),
    manifest: JSON.parse(readFileSync(join('packages', name, 'package.json'), 'utf8')),
  }))
  .filter(({ manifest }) => !manifest.private);

// A fresh copy of the declarations: files that no longer exist must not survive in a published package.
if (process.argv.includes('--clean')) for (const { dir } of packages) rmSync(join(dir, 'dist'), { recursive: true, force: true });

execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-b'], { stdio: 'inherit' });
await Promise.all(packages.map(bundle));
for (const { name, dir } of packages) {
  if (name === 'petrel') inlineDeclarations(dir);
  writeCommonJsDeclarations(join(dir, 'dist'));
}
const demo = 'packages/demo/build.mjs';
if (existsSync(demo)) execFileSync(process.execPath, [demo], { stdio: 'inherit' });
console.log(`built ${packages.length} packages`);

/** Source files of the entry points in `exports`, without the `./package.json` one. */
function entryPoints({ dir, manifest }) {
  return Object.values(manifest.exports)
    .map((target) => target['@petrel/source'])
    .filter(Boolean)
    .map((path) => join(dir, path));
}

async function bundle(entry) {
  const { dir, manifest } = entry;
  const umbrella = manifest.name === 'petrel';
  const runtimeDependencies = Object.keys(manifest.dependencies ?? {});
  // The noble packages exist as ES modules only, so the CommonJS bundles carry them inside.
  const external = (format) =>
    umbrella || format === 'cjs' ? runtimeDependencies.filter((name) => !name.startsWith('@noble/')) : runtimeDependencies;
  for (const format of ['esm', 'cjs']) {
    const result = await build({
      entryPoints: entryPoints(entry),
      outdir: join(dir, 'dist'),
      outExtension: { '.js': format === 'esm' ? '.js' : '.cjs' },
      bundle: true,
      splitting: format === 'esm',
      chunkNames: 'chunks/[name]-[hash]',
      external: external(format),
      conditions: umbrella ? ['@petrel/source'] : [],
      format,
      platform: 'node',
      target: 'node20',
      sourcemap: true,
      sourcesContent: false,
      metafile: true,
    });
    if (umbrella) writeFileSync(join(dir, 'dist', `metafile-${format}.json`), JSON.stringify(result.metafile));
  }
}

/** Copies the declarations of the packages inside the umbrella beside its own and points its imports at the copies. */
function inlineDeclarations(dir) {
  const types = join(dir, 'dist', 'types');
  rmSync(types, { recursive: true, force: true });
  for (const { name, dir: from, manifest } of packages) {
    if (name === 'petrel') continue;
    const target = join(types, name);
    cpSync(join(from, 'dist'), target, { recursive: true, filter: (path) => !/\.(?:js|cjs|map|cts|tsbuildinfo|json)$/.test(path) });
    for (const file of declarations(target)) rewrite(file, (specifier) => inlined(specifier, dirname(file), types));
    if (!existsSync(join(target, 'index.d.ts'))) throw new Error(`${manifest.name} has no declarations: tsc -b did not build it`);
  }
  // tsc's own output stays as it is: the next incremental build and the projects that refer to this one read it.
  const own = join(dir, 'dist', 'tsc');
  for (const file of declarations(own)) {
    const target = join(dir, 'dist', relative(own, file));
    cpSync(file, target);
    rewrite(target, (specifier) => inlined(specifier, dirname(target), types));
  }
}

/** `@petrel/x/y` as a path relative to the folder of the importing declaration. */
function inlined(specifier, from, types) {
  const match = /^@petrel\/([^/]+)(?:\/(.+))?$/.exec(specifier);
  if (match === null) return specifier;
  const path = relative(from, join(types, match[1], `${match[2] ?? 'index'}.ts`));
  return path.startsWith('.') ? path : `./${path}`;
}

/** A `.d.cts` beside every `.d.ts`, for TypeScript users who `require`. */
function writeCommonJsDeclarations(dist) {
  for (const file of declarations(dist)) {
    if (file.startsWith(join(dist, 'tsc'))) continue;
    const text = readFileSync(file, 'utf8').replace(/(['"]\.{1,2}\/[^'"]*)\.ts(['"])/g, '$1.cts$2');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file.replace(/\.d\.ts$/, '.d.cts'), text.replace(/\n\/\/# sourceMappingURL=.*$/m, ''));
  }
}

function declarations(dir) {
  return readdirSync(dir, { recursive: true })
    .filter((path) => path.endsWith('.d.ts'))
    .map((path) => join(dir, path));
}

function rewrite(file, change) {
  const text = readFileSync(file, 'utf8');
  const changed = text.replace(
    /((?:from|import)\s*\(?\s*['"])([^'"]+)(['"])/g,
    (_, before, specifier, after) => before + change(specifier) + after,
  );
  if (changed !== text) writeFileSync(file, changed);
}
