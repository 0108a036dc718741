/**
 * The sessions of an agent: the one in force, and after an ICE restart the one before it, whose path serves until the new one has selected one
 * (RFC 8445 §9). Which pair data is sent over is decided here.
 */
import { type Instant, NEVER } from '@petrel/sans-io';
import type { Base } from './base.ts';
import type { CandidatePair } from './candidate-pair.ts';
import type { IceParameters } from './ice-types.ts';
import type { IceSession } from './session.ts';

/** A session before an ICE restart is listened to for so long after a new pair was selected (RFC 8445 §8.3.1). In milliseconds. */
const RETIREMENT = 3_000;

export class Sessions {
  readonly #newSession: (local: IceParameters) => IceSession;
  #current: IceSession;
  /** While its path is still in use. */
  #previous: IceSession | undefined;
  #previousEndsAt: Instant = NEVER;

  constructor(newSession: (local: IceParameters) => IceSession, local: IceParameters) {
    this.#newSession = newSession;
    this.#current = newSession(local);
  }

  get current(): IceSession {
    return this.#current;
  }

  /** The one in force first. */
  get all(): readonly IceSession[] {
    return this.#previous === undefined ? [this.#current] : [this.#current, this.#previous];
  }

  /** Those that have not ended: the others answer no checks, so that the peer notices. */
  get live(): readonly IceSession[] {
    return this.all.filter(({ outcome }) => outcome === undefined);
  }

  /** A new session begins, for new credentials of either side; the old one stays if it has the path. */
  replace(local: IceParameters, path: CandidatePair | undefined): void {
    const old = this.#current;
    old.leave();
    if (path !== undefined && old.list.pairs.includes(path)) {
      this.#previous = old;
      this.#previousEndsAt = NEVER;
      old.retire();
    }
    this.#current = this.#newSession(local);
  }

  /** Everything that is due. @returns when there is more */
  advance(now: Instant): Instant {
    const deadline = this.#current.advance(now);
    return this.#previous === undefined ? deadline : Math.min(deadline, this.#advancePrevious(this.#previous, now));
  }

  #advancePrevious(previous: IceSession, now: Instant): Instant {
    const deadline = previous.advance(now);
    if (this.#current.selected !== undefined && this.#previousEndsAt === NEVER) this.#previousEndsAt = now + RETIREMENT;
    if (now >= this.#previousEndsAt || previous.path(now) === undefined) this.#previous = undefined;
    return Math.min(deadline, this.#previousEndsAt);
  }

  /** RFC 8445 §9: the old pair until the new session has selected one. */
  path(now: Instant): CandidatePair | undefined {
    const path = this.#current.path(now);
    if (path !== undefined && path === this.#current.selected) return path;
    return this.#previous?.path(now) ?? path;
  }

  /** The pair of a 5-tuple, if the peer has authenticated itself on it in one of the sessions. */
  findAuthenticated(base: Base, address: string, port: number): CandidatePair | undefined {
    const current = this.#current.list.find(base.id, address, port);
    if (current?.authenticated === true) return current;
    const previous = this.#previous?.list.find(base.id, address, port);
    return previous?.authenticated === true ? previous : undefined;
  }

  /** Whether an authentic check or response has come from a 5-tuple; or a copy of a check. */
  hasHeardFrom(base: Base, address: string, port: number): boolean {
    return this.all.some((session) => session.hasHeardFrom(base, address, port));
  }

  roleChanged(): void {
    for (const session of this.all) session.roleChanged();
  }

  avoid(address: string, now: Instant): void {
    for (const session of this.all) session.avoid(address, now);
  }

  removeBase(base: Base): void {
    for (const session of this.all) session.removeBase(base);
  }

  close(): void {
    this.#previous = undefined;
    this.#current.leave();
  }
}
