import { expect, test } from '@jest/globals';
import { DriverPair } from './driver-pair.ts';
import type { CloseReport } from '../src/shutdown-sequencer.ts';
import type { StackEvent } from '../src/transport-stack.ts';

const received = (event: StackEvent): boolean =>
  event.layer === 'channel' && event.event.type === 'message' && event.event.data === 'hello';
const dtlsClosed = (event: StackEvent): boolean => event.layer === 'dtls' && event.state === 'closed';

async function connectedPair(): Promise<DriverPair> {
  const pair = new DriverPair();
  expect(await pair.connect()).toBe(true);
  return pair;
}

test('two drivers connect through ICE, DTLS and SCTP; a channel carries messages', async () => {
  const { network, a, b } = await connectedPair();
  const channel = a.driver.input(({ channels }, now) => channels.create({ label: 'chat' }, now));
  a.driver.input(({ channels }, now) => channels.send(channel, 'hello', now));
  expect(await network.runUntil(() => b.has(received), 5000)).toBe(true);
});

test('the close: ABORT before close_notify, answered within a round trip, sockets released', async () => {
  const { network, a, b } = await connectedPair();
  const seen: string[] = [];
  a.driver.stack.tap = ({ direction, layer, summary }) => direction === 'out' && seen.push(`${layer} ${summary}`);
  const calledAt = network.now();
  let report: CloseReport | undefined;
  void a.driver.close({ reason: 'done' }).then((value) => (report = value));
  expect(await network.runUntil(() => report !== undefined, 5000)).toBe(true);
  expect(report).toMatchObject({ by: 'local', reason: 'done', heard: 'close_notify', flights: 1 });
  expect(network.now() - calledAt).toBeLessThanOrEqual(25);
  expect(seen.map((line) => line.replace(/[0-9]+\/[0-9]+/, ''))).toEqual([
    'sctp ABORT',
    'dtls ApplicationData ()',
    'dtls Alert close_notify ()',
  ]);
  expect(b.has(dtlsClosed)).toBe(true);
  expect(b.events.at(-1)).toEqual({ layer: 'remote-close', reason: 'done' });
  await network.run(5000);
  expect(a.driver.openHandles()).toEqual([]);
});

test('RFC 9260 §6.2: in a bulk transfer a SACK answers what has come at once, and does not wait for a timer', async () => {
  const { network, a, b } = await connectedPair();
  const channel = a.driver.input(({ channels }, now) => channels.create({ label: 'bulk' }, now));
  const seen = { packets: 0, sacks: 0 };
  b.driver.stack.tap = ({ direction, layer, summary }) => {
    if (layer !== 'sctp') return;
    if (direction === 'in') seen.packets += 1;
    else if (summary.includes('SACK')) seen.sacks += 1;
  };
  const messages = 80;
  for (let i = 0; i < messages; i++) a.driver.input(({ channels }, now) => channels.send(channel, new Uint8Array(65_536), now));
  const arrived = (): number => b.events.filter((event) => event.layer === 'channel' && event.event.type === 'message').length;
  expect(await network.runUntil(() => arrived() === messages, 1000)).toBe(true);
  // The first thousand packets are acknowledged two by two.
  expect(seen.sacks).toBeLessThan(500 + (seen.packets - 1000) / 4);
});
