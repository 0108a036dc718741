/**
 * One ICE session: what one pair of credentials on either side has led to (RFC 8445 §6 to §9). An ICE restart begins a new one.
 */
import type { CryptoProvider } from '@petrel/crypto';
import { type Instant, NEVER } from '@petrel/sans-io';
import { type IntegrityKey, type ParsedStunMessage, shortTermKey, type TransportAddress } from '@petrel/stun';
import { type Base, leavesFrom } from './base.ts';
import type { Candidate } from './candidate.ts';
import { CONSENT_LIFETIME, type CandidatePair } from './candidate-pair.ts';
import { CHECK_LIFETIME, CheckList } from './check-list.ts';
import type { CheckListSet } from './check-list-set.ts';
import { encodeCheck, encodeError, encodeSuccess, type SentCheck, SentChecks, splitUsername } from './connectivity-checks.ts';
import { ConsentKeeper } from './consent.ts';
import type { IceParameters, IceRole } from './ice-types.ts';
import { bestValidPair, Nominator, replacesSelection } from './nomination.ts';
import { type RemoteCandidate, RemoteCandidates, UNPROVEN_BUDGET } from './remote-candidates.ts';
import { resolveRoleConflict } from './role-conflict.ts';
import type { SeenRequests } from './seen-requests.ts';

/** What a session needs from its agent. */
export interface SessionContext {
  readonly crypto: CryptoProvider;
  readonly tieBreaker: bigint;
  readonly lite: boolean;
  readonly checkLists: CheckListSet;
  /** Of all sessions: a restart of the peer's alone leaves our credentials as they are. */
  readonly seenRequests: SeenRequests;
  /** Ta. */
  readonly pacing: number;
  readonly maxPairs: number;
  readonly maxPeerReflexive: number;
  readonly role: IceRole;
  /** Unique in the agent: statistics show the pairs of all sessions. */
  readonly newPairId: () => number;
  changeRole(role: IceRole): void;
  /** The same, because the peer has said so. */
  yieldRole(role: IceRole): void;
  bases(): Iterable<Base>;
  /** @returns false when it cannot be sent now (no stream yet, no allocation) */
  transmit(base: Base, address: string, port: number, data: Uint8Array, now: Instant): boolean;
  /** Data is sent and nothing comes back. */
  silence(): void;
  /** Lets packets of this peer through a relay. */
  permit(base: Base, address: string, now: Instant): void;
  /** The local candidate whose packets the peer sees coming from `mapped`: a known one, or a new peer-reflexive one. */
  localCandidate(base: Base, mapped: TransportAddress): Candidate;
}

export type SessionDiscard =
  | 'copied-request'
  | 'too-many-early-checks'
  | 'too-many-peer-reflexive'
  | 'asymmetric-response'
  | 'no-room-for-pair';

type SessionOutcome = 'consent-expired' | 'consent-revoked' | 'no-pair';

/** Checks that came before the peer's credentials. */
interface EarlyCheck {
  readonly isCopy: boolean;
  readonly base: Base;
  readonly source: TransportAddress;
  readonly request: ParsedStunMessage;
}

const MAX_EARLY_CHECKS = 32;
const MAX_REMOTE_CANDIDATES = 100;

export class IceSession {
  readonly local: IceParameters;
  readonly localKey: IntegrityKey;
  readonly list: CheckList;
  readonly remotes: RemoteCandidates;
  readonly sent: SentChecks = new SentChecks();
  remote: IceParameters | undefined;
  remoteKey: IntegrityKey | undefined;
  /** Nominated, and used by both sides. */
  selected: CandidatePair | undefined;
  endOfCandidates: boolean = false;
  /** Another session has taken over: checks are answered, consent is kept, nothing new is tried. */
  retired: boolean = false;
  /** How the session ended: consent was lost on the only path, or no pair worked. */
  outcome: SessionOutcome | undefined;
  readonly #context: SessionContext;
  readonly #nominator: Nominator;
  readonly #consent: ConsentKeeper;
  readonly #early: EarlyCheck[] = [];
  readonly #onDiscard: (reason: SessionDiscard) => void;
  /** When our turn is, among the agents that share Ta, to send the check that is due. */
  #slot: Instant | undefined;
  #startedAt: Instant | undefined;
  /** When a path that was lost together with its socket would have lost its consent. */
  #lostPathExpiresAt: Instant | undefined;

  constructor(context: SessionContext, local: IceParameters, onDiscard: (reason: SessionDiscard) => void) {
    this.#context = context;
    this.local = local;
    this.localKey = shortTermKey(context.crypto, local.password);
    this.list = new CheckList(context.maxPairs, context.checkLists, context.newPairId);
    if (!context.lite) context.checkLists.add(this.list);
    this.remotes = new RemoteCandidates(MAX_REMOTE_CANDIDATES, context.maxPeerReflexive);
    this.#onDiscard = onDiscard;
    this.#nominator = new Nominator(this.list);
    this.#consent = new ConsentKeeper(this.list, context.crypto);
  }

  // Candidates ---------------------------------------------------------------------------------------------------------

  setRemote(remote: IceParameters, now: Instant): void {
    this.remote = remote;
    this.remoteKey = shortTermKey(this.#context.crypto, remote.password);
    this.#startedAt = now;
    for (const candidate of this.remotes) this.#pairRemote(candidate, now);
    for (const { base, source, request, isCopy } of this.#early.splice(0))
      if (splitUsername(request.message.attributes.username)?.peers === remote.usernameFragment)
        this.#learnFromRequest(base, source, request, isCopy, now);
  }

  addBase(base: Base, now: Instant): void {
    if (this.remote === undefined || this.retired) return;
    for (const remote of this.remotes) this.#pair(base, remote, now);
  }

  removeBase(base: Base): void {
    for (const pair of this.list.pairs.filter((candidate) => candidate.base === base)) this.#removePair(pair);
  }

  addRemoteCandidate(candidate: Candidate, now: Instant): boolean {
    const outcome = this.remotes.addSignalled(candidate);
    if (outcome === 'full' || outcome === 'known') return outcome === 'known';
    if ('upgraded' in outcome) this.list.reorder(this.#context.role);
    else if (this.remote !== undefined) this.#pairRemote(outcome.added, now);
    return true;
  }

  #pairRemote(remote: RemoteCandidate, now: Instant): void {
    for (const base of this.#context.bases()) this.#pair(base, remote, now);
  }

  #pair(base: Base, remote: RemoteCandidate, now: Instant): CandidatePair | undefined {
    const { address, port } = remote.candidate;
    const known = this.list.find(base.id, address, port);
    if (known !== undefined) return known;
    const pair = this.list.add(base, remote, this.#context.role);
    if (pair !== undefined) this.#context.permit(base, address, now);
    return pair;
  }

  #removePair(pair: CandidatePair): void {
    if (pair === this.path(-NEVER)) this.#lostPathExpiresAt = pair.consentExpiresAt;
    if (pair === this.selected) this.selected = undefined;
    this.#nominator.abandon(pair);
    this.sent.forget(pair);
    this.list.remove(pair);
  }

  /** The interface with this address is not there now: if data goes over it, the first other pair that answers is used. */
  avoid(address: string, now: Instant): void {
    const path = this.path(now);
    if (path !== undefined && leavesFrom(path.base, address)) this.#consent.seek(address, now);
  }

  /** Another session takes over: only what works is kept, until it has. */
  retire(): void {
    this.retired = true;
    for (const pair of this.list.pairs.filter(({ valid }) => !valid)) this.#removePair(pair);
  }

  // Paths --------------------------------------------------------------------------------------------------------------

  /** The pair that data is sent over: the selected one, or before there is one the best valid one (RFC 8445 §12.1). */
  path(now: Instant): CandidatePair | undefined {
    if (this.selected?.hasConsent(now) === true) return this.selected;
    return bestValidPair(this.list.pairs, now);
  }

  /** Whether every pair has had its chance. */
  get finished(): boolean {
    return !this.list.pairs.some(({ state }) => state === 'waiting' || state === 'frozen' || state === 'in-progress');
  }

  /** Whether a check was or will be sent. */
  get checking(): boolean {
    return this.remote !== undefined && this.list.pairs.length > 0;
  }

  /** Whether there was a path, which has gone with its socket. */
  get lostPath(): boolean {
    return this.#lostPathExpiresAt !== undefined;
  }

  // Requests -----------------------------------------------------------------------------------------------------------

  /** An authenticated Binding request (RFC 8445 §7.3). */
  receiveRequest(base: Base, source: TransportAddress, parsed: ParsedStunMessage, now: Instant): void {
    const { message, unknownAttributes } = parsed;
    const integrity = parsed.integrity ?? 'sha-1';
    const reply = (data: Uint8Array): boolean => this.#context.transmit(base, source.address, source.port, data, now);
    if (unknownAttributes.length > 0) return void reply(encodeError(message, 420, unknownAttributes, this.localKey, integrity));
    const verdict = resolveRoleConflict(this.#context.role, this.#context.tieBreaker, message.attributes);
    if (verdict === 'reject') return void reply(encodeError(message, 487, [], this.localKey, integrity));
    if (verdict === 'switch') this.#context.changeRole(this.#context.role === 'controlling' ? 'controlled' : 'controlling');
    reply(encodeSuccess(message, source, this.localKey, integrity));
    const isCopy = this.#isCopy(base, source, message.transactionId);
    if (this.remote !== undefined) this.#learnFromRequest(base, source, parsed, isCopy, now);
    else if (this.#early.length < MAX_EARLY_CHECKS) this.#early.push({ isCopy, base, source, request: parsed });
    else this.#onDiscard('too-many-early-checks');
  }

  /** Whether a request from where the peer has not authenticated itself was seen before, from elsewhere: then it proves nothing. */
  #isCopy(base: Base, { address, port }: TransportAddress, transactionId: Uint8Array): boolean {
    const isOriginal = this.#isAuthenticated(base, address, port) || !this.#context.seenRequests.has(transactionId);
    if (!isOriginal) this.#onDiscard('copied-request');
    this.#context.seenRequests.add(transactionId);
    return !isOriginal;
  }

  #learnFromRequest(base: Base, source: TransportAddress, { message }: ParsedStunMessage, isCopy: boolean, now: Instant): void {
    const { priority = 0, useCandidate } = message.attributes;
    const pair = this.list.find(base.id, source.address, source.port) ?? this.#pairFromRequest(base, source, priority, now);
    if (pair === undefined) return;
    pair.requestsReceived += 1;
    pair.responsesSent += 1;
    pair.lastHeardAt = now;
    pair.requestPriority = priority;
    if (pair.consentLost) return;
    if (!isCopy) this.#onAuthentic(pair, useCandidate === true, now);
    if (this.#context.lite) return;
    // RFC 8445 §7.3.1.4. A pair that works is left alone: no check answers a check for ever.
    if (pair.state === 'waiting' || pair.state === 'frozen' || pair.state === 'failed') this.list.trigger(pair);
    else if (pair.state === 'in-progress' && now - pair.lastCheckAt >= this.#context.pacing) this.list.trigger(pair);
  }

  #onAuthentic(pair: CandidatePair, useCandidate: boolean, now: Instant): void {
    pair.authenticated = true;
    if (this.#context.lite) this.#acceptAsLite(pair, useCandidate, now);
    else if (!useCandidate) pair.checkedPlainly = true;
    else if (this.#context.role === 'controlled') this.#onNomination(pair, now);
  }

  #pairFromRequest(base: Base, source: TransportAddress, priority: number, now: Instant): CandidatePair | undefined {
    const protocol = base.kind === 'udp' || base.kind === 'relay' ? 'udp' : 'tcp';
    const remote = this.remotes.find(protocol, source.address, source.port) ?? this.#addPeerReflexive(base, source, priority);
    if (remote === undefined) {
      this.#onDiscard('too-many-peer-reflexive');
      return undefined;
    }
    const pair = this.#pair(base, remote, now);
    if (pair === undefined) this.#onDiscard('no-room-for-pair');
    return pair;
  }

  /** Whether an authentic check or response has come from a 5-tuple; or a copy of a check. */
  hasHeardFrom(base: Base, address: string, port: number): boolean {
    const pair = this.list.find(base.id, address, port);
    if (pair !== undefined && !pair.consentLost && (pair.authenticated || pair.requestsReceived > 0)) return true;
    return this.#early.some((check) => isFrom(check, base, address, port));
  }

  #isAuthenticated(base: Base, address: string, port: number): boolean {
    if (this.list.find(base.id, address, port)?.authenticated === true) return true;
    return this.#early.some((check) => !check.isCopy && isFrom(check, base, address, port));
  }

  /** Where checks have come from while the peer's credentials are not known: its candidates, as far as they go. */
  get earlyCandidates(): Candidate[] {
    return this.#early.map(({ base, source, request }) => this.#peerReflexive(base, source, request.message.attributes.priority ?? 0));
  }

  #addPeerReflexive(base: Base, source: TransportAddress, priority: number): RemoteCandidate | undefined {
    return this.remotes.addPeerReflexive(this.#peerReflexive(base, source, priority), (old) => this.#evict(old));
  }

  /** RFC 8445 §7.3.1.3. */
  #peerReflexive(base: Base, source: TransportAddress, priority: number): Candidate {
    const protocol = base.kind === 'udp' || base.kind === 'relay' ? 'udp' : 'tcp';
    const tcpType =
      base.kind === 'tcp-passive' ? { tcpType: 'active' as const } : base.kind === 'tcp-active' ? { tcpType: 'passive' as const } : {};
    return {
      foundation: peerReflexiveFoundation(source.address),
      component: 1,
      protocol,
      type: 'prflx',
      priority,
      address: source.address,
      port: source.port,
      ...tcpType,
      ...(this.remote === undefined ? {} : { usernameFragment: this.remote.usernameFragment }),
    };
  }

  #evict(old: RemoteCandidate): boolean {
    const pairs = this.list.pairs.filter((pair) => pair.remote === old);
    if (pairs.some((pair) => pair.valid || pair === this.selected)) return false;
    for (const pair of pairs) this.#removePair(pair);
    return true;
  }

  /** An agent that sends no checks takes the peer's word for it (RFC 8445 §7.3.2). */
  #acceptAsLite(pair: CandidatePair, useCandidate: boolean, now: Instant): void {
    pair.state = 'succeeded';
    pair.validSince ??= now;
    pair.lastResponseAt = now;
    pair.consentExpiresAt = now + CONSENT_LIFETIME;
    if (useCandidate && replacesSelection(pair, this.selected, now)) this.#select(pair, now);
  }

  #onNomination(pair: CandidatePair, now: Instant): void {
    if (!pair.valid) pair.nominateWhenValid = true;
    else if (replacesSelection(pair, this.selected, now)) this.#select(pair, now);
  }

  // Responses ----------------------------------------------------------------------------------------------------------

  /** An authenticated response to one of our requests (RFC 8445 §7.2.5). */
  receiveResponse(
    check: SentCheck,
    base: Base,
    source: TransportAddress,
    { message, unknownAttributes }: ParsedStunMessage,
    now: Instant,
  ): void {
    const { pair } = check;
    this.sent.delete(message.transactionId);
    // RFC 8445 §7.2.5.2.1: it has to come from where the request went, to where it came from.
    const { address, port } = pair.remote.candidate;
    if (base !== pair.base || source.address !== address || source.port !== port) {
      this.#onDiscard('asymmetric-response');
      if (!pair.valid) pair.fail();
      return;
    }
    if (message.class === 'error') return this.#onErrorResponse(check, message.attributes.errorCode?.code, now);
    const { xorMappedAddress } = message.attributes;
    if (xorMappedAddress === undefined || unknownAttributes.length > 0) return pair.valid ? undefined : pair.fail();
    this.#onSuccess(check, xorMappedAddress, now);
  }

  #onSuccess(check: SentCheck, mapped: TransportAddress, now: Instant): void {
    const { pair } = check;
    const isNew = !pair.valid;
    pair.confirm(now, now - check.sentAt);
    pair.remote.proven = true;
    pair.local = this.#context.localCandidate(pair.base, mapped);
    if (!pair.nominating) pair.nextCheckAt = NEVER;
    this.#lostPathExpiresAt = undefined;
    this.#context.checkLists.unfreeze(pair.foundation);
    if (isNew) this.#consent.schedule(pair, this.path(now), now);
    if (check.nominates && this.#context.role === 'controlling') {
      if (this.#nominator.answered(pair)) this.#select(pair, now);
    } else if (this.#context.role === 'controlled' && pair.nominateWhenValid) {
      pair.nominateWhenValid = false;
      if (replacesSelection(pair, this.selected, now)) this.#select(pair, now);
    }
    if (isNew && this.#isRebinding(pair)) this.#moveTo(pair, now);
  }

  /**
   * Whether the peer's NAT has given it a new address: a check from the same base of the peer (its PRIORITY tells) to the same base of ours as the
   * selected pair's, from somewhere else. One base has one mapping towards us, so the old one is gone.
   */
  #isRebinding(pair: CandidatePair): boolean {
    const { selected } = this;
    if (selected === undefined || selected === pair || pair.remote.candidate.type !== 'prflx') return false;
    return pair.base === selected.base && pair.requestPriority !== undefined && pair.requestPriority === selected.requestPriority;
  }

  #onErrorResponse(check: SentCheck, code: number | undefined, now: Instant): void {
    const { pair, role } = check;
    if (code === 487) {
      // RFC 8445 §7.2.5.1: the other role than the check had; the conflict may have been solved meanwhile.
      this.#context.yieldRole(role === 'controlling' ? 'controlled' : 'controlling');
      this.list.trigger(pair);
    } else if (code === 403) {
      this.#loseConsent(pair, 'consent-revoked', now); // RFC 7675 §5.2
    } else if (!pair.valid) pair.fail();
  }

  /** Priorities depend on the role. */
  roleChanged(): void {
    this.list.reorder(this.#context.role);
    this.#nominator.abandon();
  }

  #select(pair: CandidatePair, now: Instant): void {
    pair.nominated = true;
    if (this.selected === pair) return;
    this.selected = pair;
    this.#consent.reschedule(pair, now);
  }

  /** The next check of the path in use is due now. */
  checkConsent(now: Instant): void {
    const path = this.path(now);
    if (path !== undefined) path.nextConsentAt = now;
  }

  /** Uses another pair at once, and tells the peer when that is ours to tell. */
  #moveTo(pair: CandidatePair, now: Instant): void {
    this.#select(pair, now);
    if (this.#context.role === 'controlling') this.#nominator.nominate(pair, now);
  }

  // Time ---------------------------------------------------------------------------------------------------------------

  /** Everything that is due: to be called after every change, and at the deadline that it returns. */
  advance(now: Instant): Instant {
    if (this.outcome !== undefined) return NEVER;
    const expiry = this.#expireConsent(now);
    if (this.outcome !== undefined || this.#context.lite) return expiry;
    const path = this.path(now);
    const silence = path === undefined ? NEVER : this.#watch(path, now);
    const decision = this.#context.role === 'controlling' && !this.retired ? this.#nominator.decide(this.selected, now) : NEVER;
    const checks = this.#sendDueChecks(now);
    const consent = this.#consent.sendDue(this.path(now), now, (pair) => this.#sendConsentCheck(pair, now));
    const failure = this.#fail(now);
    return Math.min(expiry, silence, decision, checks, consent, failure);
  }

  #watch(path: CandidatePair, now: Instant): Instant {
    const found = this.#consent.watch(path, now);
    if (typeof found !== 'number') {
      this.#moveTo(found, now);
      return now;
    }
    return Math.min(found, this.#consent.watchReturns(path, now, this.#context.silence));
  }

  /** One check every Ta (RFC 8445 §6.1.4.2). */
  #sendDueChecks(now: Instant): Instant {
    if (this.remote === undefined) return NEVER;
    const { checkLists, pacing } = this.#context;
    const isHeldUp = this.list.thaw(now);
    while (this.list.nextDue() <= now) {
      this.#slot ??= checkLists.claim(pacing, now);
      if (this.#slot > now) break;
      const pair = this.list.take(now);
      if (pair === undefined) break;
      if (!this.#sendCheck(pair, now)) continue;
      this.#slot = undefined;
      checkLists.used(pacing, now);
    }
    const due = this.list.nextDue();
    if (due > now) this.#giveSlotBack();
    const next = this.#slot ?? Math.max(due, checkLists.nextSlot);
    return isHeldUp ? Math.min(next, now + pacing) : next;
  }

  #giveSlotBack(): void {
    if (this.#slot !== undefined) this.#context.checkLists.giveBack(this.#slot, this.#context.pacing);
    this.#slot = undefined;
  }

  /** Nothing new is checked any more: the lists of other agents are not held up by ours. */
  leave(): void {
    this.#context.checkLists.delete(this.list);
    this.#giveSlotBack();
  }

  /** @returns false when nothing was sent, so that the slot is free for another one */
  #sendCheck(pair: CandidatePair, now: Instant): boolean {
    const nominates = pair.nominating && this.#context.role === 'controlling';
    const sent = this.#sendRequest(pair, nominates, now);
    this.list.sent(pair, now);
    return sent;
  }

  #sendRequest(pair: CandidatePair, nominates: boolean, now: Instant): boolean {
    const { crypto, role, tieBreaker } = this.#context;
    const { remote } = pair;
    if (this.remote === undefined || this.remoteKey === undefined) return false;
    if (!remote.proven && remote.unprovenBytes >= UNPROVEN_BUDGET) return false;
    const names = { localFragment: this.local.usernameFragment, remoteFragment: this.remote.usernameFragment };
    const { transactionId, bytes } = encodeCheck({
      crypto,
      base: pair.base,
      role,
      tieBreaker,
      ...names,
      remoteKey: this.remoteKey,
      nominates,
    });
    if (!this.#context.transmit(pair.base, remote.candidate.address, remote.candidate.port, bytes, now)) return false;
    this.sent.add(transactionId, { pair, sentAt: now, role, nominates });
    if (!remote.proven) remote.unprovenBytes += bytes.length;
    pair.requestsSent += 1;
    return true;
  }

  /** The controlling agent repeats the nomination in it: the peer may have missed it, or come from a new address. */
  #sendConsentCheck(pair: CandidatePair, now: Instant): boolean {
    return this.#sendRequest(pair, pair === this.selected && this.#context.role === 'controlling', now);
  }

  #expireConsent(now: Instant): Instant {
    let next = NEVER;
    for (const pair of this.list.pairs.slice()) {
      if (!pair.valid) continue;
      if (pair.consentExpiresAt <= now) this.#loseConsent(pair, 'consent-expired', now);
      else next = Math.min(next, pair.consentExpiresAt);
    }
    return next;
  }

  #loseConsent(pair: CandidatePair, outcome: 'consent-expired' | 'consent-revoked', now: Instant): void {
    const wasPath = pair === this.selected || this.path(now) === undefined || this.path(now) === pair;
    pair.fail();
    pair.consentLost = true;
    pair.authenticated = false;
    this.sent.forget(pair);
    this.#nominator.abandon(pair);
    if (pair === this.selected) this.selected = undefined;
    if (wasPath && this.path(now) === undefined) this.#end(outcome);
  }

  /** Gives up pairs, and the session when there is nothing left to hope for (RFC 8863 §4). */
  #fail(now: Instant): Instant {
    let next = NEVER;
    for (const pair of this.list.pairs) {
      if (pair.failAt <= now) pair.fail();
      next = Math.min(next, pair.failAt);
    }
    if (this.path(now) !== undefined || this.#startedAt === undefined) return next;
    const patience = this.#lostPathExpiresAt ?? this.#startedAt + CHECK_LIFETIME;
    if (now < patience) return Math.min(next, patience);
    if (this.#lostPathExpiresAt !== undefined) this.#end('consent-expired');
    else if (this.finished) this.#end('no-pair');
    return next;
  }

  #end(outcome: SessionOutcome): void {
    this.outcome = outcome;
    this.leave();
  }
}

function isFrom(check: EarlyCheck, base: Base, address: string, port: number): boolean {
  return check.base === base && check.source.address === address && check.source.port === port;
}

/** Any that no other candidate has: signalled ones are rarely so long (RFC 8445 §7.3.1.3). */
function peerReflexiveFoundation(address: string): string {
  return `prflx${address.replace(/[.:]/g, '')}`.slice(0, 32);
}
