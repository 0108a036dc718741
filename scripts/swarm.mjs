// npm run swarm: bundles scripts/swarm.ts from the sources and runs it with the arguments.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from './bundle.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
const [script] = await bundle(['scripts/swarm.ts'], '.cache/swarm');
const child = spawn(process.execPath, ['--enable-source-maps', script, ...process.argv.slice(2)], { stdio: 'inherit' });
child.on('exit', (code) => (process.exitCode = code ?? 1));
