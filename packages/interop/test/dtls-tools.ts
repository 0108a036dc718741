import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificate, certificateToPem } from '@petrel/crypto';
import type { DtlsConnection, DtlsEvent, DtlsListener } from '@petrel/dtls';

export type Tool = 'openssl' | 'gnutls';

export interface ToolOptions {
  readonly certificate: Certificate;
  /** Of the handshake's datagrams, in bytes. */
  readonly mtu?: number;
  /** In the tool's own spelling: an OpenSSL cipher list, a GnuTLS priority. */
  readonly cipher?: string;
  /** OpenSSL only; GnuTLS has groups in its priority. */
  readonly groups?: string;
  /** In the tool's own spelling; none: not offered. */
  readonly srtp?: string;
  /** Server only: whether to ask for a cookie. */
  readonly cookie?: boolean;
}

const LABEL = 'EXTRACTOR-dtls_srtp';
export const EXPORTED_LENGTH = 60;

/** `openssl s_server`, `openssl s_client`, `gnutls-serv` or `gnutls-cli` as a DTLS 1.2 peer on 127.0.0.1. */
export class DtlsTool {
  /** Everything that the tool printed. */
  output = '';
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #folder: string;
  #wake: () => void = () => {};

  constructor(tool: Tool, role: 'server' | 'client', port: number, options: ToolOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), 'petrel-dtls-'));
    const pem = join(this.#folder, 'pair.pem');
    writeFileSync(pem, certificateToPem(options.certificate));
    const [command, ...args] = tool === 'openssl' ? opensslCommand(role, port, pem, options) : gnutlsCommand(role, port, pem, options);
    // Without stdbuf the tools hold their output back, as it goes to a pipe.
    this.#child = spawn('stdbuf', ['-oL', '-eL', command!, ...args]);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.output += chunk.toString('latin1');
        this.#wake();
      });
    }
    this.#child.stdin.on('error', () => {});
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Ends the input, which makes the tools close their connection. */
  end(): void {
    this.#child.stdin.end();
  }

  /** Waits until the tool has printed something that matches. @throws Error with its output after four seconds */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    const matched = (): boolean => pattern.test(this.output);
    await until(matched, (wake) => (this.#wake = wake), `the tool did not print ${pattern}: ${this.output.slice(-600)}`);
    return pattern.exec(this.output)!;
  }

  async stop(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function opensslCommand(role: 'server' | 'client', port: number, pem: string, options: ToolOptions): string[] {
  const common = ['-dtls1_2', '-cert', pem, '-key', pem, '-keymatexport', LABEL, '-keymatexportlen', String(EXPORTED_LENGTH)];
  common.push('-mtu', String(options.mtu ?? 1200));
  if (options.srtp !== undefined) common.push('-use_srtp', options.srtp);
  if (options.cipher !== undefined) common.push('-cipher', options.cipher);
  if (options.groups !== undefined) common.push('-groups', options.groups);
  return role === 'server'
    ? ['openssl', 's_server', ...common, '-accept', `127.0.0.1:${port}`, '-Verify', '1', ...(options.cookie ? ['-listen'] : [])]
    : ['openssl', 's_client', ...common, '-connect', `127.0.0.1:${port}`];
}

function gnutlsCommand(role: 'server' | 'client', port: number, pem: string, options: ToolOptions): string[] {
  const common = ['--udp', '--port', String(port), '--x509certfile', pem, '--x509keyfile', pem, '--mtu', String(options.mtu ?? 1200)];
  common.push('--keymatexport', LABEL, '--keymatexportsize', String(EXPORTED_LENGTH));
  if (options.srtp !== undefined) common.push('--srtp-profiles', options.srtp);
  if (options.cipher !== undefined) common.push('--priority', options.cipher);
  return role === 'server'
    ? ['gnutls-serv', ...common, '--echo', '--require-client-cert', ...(options.cookie ? [] : ['--nocookie'])]
    : ['gnutls-cli', ...common, '--insecure', '127.0.0.1'];
}

/** A connection of ours, or a listener, on a socket of its own. */
export class DtlsEndpoint {
  readonly events: DtlsEvent[] = [];
  readonly #socket: Socket = createSocket('udp4');
  #connection: DtlsConnection | undefined;
  #listener: DtlsListener | undefined;
  #remotePort = 0;
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => {};

  /** Binds a port. @param remotePort of the server that a client talks to; a server answers whoever comes */
  async open(core: DtlsConnection | DtlsListener, remotePort?: number): Promise<void> {
    if ('start' in core) this.#connection = core;
    else this.#listener = core;
    this.#socket.on('error', () => {});
    this.#socket.on('message', (datagram, from) => {
      this.#remotePort = from.port;
      if (this.#listener)
        this.#connection = this.#listener.receive(datagram, `${from.address}:${from.port}`, performance.now()) ?? this.#connection;
      else this.#connection!.receive(datagram, performance.now());
      this.flush();
    });
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    if (remotePort !== undefined) this.#remotePort = remotePort;
    this.#connection?.start(performance.now());
    this.flush();
  }

  get port(): number {
    return this.#socket.address().port;
  }

  get connection(): DtlsConnection {
    if (this.#connection === undefined) throw new Error('nobody has connected');
    return this.#connection;
  }

  /** What the connection has delivered, as text. */
  get text(): string {
    return this.events.map((event) => (event.type === 'data' ? Buffer.from(event.data).toString() : '')).join('');
  }

  /** Sends what waits, collects events, arms the timer. */
  flush(): void {
    for (let out = this.#listener?.pollTransmit(); out; out = this.#listener?.pollTransmit()) this.inject(out.datagram);
    const connection = this.#connection;
    if (connection === undefined) return;
    for (let datagram = connection.pollTransmit(); datagram; datagram = connection.pollTransmit()) this.inject(datagram);
    for (let event = connection.pollEvent(); event; event = connection.pollEvent()) this.events.push(event);
    clearTimeout(this.#timer);
    const pause = connection.nextTimeout() - performance.now();
    if (pause !== Infinity) {
      this.#timer = setTimeout(() => {
        connection.handleTimeout(performance.now());
        this.flush();
      }, pause);
    }
    this.#wake();
  }

  /** Sends bytes that no connection made. */
  inject(datagram: Uint8Array): void {
    this.#socket.send(datagram, this.#remotePort, '127.0.0.1');
  }

  async happened(condition: () => boolean, what: string): Promise<void> {
    await until(condition, (wake) => (this.#wake = wake), `${what}: ${JSON.stringify([this.events, this.#connection?.discards])}`);
  }

  async connected(): Promise<void> {
    await this.happened(() => this.events.some(({ type }) => type === 'connected' || type === 'failed'), 'nothing happened');
    if (this.connection.state !== 'connected') throw new Error(`not connected: ${JSON.stringify(this.events)}`);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#socket.close();
  }
}

/** A UDP port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function until(condition: () => boolean, onChange: (wake: () => void) => void, problem: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Error(problem)), 4000);
    const check = (): void => {
      if (!condition()) return;
      clearTimeout(deadline);
      onChange(() => {});
      resolve();
    };
    onChange(check);
    check();
  });
}
