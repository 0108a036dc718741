/** A candidate pair: its place in the check list, its consent, its counters (RFC 8445 §6.1.2, RFC 7675). */
import { type Instant, NEVER } from '@petrel/sans-io';
import type { Base } from './base.ts';
import type { Candidate } from './candidate.ts';
import type { CandidatePairStats, IceRole } from './ice-types.ts';
import { pairPriority } from './priority.ts';
import type { RemoteCandidate } from './remote-candidates.ts';

/** RFC 8445 §6.1.2.6. */
export type PairState = 'frozen' | 'waiting' | 'in-progress' | 'succeeded' | 'failed';

/** Consent lasts so long after an authenticated response (RFC 7675 §5.1). */
export const CONSENT_LIFETIME = 30_000;

export class CandidatePair {
  readonly id: number;
  readonly base: Base;
  readonly remote: RemoteCandidate;
  /** Shown as the pair's local candidate: the base's own, until a response tells the address that the peer sees. */
  local: Candidate;
  priority: bigint;
  state: PairState = 'frozen';
  /** Frozen because of another checklist, and not just behind a pair of the same one. */
  held: boolean = false;
  /** The peer has proved to be there, with a request that was no copy of another one or a response: payload from it is accepted. */
  authenticated: boolean = false;
  nominated: boolean = false;
  /** Controlling: the check that nominates is on its way. */
  nominating: boolean = false;
  /** Controlled: the peer has checked this pair without nominating it, so that a nomination of it means just this pair. */
  checkedPlainly: boolean = false;
  /** Controlled: USE-CANDIDATE came before the pair was valid (RFC 8445 §7.3.1.5). */
  nominateWhenValid: boolean = false;

  /** Checks sent since the pair was last started. */
  checksSent: number = 0;
  nextCheckAt: Instant = NEVER;
  lastCheckAt: Instant = -NEVER;
  /** When a pair that has had no response is given up. */
  failAt: Instant = NEVER;

  validSince: Instant | undefined;
  /** No application data is sent from this instant on. */
  consentExpiresAt: Instant = -NEVER;
  nextConsentAt: Instant = NEVER;
  /** It expired or was revoked: these credentials are never used on this path again (RFC 7675 §5.1). */
  consentLost: boolean = false;
  lastResponseAt: Instant = -NEVER;
  /** Anything that the peer has sent on this path: responses, requests, payload. */
  lastHeardAt: Instant = -NEVER;
  /** The PRIORITY of the peer's last request: the same from the same base of the peer. */
  requestPriority: number | undefined;

  packetsSent: number = 0;
  packetsReceived: number = 0;
  bytesSent: number = 0;
  bytesReceived: number = 0;
  /** -NEVER until there is one: a field that is always a number is written without allocation. */
  lastPacketSentAt: Instant = -NEVER;
  lastPacketReceivedAt: Instant = -NEVER;
  totalRoundTripTime: number = 0;
  /** Milliseconds. */
  roundTripTime: number | undefined;
  requestsReceived: number = 0;
  requestsSent: number = 0;
  responsesReceived: number = 0;
  responsesSent: number = 0;
  consentRequestsSent: number = 0;
  packetsDiscardedOnSend: number = 0;
  bytesDiscardedOnSend: number = 0;

  constructor(id: number, base: Base, remote: RemoteCandidate, role: IceRole) {
    this.id = id;
    this.base = base;
    this.remote = remote;
    this.local = base.candidate;
    this.priority = 0n;
    this.updatePriority(role);
  }

  /** After a change of the role, or of what is known about the remote candidate. */
  updatePriority(role: IceRole): void {
    const local = this.base.candidate.priority;
    const remote = this.remote.candidate.priority;
    this.priority = role === 'controlling' ? pairPriority(local, remote) : pairPriority(remote, local);
  }

  /** Pairs of the same foundation are likely to fare alike (RFC 8445 §6.1.2.6). */
  get foundation(): string {
    return `${this.base.candidate.foundation}|${this.remote.candidate.foundation}`;
  }

  get usesRelay(): boolean {
    return this.base.kind === 'relay' || this.remote.candidate.type === 'relay';
  }

  /** In the valid list: a check has succeeded, and consent has not been lost since. */
  get valid(): boolean {
    return this.validSince !== undefined;
  }

  hasConsent(now: Instant): boolean {
    return now < this.consentExpiresAt;
  }

  /** An authenticated response has come. */
  confirm(now: Instant, roundTripTime: number): void {
    this.state = 'succeeded';
    this.validSince ??= now;
    this.failAt = NEVER;
    this.lastResponseAt = now;
    this.lastHeardAt = now;
    this.authenticated = true;
    this.consentExpiresAt = now + CONSENT_LIFETIME;
    this.responsesReceived += 1;
    this.totalRoundTripTime += roundTripTime / 1000;
    this.roundTripTime = this.roundTripTime === undefined ? roundTripTime : (7 * this.roundTripTime + roundTripTime) / 8;
  }

  fail(): void {
    this.state = 'failed';
    this.validSince = undefined;
    this.nominated = false;
    this.nominating = false;
    this.consentExpiresAt = -NEVER;
    this.nextCheckAt = NEVER;
    this.nextConsentAt = NEVER;
    this.failAt = NEVER;
  }

  stats(selected: boolean): CandidatePairStats {
    const { id, local, state, nominated, priority, roundTripTime, totalRoundTripTime } = this;
    const { packetsSent, packetsReceived, bytesSent, bytesReceived } = this;
    const lastPacketSentAt = this.lastPacketSentAt === -NEVER ? undefined : this.lastPacketSentAt;
    const lastPacketReceivedAt = this.lastPacketReceivedAt === -NEVER ? undefined : this.lastPacketReceivedAt;
    const { requestsReceived, requestsSent, responsesReceived, responsesSent, consentRequestsSent } = this;
    const { packetsDiscardedOnSend, bytesDiscardedOnSend } = this;
    const currentRoundTripTime = roundTripTime === undefined ? undefined : roundTripTime / 1000;
    return {
      id,
      local,
      remote: this.remote.candidate,
      state,
      nominated,
      selected,
      priority,
      packetsSent,
      packetsReceived,
      bytesSent,
      bytesReceived,
      lastPacketSentAt,
      lastPacketReceivedAt,
      totalRoundTripTime,
      currentRoundTripTime,
      requestsReceived,
      requestsSent,
      responsesReceived,
      responsesSent,
      consentRequestsSent,
      packetsDiscardedOnSend,
      bytesDiscardedOnSend,
    };
  }
}
