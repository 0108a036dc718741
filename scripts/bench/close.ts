/**
 * 1,000 connections, each with a data channel, between two processes on loopback, closed one after the other and then all at once: CPU time of a close,
 * memory of a connection that lingers, datagrams, duration, event-loop delay.
 */
import { introduce, nextMessage, startPeer } from './lib/peer-process.ts';
import { printTable } from './lib/table.ts';

interface Result {
  readonly type: 'result';
  readonly single: { readonly cpuMs: number; readonly callMs: number };
  readonly datagrams: number;
  readonly callMs: number;
  readonly allHeardMs: number;
  readonly cpuMs: number;
  readonly loopDelayMs: number;
  readonly heard: number;
  readonly openKiB: number;
  readonly lingeringKiB: number;
  readonly releasedKiB: number;
}

const COUNT = Number(process.env['CLOSE_COUNT'] ?? 1000);
const answerer = startPeer('close', 'answerer', String(COUNT));
const offerer = startPeer('close', 'offerer', String(COUNT));
introduce(offerer, answerer);
const result = await nextMessage<Result>(offerer, 'result');
answerer.kill();
offerer.kill();
printTable(
  ['figure', 'value'],
  [
    ['one close: time in the call', `${result.single.callMs.toFixed(2)} ms`],
    ['one close: CPU time, with the answer and the event', `${result.single.cpuMs.toFixed(2)} ms`],
    [`${COUNT} at once: datagrams of the closing side`, result.datagrams],
    [`${COUNT} at once: all calls`, `${result.callMs.toFixed(0)} ms`],
    [`${COUNT} at once: until the last answer`, `${result.allHeardMs.toFixed(0)} ms`],
    [`${COUNT} at once: answered`, result.heard],
    [`${COUNT} at once: CPU time of the closing side, each`, `${(result.cpuMs / COUNT).toFixed(2)} ms`],
    [`${COUNT} at once: longest event-loop delay`, `${result.loopDelayMs.toFixed(0)} ms`],
    ['memory of an open connection', `${result.openKiB.toFixed(0)} KiB`],
    ['memory of a closed one that lingers', `${result.lingeringKiB.toFixed(0)} KiB`],
    ['… after that', `${result.releasedKiB.toFixed(0)} KiB`],
  ],
);
