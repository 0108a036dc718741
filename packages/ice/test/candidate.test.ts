import { describe, expect, test } from '@jest/globals';
import { candidatePriority, formatCandidate, pairPriority, parseCandidate } from '@petrel/ice';
import { localPreference, tcpLocalPreference, typePreference } from '../src/priority.ts';
import vectors from './vectors/rfc8445-priorities.json' with { type: 'json' };

describe('RFC 8839 §5.1: candidate lines', () => {
  test.each([
    ...vectors.sdpLines.good,
    'candidate:2 1 udp 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998 ufrag 8hhY generation 0 network-cost 999',
    'candidate:3 1 tcp 1518280447 2001:db8::1 9 typ host tcptype active',
    'candidate:4 2 udp 16777215 198.51.100.1 50000 typ relay raddr 203.0.113.1 rport 40000',
    'candidate:5 1 udp 2122260223 4f1ed9ff-3bbd-4c0b-9e9f-ec0e5a6b1bb7.local 54321 typ host',
    'candidate:6 1 udp 1 192.0.2.1 1 typ prflx raddr 0.0.0.0 rport 0',
  ])('%s is read, and written the same', (line) => {
    const candidate = parseCandidate(line)!;
    expect(formatCandidate(candidate).toLowerCase()).toBe(line.toLowerCase());
    expect(parseCandidate(formatCandidate(candidate))).toEqual(candidate);
  });

  test('the prefixes may be missing or complete, addresses become canonical', () => {
    const bare = '1 1 UDP 2130706431 2001:DB8:0::1 8998 typ host';
    const expected = {
      foundation: '1',
      component: 1,
      protocol: 'udp',
      priority: 2130706431,
      address: '2001:db8::1',
      port: 8998,
      type: 'host',
    };
    for (const line of [bare, `candidate:${bare}`, `a=candidate:${bare}`, `a=candidate:${bare}\r\n`])
      expect(parseCandidate(line)).toEqual(expected);
  });

  test('unknown extensions survive, sixteen at most', () => {
    const many = Array.from({ length: 40 }, (_, index) => `x${index} y`).join(' ');
    const candidate = parseCandidate(`candidate:1 1 udp 1 192.0.2.1 1 typ host generation 0 ${many}`)!;
    expect(candidate.extensions?.slice(0, 2)).toEqual([
      ['generation', '0'],
      ['x0', 'y'],
    ]);
    expect(candidate.extensions).toHaveLength(16);
  });
});

describe('I17, RFC 8839 §5.1: malformed candidates are ignored', () => {
  const line = 'candidate:1 1 udp 2130706431 192.0.2.1 8998 typ host';
  test.each([
    ['printed in RFC 8840, with a broken address', vectors.sdpLines.bad[0]!.replace(/ {2}\(.*$/, '')],
    ['an empty line', ''],
    ['nothing after the name', 'candidate:'],
    ['port 65536', line.replace('8998', '65536')],
    ['port 99999', line.replace('8998', '99999')],
    ['port -1', line.replace('8998', '-1')],
    ['port 1e3', line.replace('8998', '1e3')],
    ['port 0x10', line.replace('8998', '0x10')],
    ['component 0', line.replace('1 udp', '0 udp')],
    ['component 257', line.replace('1 udp', '257 udp')],
    ['priority 0', line.replace('2130706431', '0')],
    ['priority 2^31', line.replace('2130706431', '2147483648')],
    ['priority 2^32', line.replace('2130706431', '4294967296')],
    ['an unknown transport', line.replace('udp', 'sctp')],
    ['an unknown type', line.replace('host', 'magic')],
    ['no typ', line.replace('typ ', '')],
    ['a line break', `${line}\r\na=crypto:1`],
    ['a NUL', `${line}\u0000`],
    ['a control character in an extension', `${line} x y\u0007`],
    ['another word than typ', line.replace('typ', 'type')],
    ['64 kB', `${line} x ${'y'.repeat(65_536)}`],
    ['a long foundation', line.replace('candidate:1', `candidate:${'1'.repeat(33)}`)],
    ['an extension without a value', `${line} generation`],
    ['a broken IPv4 address', line.replace('192.0.2.1', '192.0.2.256')],
    ['a name that ends in a number', line.replace('192.0.2.1', 'host.5')],
    ['TCP without a tcptype', line.replace('udp', 'tcp')],
    ['UDP with a tcptype', `${line} tcptype passive`],
    ['an unknown tcptype', `${line.replace('udp', 'tcp')} tcptype magic`],
    ['a short ufrag', `${line} ufrag abc`],
    ['a broken rport', `${line.replace('host', 'srflx')} raddr 192.0.2.9 rport 70000`],
    ['a broken raddr', `${line.replace('host', 'srflx')} raddr 1.2.3 rport 1`],
    ['two spaces', line.replace(' udp', '  udp')],
  ])('%s', (_, text) => {
    expect(parseCandidate(text)).toBeUndefined();
  });

  test('nothing that breaks the line is written', () => {
    const candidate = parseCandidate(line)!;
    expect(() => formatCandidate({ ...candidate, address: '192.0.2.1\r\na=x' })).toThrow(TypeError);
    expect(() => formatCandidate({ ...candidate, extensions: [['a', 'b c']] })).toThrow(TypeError);
    expect(() => formatCandidate({ ...candidate, foundation: '' })).toThrow(TypeError);
  });
});

describe('RFC 8445 §5.1.2, §6.1.2.3: priorities', () => {
  test.each(vectors.candidatePriority.cases)(
    'candidate: type $type, local $local, component $component',
    ({ type, local, component, priority }) => {
      expect(candidatePriority(type, local, component)).toBe(priority);
    },
  );

  test.each(vectors.pairPriority.cases)('pair: $G and $D', ({ G, D, pair }) => {
    expect(pairPriority(G, D)).toBe(BigInt(pair));
  });

  test('types: host before peer-reflexive before server-reflexive before relay; UDP before TCP', () => {
    const udp = (['host', 'prflx', 'srflx', 'relay'] as const).map((type) => typePreference(type, 'udp'));
    expect(udp).toEqual([126, 110, 100, 2]);
    expect(typePreference('host', 'tcp')).toBeLessThan(typePreference('srflx', 'udp'));
    expect(typePreference('relay', 'udp', 'tls')).toBeLessThan(typePreference('relay', 'udp', 'tcp'));
  });

  test('RFC 6544 §4.2: directions', () => {
    const { host, reflexive } = vectors.tcpPriority.directionPref;
    for (const type of ['active', 'passive', 'so'] as const) {
      expect(tcpLocalPreference('host', type, 0)).toBe(host[type] * 0x2000);
      expect(tcpLocalPreference('srflx', type, 5)).toBe(reflexive[type] * 0x2000 + 5);
    }
  });

  test('RFC 8421 §4: families alternate, IPv6 first; link-local and loopback addresses are last', () => {
    const order = [
      localPreference('2001:db8::1', 6, 0),
      localPreference('192.0.2.1', 4, 0),
      localPreference('2001:db8::2', 6, 1),
      localPreference('192.0.2.2', 4, 1),
      localPreference('fe80::1', 6, 0),
      localPreference('127.0.0.1', 4, 0),
    ];
    expect(order).toEqual(order.toSorted((a, b) => b - a));
    expect(new Set(order).size).toBe(order.length);
  });
});
