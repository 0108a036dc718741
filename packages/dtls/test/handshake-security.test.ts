import { describe, expect, test } from '@jest/globals';
import { concatBytes, fromHex, toHex } from '@petrel/bytes';
import { fingerprint } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { ALERT_DESCRIPTIONS, alertCode, CIPHER_SUITES, DtlsConnection, type DtlsEvent, type DtlsOptions } from '@petrel/dtls';
import { testCertificate } from '@petrel/testing';
import { HANDSHAKE_TYPE } from '../src/handshake-messages.ts';
import { clearRecord, connect, drain, eventsOf, node, pair, utf8 } from './support/pair.ts';
import { CLIENT_WORD, converse, Puppet, type PuppetOptions, SERVER_WORD, tell, type Utterance } from './support/puppet.ts';

const [ofClient, ofServer] = [0, 1].map((index) => [fingerprint(node, 'sha-256', testCertificate(node, index as 0 | 1).derChain[0]!)]);

interface Meeting {
  readonly subject: DtlsConnection;
  readonly puppet: Puppet;
  readonly events: DtlsEvent[];
}

/** A real client or server that meets a puppet. */
function meet(role: 'client' | 'server', puppetOptions: PuppetOptions = {}, options: Partial<DtlsOptions> = {}): Meeting {
  const subject = new DtlsConnection({
    role,
    crypto: node,
    certificate: testCertificate(node, role === 'client' ? 0 : 1),
    remoteFingerprints: role === 'client' ? ofServer! : ofClient!,
    srtpProfiles: [7, 1],
    ...options,
  });
  const puppet = new Puppet(role === 'client' ? 'server' : 'client', node, puppetOptions);
  subject.start(0);
  return { subject, puppet, events: [] };
}

/** Has the puppet say its word, lets the server's grace pass, and returns what the subject's failure was. */
function failureOf({ subject, puppet }: Meeting, word: readonly Utterance[]): object | undefined {
  converse(subject, puppet, word);
  subject.handleTimeout(5000);
  for (const datagram of drain(subject)) puppet.hear(datagram);
  expect(subject.state).toBe('failed');
  expect(() => subject.exportKeyingMaterial('EXTRACTOR-dtls_srtp', 60)).toThrow();
  const events = eventsOf(subject);
  expect(events.map(({ type }) => type)).toEqual(['failed']);
  const failure = events[0]?.type === 'failed' ? events[0].failure : undefined;
  // What is reported is what the peer was told, in the clear or not.
  expect(puppet.alerts.at(-1)).toEqual([2, alertCode(failure!.alert!)]);
  return failure;
}

const mallory = node.generateSigningKey();

test('the puppets can do it right: both roles connect', () => {
  for (const [role, word] of [
    ['client', SERVER_WORD],
    ['server', CLIENT_WORD],
  ] as const) {
    const { subject, puppet } = meet(role);
    converse(subject, puppet, word);
    expect(subject.state).toBe('connected');
    tell(subject, puppet, puppet.say('ApplicationData'));
    expect(eventsOf(subject)).toEqual([{ type: 'connected' }, { type: 'data', data: Uint8Array.of(1, 2, 3) }]);
  }
});

describe('authentication', () => {
  test("D03: a server with the victim's certificate and another key fails the client", () => {
    expect(failureOf(meet('client', { signingKey: mallory }), SERVER_WORD)).toEqual({ reason: 'bad-signature', alert: 'decrypt_error' });
  });

  test("D04: a client with the victim's certificate and another key fails the server", () => {
    expect(failureOf(meet('server', { signingKey: mallory }), CLIENT_WORD)).toEqual({ reason: 'bad-signature', alert: 'decrypt_error' });
  });

  test.each([
    ['without CertificateVerify', ['ClientHello', 'Certificate', 'ClientKeyExchange', 'Finished'], 'unexpected-message'],
    ['with CertificateVerify too early', ['ClientHello', 'Certificate', 'CertificateVerify', 'ClientKeyExchange'], 'unexpected-message'],
    ['without Certificate', ['ClientHello', 'ClientKeyExchange', 'Finished'], 'unexpected-message'],
    ['with an empty Certificate', ['ClientHello', 'EmptyCertificate', 'ClientKeyExchange', 'Finished'], 'missing-certificate'],
  ] as const)('D05: a client %s fails the server', (_, word, reason) => {
    expect(failureOf(meet('server'), word)).toMatchObject({ reason });
  });

  test('D05: a server with an empty Certificate fails the client', () => {
    expect(failureOf(meet('client'), ['ServerHello', 'EmptyCertificate'])).toMatchObject({ reason: 'missing-certificate' });
  });

  test.each([
    ['client', SERVER_WORD],
    ['server', CLIENT_WORD],
  ] as const)('D06: a Finished with one bit flipped fails the %s', (role, word) => {
    expect(failureOf(meet(role, { alter: flipFinished }), word)).toEqual({ reason: 'bad-finished', alert: 'decrypt_error' });
  });

  test.each([
    ['client', SERVER_WORD],
    ['server', CLIENT_WORD],
  ] as const)('D06: a Finished in epoch 0 fails the %s', (role, word) => {
    const inTheClear = word.map((utterance) => (utterance === 'Finished' ? 'FinishedInTheClear' : utterance));
    expect(failureOf(meet(role), inTheClear)).toMatchObject({ reason: 'unexpected-message' });
  });

  test.each([
    ['client', 'at once', SERVER_WORD, ofClient],
    ['server', 'at once', CLIENT_WORD, ofServer],
    ['client', 'after the handshake', SERVER_WORD, ofClient],
    ['server', 'after the handshake', CLIENT_WORD, ofServer],
  ] as const)('D07: a wrong fingerprint fails the %s, known %s', (role, when, word, wrong) => {
    const early = when === 'at once';
    const meeting = meet(role, {}, early ? { remoteFingerprints: wrong! } : {});
    const { subject, puppet } = early
      ? meeting
      : { ...meeting, subject: new DtlsConnection({ role, crypto: node, certificate: testCertificate(node, role === 'client' ? 0 : 1) }) };
    if (!early) {
      subject.start(0);
      converse(subject, puppet, word);
      expect(subject.state).toBe('connecting');
      tell(subject, puppet, puppet.say('ApplicationData'));
      expect(() => subject.exportKeyingMaterial('EXTRACTOR-dtls_srtp', 60)).toThrow();
      subject.setRemoteFingerprints(wrong!);
      for (const datagram of drain(subject)) puppet.hear(datagram);
    } else converse(subject, puppet, word.slice(0, 2));
    expect(subject.state).toBe('failed');
    expect(eventsOf(subject)).toEqual([{ type: 'failed', failure: { reason: 'fingerprint-mismatch', alert: 'bad_certificate' } }]);
    expect(puppet.alerts).toEqual([[2, ALERT_DESCRIPTIONS.bad_certificate]]);
    expect(subject.send(utf8('x'))).toBe(false);
    expect(() => subject.exportKeyingMaterial('EXTRACTOR-dtls_srtp', 60)).toThrow();
  });
});

describe('negotiation', () => {
  test('D21: DTLS 1.0 fails both roles', () => {
    const expected = { reason: 'unsupported-version', alert: 'protocol_version' };
    expect(failureOf(meet('client', { alter: asVersion10 }), ['ServerHello'])).toEqual(expected);
    expect(failureOf(meet('server', { alter: asVersion10 }), ['ClientHello'])).toEqual(expected);
  });

  test('D21: a suite that was not offered, with another kind of key, or without null compression', () => {
    const offered = meet('client', { suite: CIPHER_SUITES[4]! }, { cipherSuites: [CIPHER_SUITES[0]!.name] });
    expect(failureOf(offered, ['ServerHello'])).toEqual({ reason: 'no-common-cipher-suite', alert: 'illegal_parameter' });
    const otherKey = failureOf(meet('client', { suite: CIPHER_SUITES[1]! }), SERVER_WORD);
    expect(otherKey).toEqual({ reason: 'no-common-signature-scheme', alert: 'illegal_parameter' });
    expect(failureOf(meet('client', { alter: withCompression }), ['ServerHello'])).toMatchObject({ reason: 'malformed-message' });
  });

  test('D21: a group that was not offered', () => {
    const meeting = meet('client', { group: 'p-384' }, { groups: ['x25519'] });
    expect(failureOf(meeting, SERVER_WORD)).toEqual({ reason: 'no-common-group', alert: 'illegal_parameter' });
    expect(failureOf(meet('server', { extensions: { supportedGroups: [25] } }), ['ClientHello'])).toMatchObject({
      reason: 'no-common-group',
    });
  });

  test('D21, RFC 5246 §7.4.1.4: an extension that was not offered', () => {
    const meeting = meet('client', { extensions: { applicationProtocols: ['webrtc'] } });
    expect(failureOf(meeting, ['ServerHello'])).toEqual({ reason: 'unsolicited-extension', alert: 'unsupported_extension' });
  });

  test('D21, RFC 8422 §5.1.2: a peer that cannot do uncompressed points', () => {
    for (const [role, word] of [
      ['client', 'ServerHello'],
      ['server', 'ClientHello'],
    ] as const)
      expect(failureOf(meet(role, { alter: onlyCompressedPoints, extensions: { ecPointFormats: true } }), [word])).toMatchObject({
        alert: 'illegal_parameter',
      });
  });

  test('D21, RFC 7627: without extended master secret only if that is allowed', () => {
    const without = { extensions: { extendedMasterSecret: false } };
    for (const [role, word] of [
      ['client', 'ServerHello'],
      ['server', 'ClientHello'],
    ] as const)
      expect(failureOf(meet(role, without), [word])).toEqual({ reason: 'no-extended-master-secret', alert: 'handshake_failure' });
    const { client, server } = connect({
      client: { requireExtendedMasterSecret: false },
      server: { requireExtendedMasterSecret: false },
      link: { filter: withoutExtendedMasterSecret },
    });
    // The hello is changed under way, so the Finished messages differ: what counts is that the server went on.
    expect(server.discards.of('refused-hello')).toBe(0);
    expect([client.state, server.state]).not.toContain('connecting');
  });

  test('D23: key shares that are no points, or of low order', () => {
    const bad = {
      x25519: ['00'.repeat(32), `01${'00'.repeat(31)}`, '09'],
      'p-256': [`04${'01'.repeat(64)}`, '00', `02${'11'.repeat(32)}`],
    } as const;
    for (const group of ['x25519', 'p-256'] as const) {
      for (const share of bad[group]) {
        const options = { group, keyShare: fromHex(share) };
        expect(failureOf(meet('client', options), SERVER_WORD)).toEqual({ reason: 'bad-key-share', alert: 'illegal_parameter' });
        const server = meet('server', { ...options, extensions: { supportedGroups: [group === 'x25519' ? 29 : 23] } });
        expect(failureOf(server, CLIENT_WORD.slice(0, 3))).toEqual({ reason: 'bad-key-share', alert: 'illegal_parameter' });
      }
    }
  });

  test.each([
    ['a profile that was not offered', { srtpProfiles: [8] }, (body: Uint8Array) => body],
    ['two profiles', { srtpProfiles: [7, 1] }, (body: Uint8Array) => body],
    ['an MKI', { srtpProfiles: [7] }, (body: Uint8Array) => withMki(body, 38)],
  ])('D25, RFC 5764 §4.1.1: a server that answers %s fails the client', (_, extensions, change) => {
    const alter = (utterance: Utterance, body: Uint8Array): Uint8Array => (utterance === 'ServerHello' ? change(body) : body);
    const meeting = meet('client', { extensions, alter });
    expect(failureOf(meeting, ['ServerHello'])).toEqual({ reason: 'no-common-srtp-profile', alert: 'illegal_parameter' });
  });

  test("D25, RFC 5764 §4.1.3: a client's MKI is answered with an empty one", () => {
    const { subject, puppet } = meet('server', { extensions: { srtpProfiles: [7] }, alter: (_, body) => withMki(body, 52) });
    converse(subject, puppet, ['ClientHello']);
    expect(toHex(puppet.heard[0]!.body)).toContain('000e0005'.concat('0002', '0007', '00'));
  });

  test('RFC 7301: the server picks by its preference; without a common protocol there is no connection', () => {
    const chosen = connect({ client: { applicationProtocols: ['a', 'webrtc'] }, server: { applicationProtocols: ['webrtc', 'a'] } });
    expect([chosen.client.applicationProtocol, chosen.server.applicationProtocol]).toEqual(['webrtc', 'webrtc']);
    expect(connect({ client: { applicationProtocols: ['webrtc'] } }).client.applicationProtocol).toBeUndefined();
    const none = connect({ client: { applicationProtocols: ['a'] }, server: { applicationProtocols: ['b'] } });
    expect(none.link.eventsOfA).toMatchObject([{ failure: { reason: 'remote-alert', alert: 'no_application_protocol' } }]);
    const meeting = meet('client', { extensions: { applicationProtocols: ['b'] } }, { applicationProtocols: ['a'] });
    expect(failureOf(meeting, ['ServerHello'])).toMatchObject({ reason: 'no-common-application-protocol' });
  });

  test('the key log has one line of the SSLKEYLOGFILE format, and only when asked for', () => {
    const lines: string[] = [];
    connect({ client: { keyLog: (line) => lines.push(line) } });
    expect(lines).toEqual([expect.stringMatching(/^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}$/)]);
  });
});

describe('messages', () => {
  test.each(handshakeOf(SERVER_WORD).concat('HelloVerifyRequest'))('D26: a %s with a byte too much fails the client', (longer) => {
    const alter = (utterance: Utterance, body: Uint8Array): Uint8Array =>
      utterance === longer ? concatBytes(body, Uint8Array.of(0)) : body;
    const word: readonly Utterance[] = longer === 'HelloVerifyRequest' ? [longer] : SERVER_WORD;
    expect(failureOf(meet('client', { alter }), word)).toMatchObject({ alert: 'decode_error' });
  });

  test.each(handshakeOf(CLIENT_WORD))('D26: a %s with a byte too much fails the server', (longer) => {
    const alter = (utterance: Utterance, body: Uint8Array): Uint8Array =>
      utterance === longer ? concatBytes(body, Uint8Array.of(0)) : body;
    expect(failureOf(meet('server', { alter }), CLIENT_WORD)).toMatchObject({ alert: 'decode_error' });
  });

  test.each([
    ['client', SERVER_WORD],
    ['server', CLIENT_WORD],
  ] as const)('D26: every message of every other type fails the %s', (role, word) => {
    const types = [...Object.values(HANDSHAKE_TYPE), 4, 5, 22, 24, 67, 255];
    word.forEach((expected, position) => {
      if (expected === 'ChangeCipherSpec') return;
      const name = (expected[0]!.toLowerCase() + expected.slice(1)) as keyof typeof HANDSHAKE_TYPE;
      for (const type of types) {
        // A CertificateRequest may be left out, and to ignore a HelloRequest is what RFC 5246 §7.4.1.1 asks for.
        if (type === HANDSHAKE_TYPE[name] || (role === 'client' && (type === 0 || expected === 'CertificateRequest'))) continue;
        const { subject, puppet } = meet(role);
        converse(subject, puppet, word.slice(0, position));
        tell(subject, puppet, puppet.sayRaw(type, new Uint8Array(0), expected === 'Finished' ? 1 : 0));
        subject.handleTimeout(5000);
        if (position > 0 || type !== 3) expect([expected, type, subject.state]).toEqual([expected, type, 'failed']);
      }
    });
  });

  test('D17: 100,000 HelloRequests, ChangeCipherSpecs, warnings and empty records cost nothing but counting', () => {
    const { subject, puppet } = meet('client');
    for (let i = 0; i < 25_000; i++) {
      for (const datagram of [puppet.say('ChangeCipherSpec'), puppet.say('WarningAlert'), clearRecord(22), clearRecord(23)])
        subject.receive(datagram, 0);
    }
    const sent = drain(subject);
    expect(sent).toHaveLength(1);
    puppet.hear(sent[0]!);
    converse(subject, puppet, SERVER_WORD);
    expect(subject.state).toBe('connected');
    for (let i = 0; i < 25_000; i++) {
      const helloRequest = puppet.sayRaw(HANDSHAKE_TYPE.helloRequest, new Uint8Array(0), 1);
      for (const datagram of [puppet.say('ChangeCipherSpec'), puppet.say('WarningAlert'), clearRecord(22), helloRequest])
        subject.receive(datagram, 0);
    }
    expect(drain(subject)).toHaveLength(1);
    expect(subject.state).toBe('connected');
  });

  test('D17: at most three HelloVerifyRequests are honoured', () => {
    const { subject, puppet } = meet('client');
    const hellos = (): number => drain(subject).length;
    expect(hellos()).toBe(1);
    for (const expected of [1, 1, 1, 0, 0]) {
      subject.receive(puppet.say('HelloVerifyRequest'), 0);
      expect(hellos()).toBe(expected);
    }
  });

  test.each([
    ['client', SERVER_WORD],
    ['server', CLIENT_WORD],
  ] as const)('D22, RFC 8827 §6.5: a %s refuses to renegotiate, and stays', (role, word) => {
    const { subject, puppet } = meet(role);
    converse(subject, puppet, word);
    puppet.alerts.length = 0;
    for (const type of [HANDSHAKE_TYPE.helloRequest, HANDSHAKE_TYPE.clientHello, HANDSHAKE_TYPE.clientHello])
      tell(subject, puppet, puppet.sayRaw(type, new Uint8Array(40), 1));
    // One answer for all: the peer may not make us talk.
    expect(puppet.alerts).toEqual([[1, ALERT_DESCRIPTIONS.no_renegotiation]]);
    expect(subject.discards.of('renegotiation')).toBe(3);
    expect(subject.state).toBe('connected');
  });
});

describe('a ClientHello of somebody else', () => {
  test.each([
    ['a NULL cipher', { cipherSuites: [0] }],
    ['an old version', { alter: (_: Utterance, body: Uint8Array) => Uint8Array.from([3, 1, ...body.subarray(2)]) }],
    ['garbage', { alter: () => new Uint8Array(60).fill(0xaa) }],
  ])('D12: one with %s first; the real client connects, and nothing is sent for the other', (_, options) => {
    const { client, server, link } = pair();
    server.start(0);
    const attacker = new Puppet('client', node, options);
    server.receive(attacker.say('ClientHello'), 0);
    expect(drain(server)).toEqual([]);
    client.start(0);
    link.runUntil(() => client.state === 'connected' && server.state === 'connected', 5000);
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
    link.run(10_000);
    expect(server.state).toBe('connected');
  });

  test('D12: half a forged hello does not shut out the real one', () => {
    const { client, server, link } = pair();
    server.start(0);
    const forgedHello = new Puppet('client', node).say('ClientHello');
    forgedHello[13 + 3] = 7; // another length, so that it never becomes whole
    server.receive(forgedHello, 0);
    client.start(0);
    link.run(500);
    expect([client.state, server.state]).toEqual(['connected', 'connected']);
  });

  test('D11: one in the clear on a connection changes nothing', () => {
    const { client, server, link } = connect();
    for (const datagram of [new Puppet('client', node).say('ClientHello'), clearRecord(22, 1, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0)]) {
      server.receive(datagram.slice(), 1000);
      client.receive(datagram.slice(), 1000);
    }
    client.send(utf8('x'));
    server.send(utf8('y'));
    link.run(100);
    expect([link.eventsOfA.at(-1), link.eventsOfB.at(-1)]).toEqual([
      { type: 'data', data: utf8('y') },
      { type: 'data', data: utf8('x') },
    ]);
    expect([client.discards.of('unprotected-handshake'), server.discards.of('unprotected-handshake')]).toEqual([2, 2]);
    expect(link.wire.slice(-2)).toHaveLength(2);
  });
});

test('W09: nothing secret shows when a connection or a certificate is inspected', async () => {
  const { inspect } = await import('node:util');
  for (const crypto of [node, nobleCrypto()]) {
    const lines: string[] = [];
    const { client } = connect({ crypto, client: { keyLog: (line) => lines.push(line) } });
    client.send(utf8('confidential'));
    const certificate = testCertificate(crypto, 0);
    const secrets = [lines[0]!.split(' ')[2]!, toHex(certificate.privateKey.exportPkcs8()).slice(72, 136)];
    for (const shown of [client, certificate, crypto]) {
      const text = inspect(shown, { depth: 10, showHidden: true }) + (JSON.stringify(shown, (_, value: unknown) => value) ?? '');
      for (const secret of secrets) expect(text.includes(secret)).toBe(false);
      expect(text).not.toMatch(/confidential|masterSecret|PRIVATE/);
    }
  }
});

function withoutExtendedMasterSecret(datagram: Uint8Array, from: 'a' | 'b'): Uint8Array {
  return from === 'a' && datagram[13] === 1 ? fromHex(toHex(datagram).replace('00170000', '7f170000')) : datagram;
}

/** Gives a use_srtp with one profile an MKI of one byte. @param at where the length of the extension block is */
function withMki(body: Uint8Array, at: number): Uint8Array {
  const changed = fromHex(toHex(body).replace('000e00050002000700', '000e0006000200070101'));
  changed[at + 1]! += 1;
  return changed;
}

function handshakeOf(word: readonly Utterance[]): Utterance[] {
  return word.filter((utterance) => utterance !== 'ChangeCipherSpec');
}

function flipFinished(utterance: Utterance, body: Uint8Array): Uint8Array {
  if (utterance === 'Finished') body[11]! ^= 1;
  return body;
}

function asVersion10(_: Utterance, body: Uint8Array): Uint8Array {
  return Uint8Array.from([0xfe, 0xff, ...body.subarray(2)]);
}

function withCompression(utterance: Utterance, body: Uint8Array): Uint8Array {
  if (utterance === 'ServerHello') body[37] = 1;
  return body;
}

function onlyCompressedPoints(_: Utterance, body: Uint8Array): Uint8Array {
  return fromHex(toHex(body).replace('000b00020100', '000b00020101'));
}
