import { describe, expect, test } from '@jest/globals';
import { concatBytes, fromHex, toHex } from '@petrel/bytes';
import { fingerprint } from '@petrel/crypto';
import { CookieExchange, DtlsConnection, DtlsListener } from '@petrel/dtls';
import { testCertificate } from '@petrel/testing';
import { connect, drain, node, utf8 } from './support/pair.ts';
import { Puppet, tell } from './support/puppet.ts';

const certificate = testCertificate(node, 0);
const fingerprints = [fingerprint(node, 'sha-256', testCertificate(node, 1).derChain[0]!)];

function newClient(): DtlsConnection {
  const client = new DtlsConnection({ role: 'client', crypto: node, certificate, remoteFingerprints: fingerprints });
  client.start(0);
  return client;
}

function newListener(maxConnections?: number): DtlsListener {
  const remoteFingerprints = [fingerprint(node, 'sha-256', certificate.derChain[0]!)];
  const connection = { crypto: node, certificate: testCertificate(node, 1), remoteFingerprints };
  return new DtlsListener(maxConnections === undefined ? { connection } : { connection, maxConnections });
}

/** A client's first hello, and the one with the cookie that the exchange sends for the address. */
function hellos(cookies: CookieExchange, address: string, now = 0): [Uint8Array, Uint8Array] {
  const client = newClient();
  const [first] = drain(client);
  const verdict = cookies.check(first!, address, now);
  if (verdict.type !== 'challenge') throw new Error(verdict.type);
  client.receive(verdict.datagram, now);
  return [first!, drain(client)[0]!];
}

describe('RFC 6347 §4.2.1: cookies', () => {
  test('D18: are bound to the address and to the hello, and need no memory', () => {
    const cookies = new CookieExchange(node);
    const [, second] = hellos(cookies, '192.0.2.1:5000');
    const [, ofAnother] = hellos(cookies, '192.0.2.1:5000');
    expect(cookies.check(second, '192.0.2.1:5000', 0)).toEqual({ type: 'verified', messageSequence: 1, recordSequence: 1 });
    expect(cookies.check(second, '192.0.2.1:5001', 0).type).toBe('challenge');
    expect(cookies.check(second, '192.0.2.2:5000', 0).type).toBe('challenge');
    // The cookie of one hello in another: version, random and session id come before it.
    const mixed = second.slice();
    const at = 13 + 12 + 2 + 32 + 1;
    mixed.set(ofAnother.subarray(at, at + 22), at);
    expect(cookies.check(mixed, '192.0.2.1:5000', 0).type).toBe('challenge');
    expect(cookies.check(second, '192.0.2.1:5000', 0).type).toBe('verified');
  });

  test('D18: no bit of one can be changed', () => {
    const cookies = new CookieExchange(node);
    const [, second] = hellos(cookies, 'a');
    const at = 13 + 12 + 2 + 32 + 2;
    for (let bit = 0; bit < 21 * 8; bit++) {
      const changed = second.slice();
      changed[at + (bit >> 3)]! ^= 1 << (bit & 7);
      expect(cookies.check(changed, 'a', 0).type).toBe('challenge');
    }
  });

  test('D18: live for one to two minutes, as the secret changes every minute', () => {
    const cookies = new CookieExchange(node);
    const [, second] = hellos(cookies, 'a', 0);
    expect(cookies.check(second, 'a', 59_000).type).toBe('verified');
    expect(cookies.check(second, 'a', 61_000).type).toBe('verified');
    expect(cookies.check(second, 'a', 121_000).type).toBe('challenge');
    const [, third] = hellos(cookies, 'a', 122_000);
    expect(cookies.check(third, 'a', 10_000_000).type).toBe('challenge');
  });

  test.each([
    ['too short', (hello: Uint8Array) => hello.subarray(0, 20)],
    ['cut', (hello: Uint8Array) => hello.subarray(0, hello.length - 1)],
    ['of another epoch', (hello: Uint8Array) => Uint8Array.from(hello, (byte, index) => (index === 4 ? 1 : byte))],
    ['of another type', (hello: Uint8Array) => Uint8Array.from(hello, (byte, index) => (index === 13 ? 2 : byte))],
    ['in fragments', (hello: Uint8Array) => Uint8Array.from(hello, (byte, index) => (index === 24 ? byte - 1 : byte))],
    ['with a number far ahead', (hello: Uint8Array) => Uint8Array.from(hello, (byte, index) => (index === 17 ? 1 : byte))],
    ['malformed inside', (hello: Uint8Array) => Uint8Array.from(hello, (byte, index) => (index === 13 + 12 + 34 ? 200 : byte))],
  ])('a hello that is %s gets no answer', (_, change) => {
    const [hello] = drain(newClient());
    expect(new CookieExchange(node).check(change(hello!.slice()), 'a', 0)).toEqual({ type: 'drop' });
  });

  test.each([0, 255])('D18: a client takes a cookie of %i bytes', (length) => {
    const puppet = new Puppet('server', node, {
      alter: (utterance, body) =>
        utterance === 'HelloVerifyRequest' ? concatBytes(body.subarray(0, 2), Uint8Array.of(length), new Uint8Array(length).fill(7)) : body,
    });
    const client = newClient();
    puppet.hear(drain(client)[0]!);
    tell(client, puppet, puppet.say('HelloVerifyRequest'));
    expect(toHex(puppet.heard[1]!.body.subarray(34, 36 + length))).toBe(`00${length.toString(16).padStart(2, '0')}${'07'.repeat(length)}`);
  });

  test('D18: a cookie past the end of its message fails a client', () => {
    const puppet = new Puppet('server', node, { alter: () => fromHex('fefdff') });
    const client = newClient();
    tell(client, puppet, puppet.say('HelloVerifyRequest'));
    expect(client.state).toBe('failed');
  });

  test('a connection asks for one before anything else, if it is told to', () => {
    const { client, server, link } = connect({ server: { helloVerify: true } });
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    expect(link.wire.filter(({ datagram }) => datagram[13] === 3)).toHaveLength(1);
    // §4.2.2: the ServerHello goes on with the numbers of the second ClientHello.
    const serverHello = link.wire.find(({ datagram }) => datagram[13] === 2)!.datagram;
    expect([serverHello[10], serverHello[18]]).toEqual([1, 1]);
  });
});

test('a first ClientHello that comes again, late, starts no timer', () => {
  const verifiedHello = { messageSequence: 1, recordSequence: 1 };
  const server = new DtlsConnection({ role: 'server', crypto: node, certificate: testCertificate(node, 1), verifiedHello });
  server.start(0);
  server.receive(drain(newClient())[0]!, 1000);
  expect([server.discards.of('old-handshake'), drain(server), server.nextTimeout()]).toEqual([1, [], Infinity]);
});

describe('a listener without ICE', () => {
  test('D19, D33, F03: 20,000 hellos of as many addresses: no more bytes out than in, no state; a real client connects', () => {
    const listener = newListener();
    const [hello] = drain(newClient());
    let bytesIn = 0;
    let bytesOut = 0;
    for (let i = 0; i < 20_000; i++) {
      expect(listener.receive(hello!, `198.51.100.${i >> 8}:${i}`, i / 20)).toBeUndefined();
      bytesIn += hello!.length;
      for (let out = listener.pollTransmit(); out; out = listener.pollTransmit()) {
        bytesOut += out.datagram.length;
        expect(out.datagram[13]).toBe(3);
      }
    }
    expect(bytesOut).toBeGreaterThan(0);
    expect(bytesOut).toBeLessThanOrEqual(bytesIn);
    expect(listener.connections.size).toBe(0);
    const { client, server } = meet(listener, '192.0.2.1:9');
    expect([client.state, server?.state]).toEqual(['connected', 'connected']);
  });

  test('D19: not even a hello of the smallest size is answered with more', () => {
    const puppet = new Puppet('client', node, {
      cipherSuites: [0xc02b],
      alter: (_, body) => body.subarray(0, 2 + 32 + 1 + 1 + 4 + 2), // without extensions
    });
    const hello = puppet.say('ClientHello');
    const verdict = new CookieExchange(node).check(hello, 'a', 0);
    expect(verdict.type === 'challenge' && verdict.datagram.length <= hello.length).toBe(true);
  });

  test('serves several clients, and no more than it may', () => {
    const listener = newListener(2);
    const first = meet(listener, 'a');
    const second = meet(listener, 'b');
    expect(meet(listener, 'c').server).toBeUndefined();
    expect(listener.discards.of('too-many-connections')).toBe(1);
    expect(listener.connections.size).toBe(2);
    second.client.send(utf8('hello'));
    listener.receive(drain(second.client)[0]!, 'b', 0);
    expect(second.server!.pollEvent()).toEqual({ type: 'connected' });
    expect(second.server!.pollEvent()).toEqual({ type: 'data', data: utf8('hello') });
    expect(first.server!.state).toBe('connected');
    listener.remove('a');
    expect(meet(listener, 'c').client.state).toBe('connected');
  });

  test('D33: half-open handshakes end by themselves', () => {
    const listener = newListener();
    const half = Array.from({ length: 50 }, (_, index) => meet(listener, String(index), 2).server!);
    expect(half.every((server) => server.state === 'connecting')).toBe(true);
    for (const server of half) {
      expect(server.nextTimeout()).toBeLessThanOrEqual(60_000);
      server.handleTimeout(60_000);
      expect([server.state, server.nextTimeout()]).toEqual(['failed', Infinity]);
    }
  });
});

/** Carries datagrams between a new client and the listener, for so many turns. */
function meet(listener: DtlsListener, address: string, turns = 4): { client: DtlsConnection; server: DtlsConnection | undefined } {
  const client = newClient();
  let server: DtlsConnection | undefined;
  for (let turn = 0; turn < turns; turn++) {
    for (const datagram of drain(client)) server = listener.receive(datagram, address, 0) ?? server;
    for (let out = listener.pollTransmit(); out; out = listener.pollTransmit()) client.receive(out.datagram, 0);
    for (const datagram of server ? drain(server) : []) client.receive(datagram, 0);
  }
  return { client, server };
}
