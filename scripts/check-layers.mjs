// Fails when a package imports what its layer may not, when package.json, tsconfig.json and the imports
// disagree, or when a core asks for time, randomness or I/O. The layers are drawn in docs/architecture.md.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Lower layers never import higher ones; siblings in one layer never import each other. */
const layers = [
  ['bytes', 'sans-io'],
  ['crypto', 'sdp'],
  ['stun', 'dtls', 'rtp', 'sctp'],
  ['turn', 'srtp', 'data-channel', 'media'],
  ['ice'],
  ['peer-connection'],
  ['node-runtime', 'testing'],
  ['petrel'],
  ['demo', 'interop'],
];
const layerOf = new Map(layers.flatMap((names, depth) => names.map((name) => [name, depth])));
/** Packages below this layer, and peer-connection itself, get everything from their caller. */
const pureBelow = layerOf.get('node-runtime');
/** The files that may import Node built-ins although their package is pure. */
const builtinsAllowed = new Map([['crypto/src/node.ts', ['node:crypto']]]);
const ambient =
  /\b(?:Date\.now|new Date\(\)|performance\.now|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|process\.|console\.)/;
/** Randomness comes from the crypto provider; these files hold what is behind it, or makes what it cannot. */
const ambientRandomness =
  /\bcrypto\.(?:getRandomValues|randomUUID|subtle)\b|\{[^}]*\b(?:getRandomValues|randomUUID|subtle)\b[^}]*\} = globalThis\.crypto/;
const randomnessAllowed = new Set(['crypto/src/noble.ts', 'crypto/src/certificate.ts', 'peer-connection/src/default-runtime.ts']);
const specifiers = /(?:\bfrom|\bimport|\bimport\()\s*['"]([^'"]+)['"]/g;

const problems = [];
for (const name of readdirSync('packages')) checkPackage(name);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exit(1);
}
console.log(`layers: ${readdirSync('packages').length} packages ok`);

function checkPackage(name) {
  const dir = join('packages', name);
  const report = (text) => problems.push(`${dir}: ${text}`);
  if (!layerOf.has(name)) return report('is in no layer');
  const manifest = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  const declared = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
  const internal = declared
    .filter((other) => other.startsWith('@petrel/') || other === 'petrel')
    .map((other) => other.replace('@petrel/', ''));
  const references = (JSON.parse(readFileSync(join(dir, 'tsconfig.json'), 'utf8')).references ?? []).map((reference) =>
    reference.path.slice(3),
  );
  if (references.toSorted().join() !== internal.toSorted().join()) report('tsconfig references differ from dependencies');
  for (const other of internal) if (layerOf.get(other) >= layerOf.get(name)) report(`depends on ${other}, which is not in a lower layer`);

  const used = new Set();
  for (const file of sourceFiles(dir)) checkFile(name, join(dir, 'src', file), declared, used, report);
  // The umbrella has to declare what the packages that it bundles leave to the installer.
  if (name !== 'petrel')
    for (const dependency of declared) if (!used.has(dependency)) report(`declares ${dependency} but does not import it`);
}

function sourceFiles(dir) {
  if (!existsSync(join(dir, 'src'))) return [];
  return readdirSync(join(dir, 'src'), { recursive: true }).filter((file) => file.endsWith('.ts'));
}

function checkFile(name, path, declared, used, report) {
  const text = readFileSync(path, 'utf8');
  const pure = layerOf.get(name) < pureBelow;
  for (const [, specifier] of text.matchAll(specifiers)) {
    if (specifier.startsWith('.')) {
      if (!join(path, '..', specifier).startsWith(join('packages', name, 'src')))
        report(`${path} reaches outside the package: ${specifier}`);
    } else if (specifier.startsWith('node:')) {
      const allowed = builtinsAllowed.get(path.replace(/^packages\//, '')) ?? [];
      if (pure && !allowed.includes(specifier)) report(`${path} imports ${specifier}`);
    } else {
      const owner = specifier
        .split('/')
        .slice(0, specifier.startsWith('@') ? 2 : 1)
        .join('/');
      used.add(owner);
      if (!declared.includes(owner)) report(`${path} imports undeclared ${owner}`);
    }
  }
  if (!pure) return;
  text.split('\n').forEach((line, index) => {
    const isAmbient = ambient.test(line) || (ambientRandomness.test(line) && !randomnessAllowed.has(path.replace(/^packages\//, '')));
    if (isAmbient && !/^\s*(?:\/\/|\*|\/\*)/.test(line)) report(`${path}:${index + 1} asks for time, randomness or I/O: ${line.trim()}`);
  });
}
