import { describe, expect, test } from '@jest/globals';
import type { UdpSocket } from '@petrel/peer-connection';
import { type LinkConditions, type NetworkOptions, type SimulatedHost, SimulatedNetwork } from '@petrel/testing';

const A = '192.0.2.1';
const B = '192.0.2.2';

interface Bound {
  readonly socket: UdpSocket;
  readonly got: { data: Uint8Array; from: string; at: number }[];
}

async function bind(host: SimulatedHost, address: string, port?: number): Promise<Bound> {
  const got: Bound['got'] = [];
  const options = { address, ...(port === undefined ? {} : { port }) };
  const socket = await host.runtime.bindUdp(options, (data, from, fromPort) =>
    got.push({ data, from: `${from} ${fromPort}`, at: host.network.now() }),
  );
  return { socket, got };
}

async function twoHosts(options: NetworkOptions = {}): Promise<{ network: SimulatedNetwork; a: Bound; b: Bound }> {
  const network = new SimulatedNetwork(options);
  const hosts = [A, B].map((address, i) => network.addHost('ab'[i]!, { interfaces: [{ addresses: [address] }] }));
  return { network, a: await bind(hosts[0]!, A), b: await bind(hosts[1]!, B, 5000) };
}

/** Sends `count` datagrams a millisecond apart and returns what arrived. */
async function traffic(link: LinkConditions, count: number, size = 100, seed = 1): Promise<Bound['got']> {
  const { network, a, b } = await twoHosts({ link, seed });
  for (let i = 0; i < count; i++) {
    a.socket.send(Uint8Array.of(i >>> 8, i, ...Array<number>(size - 2).fill(0)), B, 5000);
    await network.run(1);
  }
  await network.run(5000);
  return b.got;
}

const numbers = (got: Bound['got']): number[] => got.map(({ data }) => (data[0]! << 8) | data[1]!);

describe('UDP', () => {
  test('a datagram arrives after the delay, as a copy, with its source', async () => {
    const { network, a, b } = await twoHosts({ link: { delay: 25 } });
    const sent = Uint8Array.of(1, 2, 3);
    a.socket.send(sent, B, 5000);
    await network.run(24);
    expect(b.got).toEqual([]);
    await network.run(1);
    expect(b.got).toEqual([{ data: sent, from: `${A} ${a.socket.port}`, at: 25 }]);
    expect(b.got[0]!.data).not.toBe(sent);
    expect(network.log.entries).toMatchObject([{ host: 'a', at: 0, outcome: 'delivered', destination: { address: B, port: 5000 } }]);
  });

  test('IPv6 addresses are one address in every spelling; families do not mix; ports are exclusive', async () => {
    const network = new SimulatedNetwork();
    const host = network.addHost('a', { interfaces: [{ addresses: [A, '2001:DB8::0:1'] }] });
    const v6 = await bind(host, '2001:db8:0:0::1', 7);
    const v4 = await bind(host, A);
    v6.socket.send(Uint8Array.of(1), '2001:db8::1', 7);
    v4.socket.send(Uint8Array.of(1), '2001:db8::1', 7);
    v4.socket.send(Uint8Array.of(1), A, 0);
    await network.run(1);
    expect(v6.got.map(({ from }) => from)).toEqual(['2001:db8::1 7']);
    await expect(host.runtime.bindUdp({ address: '2001:db8::1', port: 7 }, () => {})).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(host.runtime.bindUdp({ address: '10.9.9.9' }, () => {})).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  test('the wildcard address receives for all of them and sends from the right one; loopback stays on the host', async () => {
    const network = new SimulatedNetwork();
    const host = network.addHost('a', { interfaces: [{ addresses: [A] }] });
    const other = network.addHost('b', { interfaces: [{ addresses: [B] }] });
    const any = await bind(host, '0.0.0.0', 9);
    const far = await bind(other, B, 9);
    const near = await bind(host, '127.0.0.1');
    any.socket.send(Uint8Array.of(1), B, 9);
    near.socket.send(Uint8Array.of(2), '127.0.0.1', 9);
    near.socket.send(Uint8Array.of(3), B, 9);
    await network.run(20);
    expect(far.got.map(({ from }) => from)).toEqual([`${A} 9`]);
    expect(any.got.map(({ from }) => from)).toEqual([`127.0.0.1 ${near.socket.port}`]);
    expect(network.log.entries.map(({ outcome }) => outcome)).toEqual(['delivered', 'delivered', 'unreachable']);
  });
});

describe('link conditions', () => {
  test('loss takes its share, and the same seed takes the same packets', async () => {
    const got = await traffic({ loss: 0.3 }, 1000);
    expect(got.length).toBeGreaterThan(650);
    expect(got.length).toBeLessThan(750);
    expect(numbers(await traffic({ loss: 0.3 }, 1000))).toEqual(numbers(got));
    expect(numbers(await traffic({ loss: 0.3 }, 1000, 100, 2))).not.toEqual(numbers(got));
  });

  test('Gilbert-Elliott: the share is lost in runs of the given mean length', async () => {
    const arrived = new Set(numbers(await traffic({ burstLoss: { share: 0.2, length: 8 } }, 4000)));
    const lost = Array.from({ length: 4000 }, (_, i) => !arrived.has(i));
    const total = lost.filter(Boolean).length;
    const runs = lost.filter((gone, i) => gone && !lost[i - 1]).length;
    expect(total / 4000).toBeGreaterThan(0.14);
    expect(total / 4000).toBeLessThan(0.26);
    expect(total / runs).toBeGreaterThan(6);
    expect(total / runs).toBeLessThan(10);
  });

  test('duplicates, reordering, jitter and corruption', async () => {
    expect((await traffic({ duplicate: 0.5 }, 400)).length).toBeGreaterThan(550);
    const reordered = numbers(await traffic({ reorder: 0.1, reorderDelay: 10 }, 200));
    expect(reordered).not.toEqual(reordered.toSorted((x, y) => x - y));
    const jittered = await traffic({ delay: 5, jitter: 50 }, 200);
    expect(jittered.length).toBe(200);
    const corrupt = await traffic({ corrupt: 0.2 }, 200, 100);
    expect(corrupt.length).toBe(200);
    const damaged = corrupt.filter(({ data }) => data.slice(2).some((byte) => byte !== 0)).length;
    expect(damaged).toBeGreaterThan(20);
    expect(damaged).toBeLessThan(60);
  });

  test('packets over the MTU vanish; the rate spaces packets out, and the queue has an end', async () => {
    expect((await traffic({ mtu: 1228 }, 1, 1200)).length).toBe(1);
    expect((await traffic({ mtu: 1227 }, 1, 1200)).length).toBe(0);
    // 1,250-byte packets, one per millisecond, into 1 Mbit/s: 10 ms each.
    const slow = await traffic({ rate: 1_000_000, queue: 100 }, 100, 1222);
    expect(slow[1]!.at - slow[0]!.at).toBeCloseTo(10);
    expect(slow.length).toBeLessThan(25);
  });

  test('outages in either direction', async () => {
    const { network, a, b } = await twoHosts({ link: { delay: 0 } });
    const send = async (): Promise<number[]> => {
      const before = [a.got.length, b.got.length];
      a.socket.send(Uint8Array.of(0, 0), B, 5000);
      b.socket.send(Uint8Array.of(0, 0), A, a.socket.port);
      await network.run(1);
      return [a.got.length - before[0]!, b.got.length - before[1]!];
    };
    expect(await send()).toEqual([1, 1]);
    const link = network.host('a').interface('eth0');
    link.outage(100, 'out');
    expect(await send()).toEqual([1, 0]);
    link.egress.cut(0);
    link.outage(100, 'in');
    expect(await send()).toEqual([0, 1]);
    await network.run(100);
    expect(await send()).toEqual([1, 1]);
    network.host('a').removeInterface('eth0');
    expect(await send()).toEqual([0, 0]);
  });

  test('the filter drops and replaces; an attacker injects', async () => {
    const { network, a, b } = await twoHosts({ link: { delay: 0 } });
    network.filter = (packet, host) => (host === 'b' ? undefined : { ...packet, data: Uint8Array.of(9) });
    a.socket.send(Uint8Array.of(0), B, 5000);
    b.socket.send(Uint8Array.of(0), A, a.socket.port);
    network.inject({ source: { address: '203.0.113.66', port: 6 }, destination: { address: B, port: 5000 }, data: Uint8Array.of(6) });
    await network.run(1);
    expect(a.got).toEqual([]);
    expect(b.got.map(({ data, from }) => [data[0], from])).toEqual([
      [9, `${A} ${a.socket.port}`],
      [6, '203.0.113.66 6'],
    ]);
  });
});

/** What hosts of a network with this seed draw: ports, random bytes, keys, signatures. */
const draw = async (seed: number): Promise<unknown[]> => {
  const network = new SimulatedNetwork({ seed });
  const hosts = [A, B].map((address) => network.addHost(address, { interfaces: [{ addresses: [address] }] }));
  return await Promise.all(
    hosts.map(async ({ runtime }) => {
      const { crypto } = runtime;
      const socket = await runtime.bindUdp({ address: runtime.networkInterfaces()[2]!.address }, () => {});
      const key = crypto.generateSigningKey();
      const signature = crypto.importSigningKey(key.exportPkcs8()).sign('ecdsa-sha256', Uint8Array.of(1));
      return [socket.port, crypto.randomBytes(4), crypto.generateKeyAgreement('x25519').publicKey, signature];
    }),
  );
};

describe('running', () => {
  test('promises settle between tasks; tasks keep their order', async () => {
    const network = new SimulatedNetwork();
    const { runtime } = network.addHost('a', { interfaces: [] });
    const order: string[] = [];
    runtime.queueTask(() => {
      order.push('task 1');
      void (async () => {
        for (let i = 0; i < 20; i++) await Promise.resolve();
        order.push('promise');
      })();
    });
    runtime.queueTask(() => order.push('task 2'));
    runtime.setTimer(1, () => order.push('timer'));
    expect(runtime.openHandles()).toEqual(['task', 'task', 'timer']);
    expect(await network.runUntil(() => order.length === 4)).toBe(true);
    expect(order).toEqual(['task 1', 'promise', 'task 2', 'timer']);
    expect(network.openHandles()).toEqual([]);
  });

  test('runUntil gives up at its deadline; resolved() gives a value, a rejection, or says that it is pending', async () => {
    const network = new SimulatedNetwork();
    const { runtime } = network.addHost('a', { interfaces: [] });
    expect(await network.runUntil(() => false, 500)).toBe(false);
    expect(network.now()).toBe(500);
    const later = new Promise<number>((resolve) => runtime.setTimer(2000, () => resolve(7)));
    expect(await network.resolved(later)).toBe(7);
    expect(network.now()).toBe(2000);
    await expect(network.resolved(Promise.reject(new Error('no')))).rejects.toThrow('no');
    runtime.setTimer(1e6, () => {});
    await expect(network.resolved(new Promise(() => {}), 10)).rejects.toThrow('still pending');
  });

  test('settled() holds the time while the outside world works', async () => {
    const network = new SimulatedNetwork();
    const { runtime } = network.addHost('a', { interfaces: [] });
    let fired = 0;
    runtime.setTimer(1, () => fired++);
    const key = await network.settled(globalThis.crypto.subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt']));
    expect(key.type).toBe('secret');
    expect([network.now(), fired]).toEqual([0, 0]);
  });

  test('the same seed gives the same ports, keys and signatures on every host, another one others', async () => {
    const [first, second] = await draw(1);
    expect(first).not.toEqual(second);
    expect(await draw(1)).toEqual([first, second]);
    expect((await draw(2))[0]).not.toEqual(first);
  });

  test('names: addresses, none, and no answer', async () => {
    const network = new SimulatedNetwork();
    const { runtime } = network.addHost('a', { interfaces: [] });
    network.addName('turn.example', ['192.0.2.9', '2001:db8::9']);
    network.addName('silent.local', 'never');
    expect(await runtime.resolve('TURN.example')).toEqual(['192.0.2.9', '2001:db8::9']);
    expect(await runtime.resolve('[2001:db8::1]')).toEqual(['2001:db8::1']);
    await expect(runtime.resolve('other.example')).rejects.toMatchObject({ code: 'ENOTFOUND' });
    await expect(network.resolved(runtime.resolve('silent.local'))).rejects.toMatchObject({ code: 'ENOTFOUND' });
    expect(network.now()).toBe(5000);
  });
});
