/** Whose payload is accepted (RFC 8445 §12.2): what comes over a pair on which the peer has authenticated itself. */
import type { Instant } from '@petrel/sans-io';
import type { Base } from './base.ts';
import type { CandidatePair } from './candidate-pair.ts';
import type { Sessions } from './sessions.ts';

export class PayloadPaths {
  readonly #sessions: Sessions;
  // The 5-tuple that payload came from last: most packets need no look-up.
  #base: Base | undefined;
  #address = '';
  #port = -1;
  #pair: CandidatePair | undefined;

  constructor(sessions: Sessions) {
    this.#sessions = sessions;
  }

  /** The pair that a packet has come over, counted there; undefined when nothing is accepted from its source. */
  accept(base: Base, data: Uint8Array, address: string, port: number, now: Instant): CandidatePair | undefined {
    return this.acceptRecent(base, data, address, port, now) ?? this.#acceptOther(base, data, address, port, now);
  }

  /** The same, but only from where the last packet came from, whose address is known to be canonical. */
  acceptRecent(base: Base, data: Uint8Array, address: string, port: number, now: Instant): CandidatePair | undefined {
    if (base !== this.#base || port !== this.#port || address !== this.#address || this.#pair === undefined) return undefined;
    return count(this.#pair, data, now);
  }

  /** Something has happened that pairs may not have survived. */
  forget(): void {
    this.#pair = undefined;
  }

  #acceptOther(base: Base, data: Uint8Array, address: string, port: number, now: Instant): CandidatePair | undefined {
    const pair = this.#sessions.find(base, address, port);
    if (pair === undefined || !pair.authenticated) return undefined;
    this.#base = base;
    this.#address = address;
    this.#port = port;
    this.#pair = pair;
    return count(pair, data, now);
  }
}

function count(pair: CandidatePair, data: Uint8Array, now: Instant): CandidatePair {
  pair.packetsReceived += 1;
  pair.bytesReceived += data.length;
  pair.lastPacketReceivedAt = now;
  pair.lastHeardAt = now;
  return pair;
}
