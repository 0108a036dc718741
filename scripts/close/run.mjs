// Runs one of the scripts here, bundled from the sources: `node scripts/close/run.mjs report`. The rest of the arguments are the script's.
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDependencies } from '../install.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
installDependencies();
const { bundle } = await import('../bundle.mjs');
const [name, ...args] = process.argv.slice(2);
const [script] = await bundle([`scripts/close/${name}.ts`], '.cache/close');
const child = spawn(process.execPath, ['--enable-source-maps', script, ...args], { stdio: 'inherit' });
child.on('exit', (code) => (process.exitCode = code ?? 1));
