import { expect, test } from '@jest/globals';
import { PeerPair } from './peer-pair.ts';
import { createRTCCertificate } from '../src/rtc-certificate.ts';
import { serializeRtpPacket } from '@petrel/rtp';
import { type RTCDataChannel, RTCPeerConnection, RTCSessionDescription, RtpSink, RtpSource } from '../src/index.ts';
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

test('R12, RFC 8842 §4: the SRTP keys go with the peer: what the old one still sends is dropped, the new one is heard', async () => {
  const pair = new PeerPair();
  const { a, b } = pair;
  const [sourceOfB, sourceOfC] = [new RtpSource('audio'), new RtpSource('audio')];
  a.addTransceiver('audio', { direction: 'recvonly' });
  b.addTrack(sourceOfB.track);
  let heard = 0;
  a.ontrack = ({ track }) => (new RtpSink(track).onpacket = () => (heard += 1));
  await pair.connect();
  let sent = 0;
  const write = (source: RtpSource): void =>
    source.write(
      serializeRtpPacket({ payloadType: 111, sequenceNumber: sent++, timestamp: sent * 960, ssrc: 1, payload: new Uint8Array(50) }),
    );
  write(sourceOfB);
  await pair.until(() => heard === 1);

  const c = addThird(pair);
  c.addTrack(sourceOfC.track);
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
  // The old path is in use until the new one is found, and the keys are gone already.
  write(sourceOfB);
  await pair.until(() => c.connectionState === 'connected' && a.connectionState === 'connected');
  write(sourceOfB);
  await pair.network.run(1000);
  expect(heard).toBe(1);
  write(sourceOfC);
  expect(await pair.until(() => heard === 2, 1000)).toBe(true);
});
