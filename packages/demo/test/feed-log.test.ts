import { describe, expect, test } from '@jest/globals';
import type { FeedEntry } from '../src/feed.ts';
import { FeedLog } from '../src/server/feed-log.ts';

const note = (text: string): FeedEntry => ({ kind: 'note', at: 0, text });

function follow(log: FeedLog, from: number): { seen: string[]; stop: () => void } {
  const seen: string[] = [];
  const stop = log.follow(from, (entry, number) => entry.kind === 'note' && seen.push(`${number} ${entry.text}`));
  return { seen, stop };
}

describe('a feed', () => {
  test('tells a reader what was, and what comes, until it stops', () => {
    const log = new FeedLog();
    log.add([note('a'), note('b')]);
    const { seen, stop } = follow(log, 0);
    expect(seen).toEqual(['0 a', '1 b']);
    log.add([note('c')]);
    stop();
    log.add([note('d')]);
    expect(seen).toEqual(['0 a', '1 b', '2 c']);
  });

  test('a reader that comes back goes on where it was', () => {
    const log = new FeedLog();
    log.add([note('a'), note('b'), note('c')]);
    expect(follow(log, 2).seen).toEqual(['2 c']);
  });

  test('keeps a limited number of entries, and their numbers', () => {
    const log = new FeedLog();
    for (let i = 0; i < 4100; i++) log.add([note(String(i))]);
    expect(log.entries).toHaveLength(4000);
    expect(follow(log, 0).seen[0]).toBe('100 100');
  });
});
