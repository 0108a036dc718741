import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { seededRandom } from '@petrel/testing';
import { LossyRelay } from '../src/lossy-relay.ts';
import { now, Session, until } from '../src/session.ts';
import { TestMedia } from '../src/test-media.ts';
import { describeBrowsers } from './describe-browsers.ts';
import { ownAddress } from './own-address.ts';

const ROUNDS = 4;

describeBrowsers('the close over a path that loses datagrams', (browser) => {
  let media: TestMedia;
  beforeAll(() => {
    media = new TestMedia();
  });
  afterAll(() => media?.stop());

  async function connect(relay: LossyRelay): Promise<Session> {
    const session = new Session(browser.page);
    session.relay = relay;
    session.pc.addTrack(media.video.track);
    session.pc.addTrack(media.audio.track);
    await session.connect('the browser offers', { receive: ['video', 'audio'], send: ['video', 'audio'], channel: true });
    await Promise.all([session.event('video unmute'), session.event('audio unmute')]);
    await until(
      () => browser.page.evaluate(() => peer.reception()),
      ({ framesDecoded }) => framesDecoded > 0,
    );
    return session;
  }

  test.each([10, 30, 50])(
    '%d %% lost: DTLS is closed in the page within a second of our close',
    async (percent) => {
      const delays: number[] = [];
      const flights: number[] = [];
      const random = seededRandom(percent).fraction;
      for (let round = 0; round < ROUNDS; round++) {
        const relay = await LossyRelay.open(ownAddress(), random);
        const session = await connect(relay);
        relay.loss = percent / 100;
        const called = now();
        session.pc.close({ reason: 'enough' });
        const { at } = await browser.page.evaluate(() => peer.event('dtls closed'));
        delays.push(at - called);
        flights.push((await session.pc.closed).flights);
        relay.close();
      }
      const slowest = Math.max(...delays);
      process.stdout.write(
        `${browser.name} at ${percent} % loss: DTLS closed after ${delays.map((ms) => ms.toFixed(0)).join(', ')} ms; flights ${flights.join(', ')}\n`,
      );
      expect(slowest).toBeLessThan(percent < 50 ? 1000 : 2000);
    },
    120_000,
  );

  test('5 % lost: data arrives complete and in order, and the picture goes on', async () => {
    const relay = await LossyRelay.open(ownAddress(), seededRandom(7).fraction);
    const session = await connect(relay);
    session.channel!.onmessage = ({ data }) => session.channel!.send(data);
    relay.loss = 0.05;
    expect(await browser.page.evaluate(() => peer.echo([1, 70_000, 1000, 262_144, 10], 'binary'))).toEqual([]);
    const before = (await browser.page.evaluate(() => peer.reception())).framesDecoded;
    await until(
      () => browser.page.evaluate(() => peer.reception()),
      ({ framesDecoded }) => framesDecoded > before + 30,
    );
    relay.loss = 0;
    session.end();
    relay.close();
  }, 60_000);
});
