// npm run mutation [-- word…]: switches off one security check at a time, in a copy of the sources, and runs the tests that should notice.
// A check that can be missing without any test failing is not tested. The list is scripts/mutations/; words select entries by name or file.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mutations } from './mutations/index.mjs';

/** Milliseconds. Without its check a loop may have no end: tests that hang have noticed, too. */
const PATIENCE = 60_000;
/** Test runs in one process, before what they leave in its memory makes it slow. */
const RUNS_PER_PROCESS = 100;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const words = process.argv.slice(2);
const wanted = mutations.filter(({ name, file }) => words.every((word) => `${name} ${file}`.includes(word)));
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
  const runner = newTestRunner(copy);
  for (let mutation = queue.shift(); mutation; mutation = queue.shift()) {
    const start = performance.now();
    const problem = await check(copy, runner, mutation);
    const seconds = (performance.now() - start) / 1000;
    // Those that take long want a narrower pattern of test names.
    console.log(`${problem ? 'SURVIVES' : 'noticed '} ${mutation.name}${seconds > 3 ? `, ${seconds.toFixed(0)} s` : ''}`);
    if (problem) problems.push(`${mutation.name}: ${problem}`);
  }
  runner.stop();
}

/** @returns what is wrong, or undefined when a test has failed as it should */
async function check(copy, runner, { file, find, replace, test, only }) {
  const path = join(copy, 'packages', file);
  const original = readFileSync(path, 'utf8');
  if (original.split(find).length !== 2) return `packages/${file} has ${original.split(find).length - 1} times: ${find}`;
  writeFileSync(
    path,
    original.replace(find, () => replace),
  );
  const { failed, passed, problem } = await runner.run(join('packages', test), only);
  writeFileSync(path, original);
  if (problem !== undefined) return `the mutated code does not load: ${problem}`;
  if (failed === 0) return passed === 0 ? 'no test was run' : 'no test fails without it';
  return undefined;
}

/** Test files run one after the other in one process: otherwise most of the time would go into starting Jest. */
function newTestRunner(copy) {
  let child;
  let runs = 0;
  const stop = () => {
    child?.kill('SIGKILL');
    child = undefined;
    runs = 0;
  };
  const start = () => {
    const started = fork(join(root, 'scripts/mutation-worker.mjs'), { cwd: copy, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    started.on('error', () => {}); // it has gone: its exit says so
    started.once('exit', () => {
      if (child === started) stop();
    });
    return started;
  };
  /** Tests that take the process with them have noticed, unless it was those before that did. */
  const run = async (test, only) => {
    if (runs === RUNS_PER_PROCESS) stop();
    const isFresh = runs === 0;
    child ??= start();
    runs += 1;
    const result = await answerOf(child, { test, only });
    if (result !== 'gone') return result;
    stop();
    return isFresh ? { failed: 1, passed: 0 } : run(test, only);
  };
  return { run, stop };
}

/** @returns 'gone' when the process ends, or has to be ended, without an answer */
function answerOf(child, request) {
  return new Promise((resolve) => {
    const end = (result) => {
      clearTimeout(timer);
      child.off('message', end).off('exit', gone);
      resolve(result);
    };
    const gone = () => end('gone');
    const timer = setTimeout(gone, PATIENCE);
    child.on('message', end).on('exit', gone);
    child.send(request);
  });
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
