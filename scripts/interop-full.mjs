// npm run interop-full: the data channel tests against browsers and other stacks at full size: 100 MiB, 10,000 messages, 500 channels. Minutes, not for each run.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
const jest = ['node_modules/jest/bin/jest.js', 'packages/interop/test/data-exchange', '--verbose', '--forceExit', ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, jest, { stdio: 'inherit', env: { ...process.env, PETREL_INTEROP: 'full' } });
process.exitCode = status ?? 1;
