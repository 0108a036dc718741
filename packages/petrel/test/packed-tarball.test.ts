import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const root = resolve(__dirname, '../../..');
let folder: string;

/** What users do: an empty folder, `npm install` of the tarball that would be published. The packages are built by `npm test`. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'petrel-consumer-'));
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '-w', 'petrel', '--pack-destination', folder], { cwd: root, encoding: 'utf8' }),
  );
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, packed.filename)], {
    cwd: folder,
    stdio: 'pipe',
  });
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(file: string, source: string): string {
  writeFileSync(join(folder, file), source);
  return execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8', timeout: 30_000 }).trim();
}

/** What the compiler says, nothing if it is content. */
function typeErrors(options: readonly string[]): string {
  const strict = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--target', 'es2022'];
  const lib = options.includes('--lib') ? [] : ['--lib', 'es2022'];
  const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...strict, ...lib, ...options], {
    cwd: folder,
    encoding: 'utf8',
  });
  return stdout + stderr;
}

const PAGE = `
  import { closeWithPeer } from 'petrel/page';
  const pc = new RTCPeerConnection();
  closeWithPeer(pc, [pc.createDataChannel('x')], (reason) => console.log(reason.length));
`;

/** Two peers in one process connect over real sockets, say hello, close; the process then has to end by itself. */
const helloOverChannel = `
  const a = new RTCPeerConnection();
  const b = new RTCPeerConnection();
  a.onicecandidate = ({ candidate }) => candidate && b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) => candidate && a.addIceCandidate(candidate);
  b.ondatachannel = ({ channel }) => { channel.onmessage = ({ data }) => channel.send(data.toUpperCase()); };
  const channel = a.createDataChannel('hello');
  channel.onopen = () => channel.send('hello');
  channel.onmessage = async ({ data }) => {
    a.close();
    await Promise.all([a.closed, b.closed.then(() => {}, () => {}), b.close()]);
    console.log(data);
  };
  (async () => {
    await a.setLocalDescription();
    await b.setRemoteDescription(a.localDescription);
    await b.setLocalDescription();
    await a.setRemoteDescription(b.localDescription);
  })();
`;

describe('the packed tarball, installed into an empty folder', () => {
  test('works as an ES module', () => {
    expect(run('hello.mjs', `import { RTCPeerConnection } from 'petrel';${helloOverChannel}`)).toBe('HELLO');
  }, 60_000);

  test('works with require', () => {
    expect(run('hello.cjs', `const { RTCPeerConnection } = require('petrel');${helloOverChannel}`)).toBe('HELLO');
  }, 60_000);

  test.each([
    ['import and require', ['--module', 'node16'], ['program.mts', 'program.cts']],
    ['a bundler', ['--module', 'esnext', '--moduleResolution', 'bundler'], ['program.ts']],
    [
      'import and require, beside the declarations of the DOM',
      ['--module', 'nodenext', '--lib', 'es2022,dom'],
      ['program.mts', 'program.cts'],
    ],
    ['a bundler, beside the declarations of the DOM', ['--module', 'preserve', '--lib', 'es2022,dom'], ['program.ts']],
  ])(
    'type-checks in strict mode, declarations included: %s',
    (_name, options, files) => {
      for (const file of files) copyFileSync(join(__dirname, 'consumer/program.ts'), join(folder, file));
      expect(typeErrors([...options, '--typeRoots', join(root, 'node_modules/@types'), '--types', 'node', ...files])).toBe('');
    },
    60_000,
  );

  test('petrel/page type-checks with the declarations of the DOM alone', () => {
    writeFileSync(join(folder, 'page.ts'), PAGE);
    expect(typeErrors(['--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2022,dom', '--types', '', 'page.ts'])).toBe('');
  }, 60_000);

  test('has what compilers look for that do not read `exports` (TypeScript before 6, unless it is told)', () => {
    const installed = join(folder, 'node_modules/petrel');
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    const files = [manifest.main, manifest.types, ...Object.values<string[]>(manifest.typesVersions['*']).flat()];
    expect(files).toEqual(['./dist/index.cjs', './dist/index.d.cts', './dist/page.d.cts']);
    for (const file of files) expect([file, existsSync(join(installed, file))]).toEqual([file, true]);
  });

  test('brings nothing but @peculiar/x509 and what that needs', () => {
    const tree = JSON.parse(execFileSync('npm', ['ls', '--json', '--depth=1'], { cwd: folder, encoding: 'utf8' }));
    expect(Object.keys(tree.dependencies)).toEqual(['petrel']);
    expect(Object.keys(tree.dependencies.petrel.dependencies)).toEqual(['@peculiar/x509']);
  });
});
