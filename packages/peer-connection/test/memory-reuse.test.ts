import { expect, test } from '@jest/globals';
import { RtpSink, RtpSource, type UdpSocket } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

/** Connected, with a sender whose sockets say that they are idle when `isIdle` does; and the memory of the SRTP packets that it sends. */
async function connected(isIdle: (() => boolean) | undefined) {
  const pair = new PeerPair();
  const memory: Uint8Array[] = [];
  const watch = (socket: UdpSocket): UdpSocket => ({
    ...socket,
    send(data, address, port) {
      if (data.length > 1000 && data[0]! >> 6 === 2) memory.push(data);
      socket.send(data.slice(), address, port);
    },
    ...(isIdle && {
      get isIdle() {
        return isIdle();
      },
    }),
  });
  const { runtime } = pair.network.host('a');
  const bindUdp = runtime.bindUdp.bind(runtime);
  runtime.bindUdp = async (options, handler) => watch(await bindUdp(options, handler));
  const source = new RtpSource('video', { mimeType: 'video/VP8' });
  pair.a.addTrack(source.track);
  const received: number[] = [];
  pair.b.ontrack = ({ track }) => {
    new RtpSink(track).onpacket = (arrived) => received.push(arrived.at(-1)!);
  };
  await pair.connect();
  return { network: pair.network, source, received, memory };
}

function packet(sequenceNumber: number): Uint8Array {
  const bytes = new Uint8Array(1200).fill(sequenceNumber);
  bytes.set([0x80, 96, sequenceNumber >> 8, sequenceNumber, 0, 0, 0, 0, 0, 0, 0, 1]);
  return bytes;
}

const numbers = Array.from({ length: 200 }, (_, index) => index);

test('SRTP packets are written into the same memory again once the sockets have sent them', async () => {
  const { network, source, received, memory } = await connected(() => true);
  for (const number of numbers) source.write(packet(number));
  await network.run(1000);
  expect(received).toEqual(numbers);
  expect(new Set(memory.map(({ buffer }) => buffer)).size).toBe(1);
});

test.each([
  ['are not idle', () => false],
  ['do not say', undefined],
])('they stay as they are while the sockets %s', async (_, isIdle) => {
  const { network, source, received, memory } = await connected(isIdle);
  const copies: Uint8Array[] = [];
  for (const number of numbers) {
    source.write(packet(number));
    copies.push(memory.at(-1)!.slice());
  }
  await network.run(1000);
  expect(received).toEqual(numbers);
  // Not toEqual: to say how so many bytes differ takes a minute.
  expect(memory.map((bytes, index) => Buffer.compare(bytes, copies[index]!))).toEqual(copies.map(() => 0));
});
