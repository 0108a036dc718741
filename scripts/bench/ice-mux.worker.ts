import { RTCPeerConnection, UdpMux } from 'petrel';

/** So many connections, a few at a time, each with one offer and one answer; the server's are behind one port. */
const [role, count] = [process.argv[2]!, Number(process.argv[3])];
const AT_ONCE = 10;
const WARM_UP = 20;
const certificates = [await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' })];
const interfaceFilter = ({ address }: { address: string }): boolean => address === '127.0.0.1';

interface Signal {
  readonly connection: number;
  readonly sdp: string;
}

if (role === 'server') await serve();
else await connectAll();

async function serve(): Promise<void> {
  const udpMux = await UdpMux.listen({ interfaceFilter });
  const connections: RTCPeerConnection[] = [];
  const waiting: { readonly wanted: number; readonly resolve: () => void }[] = [];
  let open = 0;
  process.on('message', async ({ connection, sdp }: Signal) => {
    const pc = new RTCPeerConnection({ certificates, udpMux });
    connections.push(pc);
    pc.ondatachannel = ({ channel }) => {
      channel.onmessage = () => {
        open += 1;
        for (const { wanted, resolve } of waiting) if (open === wanted) resolve();
      };
    };
    await pc.setRemoteDescription({ type: 'offer', sdp });
    await pc.setLocalDescription();
    await pc.iceGatheringComplete;
    process.send!({ to: 'peer', connection, sdp: pc.localDescription!.sdp });
  });
  const reached = (wanted: number): Promise<void> => new Promise((resolve) => waiting.push({ wanted, resolve }));
  const [warm, all] = [reached(WARM_UP), reached(WARM_UP + count)];
  process.send!({ to: 'peer', connection: -1, sdp: '' });
  // Those before have everything compiled and every slab of memory opened.
  await warm;
  const before = memory();
  const cpuBefore = process.cpuUsage();
  await all;
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
    left: udpMux.size,
  });
}

function memory(): { heap: number; resident: number } {
  for (let i = 0; i < 4; i++) (globalThis as { gc?: () => void }).gc!();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}

async function connectAll(): Promise<void> {
  const answers = new Map<number, (sdp: string) => void>();
  const kept: RTCPeerConnection[] = [];
  await new Promise<void>((resolve) =>
    process.on('message', ({ connection, sdp }: Signal) => (connection === -1 ? resolve() : answers.get(connection)?.(sdp))),
  );
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < WARM_UP + count) {
      const connection = next++;
      const pc = new RTCPeerConnection({ certificates, interfaceFilter });
      kept.push(pc);
      const channel = pc.createDataChannel('x');
      const opened = new Promise((resolve) => (channel.onopen = resolve));
      await pc.setLocalDescription();
      await pc.iceGatheringComplete;
      const answer = new Promise<string>((resolve) => answers.set(connection, resolve));
      process.send!({ to: 'peer', connection, sdp: pc.localDescription!.sdp });
      await pc.setRemoteDescription({ type: 'answer', sdp: await answer });
      await opened;
      channel.send('here');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}
