import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type RTCIceCandidatePair, RTCPeerConnection } from 'petrel';
import type { Reception } from '../src/page-peer.ts';
import { Session, until } from '../src/session.ts';
import { TestMedia } from '../src/test-media.ts';
import { describeBrowsers } from './describe-browsers.ts';

describeBrowsers('negotiation', (browser) => {
  let session: Session;
  let media: TestMedia;
  beforeEach(() => {
    media = new TestMedia();
    session = new Session(browser.page);
  });
  afterEach(() => {
    media.stop();
    session.end();
  });

  /** One more exchange of descriptions. */
  async function negotiate(offerer: 'page' | 'we', options: { iceRestart?: boolean } = {}): Promise<void> {
    const { page, pc } = session;
    if (offerer === 'page') {
      if (options.iceRestart) await page.evaluate(() => peer.pc.restartIce());
      await pc.setRemoteDescription({ type: 'offer', sdp: await page.evaluate(() => peer.offer()) });
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      await page.evaluate((sdp) => peer.accept(sdp), pc.localDescription!.sdp);
    } else {
      if (options.iceRestart) pc.restartIce();
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      const sdp = await page.evaluate((offer) => peer.answer(offer), pc.localDescription!.sdp);
      await pc.setRemoteDescription({ type: 'answer', sdp });
    }
  }

  const echo = (): Promise<string[]> => browser.page.evaluate(() => peer.echo([1, 5000], 'binary'));
  const reception = (): Promise<Reception> => browser.page.evaluate(() => peer.reception());
  const frames = async (): Promise<number> => (await reception()).framesDecoded;

  async function connectWithEcho(): Promise<void> {
    await session.connect('the browser offers', { channel: true });
    session.channel!.onmessage = ({ data }) => session.channel!.send(data);
    expect(await echo()).toEqual([]);
  }

  test('candidates one by one, in both directions (RFC 8838)', async () => {
    const pc = new RTCPeerConnection({ autoClose: true });
    session = new Session(browser.page, pc);
    const ours: (object | null)[] = [];
    pc.onicecandidate = ({ candidate }) => void ours.push(candidate?.toJSON() ?? null);
    const offer = await browser.page.evaluate(async () => {
      peer.create({ channel: true });
      await peer.pc.setLocalDescription();
      return peer.pc.localDescription!.sdp;
    });
    await pc.setRemoteDescription({ type: 'offer', sdp: offer });
    await pc.setLocalDescription();
    await browser.page.evaluate((sdp) => peer.accept(sdp), pc.localDescription!.sdp);
    await pc.iceGatheringComplete;
    await until(
      () => ours,
      (all) => all.at(-1) === null,
    );
    for (const candidate of ours)
      if (candidate) await browser.page.evaluate((init) => peer.pc.addIceCandidate(init), candidate as RTCIceCandidateInit);
    await browser.page.evaluate(() => peer.pc.addIceCandidate());
    await session.event('channel open');
  }, 30_000);

  test('media added to a connection that has a channel: by us', async () => {
    await connectWithEcho();
    session.pc.addTrack(media.video.track);
    await negotiate('we');
    await until(frames, (count) => count > 10);
    expect(await echo()).toEqual([]);
  }, 30_000);

  test('media added to a connection that has a channel: by the page', async () => {
    await connectWithEcho();
    session.pc.addTrack(media.video.track);
    await browser.page.evaluate(() => void peer.pc.addTransceiver('video', { direction: 'recvonly' }));
    await negotiate('page');
    await until(frames, (count) => count > 10);
    expect(await echo()).toEqual([]);
  }, 30_000);

  test('a channel added to a connection that has media', async () => {
    session.pc.addTrack(media.video.track);
    await session.connect('the browser offers', { receive: ['video'] });
    await browser.page.evaluate(() => {
      const channel = peer.pc.createDataChannel('late');
      channel.binaryType = 'arraybuffer';
      peer.channel = channel;
      channel.onopen = () => peer.events.push({ at: peer.now(), name: 'late open' });
    });
    await negotiate('page');
    await session.event('channel open');
    session.channel!.onmessage = ({ data }) => session.channel!.send(data);
    await until(
      () => browser.page.evaluate(() => peer.events.some((event) => event.name === 'late open')),
      (open) => open,
    );
    expect(await echo()).toEqual([]);
  }, 30_000);

  test('a sender that stops and starts again: the page’s track mutes and unmutes, and the picture goes on', async () => {
    session.pc.addTrack(media.video.track);
    await session.connect('the browser offers', { receive: ['video'] });
    await until(frames, (count) => count > 5);
    const [transceiver] = session.pc.getTransceivers();
    transceiver!.direction = 'inactive';
    await negotiate('we');
    expect(await browser.page.evaluate(() => peer.pc.getTransceivers()[0]!.currentDirection)).toBe('inactive');
    await browser.page.evaluate(() => peer.event('video mute'));
    transceiver!.direction = 'sendonly';
    await negotiate('we');
    await browser.page.evaluate(() => void (peer.pc.getTransceivers()[0]!.direction = 'recvonly'));
    await negotiate('page');
    const before = await frames();
    await until(frames, (count) => count > before + 10);
  }, 30_000);

  test.each(['page', 'we'] as const)(
    'ICE restart, offered by %s: the channel and the picture go on, nothing is lost',
    async (offerer) => {
      session.pc.addTrack(media.video.track);
      await session.connect('the browser offers', { receive: ['video'], channel: true });
      session.channel!.onmessage = ({ data }) => session.channel!.send(data);
      await until(frames, (count) => count > 20);
      const fragments = (): string[] =>
        [session.pc.localDescription, session.pc.remoteDescription].map((description) => /ice-ufrag:(\S+)/.exec(description!.sdp)![1]!);
      const selected = (): RTCIceCandidatePair => session.pc.sctp!.transport.iceTransport.getSelectedCandidatePair()!;
      const before = { frames: await frames(), fragments: fragments(), port: selected().remote.port };
      await negotiate(offerer, { iceRestart: true });
      for (const [index, fragment] of fragments().entries()) expect(fragment).not.toBe(before.fragments[index]);
      // What we send moves to the pair of the new credentials: a browser has new ports for them.
      await until(
        () => [selected().local.usernameFragment, selected().remote.usernameFragment],
        (names) => names.join() === fragments().join(),
      );
      expect(selected().remote.port).not.toBe(before.port);
      const requests = (): number => session.wire.filter(({ layer, direction }) => layer === 'stun' && direction === 'in').length;
      const checks = requests();
      await until(requests, (count) => count > checks);
      expect(await echo()).toEqual([]);
      await until(reception, ({ framesDecoded }) => framesDecoded > before.frames + 20);
      expect(session.pc.connectionState).toBe('connected');
      expect(session.wire.filter(({ summary }) => summary.includes('ClientHello')).length).toBeLessThanOrEqual(2);
    },
    30_000,
  );

  test('channels with options: unordered, limited, negotiated', async () => {
    await browser.page.evaluate(() => {
      peer.create({ channel: true });
      for (const [label, options] of [
        ['unordered', { ordered: false }],
        ['retransmits', { maxRetransmits: 3, ordered: false, protocol: 'p' }],
        ['lifetime', { maxPacketLifeTime: 500 }],
      ] as const)
        peer.pc.createDataChannel(label, options);
      const negotiated = peer.pc.createDataChannel('negotiated', { negotiated: true, id: 100 });
      negotiated.onmessage = ({ data }) => negotiated.send(`${data} back`);
    });
    const { pc } = session;
    const ours = pc.createDataChannel('ours', { negotiated: true, id: 100 });
    const seen: object[] = [];
    pc.addEventListener('datachannel', (event) => {
      const { label, ordered, maxRetransmits, maxPacketLifeTime, protocol } = (event as unknown as { channel: RTCDataChannel }).channel;
      seen.push({ label, ordered, maxRetransmits, maxPacketLifeTime, protocol });
    });
    await negotiate('page');
    await until(
      () => seen,
      ({ length }) => length === 4,
    );
    expect(seen).toEqual(
      expect.arrayContaining([
        { label: 'test', ordered: true, maxRetransmits: null, maxPacketLifeTime: null, protocol: '' },
        { label: 'unordered', ordered: false, maxRetransmits: null, maxPacketLifeTime: null, protocol: '' },
        { label: 'retransmits', ordered: false, maxRetransmits: 3, maxPacketLifeTime: null, protocol: 'p' },
        { label: 'lifetime', ordered: true, maxRetransmits: null, maxPacketLifeTime: 500, protocol: '' },
      ]),
    );
    const reply = new Promise((resolve) => (ours.onmessage = ({ data }) => resolve(data)));
    await until(
      () => ours.readyState,
      (state) => state === 'open',
    );
    ours.send('there and');
    expect(await reply).toBe('there and back');
  }, 30_000);

  test('tracks replaced without negotiation, and stopped', async () => {
    const sender = session.pc.addTrack(media.video.track);
    await session.connect('the browser offers', { receive: ['video'] });
    await until(frames, (count) => count > 5);
    await sender.replaceTrack(null);
    await until(
      async () => {
        const one = await frames();
        await new Promise((resolve) => setTimeout(resolve, 300));
        return (await frames()) - one;
      },
      (difference) => difference === 0,
    );
    const other = new TestMedia();
    await sender.replaceTrack(other.video.track);
    const before = await frames();
    await until(frames, (count) => count > before + 10);
    other.stop();
  }, 30_000);

  test('getStats of both sides agree on what was sent and received', async () => {
    session.pc.addTrack(media.video.track);
    session.pc.addTrack(media.audio.track);
    await session.connect('the browser offers', { receive: ['video', 'audio'] });
    await until(frames, (count) => count > 60);
    const report = await session.pc.getStats();
    const stats = [...report.values()] as Record<string, unknown>[];
    const outbound = stats.filter(({ type }) => type === 'outbound-rtp');
    expect(outbound.map(({ kind }) => kind).toSorted()).toEqual(['audio', 'video']);
    const remote = stats.filter(({ type }) => type === 'remote-inbound-rtp');
    expect(remote.length).toBeGreaterThan(0);
    for (const one of remote) expect(one['packetsLost']).toBe(0);
    const pair = stats.find(({ type, nominated }) => type === 'candidate-pair' && nominated === true);
    expect(pair).toMatchObject({ state: 'succeeded' });
    const received = (await browser.page.evaluate(() => peer.reception())).framesDecoded;
    const video = outbound.find(({ kind }) => kind === 'video')!;
    expect(Number(video['framesSent'])).toBeGreaterThanOrEqual(60);
    expect(received).toBeGreaterThanOrEqual(60);
  }, 30_000);
});
