/** TCP and TLS on `node:net` and `node:tls`: TURN over streams (RFC 8656 §2.1), ICE-TCP (RFC 6544). */
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { StreamHandler, StreamOptions, StreamSocket } from '@petrel/peer-connection';
import { endpointName, type OpenHandle, type OpenHandles } from './open-handles.ts';

/** Milliseconds until a connection attempt that has had no answer is given up. */
const CONNECT_TIMEOUT = 15_000;
/** Milliseconds that a closed stream may take to hand over what is queued. */
const LINGER = 2_000;

/**
 * Connects. TLS: version 1.2 or later, and the certificate must be valid for `servername`, which may be an IP literal.
 * @throws (rejects) the operating system's or TLS's error, with its `code`; ETIMEDOUT; ABORT_ERR
 */
export function connectStream(options: StreamOptions, handler: StreamHandler, handles: OpenHandles): Promise<StreamSocket> {
  const { tls, signal } = options;
  const handle = handles.open(`${tls ? 'tls' : 'tcp'} to ${endpointName(options.address, options.port)}`);
  const socket = tls ? openTls(options, tls) : connectTcp(tcpOptions(options));
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => fail(failure('ETIMEDOUT', 'the connection attempt timed out')), CONNECT_TIMEOUT);
    const abort = (): void => fail(failure('ABORT_ERR', 'the connection attempt was aborted'));
    const settle = (): void => {
      clearTimeout(timeout);
      signal?.removeEventListener('abort', abort);
      socket.off('error', fail).off('close', closed);
    };
    const fail = (error: Error): void => {
      settle();
      socket.on('error', ignoreError).destroy();
      handle.close();
      reject(error);
    };
    const closed = (): void => fail(failure('ECONNRESET', 'closed before it was connected'));
    socket.on('error', fail).on('close', closed);
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      settle();
      const stream = new NodeStreamSocket(socket, handle);
      stream.attach(handler);
      resolve(stream);
    });
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort);
  });
}

/** A connected socket behind the seam. No data is read before a handler is attached. */
export class NodeStreamSocket implements StreamSocket {
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly #socket: Socket;
  readonly #handle: OpenHandle;
  #error: Error | undefined;
  #handler: StreamHandler | undefined;
  #closed = false;

  constructor(socket: Socket, handle: OpenHandle) {
    this.localAddress = canonicalAddress(socket.localAddress);
    this.localPort = socket.localPort ?? 0;
    this.remoteAddress = canonicalAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.#socket = socket;
    this.#handle = handle;
    socket.setNoDelay(true);
    socket.on('error', (error) => {
      this.#error = error;
    });
    socket.on('close', () => this.#ended());
  }

  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  /** Data flows from the next turn of the event loop on, so that whoever awaits the socket has it first. */
  attach(handler: StreamHandler): void {
    this.#handler = handler;
    setImmediate(() => {
      if (this.#closed) return;
      this.#socket.on('data', (chunk: Buffer) => {
        if (!this.#closed) handler.onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
      });
    });
  }

  write(data: Uint8Array): void {
    if (!this.#closed && this.#socket.writable) this.#socket.write(data);
  }

  setReferenced(referenced: boolean): void {
    if (referenced) this.#socket.ref();
    else this.#socket.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handler = undefined;
    this.#handle.close();
    if (this.#socket.destroyed) return;
    const linger = setTimeout(() => this.#socket.destroy(), LINGER).unref();
    this.#socket.once('close', () => clearTimeout(linger));
    this.#socket.resume(); // unread data would turn the end into a reset
    this.#socket.destroySoon();
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
    this.#handler?.onClose(this.#error);
  }
}

function tcpOptions({ address, port, localAddress }: StreamOptions): { host: string; port: number; localAddress?: string } {
  return { host: address, port, ...(localAddress === undefined ? {} : { localAddress }) };
}

/** RFC 8489 §6.2.3: the certificate is checked for the name that was configured, not for the address it resolved to. */
function openTls(options: StreamOptions, { servername, certificateAuthorities }: NonNullable<StreamOptions['tls']>): Socket {
  return connectTls({
    ...tcpOptions(options),
    minVersion: 'TLSv1.2',
    servername: isIP(servername) ? '' : servername, // RFC 6066 §3: no literals in server_name
    checkServerIdentity: (_host, certificate) => checkServerIdentity(servername, certificate),
    ...(certificateAuthorities === undefined ? {} : { ca: [...certificateAuthorities] }),
  });
}

/** A dual-stack listener reports IPv4 peers as `::ffff:192.0.2.1`. */
function canonicalAddress(address: string | undefined): string {
  return address === undefined ? '' : address.replace(/^::ffff:(?=\d+\.)/i, '');
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function ignoreError(): void {
  // The attempt has been given up.
}
