// npm run mutation [-- word…]: switches off one security check at a time, in a copy of the sources, and runs the tests that should notice.
// A check that can be missing without any test failing is not tested. The list is scripts/mutations.mjs; words select entries by name.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutations } from './mutations.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const words = process.argv.slice(2);
const wanted = mutations.filter(({ name }) => words.every((word) => name.includes(word)));
const copies = join(tmpdir(), `petrel-mutation-${createHash('sha256').update(root).digest('hex').slice(0, 8)}`);
const before = performance.now();
const queue = [...wanted];
const problems = [];
await Promise.all(Array.from({ length: Math.min(availableParallelism(), 4) }, (_, index) => work(join(copies, String(index)))));
rmSync(copies, { recursive: true, force: true });
console.log(
  `Mutations: ${wanted.length - problems.length} of ${wanted.length} noticed, ${((performance.now() - before) / 1000).toFixed(0)} s`,
);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
}

async function work(copy) {
  copyRepository(copy);
  for (let mutation = queue.shift(); mutation; mutation = queue.shift()) {
    const problem = await check(copy, mutation);
    console.log(`${problem ? 'SURVIVES' : 'noticed '} ${mutation.name}`);
    if (problem) problems.push(`${mutation.name}: ${problem}`);
  }
}

/** @returns what is wrong, or undefined when a test has failed as it should */
async function check(copy, { file, find, replace, test, only }) {
  const path = join(copy, 'packages', file);
  const original = readFileSync(path, 'utf8');
  if (original.split(find).length !== 2) return `packages/${file} has ${original.split(find).length - 1} times: ${find}`;
  writeFileSync(
    path,
    original.replace(find, () => replace),
  );
  const report = join(copy, 'report.json');
  rmSync(report, { force: true });
  const args = [join('packages', test), '--json', `--outputFile=${report}`, '--runInBand', ...(only ? ['-t', only] : [])];
  const output = await run(copy, [join(root, 'node_modules/jest/bin/jest.js'), ...args]);
  writeFileSync(path, original);
  if (!existsSync(report)) return `Jest did not run: ${output.slice(-500)}`;
  const { numFailedTests, numPassedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
  if (numRuntimeErrorTestSuites > 0) return `the mutated code does not load: ${output.slice(-500)}`;
  if (numFailedTests === 0) return numPassedTests === 0 ? 'no test was run' : 'no test fails without it';
  return undefined;
}

/** Sources and tests are copied; packages that are not ours are linked. */
function copyRepository(copy) {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(join(copy, 'node_modules/@petrel'), { recursive: true });
  for (const file of ['package.json', 'tsconfig.json', 'jest.config.ts']) cpSync(join(root, file), join(copy, file));
  for (const file of readdirSync(join(root, 'scripts')).filter((name) => name.startsWith('jest-'))) {
    cpSync(join(root, 'scripts', file), join(copy, 'scripts', file));
  }
  cpSync(join(root, 'packages'), join(copy, 'packages'), { recursive: true, filter: (path) => !/\/(?:node_modules|dist)$/.test(path) });
  for (const entry of readdirSync(join(root, 'node_modules'))) {
    const target = join(root, 'node_modules', entry);
    const isOurs = entry === '@petrel' || (lstatSync(target).isSymbolicLink() && existsSync(join(root, 'packages', entry)));
    if (!isOurs) symlinkSync(target, join(copy, 'node_modules', entry));
  }
  for (const entry of readdirSync(join(root, 'packages')))
    symlinkSync(join(copy, 'packages', entry), join(copy, 'node_modules/@petrel', entry));
}

function run(cwd, args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('exit', () => resolve(output));
  });
}
