/** From `new RTCPeerConnection` to an echoed message and the close, between two processes on loopback: time, and CPU time of each side. */
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { median, printTable } from './lib/table.ts';

interface Result {
  readonly type: 'result';
  readonly times: number[];
  readonly cpuMs: number;
}

const COUNT = 100;
const answerer = startPeer('connect', 'answerer', String(COUNT));
const offerer = startPeer('connect', 'offerer', String(COUNT));
introduce(offerer, answerer);
const [offered, answered] = await Promise.all([nextMessage<Result>(offerer, 'result'), nextMessage<Result>(answerer, 'result')]);
answerer.kill();
offerer.kill();
printTable(
  ['connections', 'median ms', 'best ms', 'worst ms', 'CPU ms offerer', 'CPU ms answerer'],
  [
    [
      COUNT,
      median(offered.times).toFixed(1),
      Math.min(...offered.times).toFixed(1),
      Math.max(...offered.times).toFixed(1),
      offered.cpuMs.toFixed(1),
      answered.cpuMs.toFixed(1),
    ],
  ],
);
