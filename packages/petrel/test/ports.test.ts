import { afterEach, describe, expect, test } from '@jest/globals';
import { RTCPeerConnection, type RTCPeerConnectionIceErrorEvent, TcpMux, UdpMux } from 'petrel';

const loopback = { interfaceFilter: ({ address }: { address: string }): boolean => address === '127.0.0.1' };
const open: { close(): void }[] = [];
function keep<T extends { close(): void }>(made: T): T {
  open.push(made);
  return made;
}
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

describe('X08: ports of the operating system', () => {
  test('one that is in use: listen rejects with EADDRINUSE, for UDP and TCP; closed, it can be opened again', async () => {
    for (const Mux of [UdpMux, TcpMux]) {
      const first = keep(await Mux.listen(loopback));
      await expect(Mux.listen({ ...loopback, port: first.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
      first.close();
      await new Promise((resolve) => setImmediate(resolve));
      keep(await Mux.listen({ ...loopback, port: first.port }));
    }
  });

  test('no interface at all: the error has its code', async () => {
    await expect(UdpMux.listen({ interfaceFilter: () => false })).rejects.toMatchObject({ code: 'EADDRNOTAVAIL' });
  });

  test('no free port in the range: icecandidateerror, gathering is complete, nothing is thrown', async () => {
    const { port } = keep(await UdpMux.listen(loopback));
    const pc = keep(new RTCPeerConnection({ ...loopback, portRange: { min: port, max: port } }));
    const errors: RTCPeerConnectionIceErrorEvent[] = [];
    pc.onicecandidateerror = (event) => errors.push(event);
    pc.createDataChannel('x');
    await pc.setLocalDescription();
    await pc.iceGatheringComplete;
    expect(pc.localDescription!.sdp).not.toContain('a=candidate');
    expect(errors.map(({ address, url, errorCode, errorText }) => [address, url, errorCode, errorText])).toEqual([
      ['127.0.0.1', '', 701, expect.stringContaining('EADDRINUSE')],
    ]);
  });

  test('a TURN server that refuses the connection: icecandidateerror', async () => {
    const pc = keep(
      new RTCPeerConnection({
        ...loopback,
        iceServers: [{ urls: 'turn:127.0.0.1:1?transport=tcp', username: 'alice', credential: 'secret' }],
      }),
    );
    const errors: string[] = [];
    pc.onicecandidateerror = ({ url, errorCode }) => errors.push(`${url} ${errorCode}`);
    pc.createDataChannel('x');
    await pc.setLocalDescription();
    await pc.iceGatheringComplete;
    expect(errors).toEqual(['turn:127.0.0.1:1?transport=tcp 701']);
  });
});

test('hidden addresses: another connection on this machine finds them by multicast DNS or by checks', async () => {
  const [a, b] = [keep(new RTCPeerConnection({ hideHostAddresses: true })), keep(new RTCPeerConnection())];
  const channel = a.createDataChannel('x');
  await a.setLocalDescription();
  await a.iceGatheringComplete;
  expect(a.localDescription!.sdp).toMatch(/ [0-9a-f-]{36}\.local \d+ typ host/);
  await b.setRemoteDescription(a.localDescription!);
  await b.setLocalDescription();
  await b.iceGatheringComplete;
  await a.setRemoteDescription(b.localDescription!);
  if (channel.readyState !== 'open') await new Promise((resolve) => channel.addEventListener('open', resolve));
  expect(a.sctp!.transport.iceTransport.getSelectedCandidatePair()!.local.address).toMatch(/\.local$/);
}, 20_000);
