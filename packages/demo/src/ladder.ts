import type { FeedEntry } from './feed.ts';

/**
 * A closing in text, for the terminal: everything on the wire from the first goodbye on, with times in milliseconds after it.
 *
 *        0.0  out ──▶  rtcp  SR, SDES, BYE …
 */
export function closingLadder(entries: readonly FeedEntry[]): readonly string[] {
  const begin = entries.find(isGoodbye)?.at;
  if (begin === undefined) return entries.flatMap((entry) => (entry.kind === 'exit' ? [`  ${describeEnd(entry)}`] : []));
  const end = entries.filter(({ at }) => at >= begin).toSorted((one, other) => one.at - other.at);
  return end.map((entry) => `${(entry.at - begin).toFixed(1).padStart(9)}  ${describe(entry)}`);
}

/** How an entry reads in one line. */
export function describe(entry: FeedEntry): string {
  switch (entry.kind) {
    case 'packet':
      return `${entry.direction === 'out' ? '──▶' : '◀──'}  ${entry.layer.padEnd(4)}  ${entry.summary}  (${entry.bytes} bytes)`;
    case 'note':
      return `  ·  ${entry.text}`;
    case 'closed':
    case 'exit':
      return `  ■  ${describeEnd(entry)}`;
  }
}

/** The two last entries of a connection: its close report, and the end of its process. */
export function describeEnd(entry: Extract<FeedEntry, { kind: 'closed' | 'exit' }>): string {
  if (entry.kind === 'exit') {
    if (entry.signal !== null) return `process ${entry.pid} killed (${entry.signal}), without a goodbye`;
    return `process ${entry.pid} has exited by itself${entry.code === 0 ? '' : ` with code ${entry.code}`}`;
  }
  const { by, reason, heard, sent, flights, durationMs } = entry.report;
  const said = reason ? ` (“${reason}”)` : '';
  if (by === 'remote') return `closed by the page${said}, and answered`;
  const datagrams = sent.reduce((sum, { count }) => sum + count, 0);
  const who = by === 'local' ? 'by the server' : 'because the page was lost';
  const flown = `${datagrams} datagram${datagrams === 1 ? '' : 's'} in ${flights} flight${flights === 1 ? '' : 's'}`;
  return `closed ${who}${said}: ${flown}, heard ${heard} after ${durationMs.toFixed(1)} ms`;
}

/** The first sign of the end, in either direction. */
function isGoodbye(entry: FeedEntry): boolean {
  if (entry.kind === 'note') return entry.text.startsWith('the server closes');
  return entry.kind === 'packet' && /\bBYE\b|\bABORT\b|\bAlert\b/.test(entry.summary);
}
