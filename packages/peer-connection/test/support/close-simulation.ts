/** One connection in the simulator, closed over a path that loses packets in both directions: what the peer notices, when, and at what cost. */
import { toHex } from '@petrel/bytes';
import { SimulatedNetwork, testCertificate, type WireEntry } from '@petrel/testing';
import { type CloseOptions, type CloseReport, type RTCConfiguration, RTCPeerConnection, RtpSource } from '../../src/index.ts';
import { createRTCCertificate } from '../../src/rtc-certificate.ts';

/** What is on the wire besides the close. */
export type Traffic = 'idle' | 'data' | 'we send media' | 'they send media' | 'media both ways';
export const TRAFFIC: readonly Traffic[] = ['idle', 'data', 'we send media', 'they send media', 'media both ways'];

export interface CloseRun {
  readonly traffic: Traffic;
  /** Milliseconds from `close()` until DTLS is closed at the other end; undefined: not within the linger. */
  readonly noticedAfter: number | undefined;
  readonly report: CloseReport;
  /** Datagrams that the closing side sent, of all kinds. */
  readonly datagrams: number;
  /** Of those, to others than the peer. */
  readonly elsewhere: number;
  /** Reason that the other side got. */
  readonly reason: string;
  readonly openHandles: readonly string[];
  /** Every packet of the whole run, if asked for. */
  readonly trace: readonly string[];
}

export interface SimulationOptions {
  readonly seed: number;
  readonly loss: number;
  readonly traffic?: Traffic;
  readonly close?: CloseOptions;
  readonly configuration?: RTCConfiguration;
  readonly delay?: number;
  readonly trace?: boolean;
}

const ADDRESSES = { a: '192.0.2.1', b: '192.0.2.2' };
const PACKET_INTERVAL = 20;
/** A little more than the sequencer's. */
const LINGER = 5000;

/** Connects without loss, then sets it, closes `a`, and runs until nothing is left. */
export async function simulateClose(options: SimulationOptions): Promise<CloseRun> {
  const traffic = options.traffic ?? TRAFFIC[options.seed % TRAFFIC.length]!;
  const delay = options.delay ?? 10;
  const network = new SimulatedNetwork({ seed: options.seed, link: { delay } });
  const [a, b] = [addPeer(network, 'a', 0, options), addPeer(network, 'b', 1, { ...options, configuration: { autoClose: true } })];
  passCandidates(a, b);
  passCandidates(b, a);
  let reason = '';
  b.onremoteclose = (event) => (reason = event.reason);
  const stop = await connect(network, a, b, traffic);
  const dtls = b.sctp!.transport;
  let noticedAt: number | undefined;
  dtls.addEventListener('statechange', () => {
    if (dtls.state === 'closed') noticedAt ??= network.now();
  });
  for (const name of ['a', 'b'] as const) network.host(name).interface('eth0').egress.conditions = { delay, loss: options.loss };
  const before = network.log.entries.length;
  const called = network.now();
  a.close({ reason: 'enough', ...options.close });
  let report: CloseReport | undefined;
  void a.closed.then((value) => (report = value));
  await network.runUntil(() => report !== undefined && a.openHandles({ lingering: true }).length === 0, LINGER);
  stop();
  const sent = network.log.entries.slice(before).filter(({ host }) => host === 'a');
  if (b.signalingState !== 'closed') b.close({ linger: 0 });
  await network.runUntil(() => network.openHandles().length === 0, LINGER);
  return {
    traffic,
    noticedAfter: noticedAt === undefined ? undefined : noticedAt - called,
    report: report!,
    datagrams: sent.length,
    elsewhere: sent.filter(isElsewhere).length,
    reason,
    openHandles: network.openHandles(),
    trace: options.trace ? network.log.entries.map(({ at, host, outcome, data }) => `${at} ${host} ${outcome} ${toHex(data)}`) : [],
  };
}

function isElsewhere({ destination }: WireEntry): boolean {
  return destination.address !== ADDRESSES.b;
}

function addPeer(
  network: SimulatedNetwork,
  name: 'a' | 'b',
  index: 0 | 1,
  { configuration }: Pick<SimulationOptions, 'configuration'>,
): RTCPeerConnection {
  const { runtime } = network.addHost(name, { interfaces: [{ addresses: [ADDRESSES[name]] }] });
  const certificate = createRTCCertificate(runtime.crypto, testCertificate(runtime.crypto, index));
  return new RTCPeerConnection({ certificates: [certificate], ...configuration }, runtime);
}

function passCandidates(from: RTCPeerConnection, to: RTCPeerConnection): void {
  from.onicecandidate = ({ candidate }) => {
    if (candidate !== null && to.signalingState !== 'closed') void to.addIceCandidate(candidate.toJSON());
  };
}

/** @returns what stops the traffic */
async function connect(network: SimulatedNetwork, a: RTCPeerConnection, b: RTCPeerConnection, traffic: Traffic): Promise<() => void> {
  const sources: RtpSource[] = [];
  for (const [pc, sends] of [
    [a, traffic === 'we send media' || traffic === 'media both ways'],
    [b, traffic === 'they send media' || traffic === 'media both ways'],
  ] as const) {
    if (!sends) continue;
    const source = new RtpSource('audio');
    sources.push(source);
    pc.addTrack(source.track);
  }
  const channel = a.createDataChannel('x');
  b.ondatachannel = ({ channel: other }) => {
    other.onmessage = ({ data }) => {
      if (other.readyState === 'open') other.send(data);
    };
  };
  for (const [first, second] of [
    [a, b],
    [b, a],
  ] as const) {
    // The second offer has the answerer's track in it.
    if (first === b && !traffic.includes('they') && !traffic.includes('both')) break;
    await network.settled(first.setLocalDescription());
    await network.settled(second.setRemoteDescription(first.localDescription!));
    await network.settled(second.setLocalDescription());
    await network.settled(first.setRemoteDescription(second.localDescription!));
  }
  if (!(await network.runUntil(() => channel.readyState === 'open', 20_000))) throw new Error('no connection');
  let sequenceNumber = 0;
  let cancel: (() => void) | undefined;
  const tick = (): void => {
    sequenceNumber += 1;
    for (const source of sources) source.write(rtpPacket(sequenceNumber));
    if (traffic === 'data' && channel.readyState === 'open') channel.send(`message ${sequenceNumber}`);
    cancel = network.clock.schedule(network.now() + PACKET_INTERVAL, tick);
  };
  if (traffic !== 'idle') tick();
  await network.run(100);
  return () => cancel?.();
}

function rtpPacket(sequenceNumber: number): Uint8Array {
  const packet = new Uint8Array(80);
  packet.set([0x80, 111, sequenceNumber >> 8, sequenceNumber & 0xff]);
  new DataView(packet.buffer).setUint32(4, sequenceNumber * 960);
  return packet;
}
