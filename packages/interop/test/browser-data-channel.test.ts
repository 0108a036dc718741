import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { RTCDataChannel } from 'petrel';
import { type Offerer, Session } from '../src/session.ts';
import { describeBrowsers } from './describe-browsers.ts';

const offerers: readonly Offerer[] = ['the browser offers', 'we offer'];
const sizes = [1, 2, 100, 1200, 16_384, 65_535, 65_536, 262_143, 262_144, 0];
const types = ['string', 'binary'] as const;

describeBrowsers('data channel', (browser) => {
  let session: Session;

  describe.each(offerers)('%s', (offerer) => {
    beforeEach(async () => {
      session = new Session(browser.page);
      await session.connect(offerer, { channel: true });
    }, 30_000);
    afterEach(() => {
      session.end();
    });

    test.each(types)(
      '%s messages of 0 B to 256 KiB, echoed by us',
      async (type) => {
        session.channel!.onmessage = ({ data }) => session.channel!.send(data);
        expect(await browser.page.evaluate(([lengths, kind]) => peer.echo(lengths, kind), [sizes, type] as const)).toEqual([]);
      },
      30_000,
    );

    test.each(types)(
      '%s messages of 0 B to 256 KiB, echoed by the page',
      async (type) => {
        await browser.page.evaluate(() => {
          peer.channel!.onmessage = ({ data }) => peer.channel!.send(data);
        });
        expect(await echo(session.channel!, sizes, type)).toEqual([]);
      },
      30_000,
    );

    test('2,000 small messages there and back, in order', async () => {
      session.channel!.onmessage = ({ data }) => session.channel!.send(data);
      const many = Array.from({ length: 2000 }, (_, index) => 1 + (index % 300));
      expect(await browser.page.evaluate((lengths) => peer.echo(lengths, 'binary'), many)).toEqual([]);
    }, 30_000);
  });

  test('a channel that one side closes closes on the other, and the connection stays', async () => {
    session = new Session(browser.page);
    await session.connect('the browser offers', { channel: true });
    const second = session.pc.createDataChannel('second');
    await new Promise((resolve) => second.addEventListener('open', resolve));
    session.channel!.close();
    await browser.page.evaluate(() => peer.event('channel close').then(() => undefined));
    await session.event('channel close');
    expect(second.readyState).toBe('open');
    expect(session.pc.connectionState).toBe('connected');
    session.end();
  }, 30_000);
});

/** Sends messages of these lengths, and compares what comes back. @returns what was wrong. */
async function echo(channel: RTCDataChannel, lengths: readonly number[], type: 'string' | 'binary'): Promise<string[]> {
  const wrong: string[] = [];
  const sent = lengths.map((length, index) => {
    const bytes = Uint8Array.from({ length }, (_, at) => 32 + ((at * 7 + index) % 90));
    return type === 'string' ? new TextDecoder().decode(bytes) : bytes;
  });
  let next = 0;
  await new Promise<void>((resolve) => {
    channel.onmessage = ({ data }) => {
      const expected = sent[next++];
      const same = typeof expected === 'string' ? expected === data : Buffer.compare(new Uint8Array(data as ArrayBuffer), expected!) === 0;
      if (!same) wrong.push(`message ${next - 1}`);
      if (next === sent.length) resolve();
    };
    channel.addEventListener('close', () => (wrong.push(`closed after ${next} messages`), resolve()));
    for (const message of sent) {
      if (typeof message === 'string') channel.send(message);
      else channel.send(message);
    }
  });
  return wrong;
}
