import { describe, expect, test } from '@jest/globals';
import { concatBytes, toHex } from '@petrel/bytes';
import { type CryptoProvider, fingerprint } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { CIPHER_SUITES, DtlsConnection, type DtlsEvent, type DtlsOptions } from '@petrel/dtls';
import { CoreLink, type LinkOptions, seededRandom, testCertificate } from '@petrel/testing';

const node = nodeCrypto();
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

interface PairOptions {
  readonly client?: Partial<DtlsOptions>;
  readonly server?: Partial<DtlsOptions>;
  readonly link?: LinkOptions;
  readonly crypto?: CryptoProvider;
}

function pair({ client = {}, server = {}, link = {}, crypto = node }: PairOptions = {}): {
  client: DtlsConnection;
  server: DtlsConnection;
  link: CoreLink<DtlsEvent>;
} {
  const [a, b] = [testCertificate(crypto, 0), testCertificate(crypto, 1)];
  const fingerprints = [a, b].map((certificate) => [fingerprint(crypto, 'sha-256', certificate.derChain[0]!)]);
  const srtpProfiles = [7, 1];
  const c = new DtlsConnection({ role: 'client', crypto, certificate: a, remoteFingerprints: fingerprints[1]!, srtpProfiles, ...client });
  const s = new DtlsConnection({ role: 'server', crypto, certificate: b, remoteFingerprints: fingerprints[0]!, srtpProfiles, ...server });
  return { client: c, server: s, link: new CoreLink<DtlsEvent>(c, s, link) };
}

function connect(options: PairOptions = {}): ReturnType<typeof pair> {
  const both = pair(options);
  both.server.start(0);
  both.client.start(0);
  both.link.runUntil(() => both.client.state !== 'connecting' && both.server.state !== 'connecting', 100_000);
  return both;
}

const clear = (type: number, ...body: number[]): Uint8Array =>
  Uint8Array.of(type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 9, 9, 9, 0, body.length, ...body);

const records = (datagram: Uint8Array): { type: number; epoch: number; at: number; length: number }[] => {
  const list = [];
  for (let at = 0; at < datagram.length; ) {
    const length = 13 + ((datagram[at + 11]! << 8) | datagram[at + 12]!);
    list.push({ type: datagram[at]!, epoch: (datagram[at + 3]! << 8) | datagram[at + 4]!, at, length });
    at += length;
  }
  return list;
};

/** Flips the last bit of a handshake message's body on its way, wherever it is first sent whole. */
function tamper(messageType: number, offsetFromEnd = 1): LinkOptions {
  return {
    filter(datagram) {
      for (const { type, epoch, at, length } of records(datagram))
        if (type === 22 && epoch === 0 && datagram[at + 13] === messageType) datagram[at + length - offsetFromEnd]! ^= 1;
      return datagram;
    },
  };
}

function spoilCookie(datagram: Uint8Array, from: 'a' | 'b'): Uint8Array {
  if (from === 'a' && datagram[13] === 1 && datagram[13 + 12 + 35] === 21) datagram[13 + 12 + 40]! ^= 1;
  return datagram;
}

/** The extension's type becomes an unknown one. */
function hideExtendedMasterSecret(datagram: Uint8Array, from: 'a' | 'b'): Uint8Array {
  const at = from === 'a' && datagram[13] === 1 ? toHex(datagram).indexOf('00170000') / 2 : -1;
  if (at > 0) datagram[at] = 0x7f;
  return datagram;
}

describe.each([node, nobleCrypto()])('with the $name provider', (crypto) => {
  test('a handshake connects, agrees on SRTP and exports the same keying material', () => {
    const { client, server, link } = connect({ crypto });
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    expect(link.eventsOfA).toEqual([{ type: 'connected' }]);
    expect(link.eventsOfB).toEqual([{ type: 'connected' }]);
    expect([client.srtpProfile, server.srtpProfile]).toEqual([7, 7]);
    const exported = client.exportKeyingMaterial('EXTRACTOR-dtls_srtp', 60);
    expect(toHex(server.exportKeyingMaterial('EXTRACTOR-dtls_srtp', 60))).toBe(toHex(exported));
    expect(server.exportKeyingMaterial('EXTRACTOR-dtls_srtp', 60, utf8('context'))).not.toEqual(exported);
    expect(client.peerCertificates[0]).toEqual(testCertificate(crypto, 1).derChain[0]);
  });

  test('data goes both ways', () => {
    const { client, server, link } = connect({ crypto });
    expect(client.send(utf8('hello'))).toBe(true);
    expect(server.send(utf8('welcome'))).toBe(true);
    link.run(100);
    expect(link.eventsOfA[1]).toEqual({ type: 'data', data: utf8('welcome') });
    expect(link.eventsOfB[1]).toEqual({ type: 'data', data: utf8('hello') });
  });
});

describe('negotiation', () => {
  test.each(CIPHER_SUITES.filter((suite) => suite.authentication === 'ecdsa').map((suite) => suite.name))('%s', (name) => {
    const { client, link } = connect({ server: { cipherSuites: [name] } });
    expect(client.cipherSuite).toBe(name);
    client.send(utf8('x'));
    link.run(100);
    expect(link.eventsOfB[1]).toEqual({ type: 'data', data: utf8('x') });
  });

  test.each(['x25519', 'p-256', 'p-384'] as const)('group %s', (group) => {
    expect(connect({ server: { groups: [group] } }).client.state).toBe('connected');
  });

  test('no common cipher suite, group or usable scheme fails both sides with handshake_failure', () => {
    for (const server of [{ cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] as const }, { groups: ['p-384'] as const }]) {
      const { link } = connect({ server, client: { groups: ['x25519'] } });
      expect(link.eventsOfA).toMatchObject([{ type: 'failed', failure: { reason: 'remote-alert', alert: 'handshake_failure' } }]);
      expect(link.eventsOfB).toMatchObject([{ type: 'failed', failure: { alert: 'handshake_failure' } }]);
    }
  });

  test('RFC 5764 §4.1.1: without a common profile, and without use_srtp, there is no SRTP but a connection', () => {
    expect(connect({ client: { srtpProfiles: [1] }, server: { srtpProfiles: [7] } }).client.srtpProfile).toBeUndefined();
    expect(connect({ client: { srtpProfiles: [] } }).server.srtpProfile).toBeUndefined();
  });

  test('RFC 6347 §4.2.1: with a cookie exchange the handshake takes a round trip more', () => {
    const { client, server, link } = connect({ server: { helloVerify: true } });
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    expect(link.wire.filter(({ datagram }) => datagram[13] === 3)).toHaveLength(1);
  });

  test('RFC 6347 §4.2.1: a wrong cookie gets another HelloVerifyRequest, not a ServerHello', () => {
    const { link, client, server } = connect({ server: { helloVerify: true }, link: { filter: spoilCookie } });
    expect([client.state, server.state]).toEqual(['failed', 'connecting']);
    expect(link.wire.some(({ datagram }) => datagram[0] === 22 && datagram[13] === 2)).toBe(false);
    expect(server.discards.of('no-cookie')).toBeGreaterThan(2);
  });
});

describe('authentication', () => {
  const wrong = [{ algorithm: 'sha-256', value: Array(32).fill('00').join(':') }];

  test.each(['client', 'server'] as const)('RFC 8122 §6.2: a certificate that does not match the fingerprint fails the %s', (side) => {
    const { client, server, link } = connect({ [side]: { remoteFingerprints: wrong } });
    expect((side === 'client' ? client : server).state).toBe('failed');
    const events = side === 'client' ? link.eventsOfA : link.eventsOfB;
    expect(events).toEqual([{ type: 'failed', failure: { reason: 'fingerprint-mismatch', alert: 'bad_certificate' } }]);
  });

  test('RFC 8122 §5: MD5 matches nothing', () => {
    const value = fingerprint(node, 'md5', testCertificate(node, 1).derChain[0]!).value;
    expect(connect({ client: { remoteFingerprints: [{ algorithm: 'md5', value }] } }).client.state).toBe('failed');
  });

  test('without fingerprints there is no connected, no sending and no data; they may come later', () => {
    const both = pair();
    const late = new DtlsConnection({ role: 'client', crypto: node, certificate: testCertificate(node, 0) });
    const link = new CoreLink<DtlsEvent>(late, both.server);
    both.server.start(0);
    late.start(0);
    link.run(1000);
    expect([late.state, both.server.state]).toEqual(['connecting', 'connected']);
    expect(late.send(utf8('x'))).toBe(false);
    both.server.send(utf8('too early'));
    link.run(100);
    expect(() => late.exportKeyingMaterial('label', 16)).toThrow(/connected/);
    expect(link.eventsOfA).toEqual([]);
    late.setRemoteFingerprints([fingerprint(node, 'sha-256', testCertificate(node, 1).derChain[0]!)]);
    link.flush();
    expect(link.eventsOfA).toEqual([{ type: 'connected' }, { type: 'data', data: utf8('too early') }]);
  });

  test('RFC 8422 §5.4: a changed ServerKeyExchange signature fails the client', () => {
    const { link } = connect({ link: tamper(12) });
    expect(link.eventsOfA).toMatchObject([{ type: 'failed', failure: { alert: 'decrypt_error', reason: 'bad-signature' } }]);
  });

  test('RFC 5246 §7.4.8: a changed CertificateVerify fails the server', () => {
    const { link } = connect({ link: tamper(15) });
    expect(link.eventsOfB).toMatchObject([{ type: 'failed', failure: { alert: 'decrypt_error', reason: 'bad-signature' } }]);
  });

  test('RFC 5246 §7.4.9: a changed hello is found by the Finished messages', () => {
    // The last byte of the ClientHello's list of SRTP profiles: nothing else notices it.
    const { link } = connect({ client: { srtpProfiles: [7, 2] }, link: tamper(1, 2) });
    expect(link.eventsOfB).toMatchObject([{ type: 'failed' }]);
    expect(link.eventsOfA).toMatchObject([{ type: 'failed' }]);
  });

  test('RFC 7627 §5: a peer without extended master secret is refused', () => {
    expect(connect({ link: { filter: hideExtendedMasterSecret } }).link.eventsOfB).toMatchObject([
      { failure: { reason: 'no-extended-master-secret' } },
    ]);
  });
});

describe('loss', () => {
  test.each([0.1, 0.3, 0.5])('RFC 6347 §4.2.4: at %f loss, with duplicates and reordering, 100 handshakes connect', (loss) => {
    for (let seed = 1; seed <= 100; seed++) {
      const crypto = nodeCrypto(seededRandom(seed));
      const { client, server } = connect({ crypto, link: { loss, seed, jitter: 30, duplicate: 0.1 } });
      expect([seed, client.state, server.state]).toEqual([seed, 'connected', 'connected']);
    }
  });

  test('RFC 6347 §4.2.3: a handshake in datagrams of 200 bytes, in reverse order, connects', () => {
    const { client, server, link } = connect({ client: { maxDatagram: 200 }, server: { maxDatagram: 200 }, link: { jitter: 50 } });
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    expect(Math.max(...link.wire.map(({ datagram }) => datagram.length))).toBeLessThanOrEqual(200);
  });

  test('a lost last flight is repeated when the client repeats its Finished', () => {
    let lost = 0;
    const filter: LinkOptions['filter'] = (datagram, from) =>
      from === 'b' && records(datagram).some(({ epoch }) => epoch === 1) && lost++ < 2 ? undefined : datagram;
    expect(connect({ link: { filter } }).client.state).toBe('connected');
  });

  test('a handshake without an answer fails after its time, and leaves no timer', () => {
    const { client, link } = connect({ link: { loss: 1 } });
    expect(link.eventsOfA).toEqual([{ type: 'failed', failure: { reason: 'handshake-timeout', alert: undefined } }]);
    expect(client.nextTimeout()).toBe(Infinity);
  });
});

describe('records', () => {
  test('RFC 6347 §4.1.2.6: a replayed record is dropped', () => {
    const { client, server, link } = connect();
    client.send(utf8('once'));
    const datagram = client.pollTransmit()!;
    server.receive(datagram.slice(), 1000);
    server.receive(datagram.slice(), 1000);
    link.flush();
    expect(link.eventsOfB.filter(({ type }) => type === 'data')).toHaveLength(1);
    expect(server.discards.of('replayed-record')).toBe(1);
  });

  test('RFC 6347 §4.1.2.7: a changed record is dropped, and the rest of its datagram is read', () => {
    const { client, server, link } = connect();
    client.send(utf8('bad'));
    client.send(utf8('good'));
    const bad = client.pollTransmit()!;
    bad[bad.length - 1]! ^= 1;
    server.receive(concatBytes(bad, client.pollTransmit()!), 1000);
    link.flush();
    expect(link.eventsOfB.slice(1)).toEqual([{ type: 'data', data: utf8('good') }]);
    expect(server.discards.of('bad-record-mac')).toBe(1);
  });

  test('a bad record does not move the replay window', () => {
    const { client, server, link } = connect();
    client.send(utf8('data'));
    const good = client.pollTransmit()!;
    const forged = good.slice();
    forged[5] = 0x7f; // a number far ahead
    server.receive(forged, 1000);
    server.receive(good, 1000);
    link.flush();
    expect(link.eventsOfB[1]).toEqual({ type: 'data', data: utf8('data') });
  });

  test('data, alerts and handshakes in the clear after the handshake change nothing', () => {
    const { client, server, link } = connect();
    server.receive(clear(23, 1, 2, 3), 1000);
    server.receive(clear(21, 2, 40), 1000);
    server.receive(clear(21, 1, 0), 1000);
    server.receive(clear(22, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), 1000);
    link.flush();
    expect(server.state).toBe('connected');
    expect(link.eventsOfB).toEqual([{ type: 'connected' }]);
    expect(server.discards.toJSON()).toMatchObject({ 'unprotected-data': 1, 'unprotected-alert': 2, 'unprotected-handshake': 1 });
    expect(client.state).toBe('connected');
  });

  test('noise never throws and changes nothing', () => {
    const { server, client, link } = connect();
    const random = seededRandom(3);
    for (let i = 0; i < 5000; i++) {
      const noise = random.randomBytes(random.below(80));
      if (noise.length > 13) noise.set([20 + random.below(5), 0xfe, 0xfd, 0, random.below(3)]);
      server.receive(noise, 1000);
    }
    client.send(utf8('still here'));
    link.run(100);
    expect(link.eventsOfB[1]).toEqual({ type: 'data', data: utf8('still here') });
  });

  test('sending before the handshake, or too much, is told', () => {
    const { client } = pair();
    expect(client.send(utf8('x'))).toBe(false);
    expect(() => client.exportKeyingMaterial('label', 16)).toThrow(/connected/);
    expect(() => connect().client.send(new Uint8Array(16_385))).toThrow(RangeError);
  });
});

describe('closing', () => {
  test('RFC 5246 §7.2.1: close sends close_notify; the peer is closed, and ignores what comes after', () => {
    const { client, server, link } = connect();
    client.close();
    link.run(100);
    expect([client.state, server.state]).toEqual(['closed', 'closed']);
    expect(link.eventsOfB.slice(1)).toEqual([{ type: 'closed' }]);
    client.sendAfterClose(utf8('late'));
    link.run(100);
    expect(server.discards.of('data-after-close')).toBe(1);
    expect(link.eventsOfB.slice(1)).toEqual([{ type: 'closed' }]);
  });

  test('after close the answer of the peer is still noticed, and data is not delivered', () => {
    const { client, server, link } = connect();
    client.close();
    server.send(utf8('crossing'));
    link.run(100);
    server.close();
    link.run(100);
    expect(client.closedByPeer).toBe(true);
    expect(link.eventsOfA.slice(1)).toEqual([{ type: 'closed' }]);
    expect(client.discards.of('data-after-close')).toBe(1);
  });

  test('closing again makes new records, with new numbers', () => {
    const { client } = connect();
    client.close();
    client.close();
    const [first, second] = [client.pollTransmit()!, client.pollTransmit()!];
    expect(second.subarray(5, 11)).not.toEqual(first.subarray(5, 11));
  });

  test('RFC 5246 §7.2.2: closing during the handshake sends user_canceled and close_notify in the clear', () => {
    const { client, server, link } = pair({ link: { delay: 10 } });
    server.start(0);
    client.start(0);
    link.run(5);
    client.close();
    link.run(100);
    expect(link.wire.slice(1, 3).map(({ datagram }) => toHex(datagram.subarray(13)))).toEqual(['015a', '0100']);
    expect(server.state).toBe('closed');
    expect(client.nextTimeout()).toBe(Infinity);
  });

  test('a fatal alert fails the peer', () => {
    const { client, link } = connect();
    client.abort('internal_error');
    link.run(100);
    expect(link.eventsOfB[1]).toEqual({ type: 'failed', failure: { reason: 'remote-alert', alert: 'internal_error' } });
  });
});
