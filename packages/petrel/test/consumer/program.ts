// What programs do with the types: packed-tarball.test.ts compiles this as they would, with the declarations that are published.
import {
  type CloseReport,
  FrameSink,
  FrameSource,
  goodbyeOnExit,
  importCertificate,
  MediaStream,
  type MediaStreamTrack,
  RTCError,
  type RTCConfiguration,
  type RTCDataChannel,
  type RTCDataChannelInit,
  RTCIceCandidate,
  RTCPeerConnection,
  type RTCRtpSendParameters,
  RTCSessionDescription,
  type RTCStats,
  RtpSink,
  RtpSource,
  type TapRecord,
  TcpMux,
  UdpMux,
} from 'petrel';

const configuration: RTCConfiguration = { iceServers: [{ urls: ['stun:stun.example.org'] }], autoClose: true };
const pc = new RTCPeerConnection(configuration);
const source = new RtpSource('video', { mimeType: 'video/VP8' });
const track: MediaStreamTrack = source.track;
const sender = pc.addTrack(track, new MediaStream([track]));
const options: RTCDataChannelInit = { ordered: false, maxRetransmits: 0 };
const channel: RTCDataChannel = pc.createDataChannel('data', options);

const onCandidate = ({ candidate }: { candidate: RTCIceCandidate | null }): boolean => candidate === null;

/** Events say what comes with them, in handlers and in listeners. */
export function events(): void {
  pc.onicecandidate = ({ candidate }) => candidate?.toJSON().candidate.length;
  pc.onremoteclose = ({ reason }) => reason.length;
  pc.ondatachannel = function ({ channel: { label } }) {
    return [label, this.connectionState];
  };
  pc.addEventListener('track', ({ receiver, streams, transceiver }) => {
    new RtpSink(receiver.track).onpacket = (packet: Uint8Array) => packet.length;
    new FrameSink(receiver).onframe = ({ data, timestamp, keyFrame }) => [data.length, timestamp, keyFrame];
    transceiver.direction = streams.length > 0 ? 'recvonly' : 'inactive';
  });
  pc.addEventListener('icecandidate', onCandidate, { once: true });
  pc.removeEventListener('icecandidate', onCandidate);
  pc.addEventListener('of the application', { handleEvent: ({ type }) => type });
  // @ts-expect-error a `track` event has one track
  pc.addEventListener('track', ({ tracks }) => tracks);
  channel.onmessage = ({ data }) => channel.send(data);
  channel.addEventListener('error', ({ error }) => [error.errorDetail, error.sctpCauseCode, error.message, error instanceof RTCError]);
  track.addEventListener('ended', () => source.onkeyframerequest?.());
}

export async function negotiate(offer: { type: 'offer'; sdp: string }): Promise<void> {
  await pc.setRemoteDescription(offer);
  await pc.setRemoteDescription(new RTCSessionDescription(offer));
  await pc.setLocalDescription();
  await pc.addIceCandidate({ candidate: '', sdpMid: '0' });
  await pc.addIceCandidate(new RTCIceCandidate({ candidate: '', sdpMid: '0' }));
  await pc.addIceCandidate();
  const parameters: RTCRtpSendParameters = sender.getParameters();
  for (const encoding of parameters.encodings) encoding.active = false;
  await sender.setParameters(parameters);
  await sender.replaceTrack(null);
}

export async function transfer(): Promise<void> {
  for (const message of ['text', new Uint8Array(4), new ArrayBuffer(4), new DataView(new ArrayBuffer(8)), new Blob(['blob'])])
    channel.send(message);
  for await (const message of channel.readable) if (typeof message !== 'string') message.byteLength.toFixed();
  await new Blob(['blob']).stream().pipeTo(channel.writable);
  source.write(new Uint8Array(20));
  new FrameSource('video/VP8').write({ data: new Uint8Array(3), timestamp: 0, keyFrame: true });
}

export async function inspect(): Promise<RTCStats[]> {
  pc.tap = ({ at, direction, layer, summary, bytes }: TapRecord) => [at, direction, layer, summary, bytes];
  const statistics = await pc.getStats();
  for (const [id, { timestamp, type }] of statistics) [id, timestamp, type].toString();
  return [...statistics.values()].filter(({ type }) => type === 'transport');
}

export async function serve(pem: string): Promise<CloseReport> {
  goodbyeOnExit({ reason: 'over' })();
  const made = await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' });
  const certificates = [made, importCertificate(pem)];
  await using server = new RTCPeerConnection({ certificates, udpMux: await UdpMux.listen({ port: 0 }), tcpMux: await TcpMux.listen() });
  server.close({ reason: 'done', linger: 0 });
  return (await pc.shutdown({ drain: 100 })) ?? (await pc.closed);
}

// @ts-expect-error the label is a string
pc.createDataChannel({});
// @ts-expect-error there is no such policy
pc.setConfiguration({ bundlePolicy: 'none' });
