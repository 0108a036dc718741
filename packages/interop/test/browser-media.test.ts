import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RTCPeerConnection, RtpSink } from 'petrel';
import { type Offerer, Session, until } from '../src/session.ts';
import { TestMedia } from '../src/test-media.ts';
import { describeBrowsers } from './describe-browsers.ts';

const offerers: readonly Offerer[] = ['the browser offers', 'we offer'];

describeBrowsers('media', (browser) => {
  let session: Session;
  let media: TestMedia;
  beforeEach(() => {
    media = new TestMedia();
  });
  afterEach(() => {
    media.stop();
    session.end();
  });

  describe.each(offerers)('%s', (offerer) => {
    test('our video is decoded and shown, our audio has energy', async () => {
      session = new Session(browser.page);
      session.pc.addTrack(media.video.track);
      session.pc.addTrack(media.audio.track);
      await session.connect(offerer, { receive: ['video', 'audio'] });
      const reception = () => browser.page.evaluate(() => peer.reception());
      const first = await until(reception, ({ picture, framesDecoded }) => picture !== 0 && framesDecoded > 0);
      const later = await until(reception, ({ framesDecoded, audioEnergy }) => framesDecoded > first.framesDecoded + 30 && audioEnergy > 0);
      expect(later.picture).not.toBe(first.picture);
      expect(later.packetsLost).toBe(0);
      expect(later.codecs.toSorted()).toEqual(['audio/opus', 'video/VP8']);
    }, 60_000);

    test('its video and audio arrive in our sinks, and it makes a key frame when we ask', async () => {
      const pc = new RTCPeerConnection({ autoClose: true });
      if (offerer === 'we offer') for (const kind of ['video', 'audio'] as const) pc.addTransceiver(kind, { direction: 'recvonly' });
      session = new Session(browser.page, pc);
      const packets = { video: 0, audio: 0 };
      let keyFrames = 0;
      const sinks = new Map<string, RtpSink>();
      pc.ontrack = ({ track }) => {
        const sink = new RtpSink(track);
        sinks.set(track.kind, sink);
        sink.onpacket = (packet) => {
          packets[track.kind as 'video' | 'audio']++;
          if (track.kind === 'video' && startsVp8KeyFrame(packet)) keyFrames++;
        };
      };
      await session.connect(offerer, { send: ['video', 'audio'] });
      await until(
        () => packets,
        ({ video, audio }) => video > 30 && audio > 50,
      );
      const before = keyFrames;
      sinks.get('video')?.requestKeyFrame();
      await until(
        () => keyFrames,
        (count) => count > before,
        2000,
      );
      for (const sink of sinks.values()) sink.close();
    }, 60_000);
  });

  test('both directions at once, with a data channel, in one bundle', async () => {
    session = new Session(browser.page);
    session.pc.addTrack(media.video.track);
    session.pc.addTrack(media.audio.track);
    await session.connect('the browser offers', { receive: ['video', 'audio'], send: ['video', 'audio'], channel: true });
    await Promise.all([session.event('video unmute'), session.event('audio unmute')]);
    await until(
      () => browser.page.evaluate(() => peer.reception()),
      ({ framesDecoded, audioPackets }) => framesDecoded > 30 && audioPackets > 50,
    );
    session.channel!.onmessage = ({ data }) => session.channel!.send(data);
    expect(await browser.page.evaluate(() => peer.echo([1, 100_000], 'binary'))).toEqual([]);
  }, 60_000);
});

/** RFC 7741 §4.2, §4.3: the first packet of a frame whose P bit is 0. */
function startsVp8KeyFrame(packet: Uint8Array): boolean {
  const extension = packet[0]! & 0x10;
  let offset = 12 + 4 * (packet[0]! & 15);
  if (extension) offset += 4 + 4 * ((packet[offset + 2]! << 8) | packet[offset + 3]!);
  const first = packet[offset]!;
  if ((first & 0x1f) !== 0x10) return false;
  offset += 1;
  if (first & 0x80) {
    const extended = packet[offset++]!;
    if (extended & 0x80) offset += packet[offset]! & 0x80 ? 2 : 1;
    if (extended & 0x40) offset += 1;
    if (extended & 0x30) offset += 1;
  }
  return (packet[offset]! & 1) === 0;
}
