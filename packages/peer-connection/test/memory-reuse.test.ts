import { expect, test } from '@jest/globals';
import { SimulatedNetwork } from '@petrel/testing';
import { RTCPeerConnection, RtpSink, RtpSource, type UdpSocket } from '../src/index.ts';

/** Connected, with a sender whose sockets say that they are idle when `isIdle` does; and the memory of the SRTP packets that it sends. */
async function connected(isIdle: (() => boolean) | undefined) {
  const network = new SimulatedNetwork({ seed: 1, link: { delay: 10 } });
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
  const [a, b] = ['192.0.2.1', '192.0.2.2'].map((address, index) => {
    const { runtime } = network.addHost(address, { interfaces: [{ addresses: [address] }] });
    if (index === 0) {
      const bindUdp = runtime.bindUdp.bind(runtime);
      runtime.bindUdp = async (options, handler) => watch(await bindUdp(options, handler));
    }
    return new RTCPeerConnection({}, runtime);
  }) as [RTCPeerConnection, RTCPeerConnection];
  a.onicecandidate = ({ candidate }) => candidate && void b.addIceCandidate(candidate.toJSON());
  b.onicecandidate = ({ candidate }) => candidate && void a.addIceCandidate(candidate.toJSON());
  const source = new RtpSource('video', { mimeType: 'video/VP8' });
  a.addTrack(source.track);
  const received: number[] = [];
  b.ontrack = ({ track }) => {
    new RtpSink(track).onpacket = (arrived) => received.push(arrived.at(-1)!);
  };
  void negotiate(a, b);
  await network.runUntil(() => a.connectionState === 'connected' && b.connectionState === 'connected', 10_000);
  return { network, source, received, memory };
}

async function negotiate(a: RTCPeerConnection, b: RTCPeerConnection): Promise<void> {
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription!);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription!);
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
