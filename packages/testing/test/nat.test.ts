import { describe, expect, test } from '@jest/globals';
import type { UdpSocket } from '@petrel/peer-connection';
import {
  type Nat,
  NAT_TYPES,
  type NatFiltering,
  type NatMapping,
  type NatOptions,
  type SimulatedHost,
  SimulatedNetwork,
} from '@petrel/testing';

const OUTER = '203.0.113.1';
const INNER = '10.0.0.2';
const [PEER, OTHER] = ['192.0.2.1', '192.0.2.2'] as const;

interface Bound {
  readonly socket: UdpSocket;
  /** Sources, `address port`. */
  readonly from: string[];
}

async function bind(host: SimulatedHost, address: string, port = 0): Promise<Bound> {
  const from: string[] = [];
  const socket = await host.runtime.bindUdp({ address, port }, (_, remote, remotePort) => from.push(`${remote} ${remotePort}`));
  return { socket, from };
}

/** One host behind a NAT, a peer with two ports, and another one. */
async function behindNat(options: Partial<NatOptions>) {
  const network = new SimulatedNetwork({ link: { delay: 1 } });
  const nat = network.addNat({ addresses: [OUTER], ...options });
  const inner = network.addHost('inner', { interfaces: [{ addresses: [INNER, '2001:db8::2'], nat }] });
  const [peer, other] = [PEER, OTHER].map((address, i) => network.addHost(`peer ${i}`, { interfaces: [{ addresses: [address] }] }));
  return {
    network,
    nat,
    inner,
    client: await bind(inner, INNER, 4000),
    peer: await bind(peer!, PEER, 1),
    samePeer: await bind(peer!, PEER, 2),
    other: await bind(other!, OTHER, 1),
    send: async (from: Bound, address: string, port: number) => {
      from.socket.send(Uint8Array.of(0), address, port);
      await network.run(5);
    },
  };
}

const outerPort = (nat: Nat, now: number): number => nat.mappings(now)[0]!.outer.port;

describe('RFC 4787 §4.1: mappings', () => {
  const distinct: Record<NatMapping, number> = {
    'one-to-one': 1,
    'endpoint-independent': 1,
    'address-dependent': 2,
    'address-and-port-dependent': 3,
  };
  for (const [mapping, count] of Object.entries(distinct) as [NatMapping, number][])
    test(`${mapping}: ${count} for two ports of one peer and one of another`, async () => {
      const { peer, samePeer, other, client, send } = await behindNat({ mapping });
      await send(client, PEER, 1);
      await send(client, PEER, 2);
      await send(client, OTHER, 1);
      const sources = [...peer.from, ...samePeer.from, ...other.from];
      expect(sources.every((source) => source.startsWith(OUTER))).toBe(true);
      expect(new Set(sources).size).toBe(count);
      if (mapping === 'one-to-one') expect(sources[0]).toBe(`${OUTER} 4000`);
    });
});

describe('RFC 4787 §5: filters', () => {
  const admitted: Record<NatFiltering, number> = {
    'endpoint-independent': 3,
    'address-dependent': 2,
    'address-and-port-dependent': 1,
  };
  for (const mapping of ['one-to-one', 'endpoint-independent', 'address-dependent', 'address-and-port-dependent'] as const)
    for (const [filtering, count] of Object.entries(admitted) as [NatFiltering, number][])
      test(`${filtering} behind ${mapping}: lets ${count} of three sources in`, async () => {
        const { network, nat, peer, samePeer, other, client, send } = await behindNat({ mapping, filtering });
        await send(client, PEER, 1);
        const port = outerPort(nat, network.now());
        for (const from of [peer, samePeer, other]) await send(from, OUTER, port);
        expect(client.from.length).toBe(count);
        expect(client.from[0]).toBe(`${PEER} 1`);
      });

  test('one-to-one without filtering: the announced address works before anything was sent', async () => {
    const { nat, peer, client, send } = await behindNat({ mapping: 'one-to-one', filtering: 'endpoint-independent' });
    nat.outerAddress(INNER);
    await send(peer, OUTER, 4000);
    expect(client.from).toEqual([`${PEER} 1`]);
  });
});

describe('mappings in time', () => {
  test('RFC 4787 §4.3: expire without outgoing packets; incoming ones do not keep them', async () => {
    const { network, nat, peer, client, send } = await behindNat({ ...NAT_TYPES['full cone'], timeout: 30_000 });
    await send(client, PEER, 1);
    const port = outerPort(nat, network.now());
    await network.run(29_000);
    await send(peer, OUTER, port);
    expect(client.from.length).toBe(1);
    await network.run(29_000);
    await send(peer, OUTER, port);
    expect(client.from.length).toBe(1);
    expect(nat.mappings(network.now())).toEqual([]);
    await send(client, PEER, 1);
    expect(peer.from[1]).not.toBe(peer.from[0]);
  });

  test('rebinding forgets the ports', async () => {
    const { network, nat, peer, client, send } = await behindNat({});
    await send(client, PEER, 1);
    const port = outerPort(nat, network.now());
    nat.rebind();
    await send(peer, OUTER, port);
    await send(client, PEER, 1);
    expect(client.from).toEqual([]);
    expect(new Set(peer.from).size).toBe(2);
  });
});

describe('topologies', () => {
  test('RFC 4787 §6: hairpinning, and a NAT without it', async () => {
    for (const hairpinning of [true, false]) {
      const { network, nat, inner, client, send } = await behindNat({ ...NAT_TYPES['full cone'], hairpinning });
      await send(client, PEER, 1);
      const neighbour = await bind(inner, INNER, 4001);
      await send(neighbour, OUTER, outerPort(nat, network.now()));
      expect(client.from.length).toBe(hairpinning ? 1 : 0);
      if (hairpinning) expect(client.from[0]).toMatch(/^203\.0\.113\.1 /);
    }
  });

  test('a NAT behind a NAT; inner addresses cannot be reached from outside; IPv6 passes by', async () => {
    const network = new SimulatedNetwork();
    const carrier = network.addNat({ addresses: [OUTER] });
    const home = network.addNat({ addresses: ['100.64.0.5'], behind: carrier });
    const inner = network.addHost('inner', { interfaces: [{ addresses: [INNER, '2001:db8::2'], nat: home }] });
    const outside = network.addHost('outside', { interfaces: [{ addresses: [PEER, '2001:db8::1'] }] });
    const [client, client6] = [await bind(inner, INNER), await bind(inner, '2001:db8::2')];
    const [peer, peer6] = [await bind(outside, PEER, 1), await bind(outside, '2001:db8::1', 1)];
    client.socket.send(Uint8Array.of(0), PEER, 1);
    client6.socket.send(Uint8Array.of(0), '2001:db8::1', 1);
    peer.socket.send(Uint8Array.of(0), INNER, client.socket.port);
    peer6.socket.send(Uint8Array.of(0), '2001:db8::2', client6.socket.port);
    await network.run(100);
    expect(peer.from[0]).toMatch(/^203\.0\.113\.1 /);
    expect(peer6.from[0]).toBe(`2001:db8::2 ${client6.socket.port}`);
    expect([client.from.length, client6.from.length]).toEqual([0, 1]);
  });

  test('TCP connections pass a NAT outwards and are refused by nobody at home inwards', async () => {
    const { network, inner } = await behindNat({});
    const outside = network.host('peer 0').runtime;
    const seen: string[] = [];
    const listener = await outside.listenTcp({ address: PEER, port: 80 }, (socket) => seen.push(socket.remoteAddress));
    const handler = { onData: () => {}, onClose: () => {} };
    const stream = await network.resolved(inner.runtime.connectStream({ address: PEER, port: 80 }, handler));
    await network.run(10);
    expect(stream.localAddress).toBe(INNER);
    expect(seen).toEqual([OUTER]);
    await expect(network.resolved(outside.connectStream({ address: OUTER, port: 80 }, handler), 600_000)).rejects.toMatchObject({
      code: 'ETIMEDOUT',
    });
    listener.close();
    stream.close();
  });
});
