import { expect, test } from '@jest/globals';
import { toHex } from '@petrel/bytes';
import { SimulatedNetwork, toPcap } from '@petrel/testing';

const record = (seconds: number, microseconds: number, packet: readonly string[]): string => {
  const length = packet.join('').length / 2;
  return [seconds, microseconds, length, length].map((word) => word.toString(16).padStart(8, '0')).join('') + packet.join('');
};

test('a capture has each packet with its time, addresses and right checksums', async () => {
  const network = new SimulatedNetwork();
  const { runtime } = network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1', '2001:db8::1'] }] });
  for (const [address, remote] of [
    ['192.0.2.1', '192.0.2.2'],
    ['2001:db8::1', '2001:db8::2'],
  ] as const) {
    const socket = await runtime.bindUdp({ address, port: 4660 }, () => {});
    await network.run(1500.25);
    socket.send(Uint8Array.of(1, 2, 3), remote, 5);
    socket.close();
  }
  const file = toHex(toPcap(network.log.entries, 0));
  expect(file).toBe(
    [
      'a1b2c3d4000200040000000000000000',
      '0004000000000065',
      record(1, 500_250, ['4500001f000040004011b6ca', 'c0000201', 'c0000202', '12340005000b6599010203']),
      record(3, 500, [
        '60000000000b1140',
        '20010db8000000000000000000000001',
        '20010db8000000000000000000000002',
        '12340005000b8e28010203',
      ]),
    ].join(''),
  );
});
