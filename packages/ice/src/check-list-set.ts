/**
 * What the agents of one peer connection share while its media is not bundled. To the peer they are one ICE agent: foundations mean the same in all
 * of their checklists, the pairs of a foundation are checked in one list first (RFC 8445 §6.1.2.6), and all lists share one Ta (§6.1.4.2).
 *
 * ```
 *           f1    f2    f3                        f1    f2    f3
 *         ------------------   f1 succeeds      ------------------
 *   m1  |  w     w                           m1  |  s     w
 *   m2  |  f     f     w      ──────────>    m2  |  w     f     w      s: succeeded, w: waiting, f: frozen
 *   m3  |  f                                 m3  |  w
 * ```
 */
import { toHex } from '@petrel/bytes';
import { type Instant, NEVER, type Random } from '@petrel/sans-io';
import type { CandidatePair } from './candidate-pair.ts';
import { CHECK_LIFETIME, type CheckList } from './check-list.ts';

/** A pair that has had no response for so long (in milliseconds) does not hold up those of other lists any more. */
const HOLD = 1_000;

/**
 * @example
 * const checkLists = new CheckListSet();
 * const audio = new IceAgent({ crypto, role, checkLists });
 * const video = new IceAgent({ crypto, role, checkLists });
 */
export class CheckListSet {
  readonly #lists = new Set<CheckList>();
  readonly #foundations = new Map<string, string>();
  #tieBreaker: bigint | undefined;
  /** When the next check may be sent that nobody has claimed the time of. */
  #nextSlot: Instant = -NEVER;

  add(list: CheckList): void {
    this.#lists.add(list);
  }

  delete(list: CheckList): void {
    this.#lists.delete(list);
  }

  /** RFC 8445 §5.1.1.3: the same for the same key, whichever agent asks. */
  foundation(key: string): string {
    const known = this.#foundations.get(key);
    if (known !== undefined) return known;
    const foundation = String(this.#foundations.size + 1);
    this.#foundations.set(key, foundation);
    return foundation;
  }

  /** RFC 8445 §16.1: the same number for all streams. */
  tieBreaker(random: Random): bigint {
    return (this.#tieBreaker ??= BigInt(`0x${toHex(random.randomBytes(8))}`));
  }

  /** RFC 8445 §7.2.5.1: after a change of the role. With other lists it stays, so that their conflicts end like the one that was solved. */
  changeTieBreaker(): void {
    if (this.#lists.size <= 1) this.#tieBreaker = undefined;
  }

  // Foundations --------------------------------------------------------------------------------------------------------

  /** Whether a list besides this one has something to say about its pairs. */
  hasOthers(list: CheckList): boolean {
    return this.#lists.size > 1 || !this.#lists.has(list);
  }

  /** What the other lists know of a foundation. */
  elsewhere(list: CheckList, foundation: string): 'succeeded' | 'busy' | undefined {
    let busy = false;
    for (const pair of this.#pairsOfOthers(list)) {
      if (pair.foundation !== foundation) continue;
      if (pair.state === 'succeeded') return 'succeeded';
      busy ||= pair.state === 'waiting' || pair.state === 'in-progress';
    }
    return busy ? 'busy' : undefined;
  }

  /** The foundations that another list is checking now. */
  busyElsewhere(list: CheckList, now: Instant): Set<string> {
    const busy = new Set<string>();
    for (const pair of this.#pairsOfOthers(list)) if (isBusy(pair, now)) busy.add(pair.foundation);
    return busy;
  }

  /** RFC 8445 §7.2.5.3.3: in all lists. */
  unfreeze(foundation: string): void {
    for (const list of this.#lists) list.unfreeze(foundation);
  }

  *#pairsOfOthers(list: CheckList): Generator<CandidatePair> {
    for (const other of this.#lists) if (other !== list) yield* other.pairs;
  }

  // Pacing -------------------------------------------------------------------------------------------------------------

  /** When the next check could be sent. */
  get nextSlot(): Instant {
    return this.#nextSlot;
  }

  /** Claims the next time for a check: lists that have something to send take turns. */
  claim(pacing: number, now: Instant): Instant {
    const slot = Math.max(this.#nextSlot, now);
    this.#nextSlot = slot + pacing;
    return slot;
  }

  /** A check was sent; later than claimed perhaps. */
  used(pacing: number, now: Instant): void {
    this.#nextSlot = Math.max(this.#nextSlot, now + pacing);
  }

  /** There is nothing to send any more. A time before one that others have claimed is not given away again. */
  giveBack(slot: Instant, pacing: number): void {
    if (this.#nextSlot === slot + pacing) this.#nextSlot = slot;
  }
}

function isBusy({ state, failAt }: CandidatePair, now: Instant): boolean {
  return state === 'waiting' || (state === 'in-progress' && now < failAt - CHECK_LIFETIME + HOLD);
}
