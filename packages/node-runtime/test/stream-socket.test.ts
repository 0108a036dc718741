import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type Server } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NodeRuntime } from '@petrel/node-runtime';
import type { StreamHandler, StreamSocket } from '@petrel/peer-connection';

const LOOPBACK = '127.0.0.1';
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Collects what a stream brings until `until` bytes or the end. */
function collector(until = Infinity) {
  let text = '';
  let done: (result: { text: string; error: Error | undefined }) => void;
  const result = new Promise<{ text: string; error: Error | undefined }>((resolve) => (done = resolve));
  const handler: StreamHandler = {
    onData(data) {
      text += new TextDecoder().decode(data);
      if (text.length >= until) done({ text, error: undefined });
    },
    onClose: (error) => done({ text, error }),
  };
  return { handler, result };
}

describe('TCP', () => {
  test('a listener and a connection talk; what is written before close() arrives; both ends and all handles are gone', async () => {
    const runtime = new NodeRuntime();
    const { handler, result } = collector();
    let accepted: StreamSocket | undefined;
    const listener = await runtime.listenTcp({ address: LOOPBACK }, (socket, attach) => {
      accepted = socket;
      attach(handler);
      socket.write(utf8('welcome'));
    });
    const client = collector(7);
    const stream = await runtime.connectStream({ address: LOOPBACK, port: listener.port }, client.handler);
    expect((await client.result).text).toBe('welcome');
    expect([stream.remoteAddress, stream.remotePort]).toEqual([LOOPBACK, listener.port]);
    expect([accepted!.remoteAddress, accepted!.remotePort]).toEqual([stream.localAddress, stream.localPort]);
    const big = 'x'.repeat(16_000_000);
    stream.write(utf8(big));
    expect(stream.bufferedAmount).toBeGreaterThanOrEqual(0);
    stream.close();
    stream.write(utf8('too late'));
    expect(await result).toEqual({ text: big, error: undefined });
    listener.close();
    expect(runtime.openHandles()).toEqual([]);
  });

  test('data waits for the handler', async () => {
    const runtime = new NodeRuntime();
    let attachLater: ((handler: StreamHandler) => void) | undefined;
    const connected = new Promise<StreamSocket>((resolve) => {
      void runtime
        .listenTcp({ address: LOOPBACK }, (socket, attach) => {
          attachLater = attach;
          resolve(socket);
        })
        .then((listener) => {
          const peer = connect(listener.port, LOOPBACK, () => peer.end('early'));
          peer.on('close', () => listener.close());
        });
    });
    await connected;
    await new Promise<void>((resolve) => runtime.setTimer(runtime.now() + 20, resolve));
    const { handler, result } = collector();
    attachLater!(handler);
    expect((await result).text).toBe('early');
  });

  test('X08: a refused connection rejects with its code, a reset is reported once by onClose', async () => {
    const runtime = new NodeRuntime();
    const server = createServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
    const { port } = server.address() as AddressInfo;
    const { handler, result } = collector();
    const stream = await runtime.connectStream({ address: LOOPBACK, port }, handler);
    stream.write(utf8('reset, please'));
    expect((await result).error).toMatchObject({ code: 'ECONNRESET' });
    stream.write(utf8('into the void'));
    stream.close();
    await new Promise((resolve) => server.close(resolve));
    await expect(runtime.connectStream({ address: LOOPBACK, port }, handler)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(runtime.openHandles()).toEqual([]);
  });

  test('a connection attempt can be aborted', async () => {
    const runtime = new NodeRuntime();
    const abort = new AbortController();
    const attempt = runtime.connectStream({ address: '192.0.2.200', port: 9, signal: abort.signal }, collector().handler);
    abort.abort();
    await expect(attempt).rejects.toMatchObject({ code: 'ABORT_ERR' });
    expect(runtime.openHandles()).toEqual([]);
  });

  test('X08: a listener on a port in use rejects', async () => {
    const runtime = new NodeRuntime();
    const listener = await runtime.listenTcp({ address: LOOPBACK }, (socket) => socket.close());
    await expect(runtime.listenTcp({ address: LOOPBACK, port: listener.port }, (socket) => socket.close())).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
    listener.close();
    expect(runtime.openHandles()).toEqual([]);
  });
});

describe('TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'petrel-tls-'));
  let server: Server;
  let authority: string;

  beforeAll(async () => {
    const [key, certificate] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
    const subject = ['-subj', '/CN=turn.example', '-addext', 'subjectAltName=DNS:turn.example,IP:127.0.0.1'];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
    execFileSync('openssl', ['req', ...kind, '-keyout', key, '-out', certificate, ...subject], { stdio: 'ignore' });
    authority = readFileSync(certificate, 'utf8');
    server = createTlsServer({ key: readFileSync(key), cert: authority }, (socket) => socket.on('error', () => {}).end('secret'));
    server.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK, resolve));
  });

  afterAll(async () => {
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true });
  });

  const open = (runtime: NodeRuntime, servername: string, trusted: boolean, handler: StreamHandler): Promise<StreamSocket> => {
    const tls = { servername, ...(trusted ? { certificateAuthorities: [authority] } : {}) };
    return runtime.connectStream({ address: LOOPBACK, port: (server.address() as AddressInfo).port, tls }, handler);
  };

  test('RFC 8489 §6.2.3: the certificate must be trusted and valid for the name, which may be a literal', async () => {
    const runtime = new NodeRuntime();
    for (const servername of ['turn.example', LOOPBACK]) {
      const { handler, result } = collector();
      await open(runtime, servername, true, handler);
      expect(await result).toEqual({ text: 'secret', error: undefined });
    }
    const { handler } = collector();
    await expect(open(runtime, 'other.example', true, handler)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await expect(open(runtime, '127.0.0.2', true, handler)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await expect(open(runtime, 'turn.example', false, handler)).rejects.toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
    expect(runtime.openHandles()).toEqual([]);
  });
});
