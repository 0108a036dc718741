import { afterEach, expect, test } from '@jest/globals';
import { RTCPeerConnection, type TapRecord } from 'petrel';
import { now, Session, until } from '../src/session.ts';
import { describeBrowsers } from './describe-browsers.ts';

describeBrowsers('a close before the connection is complete', (browser) => {
  let pc: RTCPeerConnection;
  const wire: TapRecord[] = [];
  afterEach(() => {
    wire.length = 0;
    pc.close({ linger: 0 });
  });

  /** The page's offer is answered; the connection closes when the first packet comes that `when` recognizes. @returns when that was. */
  async function closeWhen(when: (record: TapRecord) => boolean): Promise<number> {
    pc = new RTCPeerConnection({ autoClose: true });
    let called = 0;
    pc.tap = (record) => {
      wire.push(record);
      if (called > 0 || !when(record)) return;
      called = now();
      // As soon as the datagram has been dealt with, before the next one.
      process.nextTick(() => pc.close({ reason: 'changed its mind' }));
    };
    await browser.page.evaluate(() => peer.create({ channel: true }));
    await pc.setRemoteDescription({ type: 'offer', sdp: await browser.page.evaluate(() => peer.offer()) });
    await pc.setLocalDescription();
    await pc.iceGatheringComplete;
    await browser.page.evaluate((sdp) => peer.accept(sdp), pc.localDescription?.sdp ?? '');
    await until(
      () => called,
      (time) => time > 0,
    );
    return called;
  }

  test('during gathering: nothing is sent, and `closed` resolves', async () => {
    pc = new RTCPeerConnection();
    pc.tap = (record) => void wire.push(record);
    pc.createDataChannel('never');
    await pc.setLocalDescription();
    pc.close();
    expect(await pc.closed).toMatchObject({ by: 'local', heard: 'nothing', sent: [], flights: 0 });
    await until(
      () => pc.openHandles(),
      ({ length }) => length === 0,
    );
    expect(wire).toEqual([]);
  });

  test('during the checks: `closed` resolves at once, and no socket stays', async () => {
    await closeWhen(({ layer }) => layer === 'stun');
    const { by, heard } = await pc.closed;
    expect([by, heard]).toEqual(['local', 'nothing']);
    await until(
      () => pc.openHandles(),
      ({ length }) => length === 0,
      5000,
    );
  }, 30_000);

  test('during the DTLS handshake: the page’s connection fails within 500 ms', async () => {
    const called = await closeWhen(({ layer }) => layer === 'dtls');
    const { at } = await browser.page.evaluate(() => peer.event('connection failed'));
    expect(at - called).toBeLessThan(500);
    expect(await pc.closed).toMatchObject({ by: 'local', heard: 'nothing' });
    expect(wire.some(({ direction, summary }) => direction === 'out' && summary.includes('close_notify'))).toBe(true);
  }, 30_000);

  test('before SCTP is there: DTLS closes in the page within 500 ms', async () => {
    const called = await closeWhen(({ layer, direction }) => layer === 'sctp' && direction === 'out');
    const { at } = await browser.page.evaluate(() => peer.event('dtls closed'));
    expect(at - called).toBeLessThan(500);
    expect((await pc.closed).by).toBe('local');
  }, 30_000);

  test('right after an ICE restart has been offered: the pair in use carries the goodbye', async () => {
    const session = new Session(browser.page);
    ({ pc } = session);
    await session.connect('we offer', { channel: true });
    pc.restartIce();
    await pc.setLocalDescription();
    const called = now();
    pc.close();
    const { at } = await browser.page.evaluate(() => peer.event('dtls closed'));
    expect(at - called).toBeLessThan(500);
  }, 30_000);
});
