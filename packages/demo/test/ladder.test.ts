import { describe, expect, test } from '@jest/globals';
import type { FeedEntry } from '../src/feed.ts';
import { closingLadder } from '../src/ladder.ts';

const packet = (at: number, direction: 'in' | 'out', layer: 'rtcp' | 'sctp' | 'dtls', summary: string): FeedEntry => ({
  kind: 'packet',
  at,
  direction,
  layer,
  summary,
  bytes: 50,
});
const report = { by: 'local', reason: 'enough', heard: 'close_notify', flights: 1, durationMs: 3.21 } as const;
const sent = (['bye', 'abort', 'close_notify'] as const).map((message) => ({
  message,
  layer: 'dtls' as const,
  count: 1,
  bytes: 50,
  at: 0,
}));

describe('the ladder of a closing', () => {
  test('begins where the server closes, counts from there, and ends with the report', () => {
    const entries: FeedEntry[] = [
      packet(900, 'out', 'rtcp', 'SR, SDES'),
      { kind: 'note', at: 1000, text: "the server closes: pc.close({ reason: 'enough' })" },
      packet(1000.4, 'out', 'rtcp', 'SR, SDES, BYE'),
      packet(1000.5, 'out', 'sctp', 'ABORT  (1/17)'),
      packet(1000.6, 'out', 'dtls', 'Alert (1/18)'),
      packet(1003.2, 'in', 'dtls', 'Alert (1/22)'),
      { kind: 'closed', at: 1003.3, report: { ...report, sent } },
      { kind: 'exit', at: 1010, pid: 12, code: 0, signal: null },
    ];
    expect(closingLadder(entries)).toEqual([
      "      0.0    ·  the server closes: pc.close({ reason: 'enough' })",
      '      0.4  ──▶  rtcp  SR, SDES, BYE  (50 bytes)',
      '      0.5  ──▶  sctp  ABORT  (1/17)  (50 bytes)',
      '      0.6  ──▶  dtls  Alert (1/18)  (50 bytes)',
      '      3.2  ◀──  dtls  Alert (1/22)  (50 bytes)',
      '      3.3    ■  closed by the server (“enough”): 3 datagrams in 1 flight, heard close_notify after 3.2 ms',
      '     10.0    ■  process 12 has exited by itself',
    ]);
  });

  test('begins with the page’s goodbye when that came first', () => {
    const entries = [packet(1, 'in', 'rtcp', 'RR'), packet(5, 'in', 'sctp', 'ABORT  (1/3)')];
    expect(closingLadder(entries)).toEqual(['      0.0  ◀──  sctp  ABORT  (1/3)  (50 bytes)']);
  });

  test('of a killed process is one line', () => {
    expect(closingLadder([packet(1, 'in', 'rtcp', 'RR'), { kind: 'exit', at: 9, pid: 12, code: null, signal: 'SIGKILL' }])).toEqual([
      '  process 12 killed (SIGKILL), without a goodbye',
    ]);
  });
});
