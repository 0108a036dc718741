import { isIP, isIPv6 } from 'node:net';
import type { CryptoProvider } from '@petrel/crypto';
import type {
  Advertisement,
  DatagramHandler,
  NetworkInterface,
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
import { type Instant, NEVER } from '@petrel/sans-io';
import { canonicalAddress, endpointKey } from './packet.ts';
import { failure, type SimulatedHost } from './simulated-host.ts';
import { TcpStack } from './simulated-tcp.ts';

/** Where virtual time starts. */
const TIME_ORIGIN = Date.UTC(2026, 0, 1);
/** How long an unanswered name query takes, in milliseconds. */
const QUERY_TIMEOUT = 5000;

/** TLS servers have a certificate that is valid for `tlsNames`. */
export interface SimulatedListenOptions extends TcpListenOptions {
  readonly tlsNames?: readonly string[];
}

/** A host's runtime: what peer connections are given in place of Node's. */
export class SimulatedRuntime implements Runtime {
  readonly crypto: CryptoProvider;
  readonly timeOrigin: number = TIME_ORIGIN;
  readonly #host: SimulatedHost;
  readonly #tcp: TcpStack;
  readonly #handles = new Set<{ readonly name: string }>();

  constructor(host: SimulatedHost, crypto: CryptoProvider) {
    this.#host = host;
    this.#tcp = new TcpStack(host, (name) => this.#open(name));
    this.crypto = crypto;
  }

  now(): Instant {
    return this.#host.network.now();
  }

  setTimer(deadline: Instant, callback: () => void, background: boolean = false): TimerHandle {
    if (deadline === NEVER) return { cancel: () => {} };
    const close = this.#open(background ? 'timer (background)' : 'timer');
    const cancel = this.#host.network.clock.schedule(deadline, () => {
      close();
      callback();
    });
    return {
      cancel: () => {
        close();
        cancel();
      },
    };
  }

  queueTask(callback: () => void): void {
    const close = this.#open('task');
    this.#host.network.clock.schedule(this.now(), () => {
      close();
      callback();
    });
  }

  networkInterfaces(): readonly NetworkInterface[] {
    return this.#host.networkInterfaces();
  }

  async bindUdp(options: UdpOptions, handler: DatagramHandler): Promise<UdpSocket> {
    const address = canonicalAddress(options.address);
    return bindInRange(options, (port) => this.#bindUdp(address, port, handler, options.onUnreachable));
  }

  async connectStream(options: StreamOptions, handler: StreamHandler): Promise<StreamSocket> {
    return await this.#tcp.connect(options, handler);
  }

  async listenTcp(
    options: SimulatedListenOptions,
    onConnection: (socket: StreamSocket, attach: (handler: StreamHandler) => void) => void,
  ): Promise<TcpListener> {
    return bindInRange(options, (port) => this.#tcp.listen({ ...options, port }, onConnection));
  }

  async resolve(hostname: string): Promise<readonly string[]> {
    const literal = hostname.replace(/^\[(.*)\]$/, '$1');
    if (isIP(literal)) return [literal];
    const addresses = this.#host.network.lookUp(hostname);
    if (addresses === 'never') await this.#elapse(QUERY_TIMEOUT);
    if (addresses === undefined || addresses === 'never') throw failure('ENOTFOUND', `${hostname} has no address`);
    return addresses;
  }

  /** Everybody in the network can look the name up from now on. */
  advertise(hostname: string, address: string): Advertisement {
    const close = this.#open(`name ${hostname}`);
    this.#host.network.addName(hostname, [address]);
    return { close };
  }

  /** Names of the sockets, streams, listeners, timers and tasks that are open. */
  openHandles(): string[] {
    return [...this.#handles].map(({ name }) => name);
  }

  #bindUdp(address: string, wanted: number, handler: DatagramHandler, onUnreachable: (() => void) | undefined): UdpSocket {
    const host = this.#host;
    let closed = false;
    let isTelling = false;
    const tell = (): void => {
      if (onUnreachable === undefined || isTelling) return;
      isTelling = true;
      this.queueTask(() => {
        isTelling = false;
        if (!closed) onUnreachable();
      });
    };
    const port = host.bind('udp', address, wanted, ({ source, data }) => handler(data.slice(), source.address, source.port));
    const close = this.#open(`udp ${endpointKey({ address, port })}`);
    const anyAddress = address === '0.0.0.0' || address === '::';
    return {
      address,
      port,
      send: (data, remoteAddress, remotePort) => {
        const destination = { address: canonicalAddress(remoteAddress), port: remotePort };
        if (closed || !(remotePort > 0 && remotePort < 65_536) || isIPv6(destination.address) !== isIPv6(address)) return;
        const source = anyAddress ? host.sourceFor(destination.address) : address;
        if (source !== undefined && !host.transmit({ source: { address: source, port }, destination, data })) tell();
      },
      setReferenced: () => {},
      close: () => {
        if (closed) return;
        closed = true;
        close();
        host.unbind('udp', { address, port });
      },
    };
  }

  #elapse(milliseconds: number): Promise<void> {
    return new Promise((resolve) => this.setTimer(this.now() + milliseconds, resolve));
  }

  /** @returns what closes the handle */
  #open(name: string): () => void {
    const handle = { name };
    this.#handles.add(handle);
    return () => void this.#handles.delete(handle);
  }
}

/** The port that is wanted, or the first free one of the range. */
function bindInRange<Bound>({ port, portRange }: Pick<UdpOptions, 'port' | 'portRange'>, bindTo: (port: number) => Bound): Bound {
  if (port !== undefined || portRange === undefined) return bindTo(port ?? 0);
  for (let candidate = portRange.min; candidate < portRange.max; candidate++) {
    try {
      return bindTo(candidate);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    }
  }
  return bindTo(portRange.max);
}
