import { describe, expect, test } from '@jest/globals';
import { type CloseReport, type RTCDataChannel, type RTCDataChannelEvent, RtpSource } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';
import { simulateClose } from './support/close-simulation.ts';

/** A connected pair with a channel, and what its ends have noticed after that. */
async function connectedPair(options: ConstructorParameters<typeof PeerPair>[0] = {}): Promise<{
  pair: PeerPair;
  channel: RTCDataChannel;
  other: RTCDataChannel;
}> {
  const pair = new PeerPair(options);
  let other: RTCDataChannel | undefined;
  pair.b.ondatachannel = ({ channel }: RTCDataChannelEvent) => (other = channel);
  const channel = pair.a.createDataChannel('x');
  await pair.connect();
  await pair.until(() => channel.readyState === 'open' && other?.readyState === 'open');
  return { pair, channel, other: other! };
}

async function everythingReleased(pair: PeerPair): Promise<void> {
  await pair.until(() => pair.network.openHandles().length === 0, 10_000);
  expect(pair.network.openHandles()).toEqual([]);
}

function withMedia(pair: PeerPair): () => void {
  const sources = [new RtpSource('audio'), new RtpSource('video')];
  pair.a.addTrack(sources[0]!.track);
  pair.b.addTrack(sources[1]!.track);
  let sequenceNumber = 0;
  let cancel: (() => void) | undefined;
  const tick = (): void => {
    sequenceNumber += 1;
    for (const source of sources) source.write(Uint8Array.from([0x80, 96, 0, sequenceNumber & 0xff, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4]));
    cancel = pair.network.clock.schedule(pair.network.now() + 20, tick);
  };
  tick();
  return () => cancel?.();
}

/** A connect and a moment after it, with everything in it; `closeAt` closes a side when the simulation has made so many steps. */
async function recordedConnect(
  seed: number,
  closer?: 'a' | 'b',
  closeAt = Infinity,
): Promise<{ steps: number; late: string[]; report: CloseReport | undefined; closedIn: number; pair: PeerPair }> {
  const pair = new PeerPair({ seed });
  const stop = withMedia(pair);
  pair.a.createDataChannel('x').onopen = ({ target }) => (target as RTCDataChannel).send('hello');
  const late: string[] = [];
  let steps = 0;
  let report: CloseReport | undefined;
  let closedAt = Infinity;
  const close = (): void => {
    closedAt = pair.network.now();
    const pc = pair[closer!];
    for (const type of EVENTS) pc.addEventListener(type, () => late.push(type));
    pc.close({ reason: `at step ${closeAt}` });
    void pc.closed.then((value) => (report = value));
  };
  // The first step is before anything happens.
  if (closeAt === 0) close();
  const negotiated = pair.negotiate().catch(() => {});
  await pair.network.runUntil(() => {
    if (++steps === closeAt) close();
    return report !== undefined || pair.network.now() > 400;
  }, 400);
  if (closer === undefined) await negotiated;
  else if (report === undefined) await pair.until(() => report !== undefined, 5000);
  const closedIn = pair.network.now() - closedAt;
  stop();
  return { steps, late, report, closedIn, pair };
}

const SERVER_HELLO = 2;
const EVENTS = [
  'negotiationneeded',
  'icecandidate',
  'icecandidateerror',
  'signalingstatechange',
  'iceconnectionstatechange',
  'icegatheringstatechange',
  'connectionstatechange',
  'track',
  'datachannel',
  'remoteclose',
];

describe('X01, X02: close at every event of a connect', () => {
  test.each(['a', 'b'] as const)(
    '%s closes: `closed` within two seconds, no event afterwards, nothing left open',
    async (closer) => {
      const { steps, pair: whole } = await recordedConnect(7);
      expect(whole.a.connectionState).toBe('connected');
      whole.a.close({ linger: 0 });
      whole.b.close({ linger: 0 });
      expect(steps).toBeGreaterThan(100);
      const heard = new Map<string, number>();
      for (let at = 0; at < steps; at++) {
        const { report, closedIn, late, pair } = await recordedConnect(7, closer, at);
        const where = `closed at step ${at} of ${steps}`;
        expect([where, report?.by, late]).toEqual([where, 'local', []]);
        expect([where, closedIn <= 2000]).toEqual([where, true]);
        expect(pair[closer].openHandles()).toEqual([]);
        expect(pair[closer].connectionState).toBe('closed');
        heard.set(report!.heard, (heard.get(report!.heard) ?? 0) + 1);
        // Whoever was told anything knows: closed, failed, or never begun.
        const other = pair[closer === 'a' ? 'b' : 'a'];
        if (report!.sent.length > 0) {
          const told = (): boolean =>
            ['closed', 'failed'].includes(other.sctp?.transport.state ?? '') || other.connectionState === 'failed';
          expect([where, await pair.until(told, 30_000)]).toEqual([where, true]);
        }
        other.close({ linger: 0 });
        await everythingReleased(pair);
      }
      // All kinds of close were among them.
      expect(heard.get('close_notify')).toBeGreaterThan(10);
      expect(heard.get('nothing')).toBeGreaterThan(10);
    },
    120_000,
  );

  test('in the handshake: user_canceled and close_notify, three times 50 ms apart; the other side fails at once', async () => {
    const pair = new PeerPair();
    pair.a.createDataChannel('x');
    await pair.negotiate();
    await pair.until(() => pair.network.log.entries.some(({ data }) => data[0] === 22 && data[13] === SERVER_HELLO));
    const called = pair.network.now();
    pair.a.close({ reason: 'no' });
    const report = await pair.run(pair.a.closed);
    expect(report).toMatchObject({ by: 'local', heard: 'nothing', flights: 3 });
    expect(report.sent.map(({ message, at }) => [message, at])).toEqual([0, 50, 100].map((at) => ['user_canceled', at]));
    await pair.until(() => pair.b.sctp?.transport.state !== 'connecting', 1000);
    expect(pair.network.now() - called).toBeLessThanOrEqual(110);
    expect(['failed', 'closed']).toContain(pair.b.sctp?.transport.state);
    pair.b.close();
    await everythingReleased(pair);
  });

  test('during renegotiation and an ICE restart the pair in use gets the flight', async () => {
    for (const step of ['offer', 'answer'] as const) {
      const { pair } = await connectedPair();
      pair.a.restartIce();
      await pair.run(pair.a.setLocalDescription());
      await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
      if (step === 'answer') await pair.run(pair.b.setLocalDescription());
      pair.a.close({ reason: step });
      expect(await pair.run(pair.a.closed)).toMatchObject({ heard: 'close_notify', flights: 1 });
      await pair.until(() => pair.events.includes('b remoteclose'));
      pair.b.close();
      await everythingReleased(pair);
    }
  });
});

describe('X03: closing more than once, and from anywhere', () => {
  test('a second close, and any shutdown after it, changes nothing and gets the same report', async () => {
    const { pair } = await connectedPair();
    const { closed } = pair.a;
    pair.a.close({ reason: 'first' });
    pair.a.close({ reason: 'second' });
    const [one, two, three] = await pair.run(Promise.all([closed, pair.a.shutdown({ reason: 'third' }), pair.a.closed]));
    expect(one).toMatchObject({ reason: 'first', flights: 1 });
    expect([two, three]).toEqual([one, one]);
    expect(pair.a.closed).toBe(closed);
  });

  test.each(EVENTS)('in a handler of %s', async (type) => {
    const pair = new PeerPair({ b: { autoClose: true } });
    const stop = withMedia(pair);
    pair.a.createDataChannel('x');
    let calls = 0;
    for (const pc of [pair.a, pair.b])
      pc.addEventListener(type, () => {
        calls += 1;
        pc.close();
        pc.close();
      });
    pair.negotiate().catch(() => {});
    await pair.until(() => pair.b.connectionState === 'connected', 2000);
    pair.a.close();
    await pair.until(() => calls > 0, 1000);
    pair.b.close();
    stop();
    expect((await pair.run(pair.a.closed)).by).toMatch(/local|remote/);
    await pair.run(pair.b.closed);
    await everythingReleased(pair);
  });

  test('options that make no sense are refused before anything happens', async () => {
    const { pair } = await connectedPair();
    const { a } = pair;
    expect(() => a.close({ linger: -1 })).toThrow(TypeError);
    expect(() => a.close({ sequence: ['bye', 'bye'] })).toThrow(TypeError);
    expect(() => a.close({ sequence: ['hello' as 'bye'] })).toThrow(TypeError);
    await expect(a.shutdown({ drain: Number.NaN })).rejects.toThrow(TypeError);
    expect(a.connectionState).toBe('connected');
  });
});

describe('X04: both sides at once', () => {
  test.each([0, 0.3])('each alert is the other’s answer; loss %d', async (loss) => {
    for (let seed = 1; seed <= 20; seed++) {
      const { pair } = await connectedPair({ seed });
      for (const name of ['a', 'b']) pair.network.host(name).interface('eth0').egress.conditions = { delay: 10, loss };
      const errors = pair.events.length;
      pair.a.close({ reason: 'a' });
      pair.b.close({ reason: 'b' });
      const reports = await pair.run(Promise.all([pair.a.closed, pair.b.closed]));
      expect([seed, ...reports.map(({ by, heard }) => `${by} ${heard}`)]).toEqual([seed, 'local close_notify', 'local close_notify']);
      expect(pair.events.slice(errors)).toEqual([]);
      // Whoever has been heard first goes on answering the other.
      expect(Math.max(...reports.map(({ durationMs }) => durationMs))).toBeLessThan(1500);
      await everythingReleased(pair);
    }
  });

  test('two that have heard each other fall silent', async () => {
    const { pair } = await connectedPair();
    pair.network.log.clear();
    pair.a.close();
    pair.b.close();
    await pair.run(Promise.all([pair.a.closed, pair.b.closed]));
    await pair.network.run(5000);
    expect(pair.network.log.entries.filter(({ data }) => data[0]! >= 20).length).toBe(4); // ABORT and alert of each
  });
});

describe('X05: with data in the queue', () => {
  const message = new Uint8Array(65_536).fill(7);

  async function queued(): Promise<{ pair: PeerPair; received: () => number }> {
    const { pair, channel, other } = await connectedPair();
    let received = 0;
    other.onmessage = ({ data }) => (received += (data as ArrayBuffer).byteLength);
    other.binaryType = 'arraybuffer';
    for (const name of ['a', 'b']) pair.network.host(name).interface('eth0').egress.conditions = { delay: 10, rate: 20_000_000 };
    for (let count = 0; count < 16; count++) channel.send(message);
    return { pair, received: () => received };
  }

  test('close() throws it away, and hangs on nothing', async () => {
    const { pair, received } = await queued();
    pair.a.close({ reason: 'enough' });
    expect(await pair.run(pair.a.closed)).toMatchObject({ heard: 'close_notify' });
    await pair.network.run(1000);
    expect(received()).toBeLessThan(1_048_576);
    pair.b.close();
    await everythingReleased(pair);
  });

  test.each([0, 0.1])('shutdown() waits until all of it is acknowledged; loss %d', async (loss) => {
    const { pair, received } = await queued();
    for (const name of ['a', 'b']) pair.network.host(name).interface('eth0').egress.conditions = { delay: 10, rate: 20_000_000, loss };
    expect(await pair.run(pair.a.shutdown({ reason: 'enough', drain: 60_000 }))).toMatchObject({ by: 'local', heard: 'close_notify' });
    expect(received()).toBe(1_048_576);
    pair.b.close();
    await everythingReleased(pair);
  });

  test('shutdown() gives up when the time is over, and at once when somebody closes', async () => {
    const { pair } = await queued();
    pair.network.host('a').interface('eth0').egress.cut();
    const before = pair.network.now();
    const report = pair.a.shutdown({ drain: 300, linger: 100 });
    await pair.run(report);
    expect(pair.network.now() - before).toBeCloseTo(400, -1);
    const second = await queued();
    const started = second.pair.network.now();
    const shutdown = second.pair.a.shutdown();
    second.pair.a.close();
    await second.pair.run(shutdown);
    expect(second.pair.network.now() - started).toBeLessThan(100);
    second.pair.b.close();
    await everythingReleased(second.pair);
  });

  test('await using ends with a shutdown', async () => {
    const { pair, channel, other } = await connectedPair();
    const received: unknown[] = [];
    other.onmessage = ({ data }) => received.push(data);
    channel.send('last words');
    await pair.run(pair.a[Symbol.asyncDispose]());
    expect([received, pair.a.connectionState]).toEqual([['last words'], 'closed']);
  });
});

describe('X06: the peer vanishes', () => {
  test('disconnected within 10 s, failed within 40 s; then the close has nobody to ask', async () => {
    const { pair } = await connectedPair();
    for (const name of ['a', 'b']) pair.network.host(name).interface('eth0').egress.cut();
    const before = pair.network.now();
    expect(await pair.until(() => pair.a.connectionState === 'disconnected', 10_000)).toBe(true);
    expect(await pair.until(() => pair.a.connectionState === 'failed', 40_000)).toBe(true);
    expect(pair.network.now() - before).toBeLessThan(40_000);
    pair.a.close();
    expect(await pair.run(pair.a.closed)).toMatchObject({ by: 'lost', heard: 'nothing', sent: [] });
    pair.b.close({ linger: 0 });
    await everythingReleased(pair);
  });
});

describe('the report', () => {
  test('with two transports it claims nothing that is not true of both', async () => {
    const pair = new PeerPair({ a: { bundlePolicy: 'max-compat' }, b: { bundlePolicy: 'max-compat' } });
    pair.a.addTransceiver('audio');
    const channel = pair.a.createDataChannel('x');
    await pair.run(pair.a.setLocalDescription());
    const offer = { type: 'offer', sdp: pair.a.localDescription!.sdp.replace(/a=group:BUNDLE.*\r\n/, '') } as const;
    await pair.run(pair.b.setRemoteDescription(offer));
    await pair.run(pair.b.setLocalDescription());
    await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    await pair.until(() => pair.b.connectionState === 'connected' && channel.readyState === 'open');
    expect(pair.a.getSenders()[0]!.transport).not.toBe(pair.a.sctp!.transport);
    pair.a.close({ reason: 'both' });
    const report = await pair.run(pair.a.closed);
    expect(report).toMatchObject({ by: 'local', reason: 'both', heard: 'close_notify', flights: 2 });
    expect(report.sent.map(({ message }) => message).toSorted()).toEqual(['abort', 'close_notify', 'close_notify']);
    pair.b.close();
    await everythingReleased(pair);
  });

  test('`closed` takes a round trip; the socket lingers for a check of the peer’s, and refuses it', async () => {
    const { pair } = await connectedPair();
    const before = pair.network.now();
    pair.a.close();
    const report = await pair.run(pair.a.closed);
    expect(pair.network.now() - before).toBeLessThanOrEqual(25);
    expect(pair.a.openHandles()).toEqual([]);
    expect(pair.a.openHandles({ lingering: true })).not.toEqual([]);
    await pair.until(() => pair.a.openHandles({ lingering: true }).length === 0, 4000);
    pair.b.close();
    await everythingReleased(pair);
    expect(report.sent.filter(({ message }) => message === 'stun-403').every(({ bytes }) => bytes > 20)).toBe(true);
  });
});

describe('over a path that loses packets', () => {
  test.each([
    [0, 10],
    [0.1, 10],
    [0.3, 30],
    [0.5, 40],
  ])(
    'loss %d: every peer notices within a second, in at most 20 flights, and nobody else is told anything (%d seeds)',
    async (loss, count) => {
      for (let seed = 1; seed <= count; seed++) {
        const run = await simulateClose({ seed, loss });
        expect([seed, run.noticedAfter! <= 1000, run.elsewhere, run.openHandles]).toEqual([seed, true, 0, []]);
        expect(run.report.flights).toBeLessThanOrEqual(20);
      }
    },
    30_000,
  );

  test('M01: the same seed gives the same run, packet by packet, byte by byte', async () => {
    const runs = [11, 11, 12].map((seed) => () => simulateClose({ seed, loss: 0.5, traffic: 'media both ways', trace: true }));
    const [once, again, other] = [(await runs[0]!()).trace, (await runs[1]!()).trace, (await runs[2]!()).trace];
    expect(once.length).toBeGreaterThan(20);
    expect(again).toEqual(once);
    expect(other).not.toEqual(once);
  });
});

test('`sequence`: all six orders, and fewer messages', async () => {
  const orders = [
    ['bye', 'abort', 'close_notify'],
    ['bye', 'close_notify', 'abort'],
    ['abort', 'bye', 'close_notify'],
    ['abort', 'close_notify', 'bye'],
    ['close_notify', 'bye', 'abort'],
    ['close_notify', 'abort', 'bye'],
    ['close_notify'],
    ['abort'],
    [],
  ] as const;
  for (const sequence of orders) {
    const run = await simulateClose({ seed: 4, loss: 0, traffic: 'we send media', close: { sequence } });
    expect(run.report.sent.slice(0, sequence.length).map(({ message }) => message)).toEqual([...sequence]);
    const isTold = (sequence as readonly string[]).includes('close_notify');
    expect([sequence, run.noticedAfter !== undefined, run.report.heard === 'close_notify']).toEqual([sequence, isTold, isTold]);
    // After the alert nothing is read: the reason gets through in an ABORT or a BYE before it.
    if (isTold) expect([sequence, run.reason]).toEqual([sequence, sequence[0] === 'close_notify' ? '' : 'enough']);
  }
});
