import { describe, expect, test } from '@jest/globals';
import { checkModification, parseIceServers, toRTCConfiguration } from '../src/configuration.ts';

const convert = (value: unknown): ReturnType<typeof toRTCConfiguration> => toRTCConfiguration(value, 'test');

describe('W3C WebRTC §4.2: RTCConfiguration', () => {
  test('defaults', () => {
    expect(convert(undefined)).toEqual({
      iceServers: [],
      iceTransportPolicy: 'all',
      bundlePolicy: 'balanced',
      rtcpMuxPolicy: 'require',
      certificates: [],
      iceCandidatePoolSize: 0,
      ...('alwaysNegotiateDataChannels' in convert(undefined) ? { alwaysNegotiateDataChannels: false } : {}),
    });
  });

  test.each([
    ['a policy that does not exist', { bundlePolicy: 'some' }],
    ['a null policy', { iceTransportPolicy: null }],
    ['a pool of 256', { iceCandidatePoolSize: 256 }],
    ['servers that are no sequence', { iceServers: {} }],
    ['a server without URLs', { iceServers: [{}] }],
    ['certificates that are none', { certificates: [{}] }],
  ])('%s is a TypeError', (_name, value) => {
    expect(() => convert(value)).toThrow(TypeError);
  });

  test.each([
    ['stun:stun.example.org', { scheme: 'stun', host: 'stun.example.org', port: 3478, transport: 'udp' }],
    ['stun:[2001:db8::1]:19302', { scheme: 'stun', host: '2001:db8::1', port: 19302, transport: 'udp' }],
    ['turn:turn.example.org?transport=tcp', { scheme: 'turn', host: 'turn.example.org', port: 3478, transport: 'tcp' }],
    ['turns:turn.example.org', { scheme: 'turns', host: 'turn.example.org', port: 5349, transport: 'tcp' }],
  ])('RFC 7064, RFC 7065: %s', (url, expected) => {
    const [server] = parseIceServers([{ urls: url, username: 'u', credential: 'c' }]);
    // Browsers write the transport of `turns` out.
    const text = url.startsWith('turns') && !url.includes('?') ? `${url}?transport=tcp` : url;
    expect(server).toMatchObject({ url: expected, text, username: 'u', credential: 'c' });
  });

  test('one server for each URL', () => {
    expect(parseIceServers([{ urls: ['stun:a.example', 'stun:b.example'] }, { urls: 'stun:c.example' }])).toHaveLength(3);
  });

  test.each([
    '',
    'stun:',
    'http://example.org',
    'stun://example.org',
    'stun:user@example.org',
    'stun:example.org?transport=udp',
    'stun:exa mple',
  ])('“%s” is a SyntaxError', (url) => {
    expect(() => parseIceServers([{ urls: url }])).toThrow(expect.objectContaining({ name: 'SyntaxError' }));
  });

  test('no URL at all is a SyntaxError', () => {
    expect(() => parseIceServers([{ urls: [] }])).toThrow(expect.objectContaining({ name: 'SyntaxError' }));
  });

  test.each([{}, { username: 'u' }, { credential: 'c' }, { username: 'u'.repeat(510), credential: 'c' }])(
    'a TURN server with the credentials %j is an InvalidAccessError',
    (credentials) => {
      expect(() => parseIceServers([{ urls: 'turn:example.org', ...credentials }])).toThrow(
        expect.objectContaining({ name: 'InvalidAccessError' }),
      );
    },
  );

  test.each([{ bundlePolicy: 'max-bundle' }, { iceCandidatePoolSize: 1 }])('§4.4.1.6: %j cannot be changed', (change) => {
    expect(() => checkModification(convert(change), convert({}), true)).toThrow(
      expect.objectContaining({ name: 'InvalidModificationError' }),
    );
  });

  test('§4.4.1.6: the pool size can, before a local description', () => {
    expect(() => checkModification(convert({ iceCandidatePoolSize: 1 }), convert({}), false)).not.toThrow();
  });
});
