import { expect, test } from '@jest/globals';
import { parseIceServerUrl } from '@petrel/turn';

const valid: Record<string, [scheme: string, host: string, port: number, transport: string]> = {
  'stun:example.org': ['stun', 'example.org', 3478, 'udp'],
  'stuns:example.org': ['stuns', 'example.org', 5349, 'tcp'],
  'stun:example.org:8000': ['stun', 'example.org', 8000, 'udp'],
  'turn:example.org': ['turn', 'example.org', 3478, 'udp'],
  'turns:example.org': ['turns', 'example.org', 5349, 'tcp'],
  'turn:example.org:8000': ['turn', 'example.org', 8000, 'udp'],
  'turn:example.org?transport=udp': ['turn', 'example.org', 3478, 'udp'],
  'turn:example.org?transport=tcp': ['turn', 'example.org', 3478, 'tcp'],
  'turns:example.org?transport=tcp': ['turns', 'example.org', 5349, 'tcp'],
  'TURN:Example.ORG:1?transport=TCP': ['turn', 'example.org', 1, 'tcp'],
  'turn:192.0.2.1': ['turn', '192.0.2.1', 3478, 'udp'],
  'stun:[2001:db8::1]': ['stun', '2001:db8::1', 3478, 'udp'],
  'turns:[2001:DB8::1]:65535?transport=tcp': ['turns', '2001:db8::1', 65_535, 'tcp'],
};

for (const [url, [scheme, host, port, transport]] of Object.entries(valid))
  test(`RFC 7064 §3.1, RFC 7065 §3.1: ${url}`, () => {
    expect(parseIceServerUrl(url)).toEqual({ scheme, host, port, transport });
  });

for (const url of [
  '',
  'example.org',
  'http://example.org',
  'stun:',
  'stun://example.org',
  'stun:example.org/path',
  'stun:user@example.org',
  'stun:example.org:',
  'stun:example.org:0',
  'stun:example.org:65536',
  'stun:example.org:123456',
  'stun:example.org?transport=udp',
  'turn:example.org?transport=sctp',
  'turn:example.org?transport=',
  'turn:example.org?other=udp',
  'turn:2001:db8::1',
  'turn:[2001:db8::1',
  'turn:exa mple.org',
  'turn:example.org#fragment',
])
  test(`not a URL of a server: ${JSON.stringify(url)}`, () => {
    expect(() => parseIceServerUrl(url)).toThrow(SyntaxError);
  });
