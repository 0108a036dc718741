import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { nodeCrypto } from '@petrel/crypto/node';
import { SctpAssociation, type SctpEvent, type SctpOptions } from '@petrel/sctp';

const INSTALL = 'apt-get install gcc libc6-dev libusrsctp-dev';
const folder = mkdtempSync(join(tmpdir(), 'petrel-usrsctp-'));
const program = join(folder, 'usrsctp-peer');
const compiled = spawnSync('cc', ['-O2', '-o', program, join(__dirname, '../peers/usrsctp-peer.c'), '-lusrsctp', '-lpthread']);
const describeWithUsrsctp = compiled.status === 0 ? describe : describe.skip;

/** Byte i of message n, as the peer makes it. */
function content(size: number, n: number): Uint8Array {
  return new Uint8Array(size).map((_, i) => 31 * i + 7 * n);
}

function hashOf(data: Uint8Array): string {
  let hash = 2166136261;
  for (const byte of data) hash = Math.imul(hash ^ byte, 16777619);
  return (hash >>> 0).toString(16).padStart(8, '0');
}

interface Situation {
  readonly role: 'connect' | 'listen';
  readonly drop?: number;
  readonly interleave?: boolean;
  readonly options?: Partial<SctpOptions>;
}

/** An association of ours over UDP, and usrsctp in a process of its own at the other end. */
class Session {
  readonly events: SctpEvent[] = [];
  readonly lines: string[] = [];
  readonly #hashes = new Map<number, string[]>();
  readonly #peerHashes = new Map<number, string[]>();
  readonly association: SctpAssociation;
  readonly #socket: Socket = createSocket({ type: 'udp4', recvBufferSize: 4_194_304 });
  #child: ChildProcessWithoutNullStreams | undefined;
  #port = 0;
  #timer: NodeJS.Timeout | undefined;
  #wake: (() => void)[] = [];

  constructor(options: Partial<SctpOptions> = {}) {
    this.association = new SctpAssociation({ crypto: nodeCrypto(), ...options });
    this.#socket.on('message', (data) => {
      this.association.receive(data, performance.now());
      this.flush();
    });
  }

  async start({ role, drop = 0, interleave = false }: Situation): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    this.#port = await freePort();
    const child = spawn(program, [role, `${this.#port}`, `${this.#socket.address().port}`, `${drop}`, interleave ? 'interleave' : 'plain']);
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.lines.push(line);
      const [type, streamId, , , hash] = line.split(' ');
      if (type === 'message') append(this.#peerHashes, Number(streamId), hash!);
      for (const wake of this.#wake.splice(0)) wake();
    });
    await this.until(() => this.lines.includes('ready'));
    if (role === 'listen') this.association.connect(performance.now());
    this.flush();
    await this.until(() => this.association.state === 'established' && this.lines.some((line) => line.startsWith('up')));
  }

  tell(command: string): void {
    this.#child!.stdin.write(`${command}\n`);
  }

  flush(): void {
    const now = performance.now();
    for (let packet = this.association.pollTransmit(now); packet; packet = this.association.pollTransmit(now))
      this.#socket.send(packet, this.#port, '127.0.0.1');
    for (let event = this.association.pollEvent(); event; event = this.association.pollEvent()) {
      if (event.type === 'message') append(this.#hashes, event.streamId, hashOf(event.data));
      else this.events.push(event);
    }
    clearTimeout(this.#timer);
    const next = this.association.nextTimeout();
    if (next !== Infinity) {
      this.#timer = setTimeout(() => {
        this.association.handleTimeout(performance.now());
        this.flush();
      }, next - now);
    }
    for (const wake of this.#wake.splice(0)) wake();
  }

  send(streamId: number, data: Uint8Array, options: Parameters<SctpAssociation['send']>[3] = {}): void {
    this.association.send(streamId, 53, data, options, performance.now());
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  /** Hashes of what has arrived on a stream: here, and there. */
  received(streamId: number): string[] {
    return this.#hashes.get(streamId) ?? [];
  }

  peerReceived(streamId: number): string[] {
    return this.#peerHashes.get(streamId) ?? [];
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#child?.kill();
    this.#socket.close();
  }
}

function append(lists: Map<number, string[]>, key: number, value: string): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

const SITUATIONS: readonly (readonly [string, Situation])[] = [
  ['we connect', { role: 'listen' }],
  ['usrsctp connects', { role: 'connect' }],
  ['we connect, 5 % of all packets are lost', { role: 'listen', drop: 5 }],
  ['usrsctp connects, 5 % of all packets are lost', { role: 'connect', drop: 5 }],
  ['I-DATA (RFC 8260), 5 % of all packets are lost', { role: 'listen', drop: 5, interleave: true }],
];

const sessions: Session[] = [];
async function begin(situation: Situation): Promise<Session> {
  const session = new Session(situation.options);
  sessions.push(session);
  await session.start(situation);
  return session;
}

afterEach(() => {
  for (const session of sessions.splice(0)) session.close();
});
afterAll(() => rmSync(folder, { recursive: true }));

describeWithUsrsctp.each(SITUATIONS)(`C23 usrsctp: %s${compiled.status === 0 ? '' : ` [missing: ${INSTALL}]`}`, (_, situation) => {
  test('small and large messages, both ways, ordered and unordered, arrive whole', async () => {
    const session = await begin(situation);
    const large = [1, 1200, 16_384, 65_536, 200_000].map((size, n) => content(size, n));
    for (const data of large) session.send(1, data);
    for (let n = 0; n < 300; n++) session.send(2, content(100, n), { unordered: true });
    session.flush();
    session.tell('send 3 53 150000 3 ordered reliable 0');
    session.tell('send 4 51 100 300 unordered reliable 0');
    await session.until(() => session.received(3).length === 3 && session.received(4).length === 300);
    await session.until(() => session.peerReceived(1).length === 5 && session.peerReceived(2).length === 300);
    expect(session.peerReceived(1)).toEqual(large.map(hashOf));
    expect(session.peerReceived(2).toSorted()).toEqual(Array.from({ length: 300 }, (__, n) => hashOf(content(100, n))).toSorted());
    expect(session.received(3)).toEqual([0, 1, 2].map((n) => hashOf(content(150_000, n))));
    expect(session.received(4).toSorted()).toEqual(Array.from({ length: 300 }, (__, n) => hashOf(content(100, n))).toSorted());
  }, 60_000);

  test('partial reliability: some or all arrive, in order, and never in part', async () => {
    const session = await begin(situation);
    for (let n = 0; n < 200; n++) session.send(1, content(3000, n), { maxRetransmits: 0 });
    session.send(1, content(10, 1000));
    session.flush();
    session.tell('send 2 53 3000 200 ordered rtx 0');
    session.tell('send 2 53 20 1 ordered reliable 0');
    await session.until(
      () => session.peerReceived(1).includes(hashOf(content(10, 1000))) && session.received(2).includes(hashOf(content(20, 0))),
    );
    const possible = new Map(Array.from({ length: 200 }, (__, n) => [hashOf(content(3000, n)), n]));
    for (const arrived of [session.peerReceived(1).slice(0, -1), session.received(2).slice(0, -1)]) {
      const numbers = arrived.map((hash) => possible.get(hash)!);
      expect(numbers).toEqual([...new Set(numbers)].toSorted((x, y) => x - y));
      if (situation.drop === undefined) expect(numbers).toHaveLength(200);
    }
  }, 60_000);

  test('RFC 6525: streams are reset from both sides, and used again', async () => {
    const session = await begin(situation);
    session.send(5, content(50_000, 0));
    session.association.resetStreams([5], performance.now());
    session.flush();
    session.tell('send 6 53 50000 1 ordered reliable 0');
    await session.until(() => session.lines.includes('sent'));
    session.tell('reset 6');
    await session.until(() => session.events.some(({ type }) => type === 'outgoing-streams-reset') && session.lines.includes('in-reset 5'));
    await session.until(
      () => session.events.some(({ type }) => type === 'incoming-streams-reset') && session.lines.includes('out-reset 6'),
    );
    expect(session.events.find(({ type }) => type === 'outgoing-streams-reset')).toMatchObject({ streamIds: [5], performed: true });
    expect([session.peerReceived(5).length, session.received(6).length]).toEqual([1, 1]);
    session.send(5, content(40, 7));
    session.flush();
    session.tell('send 6 53 40 1 ordered reliable 0');
    await session.until(() => session.peerReceived(5).length === 2 && session.received(6).length === 2);
  }, 60_000);

  test('our SHUTDOWN delivers what is queued', async () => {
    const session = await begin(situation);
    session.send(1, content(100_000, 0));
    session.association.shutdown(performance.now());
    session.flush();
    await session.until(() => session.events.some(({ type }) => type === 'closed') && session.peerReceived(1).length === 1);
  }, 60_000);

  test('its SHUTDOWN ends ours', async () => {
    const session = await begin(situation);
    session.send(1, content(100_000, 0));
    session.flush();
    await session.until(() => session.peerReceived(1).length === 1);
    session.tell('shutdown');
    await session.until(() => session.events.some(({ type }) => type === 'closed'));
  }, 60_000);
});

describeWithUsrsctp(`usrsctp: ABORT${compiled.status === 0 ? '' : ` [missing: ${INSTALL}]`}`, () => {
  test('ours ends the association there', async () => {
    const session = await begin({ role: 'listen' });
    session.association.abort('enough');
    session.flush();
    await session.until(() => session.lines.includes('lost'));
  }, 20_000);

  test('its own ends ours', async () => {
    const session = await begin({ role: 'listen' });
    session.tell('abort');
    await session.until(() => session.events.some(({ type }) => type === 'aborted'));
    expect(session.association.state).toBe('closed');
  }, 20_000);
});
