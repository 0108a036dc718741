/**
 * Whose payload is accepted: what comes from where the peer has authenticated itself. RFC 8445 §12.2 would have it accepted from any candidate, and
 * libwebrtc does send it where no check of ours is answered: after it has offered an ICE restart its new ports use our old credentials, and know no
 * others. So a check of the peer's has to do, if it is not a copy (seen-requests.ts).
 */
import type { Instant } from '@petrel/sans-io';
import type { Base } from './base.ts';
import type { CandidatePair } from './candidate-pair.ts';
import { EarlyPayloads } from './early-payloads.ts';
import type { Sessions } from './sessions.ts';

export class PayloadPaths {
  readonly #sessions: Sessions;
  readonly #early = new EarlyPayloads();
  // The 5-tuple that payload came from last: most packets need no look-up.
  #base: Base | undefined;
  #address = '';
  #port = -1;
  #pair: CandidatePair | undefined;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** Whether a packet is accepted, and counted; `held`: {@link takeEarly} may give it later. */
  accept(base: Base, data: Uint8Array, address: string, port: number, now: Instant): boolean | 'held' {
    if (this.acceptRecent(base, data, address, port, now)) return true;
    const pair = this.#sessions.findAuthenticated(base, address, port);
    if (pair === undefined) return this.#hold(base, data, address, port);
    this.#base = base;
    this.#address = address;
    this.#port = port;
    this.#pair = pair;
    count(pair, data, now);
    return true;
  }

  /** The same, but only from where the last packet came from, whose address is known to be canonical. */
  acceptRecent(base: Base, data: Uint8Array, address: string, port: number, now: Instant): boolean {
    if (base !== this.#base || port !== this.#port || address !== this.#address || this.#pair === undefined) return false;
    count(this.#pair, data, now);
    return true;
  }

  /** What has come too early and is accepted now, one after the other. */
  takeEarly(now: Instant): Uint8Array | undefined {
    if (this.#early.isEmpty) return undefined;
    let pair: CandidatePair | undefined;
    const data = this.#early.take(
      ({ base, address, port }) => (pair = this.#sessions.findAuthenticated(base, address, port)) !== undefined,
    );
    if (data !== undefined) count(pair!, data, now);
    return data;
  }

  /** Something has happened that pairs may not have survived. */
  forget(): void {
    this.#pair = undefined;
  }

  removeBase(base: Base): void {
    this.forget();
    this.#early.removeBase(base);
  }

  close(): void {
    this.forget();
    this.#early.clear();
  }

  #hold(base: Base, data: Uint8Array, address: string, port: number): false | 'held' {
    return this.#sessions.hasHeardFrom(base, address, port) && this.#early.hold({ base, address, port, data }) && 'held';
  }
}

function count(pair: CandidatePair, data: Uint8Array, now: Instant): void {
  pair.packetsReceived += 1;
  pair.bytesReceived += data.length;
  pair.lastPacketReceivedAt = now;
  pair.lastHeardAt = now;
}
