import { createSocket, type Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { NodeRuntime } from '@petrel/node-runtime';
import type { UdpSocket } from '@petrel/peer-connection';
import { OpenHandles } from '../src/open-handles.ts';
import { bindUdpSocket } from '../src/udp-socket.ts';

const LOOPBACK = '127.0.0.1';
const ignore = (): void => {};

/** A socket, the datagrams that came to it, and a promise for when `count` have come. */
async function receiver(runtime: NodeRuntime, address = LOOPBACK) {
  const got: Uint8Array[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const socket = await runtime.bindUdp({ address }, (data) => {
    got.push(data);
    for (const { count, resolve } of waiting) if (got.length >= count) resolve();
  });
  const received = (count: number): Promise<void> =>
    new Promise((resolve) => {
      if (got.length >= count) resolve();
      waiting.push({ count, resolve });
    });
  return { socket, got, received };
}

describe('UDP socket', () => {
  test('what is sent before close() is delivered, in order', async () => {
    const runtime = new NodeRuntime();
    const { socket, got, received } = await receiver(runtime);
    const sender = await runtime.bindUdp({ address: LOOPBACK }, ignore);
    for (const byte of [1, 2, 3]) sender.send(Uint8Array.of(byte), LOOPBACK, socket.port);
    sender.close();
    await received(3);
    expect(got.map(([byte]) => byte)).toEqual([1, 2, 3]);
    socket.close();
    expect(runtime.openHandles()).toEqual([]);
  });

  test('datagrams come as plain Uint8Arrays with their source, over IPv4 and IPv6', async () => {
    const runtime = new NodeRuntime();
    for (const address of [LOOPBACK, '::1']) {
      const from: (string | number)[][] = [];
      let sender: UdpSocket | undefined;
      const echoed = new Promise<Uint8Array>((resolve) => {
        void runtime
          .bindUdp({ address }, (data, remoteAddress, remotePort) => {
            from.push([remoteAddress, remotePort]);
            resolve(data);
          })
          .then(async (socket) => {
            sender = await runtime.bindUdp({ address }, ignore);
            sender.send(Uint8Array.of(7, 8), address, socket.port);
            await echoed;
            socket.close();
          });
      });
      const data = await echoed;
      expect(data.constructor.name).toBe('Uint8Array');
      expect([...data]).toEqual([7, 8]);
      expect(from).toEqual([[address, sender!.port]]);
      sender!.close();
    }
  });

  test('X08: a port that is in use rejects with EADDRINUSE and leaves nothing open', async () => {
    const runtime = new NodeRuntime();
    const first = await runtime.bindUdp({ address: LOOPBACK }, ignore);
    await expect(runtime.bindUdp({ address: LOOPBACK, port: first.port }, ignore)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(runtime.bindUdp({ address: '192.0.2.77' }, ignore)).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
    expect(runtime.openHandles()).toEqual([`udp ${LOOPBACK}:${first.port}`]);
    first.close();
    expect(runtime.openHandles()).toEqual([]);
  });

  test('a port range gives its first free port, and EADDRINUSE when there is none', async () => {
    const runtime = new NodeRuntime();
    const first = await runtime.bindUdp({ address: LOOPBACK, portRange: { min: 42_310, max: 42_311 } }, ignore);
    const second = await runtime.bindUdp({ address: LOOPBACK, portRange: { min: 42_310, max: 42_311 } }, ignore);
    expect([first.port, second.port]).toEqual([42_310, 42_311]);
    await expect(runtime.bindUdp({ address: LOOPBACK, portRange: { min: 42_310, max: 42_311 } }, ignore)).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    first.close();
    second.close();
  });

  test('X08: EMSGSIZE, ECONNREFUSED, unreachable and impossible destinations are loss, and the socket lives on', async () => {
    const runtime = new NodeRuntime();
    const { socket, got, received } = await receiver(runtime);
    const closed = await runtime.bindUdp({ address: LOOPBACK }, ignore);
    closed.close();
    socket.send(new Uint8Array(70_000), LOOPBACK, socket.port); // EMSGSIZE
    socket.send(Uint8Array.of(1), LOOPBACK, closed.port); // ECONNREFUSED
    socket.send(Uint8Array.of(1), '255.255.255.255', 9); // EACCES: broadcast
    socket.send(Uint8Array.of(1), '198.51.100.1', 9); // ENETUNREACH or EINVAL from loopback
    socket.send(Uint8Array.of(1), '2001:db8::1', 9); // the other address family
    socket.send(Uint8Array.of(1), 'not-an-address', 9);
    for (const port of [0, -1, 65_536, Number.NaN]) socket.send(Uint8Array.of(1), LOOPBACK, port);
    socket.send(Uint8Array.of(42), LOOPBACK, socket.port);
    await received(1);
    expect([...got[0]!]).toEqual([42]);
    socket.close();
    socket.send(Uint8Array.of(1), LOOPBACK, 9);
    socket.setReferenced(true);
    socket.close();
  });

  test('X08: an error event of the socket is never uncaught', async () => {
    let raw: Socket | undefined;
    const socket = await bindUdpSocket({ address: LOOPBACK }, ignore, new OpenHandles(), (options) => (raw = createSocket(options)));
    for (const code of ['ECONNREFUSED', 'EMSGSIZE', 'ENETUNREACH', 'ENOBUFS'])
      expect((raw as EventEmitter).emit('error', Object.assign(new Error(code), { code }))).toBe(true);
    socket.close();
  });

  test('L10: errors of a vanished interface are told of, of checks at once, of others one in 32; other errors and sends after close() are not', async () => {
    let raw: Socket | undefined;
    let told = 0;
    const options = { address: LOOPBACK, onUnreachable: () => void told++ };
    const socket = await bindUdpSocket(options, ignore, new OpenHandles(), (given) => (raw = createSocket(given)));
    let code = 'ENETUNREACH';
    let asked = 0;
    const fail = (_data: Uint8Array, _port: number, _address: string, callback?: (error: Error) => void): void => {
      asked += callback === undefined ? 0 : 1;
      callback?.(Object.assign(new Error(code), { code }));
    };
    raw!.send = fail as Socket['send'];
    const [check, data] = [Uint8Array.of(0, 1), Uint8Array.of(128)];
    for (let count = 0; count < 3; count++) socket.send(check, LOOPBACK, 9);
    expect(told).toBe(3);
    for (let count = 0; count < 64; count++) socket.send(data, LOOPBACK, 9);
    expect([told, asked]).toEqual([5, 5]);
    code = 'ECONNREFUSED';
    socket.send(check, LOOPBACK, 9);
    expect([told, asked]).toEqual([5, 6]);
    socket.close();
    socket.send(check, LOOPBACK, 9);
    expect(asked).toBe(6);
  });

  test('a socket is idle when the operating system has everything, and not while something waits or after close()', async () => {
    let raw: Socket | undefined;
    const socket = await bindUdpSocket({ address: LOOPBACK }, ignore, new OpenHandles(), (options) => (raw = createSocket(options)));
    for (let i = 0; i < 100; i++) socket.send(new Uint8Array(1200), LOOPBACK, socket.port);
    expect(socket.isIdle).toBe(raw!.getSendQueueCount() === 0);
    while (!socket.isIdle) await new Promise((resolve) => setImmediate(resolve));
    raw!.getSendQueueCount = () => 1;
    expect(socket.isIdle).toBe(false);
    raw!.getSendQueueCount = () => 0;
    expect(socket.isIdle).toBe(true);
    socket.close();
    expect(socket.isIdle).toBe(false);
  });

  test('nothing is delivered after close()', async () => {
    const runtime = new NodeRuntime();
    const { socket, got } = await receiver(runtime);
    const { socket: other, received } = await receiver(runtime);
    other.send(Uint8Array.of(1), LOOPBACK, socket.port);
    socket.close();
    other.send(Uint8Array.of(2), LOOPBACK, other.port);
    await received(1);
    expect(got).toEqual([]);
    other.close();
  });
});
