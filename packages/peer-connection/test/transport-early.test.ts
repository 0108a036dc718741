import { expect, test } from '@jest/globals';
import { fingerprint, type Fingerprint } from '@petrel/crypto';
import { SimulatedNetwork, testCertificate } from '@petrel/testing';
import { ConnectionDriver } from '../src/connection-driver.ts';

/** An offerer that has no answer yet, and an answerer whose checks and ClientHello come all the same. */
async function early(): Promise<{ network: SimulatedNetwork; a: ConnectionDriver; b: ConnectionDriver; answer: () => void }> {
  const network = new SimulatedNetwork({ link: { delay: 10 } });
  const fingerprints: Fingerprint[] = [];
  const [a, b] = [0, 1].map((index) => {
    const { runtime } = network.addHost(`host ${index}`, { interfaces: [{ addresses: [`192.0.2.${index + 1}`] }] });
    const certificate = testCertificate(runtime.crypto, index as 0 | 1);
    fingerprints.push(fingerprint(runtime.crypto, 'sha-256', certificate.derChain[0]!));
    const role = index === 0 ? 'controlling' : 'controlled';
    return new ConnectionDriver({
      runtime,
      configuration: { crypto: runtime.crypto, timeOrigin: 0, certificate, ice: { role } },
      onEvent: () => {},
    });
  }) as [ConnectionDriver, ConnectionDriver];
  a.gather();
  b.gather();
  await network.run(100);
  const connect = (one: ConnectionDriver, other: ConnectionDriver, role: 'client' | 'server', index: number): void =>
    one.input((stack, now) => {
      stack.ice.setRemoteParameters(other.stack.ice.localParameters, now);
      for (const candidate of other.stack.ice.stats.localCandidates) stack.ice.addRemoteCandidate(candidate, now);
      stack.startDtls({ role, fingerprints: [fingerprints[index]!] }, now);
    });
  connect(b, a, 'client', 0);
  // The ClientHello has been repeated a few times, and the next one is seconds away.
  await network.run(6000);
  return { network, a, b, answer: () => connect(a, b, 'server', 1) };
}

const HELLO_LIKE = Uint8Array.from([22, 254, 253, ...Array.from({ length: 60 }, () => 0)]);

test('RFC 8842 §5.3: DTLS from where authentic checks have come is read when the answer is there; from elsewhere it is dropped', async () => {
  const { network, a, b, answer } = await early();
  // Somebody else's would be read in its place.
  for (let port = 1; port <= 10; port++)
    network.inject({ source: { address: '203.0.113.1', port }, destination: destination(a), data: HELLO_LIKE });
  await network.run(50);
  answer();
  expect(await network.runUntil(() => a.stack.dtls?.state === 'connected' && b.stack.dtls?.state === 'connected', 100)).toBe(true);
});

test('what is kept is bounded, and the newest stays', async () => {
  const { network, a, b, answer } = await early();
  const { local } = b.stack.ice.selectedPair!;
  for (let count = 0; count < 100; count++)
    network.inject({ source: { address: local.address, port: local.port }, destination: destination(a), data: HELLO_LIKE });
  await network.run(50);
  answer();
  expect(a.stack.counters.packetsReceived).toBeLessThanOrEqual(4);
});

function destination(driver: ConnectionDriver): { address: string; port: number } {
  const [candidate] = driver.stack.ice.stats.localCandidates;
  return { address: candidate!.address, port: candidate!.port };
}
