export { NEVER, type Core, type Instant } from './core.ts';
export { TimerTable } from './timer-table.ts';
export { Queue } from './queue.ts';
export { randomFraction, randomText, randomUint32, type Random } from './random.ts';
export { Discards } from './discards.ts';
export { Backoff } from './backoff.ts';
