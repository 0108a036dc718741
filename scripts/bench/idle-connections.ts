// F06: idle connections with a data channel in one process, on virtual time: heap of each, and the share of one core that 1,000 of them would take.
import { type RTCPeerConnection, RTCPeerConnection as PeerConnection } from '@petrel/peer-connection';
import { SimulatedNetwork, testCertificate } from '@petrel/testing';
import { createRTCCertificate } from '../../packages/peer-connection/src/rtc-certificate.ts';
import { printTable } from './lib/table.ts';

const PAIRS = Number(process.env['PAIRS'] ?? 500);
const IDLE = 60_000;

const network = new SimulatedNetwork({ seed: 1, logLimit: 0 });
const before = heap();
const connections: RTCPeerConnection[] = [];
for (let pair = 0; pair < PAIRS; pair++) {
  const [a, b] = [0, 1].map((side) => {
    const { runtime } = network.addHost(`${pair}.${side}`, { interfaces: [{ addresses: [`10.${side}.${pair >> 8}.${pair & 255}`] }] });
    const certificate = createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, side as 0 | 1));
    return new PeerConnection({ certificates: [certificate] }, runtime);
  }) as [RTCPeerConnection, RTCPeerConnection];
  const channel = a.createDataChannel('idle');
  a.onicecandidate = ({ candidate }) => candidate && void b.addIceCandidate(candidate.toJSON());
  b.onicecandidate = ({ candidate }) => candidate && void a.addIceCandidate(candidate.toJSON());
  await network.settled(a.setLocalDescription());
  await network.settled(b.setRemoteDescription(a.localDescription!));
  await network.settled(b.setLocalDescription());
  await network.settled(a.setRemoteDescription(b.localDescription!));
  if (!(await network.runUntil(() => channel.readyState === 'open'))) throw new Error('no connection');
  connections.push(a, b);
}
await network.run(5000);
const each = (heap() - before) / connections.length / 1024;
const started = process.cpuUsage();
await network.run(IDLE);
const { user, system } = process.cpuUsage(started);
const share = (((user + system) / 1000 / IDLE) * 100 * 1000) / connections.length;
printTable(['connections', 'KiB of heap each', '% of a core for 1,000'], [[connections.length, each.toFixed(1), share.toFixed(2)]]);

function heap(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
