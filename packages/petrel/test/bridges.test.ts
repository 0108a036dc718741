import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  ffmpegOutputArguments,
  gstreamerSender,
  RTCPeerConnection,
  RtpForward,
  rtpForward,
  RtpIngest,
  rtpIngest,
  RtpSink,
  RtpSource,
} from 'petrel';

const open: { close(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

async function socket(): Promise<Socket> {
  const made = createSocket('udp4');
  made.bind(0, '127.0.0.1');
  await once(made, 'listening');
  open.push(made);
  return made;
}

async function ingestWith(options: Partial<Parameters<typeof rtpIngest>[0]> = {}): Promise<{ ingest: RtpIngest; packets: Uint8Array[] }> {
  const ingest = await rtpIngest({ port: 0, mimeType: 'video/VP8', ...options });
  open.push(ingest);
  const packets: Uint8Array[] = [];
  new RtpSink(ingest.track).onpacket = (packet) => packets.push(packet);
  return { ingest, packets };
}

async function forwardTo(
  port: number,
  options: Partial<Parameters<typeof rtpForward>[0]> = {},
): Promise<{ source: RtpSource; forward: RtpForward }> {
  const source = new RtpSource('video');
  const forward = await rtpForward({ source: source.track, port, mimeType: 'video/VP8', ...options });
  open.push(forward);
  return { source, forward };
}

/** RFC 3550 §5.1 */
function rtp(ssrc: number, sequenceNumber: number, payloadType = 96): Uint8Array {
  return Uint8Array.of(0x80, payloadType, 0, sequenceNumber, 0, 0, 0, 0, 0, 0, 0, ssrc, 0x10, 0);
}

/** RFC 4585 §6.3.1: picture loss indication, after an empty receiver report. */
const PLI = Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 7);

async function settle(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(condition()).toBe(true);
}

describe('rtpIngest', () => {
  test('passes on RTP; RTCP (RFC 5761 §4), noise, and a second sender are kept out', async () => {
    const { ingest, packets } = await ingestWith();
    const sender = await socket();
    for (const packet of [rtp(1, 1), PLI, Uint8Array.of(1, 2, 3), rtp(2, 1), rtp(1, 2)]) sender.send(packet, ingest.port, '127.0.0.1');
    await settle(() => packets.length === 2);
    expect(packets.map((packet) => [packet[11], packet[3]])).toEqual([
      [1, 1],
      [1, 2],
    ]);
    expect(ingest.discards.toJSON()).toEqual({ 'not-rtp': 1, 'other-source': 1 });
    expect(ingest.packetsReceived).toBe(2);
  });

  test('another sender takes over when the first has been silent', async () => {
    const { ingest, packets } = await ingestWith();
    const sender = await socket();
    sender.send(rtp(1, 1), ingest.port, '127.0.0.1');
    await settle(() => packets.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 550));
    sender.send(rtp(2, 1), ingest.port, '127.0.0.1');
    await settle(() => packets.length === 2);
  });

  test('RFC 4585 §6.3.1: with a feedback port the sender gets a PLI, too', async () => {
    const feedback = await socket();
    const { ingest, packets } = await ingestWith({ feedbackPort: feedback.address().port });
    const requestKeyFrame = (): void => new RtpSink(ingest.track).requestKeyFrame();
    let requests = 0;
    ingest.onkeyframerequest = () => requests++;
    requestKeyFrame();
    (await socket()).send(rtp(7, 1), ingest.port, '127.0.0.1');
    await settle(() => packets.length === 1);
    const received = once(feedback, 'message');
    requestKeyFrame();
    expect(Uint8Array.from((await received)[0])).toEqual(PLI);
    expect(requests).toBe(2);
  });

  test('a port that is taken, and a codec that is not known', async () => {
    const { ingest } = await ingestWith();
    await expect(rtpIngest({ port: ingest.port, mimeType: 'video/VP8' })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await expect(rtpIngest({ port: 0, mimeType: 'video/H265' })).rejects.toThrow(TypeError);
    ingest.close();
    ingest.close();
  });
});

describe('rtpForward', () => {
  test('sends packets with the payload type of the description', async () => {
    const receiver = await socket();
    const { source, forward } = await forwardTo(receiver.address().port, { payloadType: 100 });
    const packet = rtp(1, 1, 0x80 | 96);
    const received = once(receiver, 'message');
    source.write(packet);
    expect((await received)[0][1]).toBe(0x80 | 100);
    expect(packet[1]).toBe(0x80 | 96);
    source.write(Uint8Array.of(1));
    expect(forward.discards.toJSON()).toEqual({ 'malformed-packet': 1 });
    expect(forward.packetsSent).toBe(1);
  });

  test('RFC 8866: the description, for every program that reads SDP', async () => {
    const { forward } = await forwardTo(5004);
    expect(forward.sdp).toBe(
      'v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=petrel\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5004 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n',
    );
    expect(forward.gstreamerCommand).toContain(
      'media=video,clock-rate=90000,encoding-name=VP8,payload=96" ! rtpjitterbuffer ! rtpvp8depay',
    );
    const { forward: six } = await forwardTo(5004, { host: '::1', mimeType: 'video/H264', parameters: 'packetization-mode=0' });
    expect(six.sdp).toContain('c=IN IP6 ::1\r\n');
    expect(six.sdp).toContain('a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=0\r\n');
  });

  test.each([
    ['audio/opus', 'm=audio 5004 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2'],
    ['audio/PCMU', 'm=audio 5004 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n'],
    ['audio/G722', 'm=audio 5004 RTP/AVP 9\r\na=rtpmap:9 G722/8000\r\n'],
  ])('RFC 3551 table 4, RFC 7587 §7: %s', async (mimeType, lines) => {
    const forward = await rtpForward({ source: new RtpSource('audio').track, port: 5004, mimeType });
    open.push(forward);
    expect(forward.sdp).toContain(lines);
  });

  test('RFC 4585 §6.3.1: asks for a key frame at the beginning, and for a PLI that comes back', async () => {
    const receiver = await socket();
    const source = new RtpSource('video');
    let requests = 0;
    source.onkeyframerequest = () => requests++;
    open.push(await rtpForward({ source: source.track, port: receiver.address().port, mimeType: 'video/VP8' }));
    expect(requests).toBe(1);
    const received = once(receiver, 'message');
    source.write(rtp(1, 1));
    const [, from] = await received;
    receiver.send(rtp(1, 1), from.port, '127.0.0.1');
    receiver.send(PLI, from.port, '127.0.0.1');
    await settle(() => requests === 2);
  });

  test('of a receiver: the codec that was negotiated, and nothing else', async () => {
    const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
    a.onicecandidate = ({ candidate }) => void (candidate && b.addIceCandidate(candidate));
    b.onicecandidate = ({ candidate }) => void (candidate && a.addIceCandidate(candidate));
    const source = new RtpSource('video', { mimeType: 'video/H264' });
    a.addTrack(source.track);
    await a.setLocalDescription();
    await b.setRemoteDescription(a.localDescription!);
    await b.setLocalDescription();
    await a.setRemoteDescription(b.localDescription!);
    const program = await socket();
    const forward = await rtpForward({ source: b.getReceivers()[0]!, port: program.address().port });
    open.push(forward);
    const { payloadType, sdpFmtpLine } = b.getReceivers()[0]!.getParameters().codecs[0]!;
    expect(forward.sdp).toContain(`a=rtpmap:${payloadType} H264/90000\r\na=fmtp:${payloadType} ${sdpFmtpLine}\r\n`);
    const received = once(program, 'message');
    let number = 0;
    const timer = setInterval(() => source.write(rtp(1, number++ & 0xff)), 10);
    const [packet] = await received;
    clearInterval(timer);
    expect(packet[1] & 0x7f).toBe(payloadType);
    expect(packet.subarray(-2)).toEqual(Buffer.of(0x10, 0));
    a.close();
    b.close();
  }, 20_000);

  test('without anything that says what the track contains', async () => {
    await expect(rtpForward({ source: new RtpSource('video').track, port: 5004 })).rejects.toThrow(TypeError);
    const pc = new RTCPeerConnection();
    const { receiver } = pc.addTransceiver('video');
    await expect(rtpForward({ source: receiver, port: 5004 })).rejects.toThrow('mimeType');
    pc.close();
  });
});

describe('commands for other programs', () => {
  test('ffmpeg', () => {
    const args = ffmpegOutputArguments({ mimeType: 'audio/PCMU', filters: ['-map', '0:a'] }, 5004);
    expect(args.join(' ')).toBe('-map 0:a -c:a pcm_mulaw -ac 1 -ar 8000 -vn -f rtp rtp://127.0.0.1:5004?pkt_size=1200');
    expect(ffmpegOutputArguments({ mimeType: 'video/H264', arguments: ['-c', 'copy'] }, 1).slice(0, 2)).toEqual(['-c', 'copy']);
    expect(() => ffmpegOutputArguments({ mimeType: 'video/AV1' }, 5004)).toThrow(TypeError);
  });

  test('GStreamer', () => {
    const command = gstreamerSender([
      { mimeType: 'video/H264', port: 5004 },
      { mimeType: 'audio/opus', port: 5006 },
    ]);
    expect(command).toMatch(
      /^gst-launch-1.0 videotestsrc .* rtph264pay .* port=5004 audiotestsrc .* opusenc ! rtpopuspay ! udpsink .* port=5006$/,
    );
  });
});
