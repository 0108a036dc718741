import { createServer } from 'node:net';
import type { StreamHandler, StreamSocket, TcpListener, TcpListenOptions } from '@petrel/peer-connection';
import { endpointName, type OpenHandles } from './open-handles.ts';
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
  const handle = handles.open(`tcp listener ${endpointName(options.address, options.port ?? 0)}`);
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
    server.listen({ host: options.address, port: options.port ?? 0, ipv6Only: true, exclusive: true }, () => {
      server.removeAllListeners('error').on('error', () => {}); // accepting one connection failed: EMFILE, ECONNABORTED
      const { address, port } = server.address() as { address: string; port: number };
      handle.rename(`tcp listener ${endpointName(address, port)}`);
      resolve({
        address,
        port,
        close: () => {
          handle.close();
          server.close();
        },
      });
    });
  });
}
