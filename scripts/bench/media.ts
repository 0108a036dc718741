/** RTP from a source to a sink in another process over loopback: CPU time of each side, beside bare datagrams of that size at that rate. */
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { median, printTable } from './lib/table.ts';

interface Result {
  readonly type: 'result';
  readonly packets: number;
  readonly cpuMs: number;
}

const SECONDS = 3;
const ROUNDS = 3;
const WORKLOADS = [
  { streams: 1, rate: 1000 },
  { streams: 1, rate: 10_000 },
  { streams: 50, rate: 300 },
];
const rows: (string | number)[][] = [];
for (const { streams, rate } of WORKLOADS) {
  const rounds: { ours: Figures; bare: Figures }[] = [];
  for (let round = 0; round < ROUNDS; round++)
    rounds.push({ bare: await run('bare', streams, rate), ours: await run('petrel', streams, rate) });
  const of = (figure: (figures: Figures) => number, which: 'ours' | 'bare'): number => median(rounds.map((round) => figure(round[which])));
  rows.push([
    `${streams} × ${rate}/s, 1,200 B`,
    of(({ tx }) => tx, 'ours').toFixed(1),
    of(({ rx }) => rx, 'ours').toFixed(1),
    `${(of(({ lost }) => lost, 'ours') * 100).toFixed(1)} %`,
    of(({ tx }) => tx, 'bare').toFixed(1),
    of(({ rx }) => rx, 'bare').toFixed(1),
    `${(of(({ lost }) => lost, 'bare') * 100).toFixed(1)} %`,
  ]);
}
printTable(['', 'CPU µs tx', 'CPU µs rx', 'lost', 'datagrams: tx', 'rx', 'lost'], rows);

interface Figures {
  /** µs of CPU for each packet that was sent, and for each that arrived. */
  readonly tx: number;
  readonly rx: number;
  readonly lost: number;
}

async function run(what: 'petrel' | 'bare', streams: number, rate: number): Promise<Figures> {
  const args = [String(streams), String(rate), String(SECONDS)];
  const receiver = startPeer('media', `${what}-receiver`, ...args);
  const sender = startPeer('media', `${what}-sender`, ...args);
  introduce(sender, receiver);
  const [received, sent] = await Promise.all([nextMessage<Result>(receiver, 'result'), nextMessage<Result>(sender, 'result')]);
  receiver.kill();
  sender.kill();
  return {
    tx: (sent.cpuMs * 1000) / sent.packets,
    rx: (received.cpuMs * 1000) / received.packets,
    lost: 1 - received.packets / sent.packets,
  };
}
