/** Consent freshness (RFC 7675 §5.1): checks that keep paths alive, and what is done when one falls silent. Times in milliseconds. */
import { type Instant, NEVER, type Random, randomFraction } from '@petrel/sans-io';
import { leavesFrom } from './base.ts';
import type { CandidatePair } from './candidate-pair.ts';
import type { CheckList } from './check-list.ts';

/** Randomized by a fifth; RFC 7675 forbids less than 4 s. */
const CONSENT_INTERVAL = 5_000;
/** Other valid pairs are kept as a reserve; two responses in a row may be lost. */
const RESERVE_INTERVAL = 9_500;
/** So many pairs besides the one in use are kept. */
const MAX_RESERVES = 3;
/** Nothing came from the peer for so long: disconnected. Both sides send a check every 4 to 6 s, so that one lost packet does not do it. */
const SILENCE = 7_000;
/** Data is sent over the path, and nothing came back for so long: the peer may have moved, or our interface may be gone. */
export const UNANSWERED = 2_000;
/** Between looks for what may have happened. */
const LOOK_INTERVAL = 1_000;
/** From here on other pairs are tried: a check is overdue on a path that works. */
const SUSPICION = 6_300;
/** The peer is heard, but does not answer: what we send does not arrive. Two checks were lost. */
const NO_ANSWER = 13_000;
/** Between checks when the path has fallen silent: these are connectivity checks again, which consent only profits from. */
const RECOVERY_INTERVAL = 500;

/** When a path counts as disconnected, unless something arrives before. */
export function disconnectionTime(pair: CandidatePair): Instant {
  return silentSince(pair, SILENCE);
}

function silentSince({ lastHeardAt, lastResponseAt, roundTripTime = 0 }: CandidatePair, silence: number): Instant {
  return Math.min(lastHeardAt + silence, lastResponseAt + NO_ANSWER) + roundTripTime;
}

function silentFrom({ lastHeardAt, roundTripTime = 0 }: CandidatePair): Instant {
  return lastHeardAt + UNANSWERED + roundTripTime;
}

/** Schedules the checks of pairs that are valid. */
export class ConsentKeeper {
  readonly #list: CheckList;
  readonly #random: Random;
  #recovering = false;
  /** The path's interface has gone. */
  #seeking: { readonly address: string; readonly since: Instant } | undefined;

  constructor(list: CheckList, random: Random) {
    this.#list = list;
    this.#random = random;
  }

  /** Sets when the next check of a valid pair is due. @param path the pair in use */
  schedule(pair: CandidatePair, path: CandidatePair | undefined, now: Instant): void {
    const interval = pair === path ? CONSENT_INTERVAL : this.#isReserve(pair, path) ? RESERVE_INTERVAL : NEVER;
    pair.nextConsentAt = now + interval * (0.8 + 0.4 * randomFraction(this.#random));
  }

  /** Another pair is in use now. */
  reschedule(path: CandidatePair | undefined, now: Instant): void {
    this.#recovering = false;
    this.#seeking = undefined;
    for (const pair of this.#list.pairs) if (pair.valid) this.schedule(pair, path, now);
  }

  /** The checks that are due, each sent once whatever the peer sends (RFC 7675 §5.1). @returns when the next ones are */
  sendDue(path: CandidatePair | undefined, now: Instant, send: (pair: CandidatePair) => boolean): Instant {
    let next = NEVER;
    for (const pair of this.#list.pairs) {
      if (pair.nextConsentAt <= now) {
        if (send(pair)) pair.consentRequestsSent += 1;
        if (this.#recovering || now - pair.lastResponseAt > NO_ANSWER) pair.nextConsentAt = now + RECOVERY_INTERVAL;
        else this.schedule(pair, path, now);
      }
      next = Math.min(next, pair.nextConsentAt);
    }
    return next;
  }

  /**
   * Watches the path in use. When it falls silent the other pairs are tried.
   * @returns a pair that has answered since, to be used instead, or when to look again
   */
  watch(path: CandidatePair, now: Instant): CandidatePair | Instant {
    const found = this.#found(path) ?? (this.#isUnanswered(path, now) ? this.#payloadsPair(path) : undefined);
    if (found !== undefined) return found;
    const suspicious = silentSince(path, SUSPICION);
    if (now < suspicious && this.#seeking === undefined) {
      if (this.#recovering) this.reschedule(path, now);
      return suspicious;
    }
    if (!this.#recovering) this.#startRecovery(now);
    const disconnected = disconnectionTime(path);
    if (now < disconnected) return disconnected;
    return this.#list.pairs.find((pair) => pair !== path && pair.valid && pair.lastResponseAt > path.lastHeardAt) ?? NEVER;
  }

  /** Another pair is wanted than those that leave from this address, at once. */
  seek(address: string, now: Instant): void {
    if (this.#seeking?.address === address) return;
    this.#seeking = { address, since: now };
    this.#startRecovery(now);
  }

  /** What has answered since {@link seek}, unless the path itself has: its interface is back. */
  #found(path: CandidatePair): CandidatePair | undefined {
    if (this.#seeking === undefined) return undefined;
    const { since, address } = this.#seeking;
    if (path.lastResponseAt <= since)
      return this.#list.pairs.find(({ valid, base, lastResponseAt }) => valid && lastResponseAt > since && !leavesFrom(base, address));
    this.#seeking = undefined;
    return undefined;
  }

  /**
   * Watches whether anything comes back while data is sent. A connection that is idle costs nothing.
   * @param onSilence called at every look
   * @returns when to look again
   */
  watchReturns(path: CandidatePair, now: Instant, onSilence: () => void): Instant {
    if (path.lastPacketSentAt < path.lastHeardAt - UNANSWERED) return NEVER;
    const at = silentFrom(path);
    if (now < at) return at;
    if (!this.#isUnanswered(path, now)) return NEVER;
    onSilence();
    return now + LOOK_INTERVAL;
  }

  #isUnanswered(path: CandidatePair, now: Instant): boolean {
    return path.lastPacketSentAt > path.lastHeardAt && now >= silentFrom(path);
  }

  /** Another valid pair that the peer has begun to send over: it has lost this one. */
  #payloadsPair(path: CandidatePair): CandidatePair | undefined {
    return this.#list.pairs.find((pair) => pair !== path && pair.valid && pair.lastPacketReceivedAt > path.lastHeardAt);
  }

  #startRecovery(now: Instant): void {
    this.#recovering = true;
    for (const pair of this.#list.pairs) {
      if (pair.valid) pair.nextConsentAt = now;
      else if (pair.state === 'failed' && !pair.consentLost) this.#list.trigger(pair);
    }
  }

  /** Whether a pair that is not in use is one of the best of them. */
  #isReserve(pair: CandidatePair, path: CandidatePair | undefined): boolean {
    const others = this.#list.pairs.filter((other) => other.valid && other !== path);
    return others.indexOf(pair) < MAX_RESERVES;
  }
}
