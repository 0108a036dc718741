/** The check list: which pairs there are, and which one is checked next (RFC 8445 §6.1.2 to §6.1.4, RFC 8838 §10 to §12). */
import { type Instant, NEVER } from '@petrel/sans-io';
import { addressScope } from '@petrel/stun';
import { type Base, pathKey } from './base.ts';
import { CandidatePair } from './candidate-pair.ts';
import type { CheckListSet } from './check-list-set.ts';
import type { IceRole } from './ice-types.ts';
import type { RemoteCandidate } from './remote-candidates.ts';

/** A pair without a response is given up after so long: what seven transmissions would take (RFC 8489 §6.2.1, RFC 8863 §4). */
export const CHECK_LIFETIME = 39_500;
/**
 * Milliseconds between the first checks of a pair. RFC 8445 §14.3 would double 500 ms each time: at 50 % loss one pair in seven then stays without a
 * response. Checks go on at the steady last interval instead; pacing, the budget of unproven addresses and CHECK_LIFETIME bound them.
 */
const RECHECK_DELAYS = [100, 100, 150, 200, 250, 300, 400, 600] as const;

export class CheckList {
  readonly #pairs: CandidatePair[] = [];
  readonly #byPath = new Map<string, CandidatePair>();
  readonly #triggered: CandidatePair[] = [];
  readonly #maxPairs: number;
  readonly #set: CheckListSet;
  readonly #newPairId: () => number;
  #sorted = true;
  /** Turns between pairs that were never checked and those that are due again, so that neither has to wait for the other. */
  #repeatTurn = false;

  /** @param set those that it is one of, or will be */
  constructor(maxPairs: number, set: CheckListSet, newPairId: () => number) {
    this.#maxPairs = maxPairs;
    this.#set = set;
    this.#newPairId = newPairId;
  }

  /** By priority, the best one first. */
  get pairs(): readonly CandidatePair[] {
    if (!this.#sorted) this.#pairs.sort((a, b) => (a.priority < b.priority ? 1 : a.priority > b.priority ? -1 : a.id - b.id));
    this.#sorted = true;
    return this.#pairs;
  }

  find(baseId: number, address: string, port: number): CandidatePair | undefined {
    return this.#byPath.get(pathKey(baseId, address, port));
  }

  /**
   * Pairs a base with a remote candidate. In a full list the least promising pair that was not checked yet makes room.
   * @returns the pair, known or new; undefined when they cannot be paired or there is no room
   */
  add(base: Base, remote: RemoteCandidate, role: IceRole): CandidatePair | undefined {
    const { address, port } = remote.candidate;
    const known = this.find(base.id, address, port);
    if (known !== undefined) return known;
    if (!canPair(base, remote)) return undefined;
    const pair = new CandidatePair(this.#newPairId(), base, remote, role);
    if (this.#pairs.length >= this.#maxPairs && !this.#makeRoom(pair)) return undefined;
    this.#pairs.push(pair);
    this.#sorted = false;
    this.#byPath.set(pathKey(base.id, address, port), pair);
    this.#setInitialState(pair);
    return pair;
  }

  remove(pair: CandidatePair): void {
    pair.fail();
    this.#pairs.splice(this.#pairs.indexOf(pair), 1);
    this.#byPath.delete(pathKey(pair.base.id, pair.remote.candidate.address, pair.remote.candidate.port));
    const index = this.#triggered.indexOf(pair);
    if (index !== -1) this.#triggered.splice(index, 1);
  }

  /** Priorities have changed. */
  reorder(role: IceRole): void {
    for (const pair of this.#pairs) pair.updatePriority(role);
    this.#sorted = false;
  }

  /** Puts a pair at the end of the triggered-check queue (RFC 8445 §7.3.1.4). */
  trigger(pair: CandidatePair): void {
    if (pair.state === 'frozen' || pair.state === 'failed') pair.state = 'waiting';
    if (!this.#triggered.includes(pair)) this.#triggered.push(pair);
  }

  /** Takes the next pair to check at `now` (RFC 8445 §6.1.4.2). */
  take(now: Instant): CandidatePair | undefined {
    const triggered = this.#triggered.shift();
    if (triggered !== undefined) return triggered;
    this.#repeatTurn = !this.#repeatTurn;
    const first = this.#repeatTurn ? this.#due(now) : this.#waiting();
    return first ?? (this.#repeatTurn ? this.#waiting() : this.#due(now));
  }

  /** When {@link take} will have something. */
  nextDue(): Instant {
    if (this.#triggered.length > 0) return -NEVER;
    let next = NEVER;
    for (const pair of this.#pairs) {
      if (pair.state === 'waiting' || (pair.state === 'frozen' && !pair.held)) return -NEVER;
      if (pair.nextCheckAt < next) next = pair.nextCheckAt;
    }
    return next;
  }

  /** Notes that a check was sent, and when the next one is due. */
  sent(pair: CandidatePair, now: Instant): void {
    if (pair.state !== 'succeeded') {
      if (pair.state !== 'in-progress') {
        pair.checksSent = 0;
        pair.failAt = now + CHECK_LIFETIME;
      }
      pair.state = 'in-progress';
    }
    pair.checksSent += 1;
    pair.lastCheckAt = now;
    this.schedule(pair, now);
  }

  /** The next check of a pair that needs one, after the one that was just sent. */
  schedule(pair: CandidatePair, now: Instant): void {
    const delay = RECHECK_DELAYS[Math.min(pair.checksSent, RECHECK_DELAYS.length) - 1] ?? 0;
    pair.nextCheckAt = pair.state === 'in-progress' || pair.nominating ? now + delay : NEVER;
  }

  /** Pairs of the foundation that has just proved to work are checked next (RFC 8445 §7.2.5.3.3). */
  unfreeze(foundation: string): void {
    for (const pair of this.#pairs) if (pair.state === 'frozen' && pair.foundation === foundation) pair.state = 'waiting';
  }

  /**
   * RFC 8445 §6.1.4.2, step 2: of a foundation that no other list is checking any more, the first pair waits for its turn.
   * @returns whether there are pairs that other lists hold up
   */
  thaw(now: Instant): boolean {
    if (!this.#set.hasOthers(this) || !this.#pairs.some(isHeld)) return false;
    const busy = this.#set.busyElsewhere(this, now);
    const thawed = new Set<string>();
    for (const pair of this.pairs) {
      if (!isHeld(pair) || busy.has(pair.foundation)) continue;
      pair.held = false;
      if (!thawed.has(pair.foundation)) pair.state = 'waiting';
      thawed.add(pair.foundation);
    }
    return this.#pairs.some(isHeld);
  }

  /** RFC 8445 §6.1.2.6 and RFC 8838 §12: one pair of each foundation waits, the others are frozen until it has succeeded. */
  #setInitialState(pair: CandidatePair): void {
    const { foundation } = pair;
    const elsewhere = this.#set.elsewhere(this, foundation);
    if (elsewhere !== undefined) {
      pair.state = elsewhere === 'succeeded' ? 'waiting' : 'frozen';
      pair.held = elsewhere === 'busy';
      return;
    }
    let busy = false;
    for (const other of this.#pairs) {
      if (other === pair || other.foundation !== foundation) continue;
      if (other.state === 'succeeded') {
        pair.state = 'waiting';
        return;
      }
      busy ||= other.state === 'waiting' || other.state === 'in-progress';
    }
    pair.state = busy ? 'frozen' : 'waiting';
  }

  #waiting(): CandidatePair | undefined {
    return this.pairs.find((pair) => pair.state === 'waiting') ?? this.pairs.find((pair) => pair.state === 'frozen' && !pair.held);
  }

  #due(now: Instant): CandidatePair | undefined {
    let first: CandidatePair | undefined;
    for (const pair of this.#pairs)
      if (pair.nextCheckAt <= now && (first === undefined || pair.nextCheckAt < first.nextCheckAt)) first = pair;
    return first;
  }

  #makeRoom(pair: CandidatePair): boolean {
    const last = this.pairs.findLast(({ state, authenticated }) => !authenticated && (state === 'frozen' || state === 'waiting'));
    if (last === undefined || last.priority >= pair.priority) return false;
    this.remove(last);
    return true;
  }
}

function isHeld({ state, held }: CandidatePair): boolean {
  return state === 'frozen' && held;
}

/** RFC 8445 §6.1.2.2, RFC 6544 §6.2. */
function canPair(base: Base, { candidate, family }: RemoteCandidate): boolean {
  if (base.family !== family) return false;
  if ((base.kind === 'udp' || base.kind === 'relay') !== (candidate.protocol === 'udp')) return false;
  if (base.kind === 'tcp-active' && candidate.tcpType !== 'passive') return false;
  // Checks over a passive base come from the peer; its port is known when it has connected.
  if (base.kind === 'tcp-passive' && candidate.type !== 'prflx') return false;
  if (base.kind === 'relay') return addressScope(candidate.address) !== 'loopback';
  const local = addressScope(base.address);
  const remote = addressScope(candidate.address);
  // Neither can be reached from an address of another scope.
  return (local === 'loopback') === (remote === 'loopback') && (family === 4 || (local === 'link-local') === (remote === 'link-local'));
}
