/**
 * Media that nobody reads: does the heap grow? Ten minutes of virtual time through the simulated network, then as many seconds of real time over
 * loopback as the argument says (default 20): `npm run bench -- media-soak 180`.
 */
import { type MediaStreamTrack, RTCPeerConnection, RtpSource } from 'petrel';
import { RTCPeerConnection as PeerConnection, RtpSource as Source } from '@petrel/peer-connection';
import { SimulatedNetwork } from '@petrel/testing';
import { printTable } from './lib/table.ts';

const HEADER = 12;
/** Packets a second, of 1,200 bytes. */
const RATE = 1000;
const VIRTUAL_SECONDS = 600;

interface Connection {
  readonly connectionState: string;
  readonly localDescription: { readonly type: 'offer' | 'answer' | 'pranswer' | 'rollback'; readonly sdp: string } | null;
  onicecandidate: unknown;
  setLocalDescription(): Promise<undefined | void>;
  setRemoteDescription(description: object): Promise<undefined | void>;
  addIceCandidate(candidate?: object): Promise<undefined | void>;
  close(): unknown;
}

interface Writer {
  write(packet: Uint8Array): void;
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 20);
  const rows = [await virtualTime(), await realTime(seconds)];
  printTable(['', 'packets', 'heap, KiB: after 10 %', 'at the end', 'external, KiB: after 10 %', 'at the end'], rows);
  process.exit();
}

async function virtualTime(): Promise<string[]> {
  const network = new SimulatedNetwork({ seed: 1, link: { delay: 10 }, logLimit: 0 });
  const [a, b] = ['192.0.2.1', '192.0.2.2'].map((address) => {
    const { runtime } = network.addHost(address, { interfaces: [{ addresses: [address] }] });
    return new PeerConnection({}, runtime);
  }) as [PeerConnection, PeerConnection];
  const source = new Source('video', { mimeType: 'video/VP8' });
  a.addTrack(source.track);
  void join(a as unknown as Connection, b as unknown as Connection);
  await network.runUntil(() => a.connectionState === 'connected' && b.connectionState === 'connected', 30_000);
  let sent = 0;
  const memory: Memory[] = [];
  for (let step = 1; step <= 10; step++) {
    for (let slice = 0; slice < VIRTUAL_SECONDS * 10; slice++) {
      for (let i = 0; i < RATE / 100; i++) source.write(makePacket(sent++));
      await network.run(10);
    }
    memory.push(measure());
  }
  return row(`${VIRTUAL_SECONDS} s of virtual time`, sent, memory);
}

async function realTime(seconds: number): Promise<string[]> {
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
  const source = new RtpSource('video', { mimeType: 'video/VP8' });
  a.addTrack(source.track as MediaStreamTrack);
  await join(a as unknown as Connection, b as unknown as Connection);
  while (a.connectionState !== 'connected') await new Promise((resolve) => setTimeout(resolve, 10));
  const memory: Memory[] = [];
  let sent = 0;
  for (let step = 1; step <= 10; step++) {
    sent = await pump(source, sent, (seconds * 1000) / 10);
    memory.push(measure());
  }
  a.close();
  b.close();
  return row(`${seconds} s of real time`, sent, memory);
}

/** @returns how many packets have been sent in all */
async function pump(source: Writer, sent: number, milliseconds: number): Promise<number> {
  const start = performance.now();
  for (let elapsed = 0, first = sent; elapsed < milliseconds; elapsed = performance.now() - start) {
    while (sent - first < (elapsed / 1000) * RATE) source.write(makePacket(sent++));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  return sent;
}

async function join(a: Connection, b: Connection): Promise<void> {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const)
    from.onicecandidate = ({ candidate }: { candidate: { toJSON(): object } | null }) =>
      candidate && to.addIceCandidate(candidate.toJSON());
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription!);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription!);
}

interface Memory {
  readonly heap: number;
  readonly external: number;
}

function measure(): Memory {
  globalThis.gc!();
  const { heapUsed, external } = process.memoryUsage();
  return { heap: heapUsed / 1024, external: external / 1024 };
}

function row(name: string, packets: number, memory: readonly Memory[]): string[] {
  const [first, last] = [memory[0]!, memory.at(-1)!];
  return [name, String(packets), ...[first.heap, last.heap, first.external, last.external].map((value) => value.toFixed(0))];
}

function makePacket(sequenceNumber: number): Uint8Array {
  const bytes = new Uint8Array(HEADER + 1200);
  bytes[0] = 0x80;
  bytes[1] = 96;
  bytes[2] = sequenceNumber >> 8;
  bytes[3] = sequenceNumber;
  bytes[11] = 1;
  return bytes;
}

void main();
