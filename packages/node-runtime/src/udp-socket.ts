/**
 * UDP on `node:dgram`. Two properties that its defaults lack:
 *
 * - `send` reaches the operating system before it returns. A default socket looks every address up, even an IP literal, in a later
 *   tick, and a `close()` right after `send()` drops the datagram: the last words of a connection would never leave.
 * - Errors never surface as an uncaught `error` event. What concerns one datagram (ECONNREFUSED, EMSGSIZE, ENETUNREACH, ENOBUFS, …)
 *   is what UDP calls loss; the protocols above retransmit. Those that every datagram has when the interface has gone are told of.
 */
import { createSocket as createDatagramSocket, type Socket, type SocketOptions } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { DatagramHandler, UdpOptions, UdpSocket } from '@petrel/peer-connection';
import { endpointName, type OpenHandle, type OpenHandles } from './open-handles.ts';
import { bindInRange } from './port-range.ts';

/** Room for about 400 ms at 80 Mbit/s, for a process that has to wait for its turn; the operating system may give less. In bytes. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** What is said of a datagram whose socket's address or interface is not there: ENETUNREACH by Linux, others by other systems. */
const UNREACHABLE: ReadonlySet<string | undefined> = new Set([
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EINVAL',
  'ENODEV',
]);
/** To hear of an error costs a task. STUN messages are asked about, which are few, and one in so many others. */
const SAMPLING = 32;

/**
 * Binds a socket.
 * @param createSocket for tests with a socket that fails
 * @throws (rejects) the operating system's error, with its `code`; EADDRINUSE when no port of the range is free
 */
export async function bindUdpSocket(
  options: UdpOptions,
  handler: DatagramHandler,
  handles: OpenHandles,
  createSocket: (options: SocketOptions) => Socket = createDatagramSocket,
): Promise<UdpSocket> {
  const { address } = options;
  return await bindInRange(options, bindTo);

  async function bindTo(port: number): Promise<UdpSocket> {
    const family = isIPv6(address) ? 6 : 4;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      ipv6Only: family === 6,
      lookup: (literal, _options, callback) => callback(null, literal, family),
    });
    const handle = handles.open(`udp ${endpointName(address, port)}`);
    try {
      await listening(socket, address, port);
    } catch (error) {
      handle.close();
      socket.close();
      throw error;
    }
    return new NodeUdpSocket(socket, handle, handler, options.onUnreachable);
  }
}

class NodeUdpSocket implements UdpSocket {
  readonly address: string;
  readonly port: number;
  readonly #socket: Socket;
  readonly #handle: OpenHandle;
  readonly #onSent: ((error: Error | null) => void) | undefined;
  #sent = 0;
  #closed = false;

  constructor(socket: Socket, handle: OpenHandle, handler: DatagramHandler, onUnreachable: (() => void) | undefined) {
    const { address, port } = socket.address();
    this.address = address;
    this.port = port;
    this.#socket = socket;
    this.#handle = handle;
    this.#onSent = onUnreachable && ((error) => !this.#closed && isUnreachable(error) && onUnreachable());
    handle.rename(`udp ${endpointName(address, port)}`);
    raiseReceiveBuffer(socket);
    socket.on('error', ignoreError);
    // A plain Uint8Array: `slice` of a Buffer would share memory where a core expects a copy.
    socket.on('message', (message, remote) =>
      handler(new Uint8Array(message.buffer, message.byteOffset, message.length), remote.address, remote.port),
    );
  }

  send(data: Uint8Array, remoteAddress: string, remotePort: number): void {
    // Node throws for ports that cannot be, and a candidate line of a peer may name one.
    if (this.#closed || !(remotePort > 0 && remotePort < 65_536)) return;
    if (this.#onSent !== undefined && this.#isSample(data)) this.#socket.send(data, remotePort, remoteAddress, this.#onSent);
    else this.#socket.send(data, remotePort, remoteAddress); // without a callback, errors are dropped in place
  }

  #isSample(data: Uint8Array): boolean {
    this.#sent = (this.#sent + 1) % SAMPLING;
    return this.#sent === 0 || data[0]! < 4;
  }

  /** It has not when the send buffer was full. */
  get isIdle(): boolean {
    return !this.#closed && this.#socket.getSendQueueCount() === 0;
  }

  setReferenced(referenced: boolean): void {
    if (this.#closed) return;
    if (referenced) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
    this.#socket.close();
  }
}

function listening(socket: Socket, address: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

/** Some systems refuse what is over their limit instead of giving less. */
function raiseReceiveBuffer(socket: Socket): void {
  for (let size = RECEIVE_BUFFER; size >= 256 * 1024; size /= 2) {
    try {
      return socket.setRecvBufferSize(size);
    } catch {
      // Half of it, then.
    }
  }
}

function isUnreachable(error: NodeJS.ErrnoException | null): boolean {
  return error !== null && UNREACHABLE.has(error.code);
}

function ignoreError(): void {
  // Loss, as far as UDP is concerned.
}
