/** Which pair the controlling agent nominates, and when; which nominated pair the controlled agent uses (RFC 8445 §8). */
import { type Instant, NEVER } from '@petrel/sans-io';
import type { CandidatePair } from './candidate-pair.ts';

/** How long a valid pair waits for a better one whose check is not finished. A relay costs money and time, so it waits longer. */
const PATIENCE = 300;
const RELAY_PATIENCE = 1_500;

/**
 * When to nominate the best valid pair: at once when no better pair can become valid any more, else when it has waited long enough.
 * @param pairs best first
 */
export function nominationTime(pairs: readonly CandidatePair[], best: CandidatePair): Instant {
  let betterPending = false;
  for (const pair of pairs) {
    if (pair.priority <= best.priority) break;
    betterPending ||= pair.state === 'waiting' || pair.state === 'frozen' || pair.state === 'in-progress';
  }
  if (!betterPending) return -NEVER;
  return (best.validSince ?? 0) + (best.usesRelay ? RELAY_PATIENCE : PATIENCE);
}

/** The valid pair of the highest priority whose consent is fresh. `pairs` is in order of priority. */
export function bestValidPair(pairs: readonly CandidatePair[], now: Instant): CandidatePair | undefined {
  return pairs.find((pair) => pair.valid && pair.hasConsent(now));
}

/**
 * Whether a nomination by the peer replaces the selected pair. An aggressive peer nominates whatever works, and the best of it counts; one that
 * nominates a lesser pair later does so because the selected one has stopped working, at least in its direction.
 */
export function replacesSelection(nominated: CandidatePair, selected: CandidatePair | undefined, now: Instant): boolean {
  if (selected === undefined || selected === nominated) return true;
  if (!selected.hasConsent(now)) return true;
  return nominated.priority > selected.priority || now - selected.lastHeardAt > NOMINATION_SILENCE;
}

const NOMINATION_SILENCE = 3_000;
