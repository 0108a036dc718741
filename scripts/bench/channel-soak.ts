// K03: data channels opened and closed on one association, on virtual time; BENCH_COUNT=1000000 for the whole of it. Identifiers are used again, and the heap stays flat.
import { LinkedAssociations } from './lib/linked-associations.ts';

const COUNT = Number(process.env['BENCH_COUNT'] ?? 50_000);
const AT_ONCE = 50;
const pair = new LinkedAssociations();
const [{ channels }, peer] = pair.ends;
const started = process.cpuUsage();
let highestId = 0;
let opened = 0;
let closed = 0;
let heapAtTenth = 0;

for (let done = 0; done < COUNT; done += AT_ONCE) {
  const handles = Array.from({ length: AT_ONCE }, (_, index) => channels.create({ label: `channel ${index}` }, pair.now));
  for (const handle of handles) highestId = Math.max(highestId, channels.id(handle)!);
  opened += pair.settle()[1].filter(({ type }) => type === 'open').length;
  for (const handle of handles) channels.close(handle, pair.now);
  closed += pair.settle()[0].filter(({ type }) => type === 'closed').length;
  if (done === COUNT / 10) heapAtTenth = heap();
}
const growth = heap() - heapAtTenth;
const { user, system } = process.cpuUsage(started);
console.log(
  `${COUNT} channels: ${opened} opened at the peer, ${closed} closed, highest identifier ${highestId}, ${channels.size + peer.channels.size} left, ` +
    `heap grown by ${growth} B since the first tenth, ${((user + system) / COUNT).toFixed(1)} µs each`,
);
if (opened !== COUNT || closed !== COUNT || highestId > 4 * AT_ONCE || growth > 1_000_000) process.exitCode = 1;

function heap(): number {
  gc!();
  return process.memoryUsage().heapUsed;
}
