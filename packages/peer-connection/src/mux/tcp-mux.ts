/**
 * One TCP port for any number of connections: ICE-TCP passive candidates (RFC 6544 §5.2). The first frame of a connection (RFC 4571) has to be a check,
 * and its USERNAME says whose it is.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------------------------------------------------------+
 * |             LENGTH            |  STUN Binding request ...     |
 * +---------------------------------------------------------------+
 * ```
 */
import { concatBytes, readUint16 } from '@petrel/bytes';
import { requestedFragment } from '@petrel/ice';
import { Discards } from '@petrel/sans-io';
import { runtimeOrDefault } from '../default-runtime.ts';
import type { Runtime, StreamHandler, StreamSocket, TcpListener, TimerHandle } from '../runtime.ts';
import * as webidl from '../webidl.ts';
import { MuxMembers } from './mux-members.ts';
import { announce, bindEverywhere, chosenInterfaces, type MuxOptions, toMuxOptions, UnknownFragmentHook } from './mux-options.ts';
import type { MuxSocket } from './udp-mux.ts';

/** `not-a-check`: the first frame was none; `no-check-in-time`: none came within 10 s; `too-many-connections`: 128 others were waiting. */
export type TcpMuxDiscard = 'unknown-fragment' | 'not-a-check' | 'no-check-in-time' | 'too-many-connections';

export interface TcpMuxMember {
  /** A connection with a check for the member has come. @returns who gets its bytes, those of the check first */
  accept(socket: number, stream: StreamSocket): StreamHandler;
  onMuxClosed(): void;
}

export interface TcpMuxMembership {
  readonly sockets: readonly MuxSocket[];
  addFragment(fragment: string): void;
  leave(): void;
}

/** Connections that have not shown a check yet, at most: then the oldest has to go. */
const MAX_PENDING = 128;
/** Milliseconds for it. */
const CHECK_TIMEOUT = 10_000;
/** A check is not longer than a datagram. */
const MAX_CHECK = 1500;

export let joinTcpMux: (mux: TcpMux, member: TcpMuxMember) => TcpMuxMembership;

/**
 * @example
 * const tcpMux = await TcpMux.listen({ port: 5000, announcedAddress: '203.0.113.7' });
 * const pc = new RTCPeerConnection({ tcpMux });
 */
export class TcpMux {
  /** Connections that were closed, by reason. */
  readonly discards: Discards<TcpMuxDiscard> = new Discards();
  readonly #runtime: Runtime;
  readonly #hook: UnknownFragmentHook;
  readonly #sockets: { readonly listener: TcpListener; readonly description: MuxSocket }[] = [];
  readonly #members = new MuxMembers<TcpMuxMember>();
  readonly #pending = new Set<Pending>();
  #closed = false;

  private constructor(runtime: Runtime, options: MuxOptions) {
    this.#runtime = runtime;
    this.#hook = new UnknownFragmentHook(runtime, options.onUnknownFragment);
  }

  /**
   * Listens on every address that is wanted.
   * @throws (rejects) the operating system's error, with its `code`; TypeError for malformed options
   */
  static async listen(...[given, runtime]: [options?: MuxOptions, runtime?: Runtime]): Promise<TcpMux> {
    const options = toMuxOptions(given, 'TcpMux.listen');
    const found = runtimeOrDefault(runtime);
    const mux = new TcpMux(found, options);
    const bound = await bindEverywhere(chosenInterfaces(found, options.interfaceFilter), options.port ?? 0, ({ address }, port, index) =>
      found.listenTcp({ address, port }, (stream, attach) => mux.#onConnection(index, stream, attach)),
    );
    try {
      for (const { socket: listener, networkInterface } of bound) {
        const { address, port } = listener;
        const socketOptions = { protocol: 'tcp', address, port, networkInterface: networkInterface.name } as const;
        mux.#sockets.push({ listener, description: { ...socketOptions, ...announce(options.announcedAddress, socketOptions) } });
      }
    } catch (error) {
      for (const { socket } of bound) socket.close();
      throw error;
    }
    return mux;
  }

  get port(): number {
    return this.#sockets[0]!.listener.port;
  }

  get addresses(): readonly string[] {
    return this.#sockets.map(({ listener }) => listener.address);
  }

  /** How many transports are behind it, and how many connections are nobody's yet. */
  get size(): { readonly transports: number; readonly fragments: number; readonly pending: number } {
    return { transports: this.#members.size, fragments: this.#members.fragments, pending: this.#pending.size };
  }

  /** Listens no more. What was accepted stays with its connections. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const member of this.#members) member.onMuxClosed();
    for (const member of this.#members) this.#members.delete(member);
    for (const pending of this.#pending) this.#end(pending);
    for (const { listener } of this.#sockets) listener.close();
  }

  // Connections --------------------------------------------------------------------------------------------------------

  #onConnection(socket: number, stream: StreamSocket, attach: (handler: StreamHandler) => void): void {
    if (this.#closed) return stream.close();
    if (this.#pending.size >= MAX_PENDING) {
      const [oldest] = this.#pending;
      this.#refuse(oldest!, 'too-many-connections');
    }
    const timer = this.#runtime.setTimer(this.#runtime.now() + CHECK_TIMEOUT, () => this.#refuse(pending, 'no-check-in-time'), true);
    const pending: Pending = { socket, stream, timer, bytes: new Uint8Array(0), handler: undefined };
    this.#pending.add(pending);
    attach({
      onData: (data) => (pending.handler === undefined ? this.#collect(pending, data) : pending.handler.onData(data)),
      onClose: (error) => (pending.handler === undefined ? this.#end(pending) : pending.handler.onClose(error)),
    });
  }

  #collect(pending: Pending, data: Uint8Array): void {
    if (!this.#pending.has(pending)) return;
    pending.bytes = concatBytes(pending.bytes, data);
    const { bytes } = pending;
    if (bytes.length < 2) return;
    const length = readUint16(bytes, 0);
    if (length < 20 || length > MAX_CHECK) return this.#refuse(pending, 'not-a-check');
    if (bytes.length < 2 + length) return;
    const fragment = requestedFragment(bytes.subarray(2, 2 + length));
    if (fragment === undefined) return this.#refuse(pending, 'not-a-check');
    const member = this.#members.ofFragment(fragment) ?? this.#askFor(fragment, pending.stream);
    if (member === undefined) return this.#refuse(pending, 'unknown-fragment');
    this.#forgetPending(pending);
    pending.handler = member.accept(pending.socket, pending.stream);
    pending.handler.onData(bytes);
  }

  #askFor(fragment: string, { remoteAddress, remotePort }: StreamSocket): TcpMuxMember | undefined {
    this.#hook.call(fragment, remoteAddress, remotePort);
    return this.#members.ofFragment(fragment);
  }

  #refuse(pending: Pending, reason: TcpMuxDiscard): void {
    this.discards.count(reason);
    this.#end(pending);
  }

  #end(pending: Pending): void {
    this.#forgetPending(pending);
    pending.stream.close();
  }

  #forgetPending(pending: Pending): void {
    this.#pending.delete(pending);
    pending.timer.cancel();
  }

  // Members ------------------------------------------------------------------------------------------------------------

  #join(member: TcpMuxMember): TcpMuxMembership {
    if (this.#closed) return { sockets: [], addFragment: () => {}, leave: () => {} };
    this.#members.add(member);
    return {
      sockets: this.#sockets.map(({ description }) => description),
      addFragment: (fragment) => this.#members.addFragment(member, fragment),
      leave: () => this.#members.delete(member),
    };
  }

  static {
    joinTcpMux = (mux, member) => mux.#join(member);
    webidl.defineInterface({ name: 'TcpMux', prototype: TcpMux.prototype, isInstance: (value) => #members in value });
  }
}

/** A connection that has not shown a check yet; it gets its handler when it has. */
interface Pending {
  readonly socket: number;
  readonly stream: StreamSocket;
  readonly timer: TimerHandle;
  bytes: Uint8Array;
  handler: StreamHandler | undefined;
}
