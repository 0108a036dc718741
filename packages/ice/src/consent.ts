/** Consent freshness (RFC 7675 §5.1), and what silence on a path means. Milliseconds. */
import { type Instant, type Random, randomFraction } from '@petrel/sans-io';
import type { CandidatePair } from './candidate-pair.ts';

/** 5 s, randomized by a fifth: RFC 7675 forbids less than 4 s. */
const CONSENT_INTERVAL = 5_000;
/** Other valid pairs are kept as a reserve; two responses in a row may be lost. */
const RESERVE_INTERVAL = 9_500;
/** So many pairs besides the selected one are kept. */
export const MAX_RESERVES = 3;
/**
 * Nothing at all came from the peer for so long: disconnected. Both sides send a check every 4 to 6 s, so that one lost packet does not do it.
 */
const SILENCE = 7_000;
/** The peer is heard, but does not answer: what we send does not arrive. Two checks were lost. */
const NO_ANSWER = 13_000;
/** From here on other pairs are tried. */
const SUSPICION = 5_500;
/** Between checks on a path that has fallen silent: these are connectivity checks again, not consent checks. */
export const RECOVERY_INTERVAL = 1_000;

export function nextConsentCheck(random: Random, now: Instant, selected: boolean): Instant {
  return now + (selected ? CONSENT_INTERVAL : RESERVE_INTERVAL) * (0.8 + 0.4 * randomFraction(random));
}

/** When a path counts as disconnected, unless something arrives before. */
export function disconnectionTime(pair: CandidatePair): Instant {
  return Math.min(pair.lastHeardAt + SILENCE, pair.lastResponseAt + NO_ANSWER);
}

/** When to look for another path. */
export function suspicionTime(pair: CandidatePair): Instant {
  return Math.min(pair.lastHeardAt + SUSPICION, pair.lastResponseAt + NO_ANSWER);
}

/** Whether a valid pair that is not used is one of those that are kept as a reserve. */
export function isReserve(pairs: readonly CandidatePair[], pair: CandidatePair, selected: CandidatePair | undefined): boolean {
  let better = 0;
  for (const other of pairs) {
    if (other === pair) return better < MAX_RESERVES;
    if (other.valid && other !== selected) better += 1;
  }
  return false;
}
