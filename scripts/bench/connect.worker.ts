import { RTCPeerConnection } from 'petrel';
import { connectToOtherProcess } from './lib/peer-process.ts';

/** Opens a data channel to the other process, `count` times, one after the other. */
const [role, count] = [process.argv[2]!, Number(process.argv[3])];
const WARM_UP = 5;
const certificate = await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' });
const times: number[] = [];
let before = process.cpuUsage();

for (let i = 0; i < count + WARM_UP; i++) {
  if (i === WARM_UP) before = process.cpuUsage();
  const started = performance.now();
  await connectOnce(i);
  if (i >= WARM_UP) times.push(performance.now() - started);
}
const { user, system } = process.cpuUsage(before);
process.send!({ type: 'result', times, cpuMs: (user + system) / 1000 / count });
setTimeout(() => process.exit(), 200);

async function connectOnce(number: number): Promise<void> {
  const pc = new RTCPeerConnection({ certificates: [certificate] });
  if (role === 'offerer') {
    const channel = pc.createDataChannel('x');
    const opened = new Promise((resolve) => (channel.onopen = resolve));
    await connectToOtherProcess(pc, true, number);
    await opened;
    const echoed = new Promise((resolve) => (channel.onmessage = resolve));
    channel.send('x');
    await echoed;
    pc.close();
  } else {
    pc.ondatachannel = ({ channel }) => {
      channel.onmessage = ({ data }) => channel.send(data);
    };
    const closed = new Promise((resolve) => pc.addEventListener('remoteclose', resolve));
    await connectToOtherProcess(pc, false, number);
    await closed;
    pc.close();
  }
}
