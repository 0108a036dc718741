import { expect, test } from '@jest/globals';
import { type EncodedFrame, FrameSink, FrameSource, type ReceivedFrame, RTCPeerConnection, RtpSink, RtpSource } from 'petrel';

/** A VP8 frame of some thousand bytes; the first byte tells key frames (RFC 6386 §9.1). */
function frame(number: number, keyFrame = false): EncodedFrame {
  const data = new Uint8Array(3000).fill(number);
  data[0] = keyFrame ? 0 : 1;
  return { data, timestamp: number * 3000, keyFrame };
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

test('frames go in at one end of a track, and come out at the other', () => {
  const source = new FrameSource('video/VP8');
  const sink = new FrameSink(source.track, { mimeType: 'video/VP8' });
  const received: ReceivedFrame[] = [];
  sink.onframe = (each) => received.push(each);
  const frames = [frame(0, true), frame(1), frame(2)];
  for (const each of frames) source.write(each);
  expect(received).toMatchObject(frames);
  expect(sink.statistics).toEqual({ framesReceived: 3, packetsLost: 0, dropped: {} });
  sink.close();
  source.write(frame(3));
  expect(received).toHaveLength(3);
});

test('a sink that begins late asks for a key frame, and the source hears of it', () => {
  const source = new FrameSource('video/VP8');
  let requests = 0;
  source.onkeyframerequest = () => requests++;
  const sink = new FrameSink(source.track, { mimeType: 'video/VP8' });
  source.write(frame(1));
  expect(requests).toBe(1);
  expect(sink.statistics.dropped).toEqual({ 'waiting-for-key-frame': 1 });
});

test('a missing packet is waited for, not longer than patience allows', async () => {
  const whole = new FrameSource('video/VP8');
  const lossy = new RtpSource('video');
  let count = 0;
  new RtpSink(whole.track).onpacket = (packet) => {
    if (count++ !== 4) lossy.write(packet);
  };
  const sink = new FrameSink(lossy.track, { mimeType: 'video/VP8', patience: 30, waitForKeyFrame: false });
  const received: number[] = [];
  sink.onframe = ({ timestamp }) => received.push(timestamp / 3000);
  for (let i = 0; i < 4; i++) whole.write(frame(i, i === 0));
  expect(received).toEqual([0]);
  await pause(60);
  expect(received).toEqual([0, 2, 3]);
  expect(sink.statistics).toEqual({ framesReceived: 3, packetsLost: 1, dropped: { 'incomplete-frame': 1 } });
  sink.close();
});

test('the stream of a sink: a slow reader loses frames, which are counted, and goes on with a key frame', async () => {
  const source = new FrameSource('video/VP8');
  const sink = new FrameSink(source.track, { mimeType: 'video/VP8' });
  const reader = sink.readable.getReader();
  for (let i = 0; i < 100; i++) source.write(frame(i, i === 0));
  expect(sink.statistics.dropped['slow-reader']).toBe(1);
  for (let i = 0; i < 64; i++) expect((await reader.read()).value!.timestamp).toBe(i * 3000);
  source.write(frame(100));
  source.write(frame(101, true));
  expect((await reader.read()).value!.timestamp).toBe(101 * 3000);
  expect(sink.statistics.dropped['waiting-for-key-frame']).toBe(36);
  sink.close();
  expect((await reader.read()).done).toBe(true);
});

test('the stream of a source: frames are sent when their timestamps say', async () => {
  const source = new FrameSource('audio/PCMU');
  const times: number[] = [];
  new RtpSink(source.track).onpacket = () => times.push(performance.now());
  const frames = Array.from({ length: 5 }, (_, index) => ({ data: new Uint8Array(160), timestamp: index * 160, keyFrame: true }));
  await new ReadableStream<EncodedFrame>({
    start(controller) {
      for (const each of frames) controller.enqueue(each);
      controller.close();
    },
  }).pipeTo(source.writable);
  expect(times).toHaveLength(5);
  // Never before its time; how long after is the machine's affair.
  times.forEach((time, index) => expect(time - times[0]!).toBeGreaterThan(index * 20 - 5));
});

test('an aborted writer stops at once, and does not send', async () => {
  const source = new FrameSource('audio/PCMU');
  let packets = 0;
  new RtpSink(source.track).onpacket = () => packets++;
  const writer = source.writable.getWriter();
  await writer.write({ data: new Uint8Array(160), timestamp: 0, keyFrame: true });
  const late = writer.write({ data: new Uint8Array(160), timestamp: 8000 * 60, keyFrame: true });
  await writer.abort();
  await late.catch(() => undefined);
  expect(packets).toBe(1);
});

test('what cannot be packetized or depacketized is refused', () => {
  expect(() => new FrameSource('video/H265')).toThrow(/there are video\/vp8/);
  expect(() => new FrameSource('video/VP8').write({ data: 'text' as never, timestamp: 0, keyFrame: true })).toThrow(TypeError);
  expect(() => new FrameSink(new RtpSource('video').track)).toThrow(TypeError);
  expect(() => new FrameSource('video/AV1').write({ data: Uint8Array.of(0x32, 9), timestamp: 0, keyFrame: true })).toThrow(TypeError);
});

test('between two connections: the receiver says what the packets contain, and the stream ends when the other side closes', async () => {
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection({ autoClose: true })];
  a.onicecandidate = ({ candidate }) => void (candidate && b.addIceCandidate(candidate));
  b.onicecandidate = ({ candidate }) => void (candidate && a.addIceCandidate(candidate));
  const source = new FrameSource('video/VP8');
  a.addTrack(source.track);
  const sinks: FrameSink[] = [];
  b.ontrack = ({ receiver }) => void sinks.push(new FrameSink(receiver));
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription!);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription!);
  const reader = sinks[0]!.readable.getReader();
  let number = 0;
  const timer = setInterval(() => source.write(frame(number++, true)), 10);
  const { value } = await reader.read();
  clearInterval(timer);
  expect(value).toMatchObject({ keyFrame: true, pictureId: expect.any(Number) });
  expect(value!.data).toHaveLength(3000);
  a.close();
  let done = false;
  while (!done) done = (await reader.read()).done;
  expect(b.connectionState).toBe('closed');
}, 20_000);
