// npm start: installs what is missing, bundles the demo and serves it. Arguments go to the demo (`-- --help` lists them).
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDependencies } from './install.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));
installDependencies();
const { buildDemo } = await import('../packages/demo/build.mjs');
await buildDemo();

const demo = spawn(process.execPath, ['--enable-source-maps', 'packages/demo/dist/server.mjs', ...process.argv.slice(2)], {
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => demo.kill(signal));
demo.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)));
