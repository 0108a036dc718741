import { expect, test } from '@jest/globals';
import { MediaStream, RTCIceCandidate, RTCPeerConnection, RtpSource, UdpMux } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

/** Mistakes that applications make, as a program without types would, and what the message has to mention. */
type Mistake = [mistake: string, mentions: RegExp, make: (a: RTCPeerConnection) => unknown];

const CANDIDATE = 'candidate:1 1 udp 1 192.0.2.1 1 typ host';
const { runtime } = new PeerPair().network.addHost('c', { interfaces: [{ addresses: ['192.0.2.3'] }] });
const configured = (configuration: unknown): RTCPeerConnection => new RTCPeerConnection(configuration as object, runtime);
const untyped = (value: unknown): never => value as never;

test.each<Mistake>([
  [
    'a policy that does not exist',
    /bundlePolicy: 'none' .*'balanced', 'max-compat' or 'max-bundle'/,
    () => configured({ bundlePolicy: 'none' }),
  ],
  ['one server instead of a list', /iceServers: expected an array, not Object/, () => configured({ iceServers: { urls: 'stun:x' } })],
  ['`url` instead of `urls`', /RTCIceServer.urls is required/, () => configured({ iceServers: [{ url: 'stun:x' }] })],
  ['a URL with slashes', /'stun:\/\/x' is not a valid ICE server URL, as stun:/, () => configured({ iceServers: [{ urls: 'stun://x' }] })],
  ['TURN without credentials', /needs a username and a credential/, () => configured({ iceServers: [{ urls: 'turn:x' }] })],
  ['a PEM text as a certificate', /expected RTCCertificate \(of this library\), not string/, () => configured({ certificates: ['PEM'] })],
  ['ports the wrong way round', /no port from 6000 to 5000/, () => configured({ portRange: { min: 6000, max: 5000 } })],
  ['a name as an announced address', /is not an IP address/, () => configured({ announcedAddress: 'example.org' })],
  [
    'another BUNDLE policy later',
    /bundlePolicy: begin with what getConfiguration/,
    (a) => a.setConfiguration({ ...a.getConfiguration(), bundlePolicy: 'max-bundle' }),
  ],
  [
    'a source in place of its track',
    /expected MediaStreamTrack \(of this library\), not RtpSource/,
    (a) => a.addTrack(untyped(new RtpSource('video'))),
  ],
  [
    'a track in place of its sender',
    /expected RTCRtpSender .* not MediaStreamTrack/,
    (a) => a.removeTrack(untyped(new RtpSource('video').track)),
  ],
  ['`send` as a direction', /'sendrecv', 'sendonly'/, (a) => a.addTransceiver('video', { direction: untyped('send') })],
  [
    'no null where a stream is expected',
    /expected MediaStream \(of this library\), not null/,
    (a) => a.addTrack(new RtpSource('video').track, untyped(null)),
  ],
  ['a negotiated channel without id', /needs an id, the same on both sides/, (a) => a.createDataChannel('x', { negotiated: true })],
  ['a negative number', /-1 is outside the range of unsigned short, 0 to 65535/, (a) => a.createDataChannel('x', { maxRetransmits: -1 })],
  ['sending too soon', /connecting: wait for its open event/, (a) => a.createDataChannel('x').send('hello')],
  ['a candidate too soon', /keep candidates until it is set/, (a) => a.addIceCandidate({ candidate: CANDIDATE, sdpMid: '0' })],
  ['a candidate without its section', /pass the whole candidate/, (a) => a.addIceCandidate({ candidate: CANDIDATE })],
  ['a candidate as text', /expected an object \(RTCIceCandidateInit\), not string/, (a) => a.addIceCandidate(untyped(CANDIDATE))],
  ['a candidate of nothing', /sdpMid or sdpMLineIndex is required/, () => new RTCIceCandidate()],
  ['an answer without an offer', /stable: first set the peer's offer/, (a) => a.createAnswer()],
  [
    'an answer out of order',
    /only in have-local-offer and have-remote-pranswer/,
    (a) => a.setRemoteDescription({ type: 'answer', sdp: '' }),
  ],
  ['a description as text', /expected an object \(RTCSessionDescriptionInit\), not string/, (a) => a.setRemoteDescription(untyped('{}'))],
  ['an edited offer', /not the one that was created last/, (a) => a.setLocalDescription({ type: 'offer', sdp: 'v=0' })],
  ['parameters out of nowhere', /call getParameters first/, (a) => a.addTransceiver('video').sender.setParameters(untyped(NO_PARAMETERS))],
  ['a codec that is unknown', /choose from RTCRtpReceiver.getCapabilities/, (a) => a.addTransceiver('video').setCodecPreferences([CODEC])],
  [
    'an encoding with it',
    /RTCRtpSender.getCapabilities\('video'\)/,
    (a) => a.addTransceiver('video', { sendEncodings: [{ codec: CODEC }] }),
  ],
  [
    'video for audio',
    /a sender of video takes no track of audio/,
    (a) => a.addTransceiver('video').sender.replaceTrack(new RtpSource('audio').track),
  ],
  ['tones too soon', /see canInsertDTMF/, (a) => a.addTransceiver('audio').sender.dtmf!.insertDTMF('1')],
  ['a kind that does not exist', /'screen' is not a valid value of kind \('audio' or 'video'\)/, () => new RtpSource(untyped('screen'))],
  ['text as a packet', /a packet is a Uint8Array/, () => new RtpSource('video').write(untyped('packet'))],
  ['a stream of what is no track', /\[0\]: expected MediaStreamTrack/, () => new MediaStream([untyped({})])],
  ['a port that does not exist', /70000 is outside the range/, () => UdpMux.listen({ port: 70_000 }, runtime)],
  ['a port in place of the options', /expected an object \(MuxOptions\), not number/, () => UdpMux.listen(untyped(5000), runtime)],
  ['going back in time', /-1 milliseconds are negative/, (a) => a.close({ linger: -1 })],
])('the message says what to do: %s', async (_mistake, mentions, make) => {
  const pair = new PeerPair({ trickle: false });
  const made = async (): Promise<unknown> => make(pair.a);
  await expect(pair.run(made())).rejects.toThrow(mentions);
});

const CODEC = { mimeType: 'video/none', clockRate: 90_000 };
const NO_PARAMETERS = { encodings: [], headerExtensions: [], rtcp: {}, transactionId: '', codecs: [] };
