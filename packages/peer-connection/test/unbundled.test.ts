import { describe, expect, test } from '@jest/globals';
import { PeerPair } from './peer-pair.ts';

/** Audio, video and data, each over a transport of its own: the peer does not know BUNDLE. */
async function connectUnbundled(options: { seed?: number; loss?: number } = {}): Promise<PeerPair> {
  const pair = new PeerPair({ ...options, a: { bundlePolicy: 'max-compat' } });
  pair.a.addTransceiver('audio');
  pair.a.addTransceiver('video');
  pair.a.createDataChannel('data');
  await pair.run(pair.a.setLocalDescription());
  const offer = { type: 'offer', sdp: pair.a.localDescription!.sdp.replace(/a=group:BUNDLE.*\r\n/, '') } as const;
  await pair.run(pair.b.setRemoteDescription(offer));
  await pair.run(pair.b.setLocalDescription());
  await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
  await pair.until(() => pair.a.connectionState === 'connected' && pair.b.connectionState === 'connected');
  return pair;
}

describe('without BUNDLE the transports of a connection are one ICE agent to the peer', () => {
  test.each([0, 0.2])('RFC 8445 §6.1.4.2: three transports connect, and share one Ta, at a loss of %d', async (loss) => {
    const pair = await connectUnbundled({ loss });
    expect([pair.a.connectionState, pair.b.connectionState]).toEqual(['connected', 'connected']);
    expect(pair.a.sctp!.transport.iceTransport).not.toBe(pair.a.getSenders()[0]!.transport!.iceTransport);
    await pair.network.run(1000);
    for (const address of ['192.0.2.1', '192.0.2.2']) {
      const times = pair.network.log.entries
        .filter(({ source, data }) => source.address === address && data[0] === 0 && data[1] === 1)
        .map(({ at }) => at);
      expect(times.length).toBeGreaterThanOrEqual(3);
      for (const [index, at] of times.slice(1).entries()) expect(at - times[index]!).toBeGreaterThanOrEqual(49.999);
    }
  });

  test('RFC 8445 §5.1.1.3: candidates of one interface have one foundation in all sections', async () => {
    const pair = await connectUnbundled();
    const foundations = [...pair.a.localDescription!.sdp.matchAll(/a=candidate:(\S+)/g)].map(([, foundation]) => foundation);
    expect([foundations.length, new Set(foundations).size]).toEqual([3, 1]);
  });
});
