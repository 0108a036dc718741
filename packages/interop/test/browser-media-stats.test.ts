/** What both sides say about one call: their statistics next to each other, and what they do about loss. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { RtpPacket } from '@petrel/rtp';
import { seededRandom } from '@petrel/testing';
import { RTCPeerConnection, type RTCTrackEvent, RtpSink } from 'petrel';
import { LossyRelay } from '../src/lossy-relay.ts';
import { pause, Session, until } from '../src/session.ts';
import { TestMedia } from '../src/test-media.ts';
import { describeBrowser } from './describe-browsers.ts';
import { ownAddress } from './own-address.ts';

type Stats = Record<string, unknown>;
type RtpType = 'inbound-rtp' | 'outbound-rtp' | 'remote-inbound-rtp' | 'remote-outbound-rtp';
/** Packets that are on their way when the one side is asked after the other. */
const IN_FLIGHT = 20;
/** Milliseconds; Chromium answers `getStats()` for up to 50 ms with the report that it gave last. */
const REPORT_LIFETIME = 60;

describeBrowser('chromium', 'statistics of RTP streams', (browser) => {
  let media: TestMedia;
  beforeAll(() => {
    media = new TestMedia();
  });
  afterAll(() => media?.stop());

  const theirs = async (): Promise<Stats[]> => {
    await pause(REPORT_LIFETIME);
    return browser.page.evaluate(async () => [...((await peer.pc.getStats()) as unknown as Map<string, Record<string, unknown>>).values()]);
  };

  test("both sides' counters of one stream agree; jitter and round-trip time are those of a loopback", async () => {
    const session = new Session(browser.page);
    session.pc.addTrack(media.video.track);
    session.pc.addTrack(media.audio.track);
    await session.connect('the browser offers', { receive: ['video', 'audio'], send: ['video', 'audio'] });
    await until(
      async () => (await theirs()).filter(({ type, roundTripTime }) => type === 'remote-inbound-rtp' && roundTripTime !== undefined).length,
      (measured) => measured === 2,
    );
    await until(
      async () =>
        (await ours(session)).filter(({ type, roundTripTime }) => type === 'remote-inbound-rtp' && roundTripTime !== undefined).length,
      (measured) => measured === 2,
    );
    const before = await ours(session);
    const there = await theirs();
    const after = await ours(session);
    for (const kind of ['video', 'audio'] as const) {
      // From us to the browser.
      const [sent, received, sentLater] = [
        of(before, 'outbound-rtp', kind),
        of(there, 'inbound-rtp', kind),
        of(after, 'outbound-rtp', kind),
      ];
      expect(received['ssrc']).toBe(sent['ssrc']);
      expect(number(received, 'packetsReceived')).toBeGreaterThanOrEqual(number(sent, 'packetsSent') - IN_FLIGHT);
      expect(number(received, 'packetsReceived')).toBeLessThanOrEqual(number(sentLater, 'packetsSent'));
      expect(number(received, 'bytesReceived')).toBeGreaterThanOrEqual(
        number(sent, 'bytesSent') * (1 - IN_FLIGHT / number(sent, 'packetsSent')) - 1200,
      );
      expect(number(received, 'bytesReceived')).toBeLessThanOrEqual(number(sentLater, 'bytesSent'));
      // From the browser to us.
      const [arrivedBefore, left, arrived] = [
        of(before, 'inbound-rtp', kind),
        of(there, 'outbound-rtp', kind),
        of(after, 'inbound-rtp', kind),
      ];
      expect(arrived['ssrc']).toBe(left['ssrc']);
      expect(number(arrivedBefore, 'packetsReceived')).toBeLessThanOrEqual(number(left, 'packetsSent'));
      // Its count has what it pads for probing, too.
      expect(number(arrived, 'packetsReceived')).toBeGreaterThan(number(left, 'packetsSent') / 2);
      expect(number(arrivedBefore, 'bytesReceived')).toBeLessThanOrEqual(number(left, 'bytesSent'));
      // What each says that the other has said.
      for (const remote of [of(after, 'remote-inbound-rtp', kind), of(there, 'remote-inbound-rtp', kind)]) {
        expect([remote['packetsLost'], remote['fractionLost']]).toEqual([0, 0]);
        expect(number(remote, 'roundTripTime')).toBeGreaterThanOrEqual(0);
        expect(number(remote, 'roundTripTime')).toBeLessThan(0.5);
        expect(number(remote, 'jitter')).toBeLessThan(0.5);
      }
      expect(number(of(after, 'remote-outbound-rtp', kind), 'packetsSent')).toBeLessThanOrEqual(
        number(of(await theirs(), 'outbound-rtp', kind), 'packetsSent'),
      );
      for (const inbound of [arrived, received]) {
        expect(inbound['packetsLost']).toBe(0);
        expect(number(inbound, 'jitter')).toBeLessThan(0.5);
      }
    }
    session.end();
  }, 40_000);

  test('5 % lost: NACK and RTX recover what was lost, both ways, and frames keep being decoded', async () => {
    const relay = await LossyRelay.open(ownAddress(), seededRandom(11).fraction);
    const session = new Session(browser.page, new RTCPeerConnection());
    session.relay = relay;
    session.pc.addTrack(media.video.track);
    session.pc.addTrack(media.audio.track);
    const sequenceNumbers = new Set<number>();
    let first = 0;
    let last = 0;
    const packet = new RtpPacket();
    session.pc.addEventListener('track', (event) => {
      const { track } = event as RTCTrackEvent;
      if (track.kind !== 'video') return;
      new RtpSink(track).onpacket = (bytes) => {
        packet.read(bytes);
        if (sequenceNumbers.size === 0) first = last = packet.sequenceNumber;
        sequenceNumbers.add(packet.sequenceNumber);
        if (((packet.sequenceNumber - last) & 0xffff) < 0x8000) last = packet.sequenceNumber;
      };
    });
    await session.connect('the browser offers', { receive: ['video', 'audio'], send: ['video', 'audio'], channel: true });
    const decoded = async (): Promise<number> => (await browser.page.evaluate(() => peer.reception())).framesDecoded;
    const before = await until(decoded, (frames) => frames > 10);
    relay.loss = 0.05;
    await until(decoded, (frames) => frames > before + 90, 20_000);
    relay.loss = 0;
    await pause(1000);
    const [here, there] = [await ours(session), await theirs()];
    for (const [sender, receiver] of [
      [of(here, 'outbound-rtp', 'video'), of(there, 'inbound-rtp', 'video')],
      [of(there, 'outbound-rtp', 'video'), of(here, 'inbound-rtp', 'video')],
    ] as const) {
      expect(number(sender, 'nackCount')).toBeGreaterThan(0);
      expect(number(receiver, 'nackCount')).toBeGreaterThan(0);
      expect(number(sender, 'retransmittedPacketsSent')).toBeGreaterThan(0);
      expect(number(receiver, 'retransmittedPacketsReceived')).toBeGreaterThan(0);
    }
    // All of the browser's packets are here, though one in twenty was lost.
    const expected = ((last - first) & 0xffff) + 1;
    process.stdout.write(`chromium at 5 % loss: ${sequenceNumbers.size} of ${expected} packets of its video after recovery\n`);
    expect(sequenceNumbers.size).toBeGreaterThanOrEqual(expected * 0.995);
    session.end();
    relay.close();
  }, 60_000);
});

async function ours(session: Session): Promise<Stats[]> {
  return [...(await session.pc.getStats()).values()] as unknown as Stats[];
}

function of(stats: readonly Stats[], type: RtpType, kind: 'audio' | 'video'): Stats {
  return stats.find((entry) => entry['type'] === type && entry['kind'] === kind)!;
}

function number(stats: Stats, name: string): number {
  expect(typeof stats[name]).toBe('number');
  return stats[name] as number;
}
