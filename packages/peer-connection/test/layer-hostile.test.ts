import { describe, expect, test } from '@jest/globals';
import { DriverPair } from './driver-pair.ts';
import { OPUS } from './media-link.ts';

const RTP = Uint8Array.from([0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, ...Array.from({ length: 40 }, () => 7)]);
const RTCP = Uint8Array.from([0x80, 200, 0, 6, ...Array.from({ length: 40 }, () => 7)]);
const DTLS = Uint8Array.from([22, 254, 253, ...Array.from({ length: 60 }, () => 0)]);

/** Puts datagrams on the network as if `a` had sent them to `b`. */
async function inject({ network, b }: DriverPair, ...datagrams: readonly Uint8Array[]): Promise<void> {
  const { local, remote } = b.driver.stack.ice.selectedPair!;
  for (const data of datagrams) network.inject({ source: remote, destination: local, data: data.slice() });
  await network.run(50);
}

/** Both have a path, and no description of DTLS. */
async function withPath(): Promise<DriverPair> {
  const pair = new DriverPair();
  for (const [end, other] of [
    [pair.a, pair.b],
    [pair.b, pair.a],
  ] as const) {
    end.peer = other;
    end.driver.input(({ ice }, now) => ice.setRemoteParameters(other.driver.stack.ice.localParameters, now));
    end.driver.gather();
  }
  const hasPath = ({ driver }: typeof pair.a): boolean => driver.stack.ice.selectedPair !== undefined;
  expect(await pair.network.runUntil(() => hasPath(pair.a) && hasPath(pair.b), 5000)).toBe(true);
  return pair;
}

/** A packet of the application's. */
function write({ driver }: DriverPair['a']): void {
  driver.input(({ media }, now) => {
    const options = { mid: '0', kind: 'audio', ssrc: media.allocateSsrc(), cname: 'a', codecs: [OPUS], headerExtensions: [] } as const;
    media.addSendStream(options).send(RTP.slice(), now);
  });
}

describe('W01: what comes, or would go, before its layer is there', () => {
  test('R09: RTP and RTCP before there are keys, DTLS before there is a description', async () => {
    const pair = await withPath();
    const { stack } = pair.b.driver;
    await inject(pair, RTP, RTCP, DTLS);
    expect(stack.discards.toJSON()).toEqual({ 'media-without-keys': 2, 'dtls-before-start': 1 });
    write(pair.b);
    expect(stack.discards.of('unsent-media')).toBe(1);
  });

  test('W02: SCTP that was not negotiated', async () => {
    const pair = new DriverPair();
    pair.a.start(pair.b, 'server');
    pair.b.start(pair.a, 'client', { sctp: false });
    await pair.network.run(3000);
    expect(pair.b.driver.stack.dtls?.state).toBe('connected');
    expect(pair.b.driver.stack.discards.of('no-association')).toBeGreaterThan(0);
  });
});

test('R02: media that is not authentic, from where authentic media comes', async () => {
  const pair = new DriverPair();
  await pair.connect();
  await inject(pair, RTP, RTCP);
  expect(pair.b.driver.stack.discards.toJSON()).toMatchObject({ 'srtp-rejected': 1, 'srtcp-rejected': 1 });
  expect(pair.b.events.filter(({ layer }) => layer === 'media')).toEqual([]);
});

test('D07: the fingerprints that were described last decide, while the handshake goes on', async () => {
  const pair = new DriverPair();
  pair.a.start(pair.b, 'server');
  pair.b.start(pair.a, 'client');
  const fingerprint = { algorithm: 'sha-256', value: pair.b.fingerprint.value.replaceAll(/[0-9A-F]/g, '0') };
  pair.a.driver.input((stack, now) => stack.startDtls({ role: 'server', fingerprints: [fingerprint] }, now));
  await pair.network.run(5000);
  expect(pair.a.driver.stack.dtls?.state).toBe('failed');
});

describe('X07: a peer that has closed', () => {
  test('gets no media', async () => {
    const pair = new DriverPair();
    await pair.connect();
    pair.a.driver.input(({ dtls }) => dtls!.close());
    await pair.network.run(50);
    write(pair.b);
    expect(pair.b.driver.stack.discards.of('unsent-media')).toBe(1);
  });

  test('and goes on saying so gets answers for two seconds', async () => {
    const pair = new DriverPair();
    await pair.connect();
    const before = pair.network.log.entries.length;
    const closedAt = pair.network.now();
    for (let i = 0; i < 50; i++) {
      pair.a.driver.input(({ dtls }) => dtls!.close());
      await pair.network.run(100);
    }
    const answers = pair.network.log.entries.slice(before).filter(({ host, data }) => host === 'b' && data[0] === 21);
    expect(answers.length).toBeGreaterThan(10);
    expect(answers.at(-1)!.at - closedAt).toBeLessThan(2100);
  });
});
