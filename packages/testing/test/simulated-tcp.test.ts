import { describe, expect, test } from '@jest/globals';
import type { StreamSocket } from '@petrel/peer-connection';
import { type LinkConditions, SimulatedNetwork, type SimulatedRuntime } from '@petrel/testing';

const [A, B] = ['192.0.2.1', '192.0.2.2'] as const;
const QUIET = { onData: () => {}, onClose: () => {} };

interface Received {
  readonly bytes: number[];
  end: { error: unknown } | undefined;
}

function received(): Received & { handler: { onData(data: Uint8Array): void; onClose(error: Error | undefined): void } } {
  const state: Received = { bytes: [], end: undefined };
  const handler = {
    onData: (data: Uint8Array) => void state.bytes.push(...data),
    onClose: (error: Error | undefined) => {
      expect(state.end).toBeUndefined();
      state.end = { error };
    },
  };
  return Object.assign(state, { handler });
}

async function connected(link: LinkConditions = {}, seed = 1) {
  const network = new SimulatedNetwork({ link, seed });
  const [a, b] = [A, B].map((address) => network.addHost(address, { interfaces: [{ addresses: [address] }] }).runtime) as [
    SimulatedRuntime,
    SimulatedRuntime,
  ];
  const [atClient, atServer] = [received(), received()];
  let server: StreamSocket | undefined;
  const listener = await b.listenTcp({ address: B }, (socket, attach) => {
    server = socket;
    attach(atServer.handler);
  });
  const client = await network.resolved(a.connectStream({ address: B, port: listener.port }, atClient.handler));
  await network.runUntil(() => server !== undefined);
  return { network, a, b, listener, client, server: server!, atClient, atServer };
}

describe('simulated TCP', () => {
  test('a stream arrives whole and in order at 20 % loss with reordering and duplicates; close() sends what is queued first', async () => {
    for (let seed = 1; seed <= 2; seed++) {
      const bad = { delay: 20, jitter: 30, loss: 0.2, duplicate: 0.1, reorder: 0.1, corrupt: 0.02 };
      const { network, client, server, listener, atClient, atServer } = await connected(bad, seed);
      const bytes = Array.from({ length: 90_000 }, (_, i) => (i * 7 + (i >> 8)) & 255);
      client.write(Uint8Array.from(bytes));
      expect(client.bufferedAmount).toBeGreaterThan(0);
      server.write(Uint8Array.of(1, 2));
      await network.runUntil(() => atClient.bytes.length === 2, 600_000);
      client.close();
      await network.runUntil(() => atServer.end !== undefined, 600_000);
      expect(atServer.bytes).toEqual(bytes);
      expect(atServer.end).toEqual({ error: undefined });
      listener.close();
      await network.run(60_000);
      expect(network.openHandles()).toEqual([]);
      expect(network.clock.pending).toBe(0);
    }
  });

  test('data waits for a handler that is attached later', async () => {
    const network = new SimulatedNetwork();
    const [a, b] = [A, B].map((address) => network.addHost(address, { interfaces: [{ addresses: [address] }] }).runtime);
    const late = received();
    let attachLater = (_handler: typeof late.handler): void => {};
    const listener = await b!.listenTcp({ address: B }, (_socket, attach) => {
      attachLater = attach;
    });
    const stream = await network.resolved(a!.connectStream({ address: B, port: listener.port }, QUIET));
    stream.write(Uint8Array.of(5));
    stream.close();
    await network.run(100);
    attachLater(late.handler);
    expect(late.bytes).toEqual([5]);
    expect(late.end).toEqual({ error: undefined });
  });

  test('refused, unreachable, aborted', async () => {
    const network = new SimulatedNetwork();
    const a = network.addHost('a', { interfaces: [{ addresses: [A] }] }).runtime;
    network.addHost('b', { interfaces: [{ addresses: [B] }] });
    const to = (address: string, signal?: AbortSignal): Promise<unknown> =>
      network.resolved(a.connectStream({ address, port: 80, ...(signal && { signal }) }, QUIET), 600_000);
    await expect(to(B)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(to('192.0.2.99')).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    const abort = new AbortController();
    const attempt = to('192.0.2.99', abort.signal);
    abort.abort();
    await expect(attempt).rejects.toMatchObject({ code: 'ABORT_ERR' });
    expect(network.openHandles()).toEqual([]);
  });

  test('a short outage is survived, a long one breaks the connection', async () => {
    const { network, client, atServer, atClient } = await connected();
    network.host(A).interface('eth0').outage(5000);
    client.write(Uint8Array.of(1));
    await network.run(20_000);
    expect(atServer.bytes).toEqual([1]);
    network.host(A).interface('eth0').outage(600_000);
    client.write(Uint8Array.of(2));
    await network.run(120_000);
    expect(atClient.end).toMatchObject({ error: { code: 'ETIMEDOUT' } });
  });

  test('TLS: the names of the certificate count', async () => {
    const network = new SimulatedNetwork();
    const [a, b] = [A, B].map((address) => network.addHost(address, { interfaces: [{ addresses: [address] }] }).runtime);
    const names = { tlsNames: ['turn.example'] };
    const secure = await b!.listenTcp({ address: B, ...names }, (_socket, attach) => attach(QUIET));
    const plain = await b!.listenTcp({ address: B }, (_socket, attach) => attach(QUIET));
    const open = (port: number, servername: string): Promise<StreamSocket> =>
      network.resolved(a!.connectStream({ address: B, port, tls: { servername } }, QUIET));
    (await open(secure.port, 'turn.example')).close();
    await expect(open(secure.port, 'other.example')).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    await expect(open(plain.port, 'turn.example')).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    secure.close();
    plain.close();
    await network.run(60_000);
    expect(network.openHandles()).toEqual([]);
  });
});
