import { createServer } from 'node:net';
import type { StreamHandler, StreamSocket, TcpListener, TcpListenOptions } from '@petrel/peer-connection';
import { endpointName, type OpenHandles } from './open-handles.ts';
import { bindInRange } from './port-range.ts';
import { NodeStreamSocket } from './stream-socket.ts';

/**
 * Listens for TCP connections (RFC 6544 passive candidates). Connections outlive the listener.
 * @throws (rejects) the operating system's error, with its `code`
 */
export function listenTcp(
  options: TcpListenOptions,
  onConnection: (socket: StreamSocket, attach: (handler: StreamHandler) => void) => void,
  handles: OpenHandles,
): Promise<TcpListener> {
  return bindInRange(options, (port) => listenAt(options.address, port, onConnection, handles));
}

function listenAt(
  host: string,
  port: number,
  onConnection: (socket: StreamSocket, attach: (handler: StreamHandler) => void) => void,
  handles: OpenHandles,
): Promise<TcpListener> {
  const handle = handles.open(`tcp listener ${endpointName(host, port)}`);
  const server = createServer((socket) => {
    const stream = new NodeStreamSocket(
      socket,
      handles.open(`tcp from ${endpointName(socket.remoteAddress ?? '?', socket.remotePort ?? 0)}`),
    );
    onConnection(stream, (handler) => stream.attach(handler));
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      handle.close();
      reject(error);
    });
    server.listen({ host, port, ipv6Only: true, exclusive: true }, () => {
      server.removeAllListeners('error').on('error', () => {}); // accepting one connection failed: EMFILE, ECONNABORTED
      const bound = server.address() as { address: string; port: number };
      handle.rename(`tcp listener ${endpointName(bound.address, bound.port)}`);
      resolve({
        address: bound.address,
        port: bound.port,
        close: () => {
          handle.close();
          server.close();
        },
      });
    });
  });
}
