import { describe, expect, test } from '@jest/globals';
import { type RTCDataChannel, type RTCDataChannelEvent, type RTCErrorEvent, RTCPeerConnection, RtpSource } from '../src/index.ts';
import { type PeerTransport } from '../src/peer-transport.ts';
import { peerConnectionSlots } from '../src/rtc-peer-connection.ts';
import { PeerPair } from './peer-pair.ts';

/** What the receiving side shows a moment after a message, and the events in between. */
interface Effects {
  readonly track: string;
  readonly channel: string;
  readonly sctp: string;
  readonly dtls: string;
  readonly ice: string;
  readonly connection: string;
  readonly events: readonly string[];
}

const UNCHANGED: Effects = {
  track: 'live',
  channel: 'open',
  sctp: 'connected',
  dtls: 'connected',
  ice: 'completed',
  connection: 'connected',
  events: [],
};

interface Scene {
  readonly pair: PeerPair;
  readonly b: RTCPeerConnection;
  /** Of the side that speaks. */
  readonly transport: PeerTransport;
  readonly channel: RTCDataChannel;
  readonly events: string[];
  stopMedia(): void;
}

/** `a` sends sound to `b`, and both have a channel; `b` notes what happens. */
async function scene(autoClose = false): Promise<Scene> {
  const pair = new PeerPair({ b: { autoClose } });
  const events: string[] = [];
  const source = new RtpSource('audio');
  pair.a.addTrack(source.track);
  let channel: RTCDataChannel | undefined;
  pair.b.ondatachannel = (event: RTCDataChannelEvent) => (channel = event.channel);
  const own = pair.a.createDataChannel('x');
  await pair.connect();
  let sequenceNumber = 0;
  let isSending = true;
  let cancel: (() => void) | undefined;
  const tick = (): void => {
    sequenceNumber += 1;
    if (isSending) source.write(Uint8Array.from([0x80, 111, 0, sequenceNumber & 0xff, 0, 0, sequenceNumber, 1, 0, 0, 0, 2, 1, 2, 3, 4]));
    cancel = pair.network.clock.schedule(pair.network.now() + 20, tick);
  };
  tick();
  const { b } = pair;
  const { track } = b.getReceivers()[0]!;
  await pair.until(() => own.readyState === 'open' && channel?.readyState === 'open' && !track.muted);
  for (const type of ['mute', 'unmute', 'ended']) track.addEventListener(type, () => events.push(`track ${type}`));
  for (const type of ['closing', 'close']) channel!.addEventListener(type, () => events.push(`channel ${type}`));
  channel!.addEventListener('error', (event) => events.push(`channel error: ${(event as RTCErrorEvent).error.message}`));
  const { sctp } = b as { sctp: NonNullable<RTCPeerConnection['sctp']> };
  sctp.addEventListener('statechange', () => events.push(`sctp ${sctp.state}`));
  sctp.transport.addEventListener('statechange', () => events.push(`dtls ${sctp.transport.state}`));
  sctp.transport.iceTransport.addEventListener('statechange', () => events.push(`ice ${sctp.transport.iceTransport.state}`));
  b.addEventListener('connectionstatechange', () => events.push(`connection ${b.connectionState}`));
  b.onremoteclose = ({ reason }) => events.push(`remoteclose: ${reason}`);
  const [transport] = peerConnectionSlots(pair.a).allTransports as unknown as [PeerTransport];
  return {
    pair,
    b,
    transport,
    channel: channel!,
    events,
    stopMedia: () => {
      isSending = false;
      cancel?.();
    },
  };
}

function effects({ b, channel, events }: Scene): Effects {
  const { track } = b.getReceivers()[0] ?? b.getTransceivers()[0]!.receiver;
  const { sctp } = b;
  return {
    track: `${track.readyState}${track.muted ? ', muted' : ''}`,
    channel: channel.readyState,
    sctp: sctp!.state,
    dtls: sctp!.transport.state,
    ice: sctp!.transport.iceTransport.state,
    connection: b.connectionState,
    events,
  };
}

const CLOSED_CHANNELS = ['sctp closed', 'channel close'] as const;
const REASON = 'reasons';

interface Row {
  readonly said: string;
  readonly say: (scene: Scene) => void;
  /** Milliseconds. */
  readonly wait?: number;
  readonly shows: Partial<Effects>;
}

const ROWS: readonly Row[] = [
  {
    said: 'BYE: the track is muted, not ended (RFC 3550 §6.6; W3C WebRTC §5.3)',
    say: ({ pair }) => pair.a.close({ reason: REASON, sequence: ['bye'] }),
    shows: { track: 'live, muted', events: ['track mute'] },
  },
  {
    said: 'ABORT: channels end with its reason, the rest stays (RFC 9260 §9.1)',
    say: ({ transport }) => transport.driver.input(({ sctp }) => sctp!.abort(REASON)),
    shows: { channel: 'closed', sctp: 'closed', events: ['sctp closed', `channel error: ${REASON}`, 'channel close'] },
  },
  {
    said: 'SHUTDOWN: channels end without an error (RFC 9260 §9.2)',
    say: ({ transport }) => transport.driver.input(({ sctp }, now) => sctp!.shutdown(now)),
    shows: { channel: 'closed', sctp: 'closed', events: [...CLOSED_CHANNELS] },
  },
  {
    said: 'close_notify: everything above DTLS ends; ICE stays (RFC 5246 §7.2.1)',
    say: ({ pair }) => pair.a.close({ reason: REASON, sequence: ['close_notify'] }),
    shows: { channel: 'closed', sctp: 'closed', dtls: 'closed', events: ['dtls closed', ...CLOSED_CHANNELS, 'remoteclose: '] },
  },
  {
    said: 'BYE, ABORT, close_notify: all of it, with the reason',
    say: ({ pair }) => pair.a.close({ reason: REASON }),
    shows: {
      track: 'live, muted',
      channel: 'closed',
      sctp: 'closed',
      dtls: 'closed',
      events: ['track mute', 'sctp closed', `channel error: ${REASON}`, 'channel close', 'dtls closed', `remoteclose: ${REASON}`],
    },
  },
  {
    said: 'BYE, close_notify: the reason comes out of the BYE',
    say: ({ pair }) => pair.a.close({ reason: REASON, sequence: ['bye', 'close_notify'] }),
    shows: {
      track: 'live, muted',
      channel: 'closed',
      sctp: 'closed',
      dtls: 'closed',
      events: ['track mute', 'dtls closed', ...CLOSED_CHANNELS, `remoteclose: ${REASON}`],
    },
  },
  {
    said: 'fatal alert: DTLS has failed, and with it the connection (W3C WebRTC §5.5)',
    say: ({ transport }) => transport.driver.input(({ dtls }) => dtls!.abort('internal_error')),
    shows: {
      channel: 'closed',
      sctp: 'closed',
      dtls: 'failed',
      connection: 'failed',
      events: ['dtls failed', 'sctp closed', 'connection failed', 'channel close'],
    },
  },
  {
    said: '403 to a check: consent is revoked, ICE has failed (RFC 7675 §5.2)',
    say: ({ transport }) => transport.driver.input(({ ice }) => ice.refuseChecks()),
    wait: 7000,
    shows: { ice: 'failed', connection: 'failed', events: ['ice failed', 'connection failed'] },
  },
  {
    said: 'nothing: disconnected after 7 s, muted after 10 s, consent expires within 30 s (RFC 7675 §5.1)',
    say: ({ pair }) => pair.network.host('a').interface('eth0').egress.cut(),
    wait: 40_000,
    shows: {
      track: 'live, muted',
      ice: 'failed',
      connection: 'failed',
      events: ['ice disconnected', 'connection disconnected', 'track mute', 'ice failed', 'connection failed'],
    },
  },
  {
    said: 'an alert in the clear: nothing (anybody can send it)',
    say: ({ pair }) => {
      const sent = pair.network.log.entries.findLast(({ host }) => host === 'a')!;
      const data = Uint8Array.from([21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 1, 0]);
      pair.network.inject({ ...sent, data });
    },
    shows: {},
  },
];

describe('what each way of ending does to the other side’s objects', () => {
  test.each(ROWS)('$said', async ({ say, wait = 1500, shows }) => {
    const stage = await scene();
    say(stage);
    await stage.pair.network.run(wait);
    stage.stopMedia();
    const expected = { ...UNCHANGED, ...shows };
    const found = effects(stage);
    expect({ ...found, events: [...found.events].toSorted() }).toEqual({ ...expected, events: [...expected.events].toSorted() });
    stage.b.close({ linger: 0 });
    stage.pair.a.close({ linger: 0 });
    await stage.pair.until(() => stage.pair.network.openHandles().length === 0, 10_000);
    expect(stage.pair.network.openHandles()).toEqual([]);
  });
});

describe('autoClose', () => {
  test('closes when the peer has, without a flight of its own, and tracks end', async () => {
    const stage = await scene(true);
    const before = stage.pair.network.log.entries.length;
    stage.pair.a.close({ reason: REASON });
    const report = await stage.pair.run(stage.b.closed);
    stage.stopMedia();
    expect(report).toMatchObject({ by: 'remote', reason: REASON, heard: 'close_notify', sent: [], flights: 0 });
    await stage.pair.network.run(100);
    expect(effects(stage)).toMatchObject({ track: 'ended, muted', channel: 'closed', connection: 'closed' });
    expect(stage.events).toContain('track ended');
    // One alert, the answer.
    const sent = stage.pair.network.log.entries.slice(before).filter(({ host, data }) => host === 'b' && data[0] === 21);
    expect(sent.length).toBe(1);
  });

  test('not after a fatal alert: that is a failure, not a goodbye', async () => {
    const stage = await scene(true);
    stage.transport.driver.input(({ dtls }) => dtls!.abort('internal_error'));
    await stage.pair.network.run(1000);
    stage.stopMedia();
    expect(stage.b.connectionState).toBe('failed');
  });

  test.each([
    ['while an ICE restart is offered', 0, false],
    ['within five seconds after one', 4000, false],
    ['more than five seconds after one', 6000, true],
  ])('%s', async (when, wait, closes) => {
    const stage = await scene(true);
    const { pair } = stage;
    pair.a.restartIce();
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    if (wait > 0) {
      await pair.run(pair.b.setLocalDescription());
      await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    }
    await pair.network.run(wait);
    stage.transport.driver.input(({ dtls }) => dtls!.close());
    await pair.network.run(1000);
    stage.stopMedia();
    expect([when, stage.events.includes('remoteclose: '), stage.b.connectionState === 'closed']).toEqual([when, true, closes]);
  });
});

describe('RFC 5246 §7.2.1: answers', () => {
  test('a peer that goes on gets its answer again, at most every 50 ms, for two seconds', async () => {
    for (const autoClose of [false, true]) {
      const stage = await scene(autoClose);
      stage.stopMedia();
      const { pair } = stage;
      // What `b` says does not arrive: `a` repeats its flight.
      pair.network.host('b').interface('eth0').egress.cut();
      const before = pair.network.log.entries.length;
      const called = pair.network.now();
      pair.a.close({ reason: REASON });
      const report = await pair.run(pair.a.closed);
      const answers = pair.network.log.entries.slice(before).filter(({ host, data }) => host === 'b' && data[0] === 21);
      const gaps = answers.slice(1).map(({ at }, index) => at - answers[index]!.at);
      expect(report).toMatchObject({ heard: 'quiet' });
      expect(answers.length).toBeGreaterThan(8);
      expect(Math.min(...gaps)).toBeGreaterThanOrEqual(50);
      expect(answers.at(-1)!.at - called).toBeLessThanOrEqual(2100);
    }
  });
});

describe('ABORT without an alert', () => {
  test('consent is checked after one second', async () => {
    const stage = await scene();
    stage.stopMedia();
    const { pair } = stage;
    await pair.network.run(100);
    const before = pair.network.log.entries.length;
    const called = pair.network.now();
    stage.transport.driver.input(({ sctp }) => sctp!.abort(REASON));
    await pair.network.run(1050);
    const checks = pair.network.log.entries.slice(before).filter(({ host, data }) => host === 'b' && data[0] === 0 && data[1] === 1);
    expect(checks.map(({ at }) => Math.round(at - called - 10))).toContain(1000);
  });

  test('when the peer is gone and refuses, ICE fails then', async () => {
    const stage = await scene();
    stage.stopMedia();
    const { pair } = stage;
    stage.transport.driver.input(({ sctp, ice }) => {
      sctp!.abort(REASON);
      ice.refuseChecks();
    });
    const called = pair.network.now();
    expect(await pair.until(() => stage.b.connectionState === 'failed', 2000)).toBe(true);
    expect(pair.network.now() - called).toBeLessThan(1100);
    stage.b.close();
    expect(await pair.run(stage.b.closed)).toMatchObject({ by: 'lost', sent: [] });
  });
});
