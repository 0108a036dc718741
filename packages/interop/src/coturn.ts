/** A TURN server of its own for a test: coturn on this machine, with a configuration and a certificate made for it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface CoturnOptions {
  /** Where it listens and relays; 127.0.0.1 unless given. */
  readonly address?: string;
  /** Seconds; coturn's default is 600. */
  readonly staleNonce?: number;
  /** Seconds; the longest lifetime that is granted. */
  readonly maxLifetime?: number;
  /** Allocations for a user. */
  readonly quota?: number;
  /** PEM in place of the self-signed certificate for `turn.example` and the address. */
  readonly certificate?: { readonly key: string; readonly certificate: string };
}

export const COTURN_CREDENTIALS = { username: 'alice', credential: 'correct horse battery staple' } as const;

/**
 * @example
 * const coturn = await Coturn.start('/usr/bin/turnserver');
 * new RTCPeerConnection({ iceServers: [{ urls: `turn:${coturn.address}:${coturn.port}`, ...COTURN_CREDENTIALS }], iceTransportPolicy: 'relay' });
 * await coturn.stop();
 */
export class Coturn {
  readonly address: string;
  /** For UDP and TCP. */
  readonly port: number;
  readonly tlsPort: number;
  /** PEM of the certificate, which is its own authority. */
  readonly certificate: string;
  readonly #process: ChildProcess;
  readonly #directory: string;
  #log = '';

  private constructor(process: ChildProcess, directory: string, ports: Ports, certificate: string) {
    this.address = ports.address;
    this.#process = process;
    this.#directory = directory;
    this.port = ports.port;
    this.tlsPort = ports.tlsPort;
    this.certificate = certificate;
    process.stdout!.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
    process.stderr!.on('data', (chunk: Buffer) => (this.#log += chunk.toString()));
  }

  /** @param path of `turnserver` */
  static async start(path: string, options: CoturnOptions = {}): Promise<Coturn> {
    const directory = mkdtempSync(join(tmpdir(), 'petrel-coturn-'));
    const address = options.address ?? '127.0.0.1';
    const { key, certificate } = options.certificate ?? selfSigned(directory, address);
    writeFileSync(join(directory, 'key.pem'), key);
    writeFileSync(join(directory, 'certificate.pem'), certificate);
    const ports = { address, port: await freePort(address), tlsPort: await freePort(address) };
    writeFileSync(join(directory, 'turnserver.conf'), configuration(directory, ports, options));
    const child = spawn(path, ['-c', join(directory, 'turnserver.conf')], { stdio: ['ignore', 'pipe', 'pipe'], cwd: directory });
    const coturn = new Coturn(child, directory, ports, certificate);
    for (const port of [ports.port, ports.tlsPort]) await coturn.#answers(port);
    return coturn;
  }

  /** What it has logged, verbosely. */
  get log(): string {
    return this.#log;
  }

  /** Waits until the log matches. @throws Error after `within` milliseconds */
  async logged(pattern: RegExp, within: number = 5000): Promise<void> {
    const end = performance.now() + within;
    while (!pattern.test(this.#log)) {
      if (performance.now() > end) throw new Error(`coturn has not logged ${pattern}:\n${this.#log.slice(-2000)}`);
      await sleep(20);
    }
  }

  /** Kills it at once, as a crash does. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const exited = new Promise((resolve) => this.#process.once('exit', resolve));
      this.#process.kill('SIGKILL');
      await exited;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #answers(port: number): Promise<void> {
    for (let attempt = 0; attempt < 250; attempt++) {
      if (this.#process.exitCode !== null) break;
      const open = await new Promise<boolean>((resolve) => {
        const socket = connect(port, this.address, () => resolve(true)).once('error', () => resolve(false));
        socket.once('connect', () => socket.destroy());
      });
      if (open) return;
      await sleep(20);
    }
    throw new Error(`coturn does not listen on port ${port}:\n${this.#log}`);
  }
}

interface Ports {
  readonly address: string;
  readonly port: number;
  readonly tlsPort: number;
}

function configuration(directory: string, { address, port, tlsPort }: Ports, options: CoturnOptions): string {
  const { username, credential } = COTURN_CREDENTIALS;
  return [
    `listening-ip=${address}`,
    `relay-ip=${address}`,
    `listening-port=${port}`,
    `tls-listening-port=${tlsPort}`,
    'allow-loopback-peers',
    'lt-cred-mech',
    `user=${username}:${credential}`,
    'realm=example.org',
    `cert=${join(directory, 'certificate.pem')}`,
    `pkey=${join(directory, 'key.pem')}`,
    `userdb=${join(directory, 'turndb')}`,
    `pidfile=${join(directory, 'pid')}`,
    `stale-nonce=${options.staleNonce ?? 600}`,
    ...(options.maxLifetime === undefined ? [] : [`max-allocate-lifetime=${options.maxLifetime}`]),
    ...(options.quota === undefined ? [] : [`user-quota=${options.quota}`]),
    'no-cli',
    'no-dtls',
    'log-file=stdout',
    'simple-log',
    'verbose',
    '',
  ].join('\n');
}

function selfSigned(directory: string, address: string): { key: string; certificate: string } {
  const [key, certificate] = [join(directory, 'new-key.pem'), join(directory, 'new-certificate.pem')];
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const subject = ['-subj', '/CN=turn.example', '-addext', `subjectAltName=DNS:turn.example,IP:${address}`];
  execFileSync('openssl', [...kind, '-keyout', key, '-out', certificate, ...subject], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), certificate: readFileSync(certificate, 'utf8') };
}

function freePort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, address, () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
