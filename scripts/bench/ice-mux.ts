/** Many connections of one process behind one UDP port: memory and CPU time for each. The clients are in another process, each with a socket of its own. */
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { printTable } from './lib/table.ts';

interface Result {
  readonly type: 'result';
  readonly connections: number;
  readonly heapKb: number;
  readonly residentKb: number;
  readonly cpuMs: number;
  readonly left: Record<string, number>;
}

const COUNT = process.env['PETREL_COUNT'] ?? '1000';
const server = startPeer('ice-mux', 'server', COUNT);
const clients = startPeer('ice-mux', 'clients', COUNT);
introduce(server, clients);
const result = await nextMessage<Result>(server, 'result');
server.kill();
clients.kill();
printTable(
  ['connections', 'heap and buffers KB', 'resident KB', 'CPU ms to connect', 'left after close'],
  [
    [
      result.connections,
      result.heapKb.toFixed(1),
      result.residentKb.toFixed(1),
      result.cpuMs.toFixed(1),
      Object.values(result.left).reduce((sum, count) => sum + count, 0),
    ],
  ],
);
