import { describe, expect, test } from '@jest/globals';
import type { CloseReport, RTCPeerConnection } from '../src/index.ts';
import { type PeerTransport } from '../src/peer-transport.ts';
import { peerConnectionSlots } from '../src/rtc-peer-connection.ts';
import { PeerPair } from './peer-pair.ts';

const RTP = Uint8Array.from([0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, ...Array.from({ length: 40 }, () => 7)]);

function transportOf(connection: RTCPeerConnection): PeerTransport {
  const [transport] = peerConnectionSlots(connection).allTransports as unknown as [PeerTransport];
  return transport;
}

interface Scene {
  readonly pair: PeerPair;
  /** When `a` has sent an alert, in milliseconds since its close. */
  readonly alerts: () => number[];
  /** A datagram to the socket of `a`, from the path of `b` unless given. */
  readonly send: (source?: { readonly address: string; readonly port: number }) => void;
}

/** A connection with a channel, of which `a` is about to be closed. */
async function scene(): Promise<Scene> {
  const pair = new PeerPair();
  pair.a.createDataChannel('x');
  await pair.connect();
  await pair.until(() => pair.a.sctp?.state === 'connected');
  await pair.network.run(1000);
  const { local, remote } = transportOf(pair.a).driver.stack.ice.selectedPair!;
  const before = pair.network.log.entries.length;
  const called = pair.network.now();
  return {
    pair,
    alerts: () =>
      pair.network.log.entries
        .slice(before)
        .filter(({ host, data }) => host === 'a' && data[0] === 21)
        .map(({ at }) => at - called),
    send: (source = remote) => pair.network.inject({ source, destination: local, data: RTP.slice() }),
  };
}

/** `a` closes, and `b` hears nothing of it; something comes every five milliseconds. */
async function pestered(source?: { readonly address: string; readonly port: number }): Promise<{ at: number[]; report: CloseReport }> {
  const { pair, alerts, send } = await scene();
  for (const name of ['a', 'b']) pair.network.host(name).interface('eth0').egress.cut();
  pair.a.close({ linger: 4000 });
  const reports: CloseReport[] = [];
  void pair.a.closed.then((report) => reports.push(report));
  while (reports.length === 0) {
    send(source);
    await pair.network.run(5);
  }
  return { at: alerts(), report: reports[0]! };
}

describe('the close, and what comes meanwhile', () => {
  test('a stranger provokes no flight', async () => {
    const { at, report } = await pestered({ address: '203.0.113.1', port: 9 });
    expect(at.length).toBe(12); // as without him
    expect(report).toMatchObject({ heard: 'quiet', flights: 12 });
  });

  test('a peer that has not noticed provokes twenty flights, 50 ms apart; nothing but an alert is an answer', async () => {
    const { at, report } = await pestered();
    expect(at.length).toBe(20);
    expect(Math.min(...at.slice(1).map((time, index) => time - at[index]!))).toBeGreaterThanOrEqual(50);
    expect(report).toMatchObject({ heard: 'nothing', flights: 20 });
  });
});

/** `a` has heard the alert of `b`. @param isMute `b` has said nothing since */
const closedBoth = async (isMute: boolean): Promise<Scene & { readonly close: () => void }> => {
  const stage = await scene();
  const { driver } = transportOf(stage.pair.b);
  const close = (): void => driver.input(({ dtls }) => dtls!.close());
  close();
  if (isMute) stage.pair.network.host('b').interface('eth0').egress.cut();
  stage.pair.a.close({ linger: 4000 });
  expect(await stage.pair.run(stage.pair.a.closed)).toMatchObject({ by: 'local', heard: 'close_notify' });
  return { ...stage, close };
};

describe('X04: a peer that closed at the same time', () => {
  test('and says nothing more gets nothing more, whatever else comes from there', async () => {
    const { pair, alerts, send } = await closedBoth(true);
    const before = alerts().length;
    for (let i = 0; i < 20; i++) {
      send();
      await pair.network.run(100);
    }
    expect(alerts().length).toBe(before);
  });

  test('and goes on saying so gets twenty answers, 50 ms apart', async () => {
    const { pair, alerts, close } = await closedBoth(false);
    const before = alerts().length;
    for (let i = 0; i < 350; i++) {
      close();
      await pair.network.run(10);
    }
    const answers = alerts().slice(before);
    expect(answers.length).toBe(20);
    expect(Math.min(...answers.slice(1).map((time, index) => time - answers[index]!))).toBeGreaterThanOrEqual(50);
  });
});
