import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { CryptoProvider } from '@petrel/crypto';
import { nodeCrypto } from '@petrel/crypto/node';
import type {
  Advertisement,
  DatagramHandler,
  Runtime,
  StreamHandler,
  StreamOptions,
  StreamSocket,
  TcpListener,
  TcpListenOptions,
  TimerHandle,
  UdpOptions,
  UdpSocket,
} from '@petrel/peer-connection';
import type { Instant } from '@petrel/sans-io';
import { isMulticastName, MdnsResolver } from './mdns-resolver.ts';
import { MdnsResponder } from './mdns-responder.ts';
import { networkInterfaces, type NodeNetworkInterface } from './network-interfaces.ts';
import { OpenHandles } from './open-handles.ts';
import { connectStream } from './stream-socket.ts';
import { listenTcp } from './tcp-listener.ts';
import { setTimer } from './timers.ts';
import { bindUdpSocket } from './udp-socket.ts';

/**
 * Node's sockets, timers, name resolution and cryptography behind the seam that peer connections use.
 *
 * @example
 * const runtime = new NodeRuntime();
 * const socket = await runtime.bindUdp({ address: '127.0.0.1' }, (data, address, port) => socket.send(data, address, port));
 */
export class NodeRuntime implements Runtime {
  readonly crypto: CryptoProvider = nodeCrypto();
  readonly timeOrigin: number = performance.timeOrigin;
  readonly #handles = new OpenHandles();
  readonly #mdns = new MdnsResolver(this.#handles);
  readonly #responder = new MdnsResponder(this.#handles);
  #tasks = 0;

  now(): Instant {
    return performance.now();
  }

  setTimer(deadline: Instant, callback: () => void, background: boolean = false): TimerHandle {
    return setTimer(deadline, callback, background, this.#handles);
  }

  /** Immediates run in order, and Node runs promise reactions between two of them. */
  queueTask(callback: () => void): void {
    this.#tasks += 1;
    setImmediate(this.#run, callback);
  }

  readonly #run = (task: () => void): void => {
    this.#tasks -= 1;
    task();
  };

  networkInterfaces(): readonly NodeNetworkInterface[] {
    return networkInterfaces();
  }

  bindUdp(options: UdpOptions, handler: DatagramHandler): Promise<UdpSocket> {
    return bindUdpSocket(options, handler, this.#handles);
  }

  /** Rejects with ETIMEDOUT after 15 seconds, and with ABORT_ERR when the options' `signal` says so. */
  connectStream(options: StreamOptions, handler: StreamHandler): Promise<StreamSocket> {
    return connectStream(options, handler, this.#handles);
  }

  listenTcp(
    options: TcpListenOptions,
    onConnection: (socket: StreamSocket, attach: (handler: StreamHandler) => void) => void,
  ): Promise<TcpListener> {
    return listenTcp(options, onConnection, this.#handles);
  }

  async resolve(hostname: string): Promise<readonly string[]> {
    const literal = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal)) return [literal];
    if (isMulticastName(hostname)) return await this.#mdns.resolve(hostname);
    const found = await lookup(hostname, { all: true, verbatim: true });
    return [...new Set(found.map(({ address }) => address))];
  }

  /** Answers multicast questions for the name, where port 5353 can be shared. */
  advertise(hostname: string, address: string): Advertisement {
    return this.#responder.advertise(hostname, address);
  }

  /** Names of the sockets, listeners, timers and tasks that are open, such as `udp 192.0.2.1:5000`; empty when nothing leaks. */
  openHandles(): string[] {
    const names = this.#handles.list();
    if (this.#tasks > 0) names.push(`tasks (${this.#tasks})`);
    return names;
  }
}
