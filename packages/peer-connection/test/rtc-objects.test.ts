import { describe, expect, test } from '@jest/globals';
import { nodeCrypto } from '@petrel/crypto/node';
import { testCertificate } from '@petrel/testing';
import type { RTCErrorEvent } from '../src/events.ts';
import { createRTCCertificate, generateRTCCertificate, importCertificate } from '../src/rtc-certificate.ts';
import { createRTCDtlsTransport, dtlsTransportSlots, fireDtlsError, RTCDtlsTransport } from '../src/rtc-dtls-transport.ts';
import { createRTCIceCandidate, parsedCandidate, RTCIceCandidate, toRTCIceCandidateInit } from '../src/rtc-ice-candidate.ts';
import { createRTCIceCandidatePair, createRTCIceTransport, iceTransportSlots, RTCIceTransport } from '../src/rtc-ice-transport.ts';
import { createRTCSctpTransport, SEND_BUFFER_SIZE, sctpTransportSlots, updateMaxMessageSize } from '../src/rtc-sctp-transport.ts';
import { RTCSessionDescription, toRTCLocalSessionDescriptionInit } from '../src/rtc-session-description.ts';
import { createRTCStatsReport } from '../src/stats/rtc-stats-report.ts';

const crypto = nodeCrypto();

describe('W3C WebRTC §4.8.1: RTCIceCandidate', () => {
  const line = 'candidate:2 1 tcp 1671430143 192.0.2.7 9 typ srflx raddr 10.0.0.5 rport 9000 tcptype passive ufrag abcd';

  test('attributes are read from the line', () => {
    const candidate = new RTCIceCandidate({ candidate: line, sdpMid: 'a', sdpMLineIndex: 0, usernameFragment: 'abcd' });
    expect(candidate).toMatchObject({
      foundation: '2',
      component: 'rtp',
      protocol: 'tcp',
      priority: 1_671_430_143,
      address: '192.0.2.7',
      port: 9,
      type: 'srflx',
      relatedAddress: '10.0.0.5',
      relatedPort: 9000,
      tcpType: 'passive',
      usernameFragment: 'abcd',
      relayProtocol: null,
      url: null,
    });
    expect(JSON.parse(JSON.stringify(candidate))).toEqual({ candidate: line, sdpMid: 'a', sdpMLineIndex: 0, usernameFragment: 'abcd' });
    expect(parsedCandidate(candidate)?.usernameFragment).toBe('abcd');
  });

  test('a line that cannot be read gives null, and is kept', () => {
    const candidate = new RTCIceCandidate({ candidate: 'nonsense', sdpMid: '' });
    expect([candidate.candidate, candidate.foundation, candidate.port, candidate.type]).toEqual(['nonsense', null, null, null]);
  });

  test('sdpMid or sdpMLineIndex is required, others have the type of the dictionary', () => {
    for (const init of [undefined, {}, { candidate: '' }, { sdpMid: null, sdpMLineIndex: null }])
      expect(() => new RTCIceCandidate(init)).toThrow(TypeError);
    expect(() => new RTCIceCandidate({ sdpMid: '', relayProtocol: 'sctp' as never })).toThrow(TypeError);
    expect(new RTCIceCandidate({ sdpMLineIndex: 65_537 }).sdpMLineIndex).toBe(1);
    expect(toRTCIceCandidateInit(undefined, 'x')).toEqual({ candidate: '', sdpMid: null, sdpMLineIndex: null, usernameFragment: null });
  });

  test('what the agent gathered can be read again', () => {
    const gathered = parsedCandidate(new RTCIceCandidate({ candidate: line, sdpMid: '0' }))!;
    const candidate = createRTCIceCandidate({ ...gathered, url: 'turn:turn.test', relayProtocol: 'tls' }, '0', 0);
    expect(candidate).toMatchObject({ candidate: line, usernameFragment: 'abcd', url: 'turn:turn.test', relayProtocol: 'tls' });
  });
});

describe('W3C WebRTC §4.6: RTCSessionDescription', () => {
  test('type is required, sdp is empty unless given', () => {
    const description = new RTCSessionDescription({ type: 'rollback' });
    expect([description.type, description.sdp]).toEqual(['rollback', '']);
    expect(description.toJSON()).toEqual({ type: 'rollback', sdp: '' });
    for (const init of [undefined, {}, { type: 'bye' }]) expect(() => new RTCSessionDescription(init as never)).toThrow(TypeError);
    expect(toRTCLocalSessionDescriptionInit(undefined, 'x')).toEqual({ sdp: '' });
  });
});

describe('W3C WebRTC §4.9: RTCCertificate', () => {
  const now = Date.UTC(2026, 10, 24);

  test('fingerprints are lower-case SHA-256', () => {
    const certificate = createRTCCertificate(crypto, testCertificate(crypto, 0));
    const [fingerprint] = certificate.getFingerprints();
    expect(fingerprint!.algorithm).toBe('sha-256');
    expect(fingerprint!.value).toMatch(/^([\da-f]{2}:){31}[\da-f]{2}$/);
    expect(certificate.expires).toBe(Date.UTC(2046, 0, 1));
  });

  test('export and import in PEM give the same certificate', () => {
    const certificate = createRTCCertificate(crypto, testCertificate(crypto, 1));
    const again = importCertificate(crypto, certificate.exportPem());
    expect(again.getFingerprints()).toEqual(certificate.getFingerprints());
    expect(again.expires).toBe(certificate.expires);
    expect(() => importCertificate(crypto, 'nothing')).toThrow(TypeError);
  });

  test('generateCertificate takes an interval of at most a year, and 30 days unless given', async () => {
    const ecdsa = { name: 'ecdsa', namedCurve: 'P-256' };
    const lifetime = async (expires?: number): Promise<number> =>
      (await generateRTCCertificate(crypto, { ...ecdsa, expires }, now)).expires - now;
    expect(await lifetime()).toBe(30 * 86_400_000);
    expect(await lifetime(60_000)).toBe(60_000);
    expect(await lifetime(Number.MAX_SAFE_INTEGER)).toBe(365 * 86_400_000);
    await expect(lifetime(-1)).rejects.toThrow(TypeError);
  });

  test('RSASSA-PKCS1-v1_5 with 2048 bits and SHA-256', async () => {
    const rsa = { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-256' };
    const certificate = await generateRTCCertificate(crypto, rsa, now);
    expect(certificate.getFingerprints()).toHaveLength(1);
    for (const changes of [{ modulusLength: 512 }, { hash: 'SHA-1' }, { publicExponent: Uint8Array.of(3) }])
      await expect(generateRTCCertificate(crypto, { ...rsa, ...changes }, now)).rejects.toMatchObject({ name: 'NotSupportedError' });
  });

  test('other algorithms are a NotSupportedError, missing members a TypeError', async () => {
    for (const algorithm of ['X', { name: 'AES-GCM' }, { name: 'ECDSA', namedCurve: 'P-521' }])
      await expect(generateRTCCertificate(crypto, algorithm, now)).rejects.toMatchObject({ name: 'NotSupportedError' });
    for (const algorithm of [undefined, {}, { name: 'ECDSA' }].slice(1))
      await expect(generateRTCCertificate(crypto, algorithm, now)).rejects.toThrow(TypeError);
  });
});

describe('W3C WebRTC §5.5, §5.6, §6.1: transports', () => {
  test('have no public constructors', () => {
    for (const constructor of [RTCIceTransport, RTCDtlsTransport])
      expect(() => Reflect.construct(constructor, [])).toThrow(new TypeError('Illegal constructor'));
  });

  test('RTCIceTransport: the selected pair is null in the states new and closed', () => {
    const transport = createRTCIceTransport();
    const slots = iceTransportSlots(transport);
    const candidate = new RTCIceCandidate({ sdpMid: '' });
    const pair = createRTCIceCandidatePair(candidate, candidate);
    slots.selectedPair = pair;
    const seen = (['new', 'connected', 'closed'] as const).map((state) => {
      slots.state = state;
      return transport.getSelectedCandidatePair();
    });
    expect(seen).toEqual([null, pair, null]);
    expect([transport.role, transport.component, transport.gatheringState]).toEqual(['unknown', 'rtp', 'new']);
  });

  test('RTCIceTransport: lists and parameters are copies', () => {
    const transport = createRTCIceTransport();
    const slots = iceTransportSlots(transport);
    expect(transport.getLocalParameters()).toBeNull();
    slots.localParameters = { usernameFragment: 'u', password: 'p' };
    expect(transport.getLocalParameters()).toEqual({ usernameFragment: 'u', password: 'p' });
    transport.getLocalCandidates().push(new RTCIceCandidate({ sdpMid: '' }));
    expect(transport.getLocalCandidates()).toEqual([]);
  });

  test('RTCDtlsTransport: certificates in DER, errors with the alert', () => {
    const ice = createRTCIceTransport();
    const transport = createRTCDtlsTransport(ice);
    expect(transport.iceTransport).toBe(ice);
    expect(transport.getRemoteCertificates()).toEqual([]);
    dtlsTransportSlots(transport).remoteCertificates = [Uint8Array.of(0, 1, 2).subarray(1)];
    expect(new Uint8Array(transport.getRemoteCertificates()[0]!)).toEqual(Uint8Array.of(1, 2));
    const errors: RTCErrorEvent['error'][] = [];
    transport.onerror = ({ error }) => errors.push(error);
    fireDtlsError(transport, { reason: 'fingerprint-mismatch', alert: 'bad_certificate' });
    fireDtlsError(transport, { reason: 'remote-alert', alert: 'handshake_failure' });
    fireDtlsError(transport, { reason: 'bad-signature', alert: 'decrypt_error' });
    expect(errors.map(({ errorDetail, receivedAlert, sentAlert }) => [errorDetail, receivedAlert, sentAlert])).toEqual([
      ['fingerprint-failure', null, null],
      ['dtls-failure', 40, null],
      ['dtls-failure', null, 51],
    ]);
  });

  test('RTCSctpTransport: the smaller of both sizes limits messages, the larger limits what is buffered', () => {
    const transport = createRTCSctpTransport(createRTCDtlsTransport(createRTCIceTransport()));
    expect([transport.state, transport.maxMessageSize, transport.maxChannels]).toEqual(['connecting', null, null]);
    updateMaxMessageSize(transport);
    expect(transport.maxMessageSize).toBe(65_536);
    updateMaxMessageSize(transport, 0);
    expect(transport.maxMessageSize).toBe(SEND_BUFFER_SIZE);
    updateMaxMessageSize(transport, 1e9);
    expect([transport.maxMessageSize, sctpTransportSlots(transport).maxBufferSize]).toEqual([SEND_BUFFER_SIZE, 1e9]);
  });
});

describe('W3C WebRTC §8.4: RTCStatsReport', () => {
  const entry = { id: 'P', timestamp: 1, type: 'peer-connection' };
  const report = createRTCStatsReport([entry]);

  test('is a read-only map', () => {
    expect([report.size, report.has('P'), report.get('P'), report.get('Q')]).toEqual([1, true, entry, undefined]);
    expect([...report]).toEqual([['P', entry]]);
    expect([...report.keys()]).toEqual(['P']);
    expect([...report.values()]).toEqual([entry]);
    const seen: unknown[] = [];
    report.forEach((value, key, map) => seen.push(value, key, map));
    expect(seen).toEqual([entry, 'P', report]);
    expect('set' in report).toBe(false);
    expect(String(report)).toBe('[object RTCStatsReport]');
  });
});
