/** Issue sizes with PETREL_INTEROP=full (`npm run interop-full`), a tenth or less otherwise: 100 MiB, 10,000 messages, 500 channels. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { seededRandom } from '@petrel/testing';
import type { Page } from '../src/browser-page.ts';
import {
  answerChannels,
  type Channel,
  type Connection,
  openAndClose,
  receiveBulk,
  receiveMany,
  sendBulk,
  sendMany,
  sendPaced,
} from '../src/data-exchange.ts';
import { LossyRelay } from '../src/lossy-relay.ts';
import { NativePeer } from '../src/native-process.ts';
import { type Offerer, Session, until } from '../src/session.ts';
import { describeBrowsers } from './describe-browsers.ts';
import { describeWith } from './describe-with.ts';
import { ownAddress } from './own-address.ts';
import '../src/page-exchange.ts';

const isFull = process.env['PETREL_INTEROP'] === 'full';
const BULK = isFull ? 100 * 1_048_576 : 2 * 1_048_576;
const MESSAGES = isFull ? 10_000 : 1000;
const CHANNELS = isFull ? 500 : 30;
const PATIENCE = isFull ? 600_000 : 60_000;

describeBrowsers('data at length', exchangeWith);

for (const name of ['node-datachannel', 'wrtc'] as const)
  describeWith(name, `${name}: data at length`, () => {
    let native: NativePeer;
    beforeAll(() => {
      native = new NativePeer(name);
    });
    exchangeWith({
      get page() {
        return native;
      },
    });
    afterAll(() => native?.close());
  });

function exchangeWith(there: { readonly page: Page }): void {
  let session: Session;
  afterEach(() => session?.end());

  const connect = async (offerer: Offerer, relay?: LossyRelay): Promise<{ page: Page; channel: Channel; pc: Connection }> => {
    session = new Session(there.page);
    session.relay = relay;
    session.pc.tap = null; // everything would be kept
    await session.connect(offerer, { channel: true });
    return { page: session.page, channel: session.channel as unknown as Channel, pc: session.pc as unknown as Connection };
  };

  test.each(['the browser offers', 'we offer'] as const)(
    'C23: bulk data, hash-verified, and many small messages in order, both directions: %s',
    async (offerer) => {
      const { page, channel } = await connect(offerer);
      await page.evaluate((length) => exchange.begin(exchange.receiveBulk(peer.channel!, length)), BULK);
      expect(await sendBulk(channel, BULK, 65_536)).toBe(await outcome(page));
      const bulk = receiveBulk(channel, BULK);
      await page.evaluate((length) => exchange.begin(exchange.sendBulk(peer.channel!, length, 65_536)), BULK);
      expect(await bulk).toBe(await outcome(page));
      await page.evaluate((count) => exchange.begin(exchange.receiveMany(peer.channel!, count)), MESSAGES);
      await sendMany(channel, MESSAGES);
      expect(await outcome(page)).toEqual({ received: MESSAGES, wrong: 0 });
      const many = receiveMany(channel, MESSAGES);
      await page.evaluate((count) => exchange.begin(exchange.sendMany(peer.channel!, count)), MESSAGES);
      expect(await many).toEqual({ received: MESSAGES, wrong: 0 });
    },
    PATIENCE,
  );

  test(
    'channels that are opened and closed, by us and by the peer',
    async () => {
      const { page, pc } = await connect('we offer');
      await page.evaluate(() => {
        Object.assign(globalThis, { counts: exchange.answerChannels(peer.pc) });
      });
      expect(await openAndClose(pc, CHANNELS)).toBe(CHANNELS);
      const all = { opened: CHANNELS, messages: CHANNELS, closed: CHANNELS };
      await until(
        () => page.evaluate(() => (globalThis as unknown as { counts: typeof all }).counts),
        (counts) => JSON.stringify(counts) === JSON.stringify(all),
      );
      const ours = answerChannels(pc);
      await page.evaluate((count) => exchange.begin(exchange.openAndClose(peer.pc, count)), CHANNELS);
      expect(await outcome(page)).toBe(CHANNELS);
      await until(
        () => ours,
        (counts) => JSON.stringify(counts) === JSON.stringify(all),
      );
    },
    PATIENCE,
  );

  test(
    'partial reliability over a path that loses 5 %: what is not sent again is missing, the rest and what is reliable arrives',
    async () => {
      const relay = await LossyRelay.open(ownAddress(), seededRandom(11).fraction);
      const { page, channel, pc } = await connect('we offer', relay);
      await page.evaluate(() => {
        const counts = { ours: 0 };
        Object.assign(globalThis, { counts, reliable: peer.channel });
        peer.pc.addEventListener('datachannel', (event) => {
          Object.assign(globalThis, { partial: event.channel });
          event.channel.addEventListener('message', () => counts.ours++);
        });
      });
      const partial = pc.createDataChannel('partial', { ordered: false, maxRetransmits: 0 });
      await new Promise<void>((resolve) => partial.addEventListener('open', () => resolve()));
      let received = 0;
      partial.addEventListener('message', () => received++);
      relay.loss = 0.05;
      await sendPaced(partial, 1000);
      await page.evaluate(() => exchange.begin(exchange.sendPaced((globalThis as unknown as { partial: Channel }).partial, 1000)));
      await outcome(page);
      const many = receiveMany(channel, 300);
      await page.evaluate(() => exchange.begin(exchange.sendMany((globalThis as unknown as { reliable: Channel }).reliable, 300)));
      expect(await many).toEqual({ received: 300, wrong: 0 });
      await page.evaluate(() => exchange.begin(exchange.receiveMany((globalThis as unknown as { reliable: Channel }).reliable, 300)));
      await sendMany(channel, 300);
      expect(await outcome(page)).toEqual({ received: 300, wrong: 0 });
      const counted = await page.evaluate(() => (globalThis as unknown as { counts: { ours: number } }).counts.ours);
      for (const count of [counted, received]) {
        expect(count).toBeGreaterThan(700);
        expect(count).toBeLessThan(1000);
      }
      relay.loss = 0;
      relay.close();
    },
    PATIENCE,
  );

  test('the close from each side is noticed on the other', async () => {
    const first = await connect('we offer');
    session.pc.close({ linger: 0 });
    expect((await first.page.evaluate(() => peer.event('channel close'))).name).toBe('channel close');
    await connect('the browser offers');
    await session.page.evaluate(() => peer.pc.close());
    await session.event('channel close');
  }, 40_000);
}

/** What the page has begun has given, at the latest when the patience is over. */
async function outcome(page: Page): Promise<unknown> {
  const found = await until(
    () => page.evaluate(() => exchange.outcome() ?? null),
    (known) => known !== null,
    PATIENCE,
  );
  if (found!.error !== undefined) throw new Error(found!.error);
  return found!.value;
}
