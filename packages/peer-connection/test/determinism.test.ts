import { expect, test } from '@jest/globals';
import { SimulatedNetwork } from '@petrel/testing';
import { MediaStream, RTCPeerConnection, RtpSource } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

/** Everything of a negotiation that has random identifiers in it. */
async function negotiate(seed: number): Promise<unknown> {
  const pair = new PeerPair({ trickle: false, seed });
  const { track } = new RtpSource('video');
  const sender = pair.a.addTrack(track, new MediaStream([track]));
  pair.a.addTransceiver('audio', { streams: [new MediaStream()] });
  pair.a.createDataChannel('data');
  await pair.run(pair.a.setLocalDescription());
  await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
  const received = pair.b.getReceivers().map((receiver) => receiver.track.id);
  return {
    offer: pair.a.localDescription!.sdp,
    track: track.id,
    transactionId: sender.getParameters().transactionId,
    received,
    statistics: [...(await pair.run(pair.a.getStats())).keys()],
  };
}

/** An offer with a certificate that was not configured. */
async function generated(seed: number): Promise<string> {
  const network = new SimulatedNetwork({ seed });
  const connection = new RTCPeerConnection({}, network.addHost('a', { interfaces: [] }).runtime);
  connection.createDataChannel('data');
  return (await network.settled(connection.createOffer())).sdp!;
}

test('M01: identifiers of tracks, streams, transactions and statistics follow from the seed', async () => {
  const [once, again, other] = [await negotiate(7), await negotiate(7), await negotiate(8)];
  expect(again).toEqual(once);
  expect(other).not.toEqual(once);
});

test('M01: the certificate that a connection makes for itself follows from the seed', async () => {
  const [once, again, other] = [await generated(7), await generated(7), await generated(8)];
  expect(once).toContain('a=fingerprint:sha-256');
  expect(again).toBe(once);
  expect(other).not.toBe(once);
});

test('RFC 9562 §5.4: what nobody has announced yet has a random UUID, and keeps it', () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const { track } = new RtpSource('audio');
  const stream = new MediaStream();
  for (const object of [track, stream, track.clone()]) {
    expect(object.id).toMatch(uuid);
    expect(object.id).toBe(object.id);
  }
  expect(new Set([track.id, track.clone().id, new RtpSource('audio').track.id, stream.id]).size).toBe(4);
});
