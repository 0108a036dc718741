/**
 * The examples of the documentation, against the sources. A code block of README.md, docs/*.md or packages/x/README.md whose fence says `ts check` or
 * `js check` is type-checked; one that says `ts run` or `js run` is also run, as a program that has to end by itself, and what a comment behind a
 * `console.log` says has to be what is printed, up to a colon.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ChildProcess, execFile, execFileSync, fork, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { promisify } from 'node:util';
import { RTCPeerConnection, type RTCTrackEvent, RtpSink } from 'petrel';

interface Example {
  /** `docs/api.md:12` */
  readonly place: string;
  readonly file: string;
  readonly language: 'ts' | 'js';
  readonly runs: boolean;
  readonly source: string;
}

const root = resolve(__dirname, '../../..');
/** Inside of the repository, so that its packages are found. */
const folder = join(root, '.cache', `examples-${process.pid}`);
const examples: readonly Example[] = documents().flatMap(extract);
/** Those of README.md are servers: what they serve is tried below. */
const [echo, streaming] = examples.filter(({ place }) => place.startsWith('README.md'));
const programs = examples.filter((example) => example.runs && example !== echo && example !== streaming);
let serverPort: number;

const SERVE_ANSWERS = "\nprocess.on('message', async (offer) => process.send(await answer(offer)));\n";

/** Stands in for ffmpeg: VP8 packets to the address that is its last argument. Ends with its parent. */
const FFMPEG = `
const { hostname, port } = new URL(process.argv.at(-1).replace('rtp:', 'http:'));
const socket = require('node:dgram').createSocket('udp4');
const packet = Buffer.from('80e0000100000000000000011000', 'hex');
setInterval(() => { packet.writeUInt16BE(packet.readUInt16BE(2) + 1, 2); socket.send(packet, port, hostname); }, 20);
process.stdin.resume().on('end', () => process.exit());
`;

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  for (const { file, language, source } of examples) writeFileSync(join(folder, `${file}.${language}`), `${source}\nexport {};\n`);
  serverPort = await freePort();
  writeFileSync(join(folder, 'echo.js'), echo!.source.replace('listen(3000)', `listen(${serverPort}, '127.0.0.1')`));
  writeFileSync(join(folder, 'streaming.js'), streaming!.source.replaceAll('5004', `${serverPort}`) + SERVE_ANSWERS);
  writeFileSync(join(folder, 'ffmpeg.cjs'), FFMPEG);
  writeFileSync(join(folder, 'ffmpeg'), `#!/bin/sh\nexec ${process.execPath} "$0.cjs" "$@"\n`, { mode: 0o755 });
  bundle(['echo.js', 'streaming.js', ...programs.map(({ file, language }) => `${file}.${language}`)]);
}, 60_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the examples of the documentation', () => {
  test('fit the types', async () => {
    expect((await Promise.all([typeErrors('ts'), typeErrors('js')])).flat()).toEqual([]);
  }, 120_000);

  test('run, and print what they say', async () => {
    const complaints: string[] = [];
    const queue = [...programs];
    const worker = async (): Promise<void> => {
      for (let example = queue.pop(); example !== undefined; example = queue.pop()) complaints.push(...(await problemsOf(example)));
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(complaints).toEqual([]);
  }, 120_000);

  test('each package has one that runs', () => {
    const documented = new Set(examples.flatMap(({ place, runs }) => (runs ? [place.split('/')[1]] : [])));
    expect(readdirSync(join(root, 'packages')).filter((name) => !documented.has(name))).toEqual(['demo', 'interop']);
  });

  test('README.md: the echo server', async () => {
    const server = spawn(process.execPath, [join(folder, 'out/echo.mjs')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pc = new RTCPeerConnection();
    try {
      const channel = pc.createDataChannel('echo');
      const echoed = new Promise((settle) => {
        channel.onopen = () => channel.send('hello');
        channel.onmessage = ({ data }) => settle(data);
      });
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      await pc.setRemoteDescription({ type: 'answer', sdp: await post(serverPort, pc.localDescription!.sdp) });
      expect(await echoed).toBe('hello');
      pc.close({ reason: 'enough' });
      expect(String((await once(server.stdout, 'data'))[0])).toBe('closed by remote: enough\n');
    } finally {
      await end(pc, server);
    }
  }, 120_000);

  test('README.md: ffmpeg to the browser', async () => {
    const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
    const server = fork(join(folder, 'out/streaming.mjs'), { env, execArgv: [] });
    const pc = new RTCPeerConnection();
    try {
      pc.addTransceiver('video', { direction: 'recvonly' });
      const seen = new Promise<Uint8Array>((settle) => {
        pc.ontrack = ({ track }: RTCTrackEvent) => (new RtpSink(track).onpacket = settle);
      });
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      server.send(pc.localDescription!.toJSON());
      const [answer] = await once(server, 'message');
      await pc.setRemoteDescription(answer);
      expect([...(await seen).subarray(-2)]).toEqual([0x10, 0x00]);
    } finally {
      await end(pc, server);
    }
  }, 120_000);
});

function documents(): string[] {
  const docs = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const readmes = readdirSync(join(root, 'packages')).map((name) => join('packages', name, 'README.md'));
  return ['README.md', ...docs.map((name) => join('docs', name)), ...readmes]
    .map((name) => join(root, name))
    .filter((path) => existsSync(path));
}

function extract(path: string): Example[] {
  const text = readFileSync(path, 'utf8');
  return [...text.matchAll(/^```(ts|js) (check|run)\n(.*?)^```$/gms)].map(({ 1: language, 2: mode, 3: source, index }) => {
    const place = `${relative(root, path)}:${text.slice(0, index).split('\n').length}`;
    return { place, file: place.replaceAll(/\W+/g, '-'), language: language as 'ts' | 'js', runs: mode === 'run', source: source! };
  });
}

// Types ----------------------------------------------------------------------------------------------------------------

const COMPILER_OPTIONS = {
  composite: false,
  incremental: false,
  declaration: false,
  declarationMap: false,
  emitDeclarationOnly: false,
  isolatedDeclarations: false,
  noUnusedLocals: false,
  noUnusedParameters: false,
  noPropertyAccessFromIndexSignature: false,
  noEmit: true,
  types: ['node'],
  lib: ['es2023', 'dom'],
};
/** Scripts have no types to write down. */
const SCRIPT_OPTIONS = { allowJs: true, checkJs: true, strictNullChecks: false, noImplicitAny: false };

/** What the compiler says about the examples, with their places. */
async function typeErrors(language: 'ts' | 'js'): Promise<string[]> {
  const project = join(folder, `tsconfig.${language}.json`);
  const compilerOptions = { ...COMPILER_OPTIONS, ...(language === 'js' ? SCRIPT_OPTIONS : {}) };
  const include = examples.filter((example) => example.language === language).map(({ file }) => `${file}.${language}`);
  const files = [...include, '../../packages/petrel/test/examples/given.d.mts'];
  writeFileSync(project, JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, files, references: [] }));
  const output = await execute(join(root, 'node_modules/.bin/tsc'), ['-p', project, '--pretty', 'false']).then(
    () => '',
    ({ stdout }: { stdout: string }) => stdout,
  );
  return output.split('\n').flatMap((line) => {
    const example = examples.find(({ file }) => line.includes(`${file}.${language}(`));
    return example === undefined ? [] : [`${example.place}: ${line}`];
  });
}

// Running --------------------------------------------------------------------------------------------------------------

/** From sources, like everything inside of the repository. */
function bundle(files: readonly string[]): void {
  const options = ['--bundle', '--splitting', '--format=esm', '--platform=node', '--conditions=@petrel/source', '--log-level=warning'];
  const output = ['--external:@peculiar/x509', '--external:@noble/*', '--outdir=out', '--out-extension:.js=.mjs'];
  execFileSync(join(root, 'node_modules/.bin/esbuild'), [...files, ...options, ...output], { cwd: folder, stdio: 'pipe' });
}

async function problemsOf({ place, file, source }: Example): Promise<string[]> {
  const comments = [...source.matchAll(/console\.log\(.*\);? \/\/ (.+)$/gm)].map(([, comment]) => comment!);
  try {
    const { stdout } = await execute(process.execPath, [join(folder, 'out', `${file}.mjs`)], { timeout: 60_000 });
    const lines = stdout.split('\n');
    const wrong = comments.filter((comment) => !lines.some((line) => line !== '' && (comment === line || comment.startsWith(`${line}:`))));
    return wrong.map((comment) => `${place} says "${comment}", and prints ${JSON.stringify(lines)}`);
  } catch (error) {
    return [`${place}: ${(error as Error).message}`];
  }
}

function execute(program: string, args: readonly string[], options = {}): Promise<{ stdout: string }> {
  return promisify(execFile)(program, args, { encoding: 'utf8', ...options });
}

/** For UDP and TCP, most likely. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** The server may still be starting. */
async function post(port: number, body: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await (await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body })).text();
    } catch (error) {
      if (attempt === 400) throw error;
      await new Promise((settle) => setTimeout(settle, 50));
    }
  }
}

async function end(pc: RTCPeerConnection, server: ChildProcess): Promise<void> {
  pc.close();
  await pc.closed;
  server.kill();
  if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
}
