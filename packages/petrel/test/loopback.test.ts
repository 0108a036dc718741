import { describe, expect, test } from '@jest/globals';
import {
  importCertificate,
  RTCPeerConnection,
  type RTCDataChannelEvent,
  type RTCPeerConnectionIceEvent,
  type RTCTrackEvent,
  RtpSink,
  RtpSource,
} from 'petrel';

function passCandidates(from: RTCPeerConnection, to: RTCPeerConnection): void {
  from.onicecandidate = ({ candidate }: RTCPeerConnectionIceEvent) => {
    if (candidate !== null && to.signalingState !== 'closed') void to.addIceCandidate(candidate);
  };
}

async function negotiate(offerer: RTCPeerConnection, answerer: RTCPeerConnection): Promise<void> {
  await offerer.setLocalDescription();
  await answerer.setRemoteDescription(offerer.localDescription!);
  await answerer.setLocalDescription();
  await offerer.setRemoteDescription(answerer.localDescription!);
}

function rtpPacket(sequenceNumber: number): Uint8Array {
  const packet = new Uint8Array(20);
  packet.set([0x80, 0x80 | 96, sequenceNumber >> 8, sequenceNumber & 0xff]);
  packet.fill(sequenceNumber, 12);
  return packet;
}

/** Writes packets until the first one has come out at the other side. */
async function mediaFlows(source: RtpSource, to: RTCPeerConnection): Promise<boolean> {
  const sink = new RtpSink(to.getReceivers().find(({ track }) => track.kind === source.track.kind)!.track);
  let sequenceNumber = 0;
  const timer = setInterval(() => source.write(rtpPacket(sequenceNumber++)), 5);
  await new Promise<void>((resolve) => {
    sink.onpacket = () => resolve();
  });
  clearInterval(timer);
  sink.close();
  return true;
}

describe('two connections in one process, over real sockets', () => {
  test.each(['the creator of the channel offers', 'the other side offers'])(
    'data and media both ways: %s',
    async (who) => {
      const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection({ autoClose: true })];
      passCandidates(a, b);
      passCandidates(b, a);
      const sources = { a: new RtpSource('video'), b: new RtpSource('audio') };
      a.addTrack(sources.a.track);
      b.addTrack(sources.b.track);
      const tracks: string[] = [];
      b.ontrack = ({ track }: RTCTrackEvent) => tracks.push(track.kind);
      const channel = a.createDataChannel('echo');
      b.ondatachannel = ({ channel: other }: RTCDataChannelEvent) => {
        other.onmessage = ({ data }) => other.send(data);
      };
      // An offer of the other side has no section for data unless it has a channel.
      if (who === 'the other side offers') b.createDataChannel('other');
      const [first, second] = who === 'the other side offers' ? [b, a] : [a, b];
      await negotiate(first, second);
      await negotiate(second, first);
      const echoed = new Promise<string>((resolve) => {
        channel.onmessage = ({ data }) => resolve(data);
      });
      if (channel.readyState !== 'open') await new Promise((resolve) => channel.addEventListener('open', resolve));
      channel.send('hello');
      expect(await echoed).toBe('hello');
      expect(await mediaFlows(sources.a, b)).toBe(true);
      expect(await mediaFlows(sources.b, a)).toBe(true);
      expect(tracks).toContain('video');
      a.close({ reason: 'done' });
      expect(await a.closed).toMatchObject({ by: 'local', heard: 'close_notify' });
      expect(await b.closed).toMatchObject({ by: 'remote', reason: 'done' });
      expect(b.signalingState).toBe('closed');
    },
    30_000,
  );

  test('a certificate that was exported has the same fingerprint when it is imported', async () => {
    const certificate = await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' });
    const copy = importCertificate(certificate.exportPem());
    expect(copy.getFingerprints()).toEqual(certificate.getFingerprints());
    const pc = new RTCPeerConnection({ certificates: [copy] });
    pc.createDataChannel('x');
    const { sdp } = await pc.createOffer();
    expect(sdp!.toLowerCase()).toContain(`a=fingerprint:sha-256 ${certificate.getFingerprints()[0]!.value}`);
    pc.close();
  });
});
