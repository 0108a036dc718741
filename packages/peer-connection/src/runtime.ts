import type { CryptoProvider } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';

/**
 * Everything that a peer connection needs from the world. `@petrel/node-runtime` implements it with Node's sockets,
 * `@petrel/testing` with a virtual clock and a simulated network. Addresses are always IP literals.
 */
export interface Runtime {
  readonly crypto: CryptoProvider;
  /** Monotonic time, in milliseconds. */
  now(): Instant;
  /** Milliseconds since the Unix epoch at `now() === 0`; added to an Instant it gives a wall-clock time. */
  readonly timeOrigin: number;
  /** Calls back once, at or after `deadline`. The timer does not keep the process alive when `background` is true. */
  setTimer(deadline: Instant, callback: () => void, background?: boolean): TimerHandle;
  /** Runs the callback in a task of its own, after the current one, in order of the calls (W3C: queue a task). */
  queueTask(callback: () => void): void;
  networkInterfaces(): readonly NetworkInterface[];
  /** Opens a UDP socket. Rejects with a `code` ('EADDRINUSE', 'EADDRNOTAVAIL', …) when the address cannot be bound. */
  bindUdp(options: UdpOptions, handler: DatagramHandler): Promise<UdpSocket>;
  /** Opens a TCP or TLS connection; for TLS the certificate is checked against `servername`. */
  connectStream(options: StreamOptions, handler: StreamHandler): Promise<StreamSocket>;
  /** Listens for TCP connections (ICE-TCP passive candidates). */
  listenTcp(
    options: TcpListenOptions,
    onConnection: (socket: StreamSocket, attach: (handler: StreamHandler) => void) => void,
  ): Promise<TcpListener>;
  /** IP literals of a host name; names that end in `.local` are asked for by multicast DNS (RFC 6762). Rejects when there are none. */
  resolve(hostname: string): Promise<readonly string[]>;
  /** Answers multicast questions for a `.local` name (RFC 6762). Absent where that cannot be done. Does not keep the process alive. */
  advertise?(hostname: string, address: string): Advertisement;
}

/** A name that is answered for, until it is closed. */
export interface Advertisement {
  close(): void;
}

/** A timer; cancelling one that has fired does nothing. */
export interface TimerHandle {
  cancel(): void;
}

/** One address of one interface. */
export interface NetworkInterface {
  readonly name: string;
  readonly address: string;
  readonly family: 4 | 6;
  /** Loopback. */
  readonly internal: boolean;
  /** fe80::/10 or 169.254.0.0/16; false if absent. */
  readonly linkLocal?: boolean;
}

/** What to bind. */
export interface UdpOptions {
  readonly address: string;
  /** 0 or absent: any free port. */
  readonly port?: number;
  /** Used when `port` is absent: the first free port of the range, both ends inclusive. */
  readonly portRange?: { readonly min: number; readonly max: number };
  /**
   * Datagrams do not get out of the socket, as if its interface had gone; or they did not get to one destination. Called now and then, not for each
   * datagram, and never inside of `send`.
   */
  readonly onUnreachable?: () => void;
}

/** `data` is exclusively the receiver's. Socket errors that only concern one datagram are not reported. */
export type DatagramHandler = (data: Uint8Array, remoteAddress: string, remotePort: number) => void;

/** A UDP socket that is open. */
export interface UdpSocket {
  readonly address: string;
  readonly port: number;
  /** Hands the datagram to the operating system before it returns. The buffer must not be changed before {@link isIdle}. */
  send(data: Uint8Array, remoteAddress: string, remotePort: number): void;
  /** Whether the operating system has taken everything that was sent. Absent where that is never known. */
  readonly isIdle?: boolean;
  /** Whether the socket keeps the process alive; sockets start referenced. */
  setReferenced(referenced: boolean): void;
  close(): void;
}

/** Where a TCP or TLS connection goes. */
export interface StreamOptions {
  readonly address: string;
  readonly port: number;
  readonly localAddress?: string;
  /** Present for TLS. */
  readonly tls?: { readonly servername: string; readonly certificateAuthorities?: readonly string[] };
  /** Gives the attempt up: it rejects with code ABORT_ERR. */
  readonly signal?: AbortSignal;
}

/** What a stream calls; never from inside of one of our calls. */
export interface StreamHandler {
  onData(data: Uint8Array): void;
  /** Called once, when the connection ended for any reason that is not our own `close`. */
  onClose(error: Error | undefined): void;
}

/** A TCP or TLS connection that is open. */
export interface StreamSocket {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Bytes accepted but not yet handed to the operating system. */
  readonly bufferedAmount: number;
  write(data: Uint8Array): void;
  setReferenced(referenced: boolean): void;
  /** Sends what is queued, then closes. */
  close(): void;
}

/** Where to listen. */
export interface TcpListenOptions {
  readonly address: string;
  readonly port?: number;
  /** Used when `port` is absent, as with UDP. */
  readonly portRange?: { readonly min: number; readonly max: number };
}

/** A port that takes connections, until it is closed. */
export interface TcpListener {
  readonly address: string;
  readonly port: number;
  close(): void;
}
