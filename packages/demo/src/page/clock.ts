/** The page's time, in milliseconds since the Unix epoch, finer than Date.now(). */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/**
 * Milliseconds that the server's clock is ahead of the page's, from the quickest of a few questions. Zero when the difference
 * cannot be told from the question's round trip: both are on one machine then, as a rule, with one clock.
 */
export async function measureClockOffset(): Promise<number> {
  let best = { roundTrip: Number.POSITIVE_INFINITY, offset: 0 };
  for (let i = 0; i < 4; i++) {
    const asked = now();
    const server = Number(await (await fetch('/clock')).text());
    const roundTrip = now() - asked;
    if (roundTrip < best.roundTrip) best = { roundTrip, offset: server - (asked + roundTrip / 2) };
  }
  return Math.abs(best.offset) <= best.roundTrip ? 0 : best.offset;
}

/** `3.4 ms`, `850 ms`, `6.2 s`. */
export function duration(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 100 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}
