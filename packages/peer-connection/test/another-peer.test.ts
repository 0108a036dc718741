import { expect, test } from '@jest/globals';
import { PeerPair } from './peer-pair.ts';
import { createRTCCertificate } from '../src/rtc-certificate.ts';
import { type RTCDataChannel, RTCPeerConnection, RTCSessionDescription } from '../src/index.ts';
import { testCertificate } from '@petrel/testing';

/** A third end, which the first one moves to in the middle of its connection. */
function addThird(pair: PeerPair): RTCPeerConnection {
  const { runtime } = pair.network.addHost('c', { interfaces: [{ addresses: ['192.0.2.3'] }] });
  // Its own certificate: it has to differ from those of the pair.
  const connection = new RTCPeerConnection(
    { certificates: [createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, 0))] },
    runtime,
  );
  return connection;
}

test('R12, RFC 8842 §4: another fingerprint in mid-call is another peer: new DTLS, new SCTP, the old channels close', async () => {
  const pair = new PeerPair();
  const { a, b } = pair;
  const first = a.createDataChannel('first');
  await pair.connect();
  await pair.until(() => first.readyState === 'open');

  const c = addThird(pair);
  let received: RTCDataChannel | undefined;
  c.ondatachannel = ({ channel }) => (received = channel);
  c.onicecandidate = ({ candidate }) => candidate && void a.addIceCandidate(candidate.toJSON());
  a.addEventListener('icecandidate', (event) => {
    const { candidate } = event as unknown as { candidate: { toJSON(): object } | null };
    if (candidate && c.remoteDescription) void c.addIceCandidate(candidate.toJSON());
  });
  await pair.run(
    (async () => {
      await a.setLocalDescription(await a.createOffer({ iceRestart: true }));
      await c.setRemoteDescription(new RTCSessionDescription({ type: 'offer', sdp: a.localDescription!.sdp }));
      await c.setLocalDescription();
      await a.setRemoteDescription(c.localDescription!);
    })(),
  );
  expect(await pair.until(() => first.readyState === 'closed')).toBe(true);
  expect(await pair.until(() => c.connectionState === 'connected' && a.connectionState === 'connected')).toBe(true);
  const second = a.createDataChannel('second');
  expect(await pair.until(() => second.readyState === 'open' && received !== undefined)).toBe(true);
  let text = '';
  received!.onmessage = ({ data }) => (text = String(data));
  second.send('hello again');
  expect(await pair.until(() => text === 'hello again')).toBe(true);
  // The old peer's goodbye means nothing any more.
  b.close();
  await pair.network.run(5000);
  expect([a.connectionState, second.readyState]).toEqual(['connected', 'open']);
});
