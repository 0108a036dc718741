/** Which pair the controlling agent nominates, and when; which nominated pair the controlled agent uses (RFC 8445 §8). */
import { type Instant, NEVER } from '@petrel/sans-io';
import type { CandidatePair } from './candidate-pair.ts';
import type { CheckList } from './check-list.ts';

/** How long a valid pair waits for a better one whose check is not finished. A relay costs money and time, so it waits longer. */
const PATIENCE = 300;
const RELAY_PATIENCE = 1_500;
/** A nomination that is not answered for so long is tried on another valid pair. */
const NOMINATION_LIFETIME = 4_000;
/** A nomination of a lesser pair counts when nothing has come over the selected one for so long. */
const NOMINATION_SILENCE = 3_000;

/** Regular nomination (RFC 8445 §8.1.1): one pair at a time, with a check of its own. */
export class Nominator {
  readonly #list: CheckList;
  #nominee: CandidatePair | undefined;
  #deadline: Instant = NEVER;

  constructor(list: CheckList) {
    this.#list = list;
  }

  /** Sends checks with USE-CANDIDATE for this pair until one is answered. */
  nominate(pair: CandidatePair, now: Instant): void {
    this.abandon();
    this.#nominee = pair;
    this.#deadline = now + NOMINATION_LIFETIME;
    pair.nominating = true;
    pair.checksSent = 0;
    this.#list.trigger(pair);
  }

  /** The peer has answered a check with USE-CANDIDATE. @returns whether that is the nomination which was waited for */
  answered(pair: CandidatePair): boolean {
    if (pair !== this.#nominee) return false;
    this.abandon();
    return true;
  }

  /** Stops nominating: the role has changed, or the pair has gone. */
  abandon(pair: CandidatePair | undefined = this.#nominee): void {
    if (pair === undefined || pair !== this.#nominee) return;
    pair.nominating = false;
    this.#nominee = undefined;
  }

  /** Nominates what is to be nominated at `now`. @returns when there may be something to do again */
  decide(selected: CandidatePair | undefined, now: Instant): Instant {
    const { pairs } = this.#list;
    if (this.#nominee !== undefined) {
      if (now < this.#deadline) return this.#deadline;
      const other = pairs.find((pair) => pair !== this.#nominee && pair.valid && pair.hasConsent(now));
      this.nominate(other ?? this.#nominee, now);
      return this.#deadline;
    }
    const best = bestValidPair(pairs, now);
    if (best === undefined || best === selected) return NEVER;
    // Nomination is final, except that a relay which was chosen because nothing better answered in time is left when something better does.
    if (selected?.hasConsent(now) === true && (!selected.usesRelay || best.usesRelay)) return NEVER;
    const at = nominationTime(pairs, best);
    if (now < at) return at;
    this.nominate(best, now);
    return this.#deadline;
  }
}

/**
 * When to nominate the best valid pair: at once when no better pair can become valid any more, else when it has waited long enough.
 * @param pairs best first
 */
function nominationTime(pairs: readonly CandidatePair[], best: CandidatePair): Instant {
  const betterPending = pairs.some(({ priority, state }) => priority > best.priority && state !== 'failed' && state !== 'succeeded');
  if (!betterPending) return -NEVER;
  return (best.validSince ?? 0) + (best.usesRelay ? RELAY_PATIENCE : PATIENCE);
}

/** The valid pair of the highest priority whose consent is fresh. `pairs` is in order of priority. */
export function bestValidPair(pairs: readonly CandidatePair[], now: Instant): CandidatePair | undefined {
  return pairs.find((pair) => pair.valid && pair.hasConsent(now));
}

/**
 * Whether a nomination by the peer replaces the selected pair. A peer that has checked the pair before without nominating it means it. An aggressive
 * one nominates whatever works, and the best of it counts, unless nothing comes over the selected one any more.
 */
export function replacesSelection(nominated: CandidatePair, selected: CandidatePair | undefined, now: Instant): boolean {
  if (selected === undefined || selected === nominated || !selected.hasConsent(now)) return true;
  return nominated.checkedPlainly || nominated.priority > selected.priority || now - selected.lastHeardAt > NOMINATION_SILENCE;
}
