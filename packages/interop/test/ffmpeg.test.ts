import { afterEach, describe, expect, test } from '@jest/globals';
import { type EncodedFrame, ffmpegSource, FrameSink, FrameSource, type ReceivedFrame, rtpForward, rtpIngest, RtpSink } from 'petrel';
import { decodeFrames, decodeInput, encodeTestFrames, FRAME_RATE, freePortPair } from '../src/ffmpeg-tools.ts';
import { until } from '../src/session.ts';
import { describeWith } from './describe-with.ts';

const codecs = ['video/VP8', 'video/H264', 'audio/opus', 'audio/PCMU'];

describeWith('ffmpeg', 'ffmpeg, by plain RTP', (ffmpeg) => {
  const closing: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });

  describe.each(codecs)('%s', (mimeType) => {
    const isVideo = mimeType.startsWith('video');

    test('ffmpegSource: its packets become frames, which ffmpeg decodes', async () => {
      const input = isVideo
        ? ['-re', '-f', 'lavfi', '-i', `testsrc2=size=320x240:rate=${FRAME_RATE}`]
        : ['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'];
      const source = await ffmpegSource({ input, [isVideo ? 'video' : 'audio']: { mimeType } });
      closing.push(() => source.close());
      const [ingest] = source.ingests;
      const sink = new FrameSink(ingest!.track, { mimeType });
      const frames: ReceivedFrame[] = [];
      sink.onframe = (frame) => frames.push(frame);
      await until(
        () => frames.length,
        (count) => count >= 20,
      );
      await source.close();
      sink.close();
      expect(sink.statistics).toMatchObject({ packetsLost: 0, dropped: {} });
      expect(frames[0]!.keyFrame).toBe(true);
      const { frames: decoded, complaint } = await decodeFrames(ffmpeg, mimeType, frames);
      expect(complaint).toBe('');
      if (isVideo) expect(decoded).toBe(frames.length);
      else expect(decoded).toBeGreaterThan(0);
      const times = frames.map(({ timestamp }) => (timestamp - frames[0]!.timestamp) >>> 0);
      expect(times).toEqual(isVideo ? frames.map((_, index) => (index * 90_000) / FRAME_RATE) : times.toSorted((a, b) => a - b));
    }, 20_000);

    test('rtpForward: ffmpeg reads the description, and decodes the packets', async () => {
      const port = await freePortPair();
      const frames = await encodeTestFrames(ffmpeg, mimeType, 1);
      const source = new FrameSource(mimeType);
      const forward = await rtpForward({ source: source.track, mimeType, port });
      closing.push(() => forward.close());
      const wanted = 20;
      const limit = [isVideo ? '-frames:v' : '-frames:a', String(wanted)];
      const args = [...'-protocol_whitelist pipe,rtp,udp -analyzeduration 500000 -f sdp -i pipe:0'.split(' '), ...limit];
      const decoding = decodeInput(ffmpeg, args, Buffer.from(forward.sdp));
      // In a loop, from before ffmpeg listens until it has enough.
      const length = frames.at(-1)!.timestamp + (frames[1]!.timestamp - frames[0]!.timestamp);
      const rounds = Array.from({ length: 10 }, (_, round) =>
        frames.map((frame) => ({ ...frame, timestamp: round * length + frame.timestamp })),
      );
      const stop = new AbortController();
      const playing = new ReadableStream<EncodedFrame>({
        start(controller) {
          for (const frame of rounds.flat()) controller.enqueue(frame);
        },
      }).pipeTo(source.writable, { signal: stop.signal });
      const { frames: decoded } = await decoding;
      stop.abort();
      await expect(playing).rejects.toMatchObject({ name: 'AbortError' });
      expect(decoded).toBe(wanted);
      expect(forward.packetsSent).toBeGreaterThanOrEqual(wanted);
      expect(forward.discards.toJSON()).toEqual({});
    }, 20_000);
  });

  test('ffmpegSource says how ffmpeg has ended', async () => {
    const source = await ffmpegSource({ input: ['-i', '/nowhere/film.mp4'], video: { mimeType: 'video/VP8' } });
    closing.push(() => source.close());
    const { code, complaint } = await source.exited;
    expect(code).not.toBe(0);
    expect(complaint).toContain('/nowhere/film.mp4');
  });
});

describe('bridges without ffmpeg', () => {
  test('ffmpegSource rejects with ENOENT when there is no ffmpeg', async () => {
    const attempt = ffmpegSource({ input: [], video: { mimeType: 'video/VP8' }, command: '/nowhere/ffmpeg' });
    await expect(attempt).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('RFC 4585 §6.3.1: a request for a key frame reaches the source as an event, also from behind rtpForward', async () => {
    const ingest = await rtpIngest({ port: 0, mimeType: 'video/VP8' });
    let requests = 0;
    ingest.onkeyframerequest = () => requests++;
    const forward = await rtpForward({ source: ingest.track, mimeType: 'video/VP8', port: await freePortPair() });
    expect(requests).toBe(1);
    new RtpSink(ingest.track).requestKeyFrame();
    expect(requests).toBe(2);
    forward.close();
    ingest.close();
  });
});
