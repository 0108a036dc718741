/**
 * A flood of STUN Binding requests on a port that connections share, with a call going on there: heap of the process, and the call's round trips before
 * and during. Every other request has the call's own fragment and a password that is wrong, the rest are for nobody.
 */
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { printTable } from './lib/table.ts';

interface Ready {
  readonly type: 'ready';
  readonly port: number;
  readonly fragment: string;
}

interface Calm {
  readonly type: 'calm';
}

interface Result {
  readonly type: 'result';
  readonly heapMb: number;
  readonly residentMb: number;
  readonly received: number;
  readonly cpuPercent: number;
  readonly state: string;
  readonly discarded: Record<string, number>;
  readonly size: Record<string, number>;
}

interface Trips {
  readonly type: 'trips';
  readonly before: readonly [sent: number, median: number, worst: number];
  readonly during: readonly [sent: number, median: number, worst: number];
}

const [RATE, SECONDS] = [20_000, 10];
const server = startPeer('ice-flood', 'server');
const client = startPeer('ice-flood', 'client');
introduce(server, client);
const { port, fragment } = await nextMessage<Ready>(server, 'ready');
await nextMessage<Calm>(client, 'calm');
client.send({ connection: -1, flood: true });
server.send({ connection: -1, flood: true });
const attacker = startPeer('ice-flood', 'attacker', String(port), fragment, String(RATE), String(SECONDS));
const { sent } = await nextMessage<{ type: 'sent'; sent: number }>(attacker, 'sent');
server.send({ connection: -1, flood: false });
client.send({ connection: -1, flood: false });
const [result, trips] = await Promise.all([nextMessage<Result>(server, 'result'), nextMessage<Trips>(client, 'trips')]);
for (const peer of [server, client, attacker]) peer.kill();
const call = ([count, middle, worst]: Trips['before']): string =>
  `${count} echoes, median ${middle.toFixed(1)} ms, worst ${worst.toFixed(0)} ms`;
printTable(
  ['requests sent', 'reached the mux', 'heap growth MB', 'resident MB', 'CPU %', 'call before', 'call during', 'call after', 'remembered'],
  [
    [
      sent,
      result.received,
      result.heapMb.toFixed(2),
      result.residentMb.toFixed(1),
      result.cpuPercent.toFixed(0),
      call(trips.before),
      call(trips.during),
      result.state,
      JSON.stringify(result.size),
    ],
  ],
);
