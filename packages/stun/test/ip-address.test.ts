import { describe, expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { addressFamily, addressScope, canonicalIpAddress, formatIpAddress, parseIpAddress } from '@petrel/stun';
import { seededRandom } from '@petrel/testing';

describe('RFC 5952: one text for one address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:0db8::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalIpAddress(text)).toBe(canonical);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4 ',
    '0x7f.0.0.1',
    '1',
    '::1::',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '200a0b:12f0::1',
    'fe80::1%eth0',
    '::1.2.3',
    '1.2.3.4::',
    'host.local',
    '[::1]',
    `${'0:'.repeat(40)}`,
  ])('%j is none', (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  });

  test('any 16 bytes survive', () => {
    const random = seededRandom(3);
    for (let run = 0; run < 2000; run++) {
      const bytes = random.randomBytes(16).map((byte) => (byte < 128 ? 0 : byte));
      const text = formatIpAddress(bytes);
      const again = parseIpAddress(text)!;
      expect(formatIpAddress(again)).toBe(text);
      if (again.length === 16) expect(toHex(again)).toBe(toHex(bytes));
    }
  });
});

describe('RFC 6890: what an address is good for', () => {
  test.each([
    ['8.8.8.8', 'global'],
    ['10.1.2.3', 'private'],
    ['172.31.0.1', 'private'],
    ['172.32.0.1', 'global'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['169.254.1.1', 'link-local'],
    ['127.0.0.1', 'loopback'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['0.0.0.0', 'special'],
    ['224.0.0.1', 'special'],
    ['255.255.255.255', 'special'],
    ['2001:db8::1', 'global'],
    ['fd00::1', 'private'],
    ['fe80::1', 'link-local'],
    ['::1', 'loopback'],
    ['::', 'special'],
    ['::7f00:1', 'special'],
    ['ff02::1', 'special'],
    ['example.org', 'special'],
  ])('%s: %s', (address, scope) => {
    expect(addressScope(address)).toBe(scope);
  });

  test('families', () => expect([addressFamily('192.0.2.1'), addressFamily('::1')]).toEqual([4, 6]));
});
