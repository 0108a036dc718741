import { type RTCDataChannel, RTCPeerConnection } from 'petrel';
import { connectToOtherProcess } from './lib/peer-process.ts';

const [role, size, seconds] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
const HIGH_WATER = 1_048_576;
const LOW_WATER = 262_144;

const pc = new RTCPeerConnection();
if (role === 'sender') void send();
else receive();

async function send(): Promise<void> {
  const channel = pc.createDataChannel('bulk');
  channel.bufferedAmountLowThreshold = LOW_WATER;
  channel.onopen = () => fill(channel);
  channel.onmessage = () => {
    report(0, 0, process.cpuUsage(cpu));
    process.exit();
  };
  await connectToOtherProcess(pc, true);
}

let cpu = process.cpuUsage();
function fill(channel: RTCDataChannel): void {
  cpu = process.cpuUsage();
  const end = performance.now() + seconds * 1000;
  const message = new Uint8Array(size);
  const more = (): void => {
    if (performance.now() >= end) return channel.send('end');
    while (channel.bufferedAmount < HIGH_WATER) channel.send(message);
  };
  channel.onbufferedamountlow = more;
  more();
}

function receive(): void {
  let bytes = 0;
  let messages = 0;
  let started = 0;
  let before = process.cpuUsage();
  pc.ondatachannel = ({ channel }) => {
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => {
      if (messages === 0) {
        started = performance.now();
        before = process.cpuUsage();
      }
      if (typeof data !== 'string') {
        bytes += data.byteLength;
        messages += 1;
        return;
      }
      report(bytes, messages, process.cpuUsage(before), performance.now() - started);
      channel.send('received');
    };
  };
  void connectToOtherProcess(pc, false);
}

function report(bytes: number, messages: number, { user, system }: NodeJS.CpuUsage, milliseconds: number = 0): void {
  process.send!({ type: 'result', role, bytes, messages, milliseconds, cpuMs: (user + system) / 1000 });
}
