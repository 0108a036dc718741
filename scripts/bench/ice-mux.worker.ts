import { RTCPeerConnection, UdpMux } from 'petrel';
import { connectToOtherProcess } from './lib/peer-process.ts';

/** So many connections, a few at a time; the server's are behind one port. */
const [role, count] = [process.argv[2]!, Number(process.argv[3])];
const AT_ONCE = 10;
const certificates = [await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' })];
const interfaceFilter = ({ address }: { address: string }): boolean => address === '127.0.0.1';
const udpMux = role === 'server' ? await UdpMux.listen({ interfaceFilter }) : undefined;
const connections: RTCPeerConnection[] = [];
const memory = (): { heap: number; resident: number } => {
  for (let i = 0; i < 4; i++) (globalThis as { gc?: () => void }).gc!();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
};

async function connectOne(number: number): Promise<void> {
  const pc = new RTCPeerConnection(udpMux ? { certificates, udpMux } : { certificates, interfaceFilter });
  connections.push(pc);
  const opened =
    role === 'server'
      ? new Promise<void>((resolve) => (pc.ondatachannel = ({ channel }) => (channel.onmessage = () => resolve())))
      : new Promise<void>((resolve) => {
          const channel = pc.createDataChannel('x');
          channel.onopen = () => (channel.send('here'), resolve());
        });
  await connectToOtherProcess(pc, role !== 'server', number);
  await opened;
}

async function connectAll(from: number, to: number): Promise<void> {
  let next = from;
  const one = async (): Promise<void> => {
    while (next < to) await connectOne(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

// Those before have everything compiled and every slab of memory opened.
await connectAll(0, 20);
const before = memory();
const cpuBefore = process.cpuUsage();
await connectAll(20, 20 + count);
if (role === 'server') {
  const { user, system } = process.cpuUsage(cpuBefore);
  await new Promise((resolve) => setTimeout(resolve, 6000));
  const after = memory();
  for (const pc of connections) pc.close({ linger: 0 });
  await Promise.all(connections.map(({ closed }) => closed));
  await new Promise((resolve) => setTimeout(resolve, 500));
  process.send!({
    type: 'result',
    connections: count,
    heapKb: (after.heap - before.heap) / 1024 / count,
    residentKb: (after.resident - before.resident) / 1024 / count,
    cpuMs: (user + system) / 1000 / count,
    left: udpMux!.size,
  });
}
