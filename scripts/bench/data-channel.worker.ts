import { createRequire } from 'node:module';
import { RTCPeerConnection as PetrelPeerConnection } from 'petrel';
import { connectToOtherProcess } from './lib/peer-process.ts';

/** The part of RTCDataChannel that all stacks have. */
interface Channel {
  bufferedAmountLowThreshold: number;
  readonly bufferedAmount: number;
  readonly readyState: string;
  binaryType: string;
  onopen: (() => void) | null;
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null;
  onbufferedamountlow: (() => void) | null;
  send(data: string | Uint8Array): void;
}

const [role, size, seconds, stack] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4]), process.argv[5] ?? 'petrel'];
const isEcho = process.argv[6] === 'echo';
const HIGH_WATER = 1_048_576;
const LOW_WATER = 262_144;

const pc = newConnection();
if (role === 'sender') void send();
else receive();

function newConnection(): PetrelPeerConnection {
  if (stack === 'petrel') return new PetrelPeerConnection();
  const load = createRequire(`${process.cwd()}/.cache/peers/package.json`);
  const { RTCPeerConnection } = load(`${stack}/polyfill`) as {
    RTCPeerConnection: typeof PetrelPeerConnection;
  };
  return new RTCPeerConnection();
}

async function send(): Promise<void> {
  const channel = pc.createDataChannel('bulk') as unknown as Channel;
  channel.binaryType = 'arraybuffer';
  channel.bufferedAmountLowThreshold = LOW_WATER;
  channel.onopen = () => (isEcho ? ping(channel) : fill(channel));
  await connectToOtherProcess(pc, true);
}

let cpu = process.cpuUsage();
function fill(channel: Channel): void {
  channel.onmessage = () => {
    report(0, 0, process.cpuUsage(cpu));
    process.exit();
  };
  cpu = process.cpuUsage();
  const end = performance.now() + seconds * 1000;
  const message = new Uint8Array(size);
  const more = (): void => {
    if (performance.now() >= end) {
      channel.onbufferedamountlow = null;
      return channel.send('end');
    }
    // Not every stack counts at once what is sent.
    for (let sent = 0; sent < HIGH_WATER && channel.bufferedAmount < HIGH_WATER; sent += size) channel.send(message);
    if (channel.bufferedAmount <= LOW_WATER) setImmediate(more); // no event follows
  };
  channel.onbufferedamountlow = more;
  more();
}

/** One message there and back after the other. */
function ping(channel: Channel): void {
  const end = performance.now() + seconds * 1000;
  const message = new Uint8Array(size);
  const times: number[] = [];
  let sentAt = performance.now();
  channel.onmessage = () => {
    const now = performance.now();
    times.push((now - sentAt) * 1000);
    if (now >= end) {
      process.send!({ type: 'result', role, times });
      return void setTimeout(() => process.exit(), 100);
    }
    sentAt = performance.now();
    channel.send(message);
  };
  channel.send(message);
}

function receive(): void {
  let bytes = 0;
  let messages = 0;
  let started = 0;
  let before = process.cpuUsage();
  pc.ondatachannel = (event) => {
    const channel = event.channel as unknown as Channel;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => {
      if (isEcho) return channel.send(typeof data === 'string' ? data : new Uint8Array(data));
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
