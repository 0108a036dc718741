import { expect, test } from '@jest/globals';
import { fingerprint, type Fingerprint } from '@petrel/crypto';
import type { IceRole } from '@petrel/ice';
import { SimulatedNetwork, type SimulatedHost, testCertificate } from '@petrel/testing';
import { ConnectionDriver } from '../src/connection-driver.ts';
import type { CloseReport } from '../src/shutdown-sequencer.ts';
import type { StackEvent } from '../src/transport-stack.ts';

/** One end: a driver on a simulated host, and everything that it reported. */
class End {
  readonly driver: ConnectionDriver;
  readonly events: StackEvent[] = [];
  readonly fingerprint: Fingerprint;
  peer: End | undefined;

  constructor(host: SimulatedHost, role: IceRole, index: 0 | 1) {
    const { runtime } = host;
    const certificate = testCertificate(runtime.crypto, index);
    this.fingerprint = fingerprint(runtime.crypto, 'sha-256', certificate.derChain[0]!);
    this.driver = new ConnectionDriver({
      runtime,
      configuration: { crypto: runtime.crypto, timeOrigin: 0, certificate, ice: { role } },
      onEvent: (event) => this.#onEvent(event),
    });
  }

  #onEvent(event: StackEvent): void {
    this.events.push(event);
    if (event.layer === 'ice' && event.event.type === 'candidate') {
      const { candidate } = event.event;
      this.peer!.driver.input(({ ice }, now) => ice.addRemoteCandidate(candidate, now));
    }
  }

  start(peer: End, dtlsRole: 'client' | 'server'): void {
    this.peer = peer;
    this.driver.input((stack, now) => {
      stack.ice.setRemoteParameters(peer.driver.stack.ice.localParameters, now);
      stack.startDtls({ role: dtlsRole, fingerprints: [peer.fingerprint] }, now);
      stack.startSctp({ localPort: 5000, remotePort: 5000 }, now);
    });
    this.driver.gather();
  }

  has(predicate: (event: StackEvent) => boolean): boolean {
    return this.events.some(predicate);
  }
}

const sctpConnected = (event: StackEvent): boolean => event.layer === 'sctp' && event.state === 'connected';
const received = (event: StackEvent): boolean =>
  event.layer === 'channel' && event.event.type === 'message' && event.event.data === 'hello';
const dtlsClosed = (event: StackEvent): boolean => event.layer === 'dtls' && event.state === 'closed';

async function connectedPair(options: { seed?: number; loss?: number } = {}): Promise<{ network: SimulatedNetwork; a: End; b: End }> {
  const network = new SimulatedNetwork({ seed: options.seed ?? 1, link: { delay: 10, loss: options.loss ?? 0 } });
  const a = new End(network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] }), 'controlling', 0);
  const b = new End(network.addHost('b', { interfaces: [{ addresses: ['192.0.2.2'] }] }), 'controlled', 1);
  a.start(b, 'server');
  b.start(a, 'client');
  expect(await network.runUntil(() => a.has(sctpConnected) && b.has(sctpConnected))).toBe(true);
  return { network, a, b };
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
