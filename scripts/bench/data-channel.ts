/** One reliable, ordered data channel between two processes on loopback: throughput, and CPU time of each side. */
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { printTable } from './lib/table.ts';

interface Result {
  readonly type: 'result';
  readonly bytes: number;
  readonly messages: number;
  readonly milliseconds: number;
  readonly cpuMs: number;
}

const SECONDS = 3;
const rows: string[][] = [];
for (const size of [100, 1200, 16_384, 65_536]) {
  const receiver = startPeer('data-channel', 'receiver', String(size), String(SECONDS));
  const sender = startPeer('data-channel', 'sender', String(size), String(SECONDS));
  introduce(sender, receiver);
  const [received, sent] = await Promise.all([nextMessage<Result>(receiver, 'result'), nextMessage<Result>(sender, 'result')]);
  receiver.kill();
  const { bytes, messages, milliseconds, cpuMs } = received;
  rows.push([
    `${size} B`,
    (bytes / 1000 / milliseconds).toFixed(1),
    (sent.cpuMs / (bytes / 1e6)).toFixed(1),
    (cpuMs / (bytes / 1e6)).toFixed(1),
    Math.round((messages / milliseconds) * 1000).toLocaleString('en'),
    ((sent.cpuMs / messages) * 1000).toFixed(1),
    ((cpuMs / messages) * 1000).toFixed(1),
  ]);
}
printTable(['message', 'MB/s', 'CPU s/GB tx', 'CPU s/GB rx', 'messages/s', 'CPU µs tx', 'CPU µs rx'], rows);
