// npm run size: what a user downloads. Packs every public package, and says which packages the umbrella's bundle is made of.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

if (!existsSync('packages/petrel/dist/metafile-esm.json')) execFileSync(process.execPath, ['scripts/build.mjs'], { stdio: 'inherit' });

const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1).padStart(8)} kB`;
console.log('package                  packed    unpacked  files');
for (const name of readdirSync('packages')) {
  const manifest = JSON.parse(readFileSync(join('packages', name, 'package.json'), 'utf8'));
  if (manifest.private) continue;
  const [pack] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '-w', manifest.name], { encoding: 'utf8' }));
  console.log(`${manifest.name.padEnd(22)}${kilobytes(pack.size)} ${kilobytes(pack.unpackedSize)} ${String(pack.entryCount).padStart(6)}`);
}

const { outputs } = JSON.parse(readFileSync('packages/petrel/dist/metafile-esm.json', 'utf8'));
const byPackage = new Map();
for (const output of Object.values(outputs))
  for (const [path, { bytesInOutput }] of Object.entries(output.inputs ?? {})) {
    const owner = /packages\/([^/]+)\//.exec(path)?.[1] ?? /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? 'glue';
    byPackage.set(owner, (byPackage.get(owner) ?? 0) + bytesInOutput);
  }
console.log('\ninside the ES module bundle of petrel (before compression)');
for (const [owner, bytes] of [...byPackage].toSorted((a, b) => b[1] - a[1])) console.log(`${owner.padEnd(22)}${kilobytes(bytes)}`);
