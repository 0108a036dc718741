import { createRequire } from 'node:module';
import { IceAgent } from '@petrel/ice';
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
  /** What werift has instead. */
  readonly bufferedAmountLow?: { subscribe(listener: () => void): unknown };
  send(data: string | Uint8Array): void;
}

const [role, size, seconds, stack] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4]), process.argv[5] ?? 'petrel'];
const module = process.argv[6] ?? '';
const isEcho = process.argv[7] === 'echo';
const HIGH_WATER = 1_048_576;
const LOW_WATER = 262_144;
/** What is sent before measuring, for code to be compiled: so many bytes, or as much as goes in five times as long as the measurement. */
const WARM_UP_BYTES = 67_108_864;

process.on('disconnect', () => process.exit());
const pc = newConnection();
if (role === 'sender') void send();
else receive();

function newConnection(): PetrelPeerConnection {
  if (stack === 'petrel-1400') hideOwnAddresses();
  if (module === '') return new PetrelPeerConnection();
  const load = createRequire(`${process.cwd()}/.cache/peers/package.json`);
  const { RTCPeerConnection } = load(module) as { RTCPeerConnection: typeof PetrelPeerConnection };
  return new RTCPeerConnection();
}

/** The other process is taken to be on another machine then, so that packets are no larger than a network's. */
function hideOwnAddresses(): void {
  const { get } = Object.getOwnPropertyDescriptor(IceAgent.prototype, 'stats')!;
  Object.defineProperty(IceAgent.prototype, 'stats', {
    get(this: IceAgent) {
      return { ...(get!.call(this) as IceAgent['stats']), localCandidates: [] };
    },
  });
}

async function send(): Promise<void> {
  const channel = pc.createDataChannel('bulk') as unknown as Channel;
  channel.bufferedAmountLow?.subscribe(() => channel.onbufferedamountlow?.());
  channel.binaryType = 'arraybuffer';
  channel.bufferedAmountLowThreshold = LOW_WATER;
  channel.onopen = () => (isEcho ? ping(channel) : fill(channel));
  await connectToOtherProcess(pc, true);
}

function fill(channel: Channel): void {
  const message = bytesOf(new ArrayBuffer(size));
  let cpu: NodeJS.CpuUsage | undefined;
  let end = performance.now() + 5 * seconds * 1000;
  let sentBytes = 0;
  const isPolled = module === '@roamhq/wrtc'; // its event does not always come
  channel.onmessage = () => report(0, 0, process.cpuUsage(cpu));
  const more = (): void => {
    if (cpu === undefined && (sentBytes >= WARM_UP_BYTES || performance.now() >= end)) {
      cpu = process.cpuUsage();
      end = performance.now() + seconds * 1000;
      channel.send('begin');
    }
    if (performance.now() >= end) {
      channel.onbufferedamountlow = null;
      return channel.send('end');
    }
    // Not every stack counts at once what is sent.
    for (let sent = 0; sent < HIGH_WATER && channel.bufferedAmount < HIGH_WATER; sent += size) {
      channel.send(message);
      sentBytes += size;
    }
    if (channel.bufferedAmount <= LOW_WATER)
      setImmediate(more); // no event follows
    else if (isPolled) setTimeout(more, 1);
  };
  if (!isPolled) channel.onbufferedamountlow = more;
  more();
}

/** werift takes Buffers only, and gives them. */
function bytesOf(data: ArrayBuffer | Uint8Array): Uint8Array {
  if (data instanceof Uint8Array) return data;
  return module === 'werift' ? Buffer.from(data) : new Uint8Array(data);
}

/** One message there and back after the other. */
function ping(channel: Channel): void {
  const end = performance.now() + seconds * 1000;
  const message = bytesOf(new ArrayBuffer(size));
  const times: number[] = [];
  let sentAt = performance.now();
  channel.onmessage = () => {
    const now = performance.now();
    times.push((now - sentAt) * 1000);
    if (now >= end) return void process.send!({ type: 'result', role, times });
    sentAt = performance.now();
    channel.send(message);
  };
  channel.send(message);
}

function receive(): void {
  let receivedBytes = 0;
  let messages = 0;
  let started = 0;
  let before = process.cpuUsage();
  pc.ondatachannel = (event) => {
    const channel = event.channel as unknown as Channel;
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => {
      if (isEcho) return channel.send(typeof data === 'string' ? data : bytesOf(data));
      if (data === 'begin') {
        [receivedBytes, messages, started, before] = [0, 0, performance.now(), process.cpuUsage()];
      } else if (typeof data === 'string') {
        report(receivedBytes, messages, process.cpuUsage(before), performance.now() - started);
        channel.send('received');
      } else {
        receivedBytes += data.byteLength;
        messages += 1;
      }
    };
  };
  void connectToOtherProcess(pc, false);
}

function report(bytes: number, messages: number, { user, system }: NodeJS.CpuUsage, milliseconds: number = 0): void {
  process.send!({ type: 'result', role, bytes, messages, milliseconds, cpuMs: (user + system) / 1000 });
}
