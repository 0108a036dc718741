import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { type EncodedFrame, FrameSink, FrameSource, RTCPeerConnection, type ReceivedFrame, RTCRtpSender as Sender } from 'petrel';
import type { BrowserName } from '../src/browser.ts';
import { decodeFrames, encodeTestFrames } from '../src/ffmpeg-tools.ts';
import { Session, until } from '../src/session.ts';
import { describeBrowsers } from './describe-browsers.ts';
import { describeWith } from './describe-with.ts';

/** All codecs that the browser has, in few connections. Firefox has H264 only with a plugin that it downloads. */
const pairs: Readonly<Record<BrowserName, readonly (readonly [video: string, audio: string])[]>> = {
  chromium: [
    ['video/VP8', 'audio/opus'],
    ['video/VP9', 'audio/PCMU'],
    ['video/H264', 'audio/PCMA'],
    ['video/AV1', 'audio/G722'],
  ],
  firefox: [
    ['video/VP8', 'audio/opus'],
    ['video/VP9', 'audio/PCMU'],
    ['video/VP8', 'audio/PCMA'],
    ['video/AV1', 'audio/G722'],
  ],
};
const ENOUGH = 20;

describeWith('ffmpeg', 'frames of ffmpeg and of browsers', (ffmpeg) => {
  const files = new Map<string, EncodedFrame[]>();
  beforeAll(async () => {
    await Promise.all(pairs.chromium.flat().map(async (mimeType) => files.set(mimeType, await encodeTestFrames(ffmpeg, mimeType, 1))));
  }, 60_000);

  describeBrowsers('frames', (browser) => {
    let session: Session | undefined;
    const players: Player[] = [];
    afterEach(() => {
      for (const player of players.splice(0)) player.stop();
      session?.end();
    });

    /** A player of a file, and where the browser's frames go. */
    function addMedia(
      pc: RTCPeerConnection,
      mimeType: string,
    ): { player: Player; received: ReceivedFrame[]; sink: () => FrameSink | undefined } {
      const player = new Player(mimeType, files.get(mimeType)!);
      players.push(player);
      const sender = pc.addTrack(player.source.track);
      const transceiver = pc.getTransceivers().find((each) => each.sender === sender)!;
      transceiver.setCodecPreferences(only(mimeType));
      const received: ReceivedFrame[] = [];
      let sink: FrameSink | undefined;
      pc.addEventListener('track', (event) => {
        const { receiver } = event as unknown as { receiver: typeof transceiver.receiver };
        if (receiver.track.kind !== player.source.track.kind) return;
        sink = new FrameSink(receiver);
        sink.onframe = (frame) => received.push(frame);
      });
      return { player, received, sink: () => sink };
    }

    test.each(pairs[browser.name])(
      '%s and %s: it decodes our frames, and ffmpeg decodes those of its own',
      async (videoType, audioType) => {
        const pc = new RTCPeerConnection({ autoClose: true });
        session = new Session(browser.page, pc);
        const video = addMedia(pc, videoType);
        const audio = addMedia(pc, audioType);
        await session.connect('we offer', { receive: ['video', 'audio'], send: ['video', 'audio'] });
        const reception = await until(
          () => browser.page.evaluate(() => peer.reception()),
          ({ framesDecoded, audioEnergy, picture }) => framesDecoded >= ENOUGH && audioEnergy > 0 && picture > 0,
        );
        expect(reception.packetsLost).toBe(0);
        expect(reception.codecs.toSorted()).toEqual([audioType, videoType]);
        await until(
          () => [video.received.length, audio.received.length],
          ([pictures, sounds]) => pictures! >= ENOUGH && sounds! >= ENOUGH,
        );
        expect(video.received[0]!.keyFrame).toBe(true);
        expect(video.sink()!.statistics).toMatchObject({ packetsLost: 0 });
        const [pictures, sounds] = [video.received.slice(0, ENOUGH), audio.received.slice(0, ENOUGH)];
        expect(await decodeFrames(ffmpeg, videoType, pictures)).toEqual({ frames: ENOUGH, complaint: '' });
        expect(await decodeFrames(ffmpeg, audioType, sounds)).toMatchObject({ complaint: '', frames: expect.any(Number) });
      },
      60_000,
    );
  });
});

/** Plays a file in a loop, at its pace; a request for a key frame makes it begin anew. */
class Player {
  readonly source: FrameSource;
  #stopped = false;
  #position = 0;

  constructor(mimeType: string, frames: readonly EncodedFrame[]) {
    this.source = new FrameSource(mimeType);
    this.source.onkeyframerequest = () => (this.#position = 0);
    void this.#play(frames);
  }

  stop(): void {
    this.#stopped = true;
  }

  async #play(frames: readonly EncodedFrame[]): Promise<void> {
    const step = frames[1]!.timestamp - frames[0]!.timestamp;
    const writer = this.source.writable.getWriter();
    for (let timestamp = 0; !this.#stopped; timestamp = (timestamp + step) >>> 0)
      await writer.write({ ...frames[this.#position++ % frames.length]!, timestamp });
  }
}

function only(mimeType: string): { mimeType: string; clockRate: number }[] {
  const [kind] = mimeType.split('/');
  const codecs = Sender.getCapabilities(kind!)?.codecs ?? [];
  return codecs.filter((codec) => codec.mimeType === mimeType);
}
