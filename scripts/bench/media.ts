/**
 * RTP from a source to a sink in another process over loopback: CPU time of each side, beside bare datagrams of that size at that rate,
 * and beside datagrams with nothing but SRTP.
 */
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { median, printTable } from './lib/table.ts';

interface Result {
  readonly type: 'result';
  readonly packets: number;
  /** µs, after warming up. */
  readonly cpuPerPacket: number;
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
  const rounds: Record<Stack, Figures>[] = [];
  for (let round = 0; round < ROUNDS; round++)
    rounds.push({
      bare: await run('bare', streams, rate),
      srtp: await run('srtp', streams, rate),
      petrel: await run('petrel', streams, rate),
    });
  const of = (figure: (figures: Figures) => number, which: Stack): number => median(rounds.map((round) => figure(round[which])));
  rows.push([
    `${streams} × ${rate}/s, 1,200 B`,
    ...(['petrel', 'srtp', 'bare'] as const).flatMap((which) => [
      `${of(({ tx }) => tx, which).toFixed(1)} / ${of(({ rx }) => rx, which).toFixed(1)}`,
      `${(of(({ lost }) => lost, which) * 100).toFixed(1)} %`,
    ]),
  ]);
}
printTable(['', 'CPU µs tx / rx', 'lost', 'SRTP alone', 'lost', 'datagrams', 'lost'], rows);

/** Everything; datagrams with AES-GCM; datagrams. */
type Stack = 'petrel' | 'srtp' | 'bare';

interface Figures {
  /** µs of CPU for each packet that was sent, and for each that arrived. */
  readonly tx: number;
  readonly rx: number;
  readonly lost: number;
}

async function run(what: Stack, streams: number, rate: number): Promise<Figures> {
  const args = [String(streams), String(rate), String(SECONDS)];
  const receiver = startPeer('media', `${what}-receiver`, ...args);
  const sender = startPeer('media', `${what}-sender`, ...args);
  introduce(sender, receiver);
  const [received, sent] = await Promise.all([nextMessage<Result>(receiver, 'result'), nextMessage<Result>(sender, 'result')]);
  receiver.kill();
  sender.kill();
  return {
    tx: sent.cpuPerPacket,
    rx: received.cpuPerPacket,
    lost: 1 - received.packets / sent.packets,
  };
}
