/** How long two connections take to open a data channel over a path with given conditions, in both directions. */
import { type LinkConditions, SimulatedNetwork, testCertificate } from '@petrel/testing';
import { RTCPeerConnection } from '../../src/index.ts';
import { createRTCCertificate } from '../../src/rtc-certificate.ts';

export interface ConnectOptions {
  readonly seed: number;
  readonly conditions: LinkConditions;
  /** Milliseconds; 60,000 unless given. */
  readonly within?: number;
}

/**
 * Signalling takes no time: the clock starts when the answer is there.
 * @returns milliseconds until the channel is open at both ends; Infinity when it is not in time
 */
export async function connectTime({ seed, conditions, within = 60_000 }: ConnectOptions): Promise<number> {
  const network = new SimulatedNetwork({ seed, link: conditions, logLimit: 0 });
  const [a, b] = (['a', 'b'] as const).map((name, index) => {
    const { runtime } = network.addHost(name, { interfaces: [{ addresses: [`192.0.2.${index + 1}`] }] });
    const certificate = createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, index as 0 | 1));
    return new RTCPeerConnection({ certificates: [certificate] }, runtime);
  }) as [RTCPeerConnection, RTCPeerConnection];
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const)
    from.onicecandidate = ({ candidate }) => candidate && void to.addIceCandidate(candidate.toJSON());
  let isOpen = false;
  b.ondatachannel = ({ channel }) => (channel.onopen = () => (isOpen = true));
  const channel = a.createDataChannel('x');
  await network.settled(a.setLocalDescription());
  await network.settled(b.setRemoteDescription(a.localDescription!));
  await network.settled(b.setLocalDescription());
  await network.settled(a.setRemoteDescription(b.localDescription!));
  const start = network.now();
  const connected = await network.runUntil(() => isOpen && channel.readyState === 'open', within);
  const time = connected ? network.now() - start : Infinity;
  for (const pc of [a, b]) pc.close({ linger: 0 });
  return time;
}
