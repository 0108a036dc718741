// What an association that does nothing costs in memory: 1,000 of them, connected in pairs, with one data channel each.
import { LinkedAssociations } from './lib/linked-associations.ts';

const PAIRS = 500;
const kept = [connectedPair()]; // what is made once is not counted

gc!();
const before = process.memoryUsage();
for (let i = 0; i < PAIRS; i++) kept.push(connectedPair());
gc!();
const after = process.memoryUsage();
const heap = (after.heapUsed - before.heapUsed) / (2 * PAIRS);
const buffers = (after.arrayBuffers - before.arrayBuffers) / (2 * PAIRS);
console.log(
  `${2 * (kept.length - 1)} idle associations with a channel each: ${heap.toFixed(0)} B of heap and ${buffers.toFixed(0)} B of buffers each`,
);

function connectedPair(): LinkedAssociations {
  const pair = new LinkedAssociations();
  pair.ends[0].channels.create({ label: 'x' }, pair.now);
  pair.settle();
  return pair;
}
