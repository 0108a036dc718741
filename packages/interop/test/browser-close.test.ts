import { spawn } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { ConnectOptions } from '../src/page-peer.ts';
import { now, Session, until } from '../src/session.ts';
import { TestMedia } from '../src/test-media.ts';
import { bundleScript } from './bundle-script.ts';
import { describeBrowsers } from './describe-browsers.ts';

/** What the specification of the demo asks for, in milliseconds. */
const NOTICED_WITHIN = 500;
const ROUNDS = 5;

describeBrowsers('the close', (browser) => {
  let media: TestMedia;
  const open: Session[] = [];
  beforeEach(() => {
    media = new TestMedia();
  });
  afterEach(() => {
    media.stop();
    for (const session of open.splice(0)) session.end();
  });

  async function connect(page = browser.page, options: ConnectOptions = {}): Promise<Session> {
    const session = new Session(page);
    open.push(session);
    session.pc.addTrack(media.video.track);
    session.pc.addTrack(media.audio.track);
    await session.connect('the browser offers', { receive: ['video', 'audio'], send: ['video', 'audio'], channel: true, ...options });
    await Promise.all([session.event('video unmute'), session.event('audio unmute')]);
    await until(
      () => page.evaluate(() => peer.reception()),
      ({ framesDecoded }) => framesDecoded > 0,
    );
    return session;
  }

  test('pc.close() here: channel, SCTP and DTLS close there within 500 ms, with the reason', async () => {
    const delays: Record<string, number[]> = { 'channel close': [], 'sctp closed': [], 'dtls closed': [] };
    for (let round = 0; round < ROUNDS; round++) {
      const session = await connect();
      const called = now();
      session.pc.close({ reason: 'that was all' });
      expect(session.pc.connectionState).toBe('closed');
      for (const sign of Object.keys(delays)) {
        const { at } = await browser.page.evaluate((event) => peer.event(event), sign);
        delays[sign]!.push(at - called);
      }
      // Firefox closes the channel without an error event, whoever aborts the association.
      const error = await browser.page.evaluate(() => peer.events.find((event) => event.name === 'channel error')?.detail);
      expect(error ?? '').toContain(browser.name === 'chromium' ? 'that was all' : '');
      expect((await session.pc.closed).by).toBe('local');
    }
    report(`${browser.name} notices our close`, delays);
    for (const each of Object.values(delays)) expect(Math.max(...each)).toBeLessThan(NOTICED_WITHIN);
  }, 120_000);

  test('the wire carries BYE, ABORT and close_notify, in this order, each in a datagram of its own', async () => {
    const session = await connect();
    const before = session.wire.length;
    session.pc.close({ reason: 'that was all' });
    const flight = session.wire
      .slice(before)
      .filter(({ direction, layer, summary }) => direction === 'out' && !(layer === 'dtls' && summary.startsWith('ApplicationData')));
    expect(flight.slice(0, 3).map(({ layer, summary }) => [layer, /BYE|ABORT|close_notify/.exec(summary)?.[0]])).toEqual([
      ['rtcp', 'BYE'],
      ['sctp', 'ABORT'],
      ['dtls', 'close_notify'],
    ]);
    const { sent, flights, heard } = await session.pc.closed;
    expect(sent.slice(0, 3).map(({ message, count }) => [message, count])).toEqual([
      ['bye', 1],
      ['abort', 1],
      ['close_notify', 1],
    ]);
    expect(flights).toBeGreaterThanOrEqual(1);
    // Firefox answers no alert; it falls silent.
    expect(heard).toBe(browser.name === 'chromium' ? 'close_notify' : 'quiet');
  }, 60_000);

  test('the first check of the browser’s is refused with 403; the sockets close then, or after four seconds', async () => {
    const session = await connect();
    session.pc.close();
    await session.pc.closed;
    await until(
      () => session.pc.openHandles({ lingering: true }),
      (handles) => handles.length === 0,
      6000,
    );
    const refusals = session.wire
      .filter(({ summary }) => summary.includes('error 403'))
      .map(({ direction, layer }) => `${direction} ${layer}`);
    // Chromium checks every two and a half seconds, Firefox every five.
    expect(refusals).toEqual(refusals.length === 0 && browser.name === 'firefox' ? [] : ['out stun']);
    if (browser.name === 'chromium') await browser.page.evaluate(() => peer.event('connection failed'));
  }, 60_000);

  test('pc.close() in the page: channel, DTLS and tracks notice here within 500 ms', async () => {
    const delays: Record<string, number[]> = { 'channel close': [], 'dtls closed': [], 'video ended': [] };
    for (let round = 0; round < ROUNDS; round++) {
      const session = await connect();
      const called = await browser.page.evaluate(() => {
        const at = peer.now();
        peer.pc.close();
        return at;
      });
      for (const sign of Object.keys(delays)) delays[sign]!.push((await session.event(sign, 2000)).at - called);
      expect((await session.pc.closed).by).toBe('remote');
      expect(session.pc.connectionState).toBe('closed');
    }
    report(`we notice ${browser.name}'s close`, delays);
    for (const each of Object.values(delays)) expect(Math.max(...each)).toBeLessThan(NOTICED_WITHIN);
  }, 120_000);

  test('with the page helper, our close ends the page’s connection and its tracks', async () => {
    const session = await connect(browser.page, { helper: true });
    const called = now();
    session.pc.close({ reason: 'that was all' });
    const { at, detail } = await browser.page.evaluate(() => peer.event('helper closed'));
    expect(at - called).toBeLessThan(NOTICED_WITHIN);
    expect(detail).toContain(browser.name === 'chromium' ? 'that was all' : '');
    expect(await browser.page.evaluate(() => peer.pc.connectionState)).toBe('closed');
    await browser.page.evaluate(() => Promise.all([peer.event('video ended'), peer.event('audio ended')]));
  }, 60_000);

  test('the page helper does not call back when the page itself closes', async () => {
    const session = await connect(browser.page, { helper: true });
    await browser.page.evaluate(() => peer.pc.close());
    await session.event('dtls closed');
    expect(await browser.page.evaluate(() => peer.events.filter((event) => event.name === 'helper closed').length)).toBe(0);
  }, 60_000);

  test('a tab that is closed with the page helper in it is noticed like a close', async () => {
    const page = await browser.openPage();
    const session = await connect(page, { helper: true });
    const called = now();
    void page.evaluate(() => window.close()).catch(() => undefined);
    const { at } = await session.event('channel close', 5000);
    report(`we notice ${browser.name}'s closed tab`, { 'channel close': [at - called] });
    expect(at - called).toBeLessThan(2000);
  }, 60_000);

  test('the process ends by itself after the close, with nothing left open', async () => {
    await browser.page.evaluate(() => peer.create({ receive: ['video', 'audio'], channel: true }));
    const child = startServer(await browser.page.evaluate(() => peer.offer()));
    await browser.page.evaluate((answer) => peer.accept(answer), await child.line('answer'));
    await browser.page.evaluate(() => peer.event('channel open'));
    const { report: closeReport, resources } = JSON.parse(await child.line('closed'));
    expect(closeReport.by).toBe('local');
    expect(resources).toEqual([]);
    const closed = now();
    expect(await child.exitCode).toBe(0);
    expect(now() - closed).toBeLessThan(1000);
    await browser.page.evaluate(() => peer.event('dtls closed'));
  }, 60_000);
});

/** A small server in a process of its own: answers one offer, closes when its channel is open. */
function startServer(offer: string): { line(name: string): Promise<string>; exitCode: Promise<number | null> } {
  const child = spawn(process.execPath, [bundleScript('closing-server')], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(offer);
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  const exitCode = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const line = async (name: string): Promise<string> => {
    const found = await until(
      () => output.split('\n').find((each) => each.startsWith(`${name} `) && output.includes(`${each}\n`)),
      (each) => each !== undefined,
    );
    return JSON.parse(found!.slice(name.length + 1));
  };
  return { line, exitCode };
}

/** Figures are printed, so that a run can be compared with another. */
function report(title: string, delays: Record<string, readonly number[]>): void {
  const parts = Object.entries(delays).map(([sign, values]) => `${sign} ${median(values).toFixed(1)} ms`);
  process.stdout.write(`${title}, medians of ${Object.values(delays)[0]?.length}: ${parts.join(', ')}\n`);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
