/** Permissions of an allocation (RFC 8656 §9): the addresses that may send to it, and when each has to be asked for again. */
import { type Instant, NEVER } from '@petrel/sans-io';

/** A permission lives for 300 seconds; this leaves a request the time to fail and be repeated. */
const REFRESH_AFTER = 240_000;
/** What is due within so many milliseconds is asked for together. */
const TOGETHER = 30_000;
/** Addresses come from a peer's candidates: more than ICE would ever check are refused. */
const MAX_PERMISSIONS = 256;

interface Permission {
  /** What the server said last. */
  state: 'unknown' | 'granted' | 'refused';
  /** NEVER while a request is on its way. */
  dueAt: Instant;
}

export class Permissions {
  readonly #byAddress = new Map<string, Permission>();
  #nextDue: Instant = NEVER;

  /** The earliest instant at which something has to be asked for. */
  get nextDue(): Instant {
    return this.#nextDue;
  }

  /** Whether packets from the address are expected: it has been asked for and not refused. */
  admits(address: string): boolean {
    const permission = this.#byAddress.get(address);
    return permission !== undefined && permission.state !== 'refused';
  }

  has(address: string): boolean {
    return this.#byAddress.has(address);
  }

  /** Wants a permission; a refused one is asked for again. @returns false when there are too many */
  want(address: string, now: Instant): boolean {
    if (this.admits(address)) return true;
    if (this.#byAddress.size >= MAX_PERMISSIONS && !this.#byAddress.has(address)) return false;
    this.#byAddress.set(address, { state: 'unknown', dueAt: now });
    this.#nextDue = Math.min(this.#nextDue, now);
    return true;
  }

  /** Notes that a request for the address is on its way by other means: ChannelBind installs permissions too (RFC 8656 §12.2). */
  requested(address: string): void {
    const permission = this.#byAddress.get(address);
    if (permission === undefined) this.#byAddress.set(address, { state: 'unknown', dueAt: NEVER });
    else permission.dueAt = NEVER;
    this.#reschedule();
  }

  granted(addresses: readonly string[], now: Instant): void {
    for (const address of addresses) this.#byAddress.set(address, { state: 'granted', dueAt: now + REFRESH_AFTER });
    this.#reschedule();
  }

  refused(address: string): void {
    this.#byAddress.set(address, { state: 'refused', dueAt: NEVER });
    this.#reschedule();
  }

  /** The addresses to ask for now; empty when none is due. They count as requested. */
  takeDue(now: Instant): string[] {
    if (now < this.#nextDue) return [];
    const due: string[] = [];
    for (const [address, permission] of this.#byAddress) {
      if (permission.dueAt > now + TOGETHER) continue;
      permission.dueAt = NEVER;
      due.push(address);
    }
    this.#reschedule();
    return due;
  }

  clear(): void {
    this.#byAddress.clear();
    this.#nextDue = NEVER;
  }

  #reschedule(): void {
    this.#nextDue = NEVER;
    for (const { dueAt } of this.#byAddress.values()) this.#nextDue = Math.min(this.#nextDue, dueAt);
  }
}
