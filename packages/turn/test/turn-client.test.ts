import { inspect } from 'node:util';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { concatBytes, fromHex } from '@petrel/bytes';
import { nodeCrypto } from '@petrel/crypto/node';
import { encodeStunMessage, newTransactionId, type StunMethod } from '@petrel/stun';
import { TurnClient } from '@petrel/turn';
import { Channels } from '../src/channels.ts';
import { allocated, CLIENT, dataOf, PEER, SERVER, setUp, type Setup, type SetupOptions, USERS } from './turn-setup.ts';

const vectors = JSON.parse(readFileSync(join(__dirname, 'vectors/rfc8656-negative.json'), 'utf8')) as {
  stun: { id: string; hex: string }[];
  channelData: { id: string; hex: string }[];
};
const minutes = (count: number): number => count * 60_000;
const requestsOf = ({ server }: Setup, method: StunMethod): number[] =>
  server.requests.filter(({ message }) => message.method === method).map(({ at }) => at);

/** Sends from the peer, in both directions of time: to the relay now. */
async function fromPeer({ network, peer, server }: Setup, ...bytes: number[]): Promise<void> {
  const relayed = server.allocations[0]!.relayed[0]!;
  peer.socket.send(Uint8Array.from(bytes), relayed.address, relayed.port);
  await network.run(50);
}

describe('RFC 8656 §7: allocation', () => {
  for (const transport of ['udp', 'stream'] as const)
    test(`over ${transport}: challenge, allocation, relayed and mapped addresses`, async () => {
      const { events, server, turn } = await allocated({ client: { transport } });
      expect(events).toMatchObject([{ type: 'allocated', relayedAddress: { address: SERVER }, mappedAddress: { address: CLIENT } }]);
      expect(server.allocations.length).toBe(1);
      expect(turn.state).toBe('allocated');
    });

  test('requests that are lost are repeated', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { server } = await allocated({ network: { seed, link: { delay: 20, loss: 0.25 } } });
      expect(server.allocations.length).toBe(1);
    }
  });

  test('RFC 8656 §7.1: IPv6 alone, and both families', async () => {
    const six = await allocated({ client: { addressFamilies: [6] } });
    expect(six.relayed.address).toBe('2001:db8::9');
    const { events } = await allocated({ client: { addressFamilies: [4, 6] } });
    expect(events).toMatchObject([{ relayedAddresses: [{ address: SERVER }, { address: '2001:db8::9' }] }]);
  });

  const refusals: [string, SetupOptions, object][] = [
    ['a wrong password', { client: { credential: 'wrong' } }, { reason: 'unauthorized', code: 401 }],
    ['an unknown user', { client: { username: 'mallory' } }, { reason: 'unauthorized', code: 401 }],
    ['T05: 486 when the quota is used up', { server: { quota: 0 } }, { reason: 'error-response', code: 486 }],
  ];
  for (const [name, options, failure] of refusals)
    test(`fails with ${name}`, async () => {
      const { input, until, turn, network } = await setUp(options);
      input((client, now) => client.start(now));
      expect(await until('failed')).toMatchObject(failure);
      expect([turn.state, turn.nextTimeout()]).toEqual(['failed', Infinity]);
      await network.run(1);
    });

  for (const code of [403, 437, 441, 442, 508])
    test(`T05: ${code} in answer to Allocate is a failure with its code`, async () => {
      const { input, until, server } = await setUp();
      server.onResponse = (response, { attributes }) =>
        attributes.nonce === undefined ? response : { ...response, class: 'error', attributes: { errorCode: { code, reason: 'no' } } };
      input((client, now) => client.start(now));
      expect(await until('failed')).toEqual({ type: 'failed', reason: 'error-response', code, phrase: 'no' });
    });

  test('an authenticated 300 names another server', async () => {
    const { input, until, server } = await setUp();
    const alternateServers = [{ address: '203.0.113.10', port: 3478 }];
    server.onResponse = (response, { attributes }) =>
      attributes.nonce === undefined
        ? response
        : { ...response, class: 'error', attributes: { errorCode: { code: 300, reason: '' }, alternateServers } };
    input((client, now) => client.start(now));
    expect(await until('failed')).toMatchObject({ reason: 'try-alternate', code: 300, alternateServer: alternateServers[0] });
  });

  test('a server that does not answer: seven requests, then a timeout', async () => {
    const { input, until, server, network } = await setUp();
    server.close();
    input((client, now) => client.start(now));
    expect(await until('failed')).toEqual({ type: 'failed', reason: 'timeout' });
    expect(network.now()).toBe(39_500);
    expect(network.log.entries.length).toBe(7);
  });
});

describe('T03, RFC 8489 §9.2.5: responses that nobody vouches for', () => {
  for (const integrity of ['wrong', 'none'] as const) {
    test(`MESSAGE-INTEGRITY ${integrity} on the Allocate response: as if never received`, async () => {
      const { input, until, server, turn } = await setUp();
      server.integrity = integrity;
      input((client, now) => client.start(now));
      expect(await until('allocated', 30_000)).toBeUndefined();
      expect(turn.discards.of(integrity === 'none' ? 'missing-integrity' : 'wrong-integrity')).toBeGreaterThan(3);
      expect(await until('failed')).toMatchObject({ reason: 'integrity-violated' });
    });

    test(`MESSAGE-INTEGRITY ${integrity} on an error response does not end the allocation`, async () => {
      const setup = await allocated();
      setup.server.integrity = integrity;
      setup.server.onResponse = (response) => ({ ...response, class: 'error', attributes: { errorCode: { code: 437, reason: '' } } });
      setup.input((turn, now) => turn.createPermission([PEER], now));
      await setup.network.run(5000);
      setup.server.integrity = 'right';
      setup.server.onResponse = undefined;
      await setup.network.run(20_000);
      expect(setup.turn.state).toBe('allocated');
      expect(setup.server.allocations[0]!.permissions.has(PEER)).toBe(true);
    });
  }
});

/** Whether a client of a server at `serverAddress` takes a relayed address. */
const relay = async (address: string, port: number, serverAddress: string): Promise<boolean> => {
  const { input, until, server } = await setUp({ client: { serverAddress } });
  server.onResponse = (response) =>
    response.class === 'error'
      ? response
      : { ...response, attributes: { ...response.attributes, xorRelayedAddresses: [{ address, port }] } };
  input((turn, now) => turn.start(now));
  return (await until('allocated', 2000))?.type === 'allocated';
};

describe('T07: addresses that a server must not name', () => {
  const bad = ['0.0.0.0', '::', '127.0.0.1', '::1', '224.0.0.1', 'ff02::1', '255.255.255.255', '::ffff:127.0.0.1', '::ffff:0.0.0.0'];
  for (const address of bad)
    test(`relayed ${address}: no allocation, and what was allocated is released; mapped: no candidate`, async () => {
      const relayed = await setUp();
      relayed.server.onResponse = (response) =>
        response.attributes.xorRelayedAddresses === undefined
          ? response
          : { ...response, attributes: { ...response.attributes, xorRelayedAddresses: [{ address, port: 5000 }] } };
      relayed.input((turn, now) => turn.start(now));
      expect(await relayed.until('failed')).toEqual({ type: 'failed', reason: 'unusable-address' });
      await relayed.network.run(1000);
      expect(relayed.server.allocations).toEqual([]);

      const mapped = await setUp();
      mapped.server.onResponse = (response) =>
        response.class === 'error'
          ? response
          : { ...response, attributes: { ...response.attributes, xorMappedAddress: { address, port: 5 } } };
      mapped.input((turn, now) => turn.start(now));
      expect(await mapped.until('allocated')).toMatchObject({ mappedAddress: undefined });
    });

  test('a server on loopback may relay there; port 0 is nobody; ::ffff:192.0.2.5 is 192.0.2.5', async () => {
    expect(await relay('127.0.0.1', 5000, '127.0.0.1')).toBe(true);
    expect(await relay('192.0.2.5', 0, SERVER)).toBe(false);
    const setup = await allocated();
    setup.input((turn, now) => turn.createPermission(['::ffff:198.51.100.7'], now));
    await fromPeer(setup, 1);
    expect(dataOf(setup.events)).toEqual([{ from: `${PEER} 7000`, data: [1] }]);
  });
});

describe('RFC 8656 §9 to §12: permissions, indications and channels', () => {
  for (const transport of ['udp', 'stream'] as const) {
    test(`over ${transport}: data in Send and Data indications; the permission is asked for on the way`, async () => {
      const setup = await allocated({ client: { transport } });
      const { turn, network, peer, relayed } = setup;
      setup.input((_, now) => expect(turn.send(PEER, 7000, Uint8Array.of(1, 2, 3), now)).toBe(true));
      await network.run(50);
      expect(peer.got).toEqual([{ data: Uint8Array.of(1, 2, 3), from: `${relayed.address} ${relayed.port}` }]);
      await fromPeer(setup, 4, 5);
      expect(dataOf(setup.events)).toEqual([{ from: `${PEER} 7000`, data: [4, 5] }]);
    });

    test(`over ${transport}: a channel carries data of every length with four bytes of overhead`, async () => {
      const setup = await allocated({ client: { transport } });
      const { network, peer, input, host } = setup;
      input((turn, now) => turn.bindChannel(PEER, 7000, now));
      input((turn, now) => expect(turn.send(PEER, 7000, Uint8Array.of(9), now)).toBe(true)); // not bound yet
      await network.run(50);
      for (const length of [1, 2, 3, 4, 5, 1200]) input((turn, now) => turn.send(PEER, 7000, new Uint8Array(length).fill(length), now));
      await network.run(50);
      const sent = network.log.entries.filter(({ data, host: name }) => name === host.name && data[0] === 0x40);
      if (transport === 'udp') expect(sent.map(({ data }) => data.length)).toEqual([5, 6, 7, 8, 9, 1204]);
      expect(peer.got.map(({ data }) => data.length)).toEqual([1, 1, 2, 3, 4, 5, 1200]);
      await fromPeer(setup, 4, 5, 6);
      expect(dataOf(setup.events)).toEqual([{ from: `${PEER} 7000`, data: [4, 5, 6] }]);
    });
  }

  test('permissions that are wanted before the allocation wait for it, eight peers to a request', async () => {
    const setup = await setUp();
    setup.input((turn, now) =>
      turn.createPermission(
        Array.from({ length: 20 }, (_, i) => `198.51.100.${i}`),
        now,
      ),
    );
    setup.input((turn, now) => turn.bindChannel(PEER, 7000, now));
    setup.input((turn, now) => turn.start(now));
    await setup.until('allocated');
    await setup.network.run(100);
    expect(setup.server.allocations[0]!.permissions.size).toBe(20);
    expect(requestsOf(setup, 'create-permission').length).toBe(3);
    expect(setup.server.allocations[0]!.channels.size).toBe(1);
  });

  test('403 for one peer of a request: the others get through, the one is reported and not sent to', async () => {
    const setup = await allocated({ server: { forbidden: ['198.51.100.8'] } });
    setup.input((turn, now) => turn.createPermission([PEER, '198.51.100.8', '198.51.100.9'], now));
    expect(await setup.until('permission-refused')).toEqual({ type: 'permission-refused', address: '198.51.100.8', code: 403 });
    await setup.network.run(100);
    expect([...setup.server.allocations[0]!.permissions.keys()]).toEqual([PEER, '198.51.100.9']);
    setup.input((turn, now) => expect(turn.send('198.51.100.8', 1, Uint8Array.of(1), now)).toBe(false));
    expect(requestsOf(setup, 'create-permission').length).toBe(4);
  });

  test('a channel that is refused: data goes in indications', async () => {
    const setup = await allocated();
    setup.server.onResponse = (response, { method }) =>
      method === 'channel-bind' ? { ...response, class: 'error', attributes: { errorCode: { code: 400, reason: '' } } } : response;
    setup.input((turn, now) => turn.bindChannel(PEER, 7000, now));
    await setup.network.run(200);
    setup.input((turn, now) => turn.send(PEER, 7000, Uint8Array.of(1), now));
    await setup.network.run(50);
    expect(setup.peer.got.length).toBe(1);
    setup.input((turn, now) => turn.receive(fromHex('40000001aa'), now));
    expect(setup.turn.discards.of('unknown-channel')).toBe(1);
  });

  test('data leaves in the order of the calls, whatever carries it', async () => {
    const { network, input } = await allocated();
    input((turn, now) => turn.bindChannel(PEER, 7000, now));
    await network.run(100);
    network.log.clear();
    input((turn, now) => {
      turn.send(PEER, 7001, Uint8Array.of(1), now);
      turn.send(PEER, 7000, Uint8Array.of(2), now);
    });
    expect(network.log.entries.map(({ data }) => data[0])).toEqual([0x00, 0x40]);
  });

  test('RFC 8656 §12: numbers from 0x4000 to 0x4fff, each once', () => {
    const channels = new Channels();
    const numbers = Array.from({ length: 4097 }, (_, port) => channels.add({ address: PEER, port })?.number);
    expect([numbers[0], numbers[4095], numbers[4096]]).toEqual([0x4000, 0x4fff, undefined]);
  });

  test('RFC 8656 §10.1: a peer of another family is refused without asking', async () => {
    const setup = await allocated();
    setup.input((turn, now) => expect(turn.send('2001:db8::7', 1, Uint8Array.of(1), now)).toBe(false));
    expect(setup.events.at(-1)).toEqual({ type: 'permission-refused', address: '2001:db8::7', code: 443 });
    expect(requestsOf(setup, 'create-permission')).toEqual([]);
  });

  test('arguments: no literal, too much data, more than 256 peers', async () => {
    const { turn, events, input } = await allocated();
    expect(() => turn.send('peer.local', 1, Uint8Array.of(1), 0)).toThrow(TypeError);
    expect(() => turn.bindChannel('peer.local', 1, 0)).toThrow(TypeError);
    expect(() => turn.send(PEER, 1, new Uint8Array(65_536), 0)).toThrow(RangeError);
    input((client, now) =>
      client.createPermission(
        Array.from({ length: 257 }, (_, i) => `10.0.${i >> 8}.${i & 255}`),
        now,
      ),
    );
    expect(events.at(-1)).toEqual({ type: 'permission-refused', address: '10.0.1.0', code: undefined });
  });
});

const indication = (attributes: Parameters<typeof encodeStunMessage>[0]['attributes'], method: StunMethod = 'data'): Uint8Array =>
  encodeStunMessage({ class: 'indication', method, transactionId: newTransactionId(nodeCrypto()), attributes });

describe('T02: what is not data', () => {
  const peerAddress = { address: PEER, port: 7000 };

  test('RFC 8656 §11.4: Data indications without data, without a peer, from peers without permission; ICMP', async () => {
    const setup = await allocated();
    setup.input((turn, now) => turn.createPermission([PEER], now));
    await setup.network.run(100);
    const { turn, input } = setup;
    const data = Uint8Array.of(1);
    const cases = [
      ['malformed-data-indication', indication({ xorPeerAddresses: [peerAddress] })],
      ['malformed-data-indication', indication({ data })],
      ['empty-data', indication({ xorPeerAddresses: [peerAddress], data: new Uint8Array(0) })],
      ['no-permission', indication({ xorPeerAddresses: [{ address: '198.51.100.66', port: 1 }], data })],
      ['icmp-error', indication({ xorPeerAddresses: [peerAddress], icmp: { type: 3, code: 3, data: 0 } })],
      ['unexpected-indication', indication({ xorPeerAddresses: [peerAddress], data }, 'send')],
    ] as const;
    for (const [reason, message] of cases) {
      const before = turn.discards.of(reason);
      input((client, now) => client.receive(message, now));
      expect([reason, turn.discards.of(reason)]).toEqual([reason, before + 1]);
    }
    input((client, now) => client.receive(indication({ xorPeerAddresses: [peerAddress], data }), now));
    expect(dataOf(setup.events)).toEqual([{ from: `${PEER} 7000`, data: [1] }]);
  });

  for (const { id, hex } of [...vectors.channelData, ...vectors.stun])
    test(`${id} is dropped and counted; receiving goes on`, async () => {
      const setup = await allocated();
      setup.input((turn, now) => turn.bindChannel(PEER, 7000, now));
      await setup.network.run(100);
      const before = setup.turn.discards.total;
      setup.input((turn, now) => turn.receive(fromHex(hex), now));
      expect(setup.turn.discards.total).toBe(before + 1);
      await fromPeer(setup, 7);
      expect(dataOf(setup.events).length).toBe(1);
    });

  test('RFC 8656 §12.6: every length of a ChannelData message that lies; an empty one; padding is no data', async () => {
    const setup = await allocated();
    setup.input((turn, now) => turn.bindChannel(PEER, 7000, now));
    await setup.network.run(100);
    const { turn, input } = setup;
    for (let length = 1; length < 8; length++) input((client, now) => client.receive(fromHex('40000004aabbccdd').subarray(0, length), now));
    expect(turn.discards.of('malformed-channel-data')).toBe(7);
    input((client, now) => client.receive(fromHex('40000000'), now));
    expect(turn.discards.of('empty-data')).toBe(1);
    input((client, now) => client.receive(fromHex('40000001aa000000'), now));
    expect(dataOf(setup.events)).toEqual([{ from: `${PEER} 7000`, data: [0xaa] }]);
  });
});

describe('T04: time', () => {
  test('24 hours: permissions within 300 s, channels within 600 s, the allocation a minute before its end; data flows all the time', async () => {
    const setup = await allocated({ server: { nonceLifetime: minutes(50) } });
    const { input, network, turn } = setup;
    input((client, now) => client.createPermission(['198.51.100.20'], now));
    input((client, now) => client.bindChannel(PEER, 7000, now));
    for (let hour = 0; hour < 24; hour++) {
      await network.run(minutes(60) - 50);
      await fromPeer(setup, hour);
    }
    expect(turn.state).toBe('allocated');
    expect(dataOf(setup.events).map(({ data }) => data[0])).toEqual(Array.from({ length: 24 }, (_, i) => i));
    const gaps = (method: StunMethod): number[] => requestsOf(setup, method).map((at, i, all) => at - (all[i - 1] ?? 0));
    expect(Math.max(...gaps('create-permission'))).toBeLessThan(300_000);
    expect(Math.max(...gaps('channel-bind'))).toBeLessThan(600_000);
    expect(Math.max(...gaps('refresh'))).toBeLessThanOrEqual(541_000);
    expect(setup.server.requests.length).toBeLessThan(24 * (15 + 8 + 7 + 8) + 20);
  });

  for (const [lifetime, requests] of [
    [1, 11],
    [2, 11],
    [90, 1],
    [4_294_967_295, 0],
  ] as const)
    test(`a lifetime of ${lifetime} s: no more than ${requests} refreshes in the first ten seconds, or the first minute`, async () => {
      const setup = await setUp({ server: { nonceLifetime: minutes(600) } });
      setup.server.onResponse = (response) =>
        response.attributes.lifetime === undefined ? response : { ...response, attributes: { ...response.attributes, lifetime } };
      setup.input((turn, now) => turn.start(now));
      await setup.network.run(lifetime > 10 ? 60_000 : 10_000);
      expect(requestsOf(setup, 'refresh').length).toBeLessThanOrEqual(requests);
      expect(setup.turn.state).toBe('allocated');
      if (lifetime > 1e9) {
        await setup.network.run(3_600_000);
        expect(requestsOf(setup, 'refresh').length).toBe(1);
      }
    });

  test('a lifetime of 0 is no allocation', async () => {
    const setup = await setUp();
    setup.server.onResponse = (response) =>
      response.attributes.lifetime === undefined ? response : { ...response, attributes: { ...response.attributes, lifetime: 0 } };
    setup.input((turn, now) => turn.start(now));
    expect(await setup.until('failed')).toMatchObject({ reason: 'allocation-lost' });
  });

  test('a clock that jumps over every deadline: each refresh is sent once', async () => {
    const setup = await allocated();
    setup.input((turn, now) => turn.bindChannel(PEER, 7000, now));
    await setup.network.run(1000);
    const { turn } = setup;
    const jump = minutes(600);
    turn.handleTimeout(jump);
    turn.handleTimeout(jump);
    const sent = [];
    for (let message = turn.pollTransmit(); message; message = turn.pollTransmit()) sent.push((message[0]! << 8) | message[1]!);
    expect(sent).toEqual([0x0004, 0x0009]);
    expect(turn.nextTimeout()).toBeGreaterThan(jump);
  });
});

describe('T05: a server that changes its mind', () => {
  test('438 on every kind of request: answered with the new nonce', async () => {
    const setup = await allocated();
    for (const change of [
      (turn: TurnClient, now: number) => turn.createPermission([PEER], now),
      (turn: TurnClient, now: number) => turn.bindChannel(PEER, 7000, now),
    ]) {
      setup.server.expireNonces();
      setup.input(change);
      await setup.network.run(200);
    }
    setup.server.expireNonces();
    await setup.network.run(minutes(20));
    setup.server.expireNonces();
    expect(setup.server.allocations.length).toBe(1);
    await fromPeer(setup, 1);
    expect(dataOf(setup.events).length).toBe(1);
    setup.input((turn, now) => turn.close(now));
    expect(await setup.until('closed')).toBeDefined();
    expect(setup.server.allocations).toEqual([]);
  });

  test('the server restarts: 437 on the next request ends the allocation with an event', async () => {
    const setup = await allocated();
    setup.input((turn, now) => turn.createPermission([PEER], now));
    await setup.network.run(1000);
    setup.server.restart();
    expect(await setup.until('failed', minutes(5))).toMatchObject({ reason: 'allocation-lost', code: 437 });
    setup.input((turn, now) => expect(turn.send(PEER, 7000, Uint8Array.of(1), now)).toBe(false));
    expect(setup.turn.nextTimeout()).toBe(Infinity);
    const discarded = setup.turn.discards.total;
    setup.input((turn, now) => turn.receive(fromHex('40000001aa'), now));
    expect(setup.turn.discards.total).toBe(discarded);
  });

  test('the server dies: the refresh times out', async () => {
    const setup = await allocated();
    setup.server.close();
    expect(await setup.until('failed', minutes(10))).toMatchObject({ reason: 'timeout' });
  });

  test('500 on Refresh is tried again while there is time', async () => {
    const setup = await allocated();
    let errors = 3;
    setup.server.onResponse = (response, { method }) =>
      method === 'refresh' && errors-- > 0
        ? { ...response, class: 'error', attributes: { errorCode: { code: 500, reason: '' } } }
        : response;
    await setup.network.run(minutes(15));
    expect(setup.turn.state).toBe('allocated');
  });
});

describe('RFC 8656 §8: release', () => {
  test('close() sends Refresh with lifetime 0 after everything that was relayed before it', async () => {
    const setup = await allocated();
    const { input, network, peer } = setup;
    input((turn, now) => turn.bindChannel(PEER, 7000, now));
    await network.run(100);
    input((turn, now) => {
      for (const byte of [1, 2, 3]) turn.send(PEER, 7000, Uint8Array.of(byte), now);
      turn.close(now);
    });
    expect(await setup.until('closed')).toBeDefined();
    expect(peer.got.map(({ data }) => data[0])).toEqual([1, 2, 3]);
    expect(setup.server.allocations).toEqual([]);
    expect([setup.turn.state, setup.turn.nextTimeout()]).toEqual(['closed', Infinity]);
    input((turn, now) => expect(turn.send(PEER, 7000, Uint8Array.of(1), now)).toBe(false));
    setup.server.close();
    peer.socket.close();
    expect(network.openHandles().filter((name) => !/client: udp/.test(name))).toEqual([]);
  });

  test('what is relayed after close() is nobody’s', async () => {
    const setup = await allocated();
    setup.input((turn, now) => turn.bindChannel(PEER, 7000, now));
    await setup.network.run(100);
    setup.input((turn, now) => turn.close(now));
    setup.input((turn, now) => turn.receive(fromHex('40000001aa000000'), now));
    expect(dataOf(setup.events)).toEqual([]);
  });

  test('close() while the allocation is on its way releases it when it comes', async () => {
    const setup = await setUp();
    setup.input((turn, now) => turn.start(now));
    await setup.network.run(25);
    setup.input((turn, now) => turn.close(now));
    expect(await setup.until('closed')).toBeDefined();
    expect(setup.events.some(({ type }) => type === 'allocated')).toBe(false);
    expect(requestsOf(setup, 'refresh').length).toBe(1);
    expect(setup.server.allocations).toEqual([]);
  });

  test('close() before start, twice, and with a server that is gone', async () => {
    const early = await setUp();
    early.input((turn, now) => turn.close(now));
    expect(early.events).toEqual([{ type: 'closed' }]);
    const setup = await allocated();
    setup.server.close();
    setup.input((turn, now) => turn.close(now));
    setup.input((turn, now) => turn.close(now));
    await setup.until('closed');
    expect(setup.events.filter(({ type }) => type === 'closed').length).toBe(1);
  });
});

describe('T08: streams', () => {
  test('RFC 8656 §12.5: frames are rebuilt from any pieces; padding is skipped', async () => {
    const setup = await allocated({ client: { transport: 'stream' } });
    setup.input((turn, now) => turn.bindChannel(PEER, 7000, now));
    await setup.network.run(200);
    const frames = concatBytes(fromHex('40000001aa000000'), fromHex('40000004bbbbbbbb'), fromHex('40000003cccccc00'));
    for (const size of [1, 2, 3, 5, 7, frames.length]) {
      for (let offset = 0; offset < frames.length; offset += size)
        setup.input((turn, now) => turn.receive(frames.slice(offset, offset + size), now));
      expect(dataOf(setup.events.splice(0)).map(({ data }) => data.length)).toEqual([1, 4, 3]);
    }
  });

  test('garbage on the stream, or its end in mid-frame, is fatal; after close() it is the end', async () => {
    const garbage = await allocated({ client: { transport: 'stream' } });
    garbage.input((turn, now) => turn.receive(fromHex('ffffffff'), now));
    garbage.input((turn, now) => turn.receive(fromHex('ffffffff'), now));
    expect(garbage.events.filter(({ type }) => type !== 'allocated')).toEqual([{ type: 'failed', reason: 'broken-stream' }]);
    const reset = await allocated({ client: { transport: 'stream' } });
    reset.input((turn, now) => turn.receive(fromHex('4000ffff01'), now));
    reset.breakStream();
    expect(reset.events.at(-1)).toEqual({ type: 'failed', reason: 'broken-stream' });
    const closing = await allocated({ client: { transport: 'stream' } });
    closing.input((turn, now) => turn.close(now));
    closing.breakStream();
    expect(closing.events.at(-1)).toEqual({ type: 'closed' });
  });
});

describe('T09: secrets', () => {
  test('username, credential and nonce appear in no inspection, event or error', async () => {
    const setup = await allocated();
    setup.input((turn, now) => turn.createPermission([PEER], now));
    setup.server.onResponse = (response) => ({ ...response, class: 'error', attributes: { errorCode: { code: 441, reason: 'Wrong' } } });
    setup.input((turn, now) => turn.createPermission(['198.51.100.30'], now));
    await setup.until('permission-refused');
    const nonce = setup.server.requests.at(-1)!.message.attributes.nonce!;
    const shown = inspect([setup.turn, setup.events], { depth: 20, showHidden: true }) + JSON.stringify([setup.turn, setup.events]);
    for (const secret of ['alice', USERS.alice, nonce]) expect(shown).not.toContain(secret);
    const crypto = nodeCrypto();
    const username = 'x'.repeat(509);
    expect(() => new TurnClient({ crypto, username, credential: 'secret' })).toThrow(
      new RangeError('a TURN username has at most 508 bytes'),
    );
  });
});
