/** Another WebRTC stack in a process of its own, driven by lines of JSON (peers/w3c-peer.mjs, peers/aiortc_peer.py). */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { RTCIceServer } from 'petrel';

export interface StackPeerOptions {
  readonly iceServers?: readonly RTCIceServer[];
  readonly relayOnly?: boolean;
  /** Make a channel; the other side's channel is echoed. */
  readonly channel?: boolean;
}

interface Answer {
  readonly id?: number;
  readonly error?: string;
  readonly ready?: boolean;
  readonly sdp?: string;
  readonly same?: boolean;
  readonly connection?: string;
  readonly events?: readonly StackEvent[];
}

/** Something that the peer has noticed: `channel close`, `connection closed`, `track ended`, … */
export interface StackEvent {
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
}

const PEERS = join(__dirname, '../peers');

export class StackPeer {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>();
  #nextId = 0;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** @param command of the process: what `findPeer` says */
  static async start(name: 'aiortc' | 'wrtc' | 'node-datachannel', command: string): Promise<StackPeer> {
    const script =
      name === 'aiortc' ? [join(PEERS, 'aiortc_peer.py')] : [join(PEERS, 'w3c-peer.mjs'), name === 'wrtc' ? '@roamhq/wrtc' : name];
    const child = spawn(name === 'aiortc' ? command : process.execPath, script, { stdio: ['pipe', 'pipe', 'ignore'] });
    const peer = new StackPeer(child);
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => peer.#end(new Error(`${name} has ended with ${code}`), reject));
      createInterface({ input: child.stdout! }).on('line', (line) => peer.#onLine(line, resolve));
    });
    return peer;
  }

  async create(options: StackPeerOptions): Promise<void> {
    await this.#command('create', options);
  }

  /** With all candidates in it. */
  async offer(iceRestart: boolean = false): Promise<string> {
    return (await this.#command('offer', { iceRestart })).sdp!;
  }

  async answer(sdp: string): Promise<string> {
    return (await this.#command('answer', { sdp })).sdp!;
  }

  async accept(sdp: string): Promise<void> {
    await this.#command('accept', { sdp });
  }

  /** Sends messages over its own channel. @returns whether all came back as they were */
  async echo(count: number): Promise<boolean> {
    return (await this.#command('echo', { count })).same === true;
  }

  /** Everything since `create`. */
  async noticed(): Promise<readonly StackEvent[]> {
    return (await this.#command('noticed', {})).events ?? [];
  }

  async close(): Promise<void> {
    await this.#command('close', {});
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await exited;
  }

  #command(command: string, parameters: object): Promise<Answer> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.stdin!.write(`${JSON.stringify({ id, command, ...parameters })}\n`);
    });
  }

  #onLine(line: string, onReady: () => void): void {
    // Libraries write to stdout, too.
    if (!line.startsWith('{')) return;
    const answer: Answer = JSON.parse(line);
    if (answer.ready === true) return onReady();
    const waiting = this.#waiting.get(answer.id!);
    this.#waiting.delete(answer.id!);
    if (answer.error === undefined) waiting?.resolve(answer);
    else waiting?.reject(new Error(answer.error));
  }

  #end(error: Error, reject: (error: Error) => void): void {
    reject(error);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
  }
}
