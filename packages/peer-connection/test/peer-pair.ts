import { SimulatedNetwork, testCertificate } from '@petrel/testing';
import { RTCPeerConnection, type RTCConfiguration } from '../src/index.ts';
import { createRTCCertificate } from '../src/rtc-certificate.ts';

/** Two connections on two hosts of a simulated network, with candidates passed on as they come. */
export class PeerPair {
  readonly network: SimulatedNetwork;
  readonly a: RTCPeerConnection;
  readonly b: RTCPeerConnection;
  /** `a negotiationneeded`, …: every event of both, in order. */
  readonly events: string[] = [];

  constructor(options: { seed?: number; loss?: number; a?: RTCConfiguration; b?: RTCConfiguration; trickle?: boolean } = {}) {
    this.network = new SimulatedNetwork({ seed: options.seed ?? 1, link: { delay: 10, loss: options.loss ?? 0 } });
    this.a = this.#connection('a', '192.0.2.1', 0, options.a);
    this.b = this.#connection('b', '192.0.2.2', 1, options.b);
    if (options.trickle === false) return;
    this.#passCandidates(this.a, this.b);
    this.#passCandidates(this.b, this.a);
  }

  #connection(name: string, address: string, index: 0 | 1, configuration: RTCConfiguration = {}): RTCPeerConnection {
    const { runtime } = this.network.addHost(name, { interfaces: [{ addresses: [address] }] });
    const certificate = createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, index));
    const connection = new RTCPeerConnection({ certificates: [certificate], ...configuration }, runtime);
    for (const type of EVENTS) connection.addEventListener(type, () => this.events.push(`${name} ${type}`));
    return connection;
  }

  #passCandidates(from: RTCPeerConnection, to: RTCPeerConnection): void {
    from.addEventListener('icecandidate', (event) => {
      const { candidate } = event as RTCPeerConnectionEventMap['icecandidate'];
      if (candidate !== null && to.signalingState !== 'closed') void to.addIceCandidate(candidate.toJSON());
    });
  }

  /** Runs the simulation until a promise settles. */
  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    await this.network.runUntil(() => settled);
    return promise;
  }

  async until(condition: () => boolean, milliseconds = 30_000): Promise<boolean> {
    return this.network.runUntil(condition, milliseconds);
  }

  /** One offer and answer. */
  async negotiate(offerer: RTCPeerConnection = this.a, answerer: RTCPeerConnection = offerer === this.a ? this.b : this.a): Promise<void> {
    await this.run(
      (async () => {
        await offerer.setLocalDescription();
        await answerer.setRemoteDescription(offerer.localDescription!);
        await answerer.setLocalDescription();
        await offerer.setRemoteDescription(answerer.localDescription!);
      })(),
    );
  }

  async connect(offerer: RTCPeerConnection = this.a): Promise<void> {
    await this.negotiate(offerer);
    await this.until(() => this.a.connectionState === 'connected' && this.b.connectionState === 'connected');
  }
}

interface RTCPeerConnectionEventMap {
  icecandidate: import('../src/index.ts').RTCPeerConnectionIceEvent;
}

const EVENTS = [
  'negotiationneeded',
  'signalingstatechange',
  'iceconnectionstatechange',
  'icegatheringstatechange',
  'connectionstatechange',
  'track',
  'datachannel',
  'remoteclose',
];
