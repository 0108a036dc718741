import { fingerprint, type Fingerprint } from '@petrel/crypto';
import type { IceRole } from '@petrel/ice';
import { SimulatedNetwork, type SimulatedHost, testCertificate } from '@petrel/testing';
import { ConnectionDriver } from '../src/connection-driver.ts';
import type { StackEvent } from '../src/transport-stack.ts';

/** Two drivers on two hosts of a simulated network, without the W3C objects above them. */
export class DriverPair {
  readonly network: SimulatedNetwork;
  readonly a: DriverEnd;
  readonly b: DriverEnd;

  constructor({ seed = 1, loss = 0 }: { readonly seed?: number; readonly loss?: number } = {}) {
    this.network = new SimulatedNetwork({ seed, link: { delay: 10, loss } });
    this.a = new DriverEnd(this.network.addHost('a', { interfaces: [{ addresses: ['192.0.2.1'] }] }), 'controlling', 0);
    this.b = new DriverEnd(this.network.addHost('b', { interfaces: [{ addresses: ['192.0.2.2'] }] }), 'controlled', 1);
  }

  /** @returns whether both have an SCTP association within so many milliseconds */
  async connect(milliseconds: number = 30_000): Promise<boolean> {
    this.a.start(this.b, 'server');
    this.b.start(this.a, 'client');
    return await this.network.runUntil(() => this.a.has(sctpConnected) && this.b.has(sctpConnected), milliseconds);
  }
}

function sctpConnected(event: StackEvent): boolean {
  return event.layer === 'sctp' && event.state === 'connected';
}

/** One end: a driver on a simulated host, and everything that it reported. */
export class DriverEnd {
  readonly driver: ConnectionDriver;
  readonly events: StackEvent[] = [];
  /** What it announces to the other end. */
  fingerprint: Fingerprint;
  peer: DriverEnd | undefined;

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

  start(peer: DriverEnd, dtlsRole: 'client' | 'server', { sctp = true }: { readonly sctp?: boolean } = {}): void {
    this.peer = peer;
    this.driver.input((stack, now) => {
      stack.ice.setRemoteParameters(peer.driver.stack.ice.localParameters, now);
      stack.startDtls({ role: dtlsRole, fingerprints: [peer.fingerprint] }, now);
      if (sctp) stack.startSctp({ localPort: 5000, remotePort: 5000 }, now);
    });
    this.driver.gather();
  }

  has(predicate: (event: StackEvent) => boolean): boolean {
    return this.events.some(predicate);
  }
}
