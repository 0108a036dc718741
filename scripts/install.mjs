// Makes sure that the dependencies are there: `npm ci` on a fresh clone, nothing otherwise.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** @returns whether something was installed. */
export function installDependencies() {
  if (existsSync('node_modules/.package-lock.json')) return false;
  console.log('node_modules is missing: npm ci');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { stdio: 'inherit' });
  return true;
}
