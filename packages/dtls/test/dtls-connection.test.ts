import { describe, expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { fingerprint } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { CIPHER_SUITES, DtlsConnection, type DtlsEvent } from '@petrel/dtls';
import { CoreLink, type LinkOptions, seededRandom, testCertificate } from '@petrel/testing';
import { connect, node, pair, records, utf8 } from './support/pair.ts';

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
