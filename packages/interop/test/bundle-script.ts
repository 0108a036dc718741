import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '../../..');

/** Bundles `src/<name>.ts`, for a process of its own. @returns the path of the bundle */
export function bundleScript(name: string): string {
  const script = join(root, `packages/interop/dist/${name}.mjs`);
  const options = ['--bundle', '--platform=node', '--format=esm', '--conditions=@petrel/source', '--external:@peculiar/x509'];
  const source = join(root, `packages/interop/src/${name}.ts`);
  execFileSync(join(root, 'node_modules/.bin/esbuild'), [source, ...options, `--outfile=${script}`, '--log-level=error'], { cwd: root });
  return script;
}
