// npm test: installs what is missing, builds the packages (the packed-tarball tests install them), runs Jest, and ends
// with the lists of skipped tests and of those that needed a second attempt, and one line of counts. Arguments go to Jest: `npm test -- packages/sctp`.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDependencies } from './install.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
installDependencies();
run('scripts/build.mjs');

const results = '.cache/test-results.json';
mkdirSync('.cache', { recursive: true });
rmSync(results, { force: true });
const status = run('node_modules/jest/bin/jest.js', '--json', `--outputFile=${results}`, ...process.argv.slice(2)).status;
summarize(JSON.parse(readFileSync(results, 'utf8')));
process.exitCode = status ?? 1;

function run(script, ...args) {
  // Jest writes its report to stderr; with --outputFile its JSON does not go to stdout.
  const result = spawnSync(process.execPath, [script, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  if (script.startsWith('scripts/') && result.status !== 0) process.exit(result.status ?? 1);
  return result;
}

/** Nothing is skipped silently: each skipped test's name says what to install. Nor is what passed only at the second attempt (interop). */
function summarize({ testResults, numPassedTests, numFailedTests, numPendingTests, numRuntimeErrorTestSuites }) {
  for (const { assertionResults } of testResults)
    for (const { status: outcome, fullName, retryReasons } of assertionResults) {
      if (outcome === 'pending') console.log(`skipped: ${fullName}`);
      if (outcome === 'passed' && retryReasons.length > 0)
        console.log(`second attempt: ${fullName}\n  ${retryReasons[0].split('\n    at ')[0]}`);
    }
  const failed = numFailedTests + numRuntimeErrorTestSuites;
  console.log(`Tests: ${numPassedTests} passed, ${failed} failed, ${numPendingTests} skipped`);
}
