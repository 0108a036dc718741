import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { FromConnection, ToConnection, Track } from '../feed.ts';
import { FeedLog } from './feed-log.ts';

/** A connection whose process has nothing left to do ends by itself; after this time, in milliseconds, it is taken for stuck. */
const EXIT_TIME = 5000;
const ANSWER_TIME = 10_000;

export interface ConnectionProcessOptions {
  readonly script: URL;
  readonly onKeyFrameRequest: () => void;
  readonly onExit: (connection: ConnectionProcess) => void;
}

/** The server's handle of one connection and its process (connection.ts). */
export class ConnectionProcess {
  /** Cannot be guessed: whoever knows it may end the connection. */
  readonly id: string = randomUUID();
  readonly feed: FeedLog = new FeedLog();
  readonly exited: Promise<void>;
  readonly #options: ConnectionProcessOptions;
  readonly #child: ChildProcess;
  #streaming = false;
  #onAnswer: ((message: FromConnection) => void) | undefined;

  constructor(options: ConnectionProcessOptions) {
    this.#options = options;
    this.#child = fork(options.script, { serialization: 'advanced', execArgv: ['--enable-source-maps'] });
    this.#child.on('message', (message: FromConnection) => this.#receive(message));
    this.#child.on('error', () => {}); // a message to a process that has just ended
    this.exited = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve(this.#ended(code, signal))));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** @throws Error when the offer cannot be answered. */
  async answer(sdp: string, tracks: readonly Track[]): Promise<string> {
    const reply = new Promise<FromConnection>((resolve) => (this.#onAnswer = resolve));
    const ended = this.exited.then((): FromConnection => ({ type: 'refused', message: 'the connection ended before it had an answer' }));
    const timer = setTimeout(() => this.kill(), ANSWER_TIME);
    this.#send({ type: 'offer', sdp, tracks });
    const message = await Promise.race([reply, ended]);
    clearTimeout(timer);
    if (message.type !== 'answer') throw new Error(message.type === 'refused' ? message.message : message.type);
    this.#streaming = true;
    return message.sdp;
  }

  sendPacket(kind: Track['kind'], packet: Uint8Array): void {
    if (this.#streaming) this.#send({ type: 'packet', kind, packet });
  }

  close(reason: string): void {
    if (!this.#streaming) return;
    this.#note(`the server closes: pc.close({ reason: '${reason}' })`);
    this.#streaming = false;
    this.#send({ type: 'close', reason });
  }

  /** No goodbye. */
  kill(): void {
    this.#streaming = false;
    this.#child.kill('SIGKILL');
  }

  #receive(message: FromConnection): void {
    if (message.type === 'key-frame') return this.#options.onKeyFrameRequest();
    if (message.type !== 'feed') return this.#onAnswer?.(message);
    this.feed.add(message.entries);
    if (!message.entries.some(({ kind }) => kind === 'closed')) return;
    this.#streaming = false;
    const stuck = setTimeout(() => {
      this.#note(`the process is still there ${EXIT_TIME / 1000} s after the connection has closed`);
      this.kill();
    }, EXIT_TIME);
    void this.exited.then(() => clearTimeout(stuck));
  }

  #ended(code: number | null, signal: string | null): void {
    this.#streaming = false;
    this.feed.add([{ kind: 'exit', at: now(), pid: this.pid, code, signal }]);
    this.#options.onExit(this);
  }

  #note(text: string): void {
    this.feed.add([{ kind: 'note', at: now(), text }]);
  }

  #send(message: ToConnection): void {
    if (this.#child.connected) this.#child.send(message);
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}
