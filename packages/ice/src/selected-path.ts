/** The pair that data is sent over: the selected one, or before there is one the best valid one (RFC 8445 §12.1). */
import type { Instant } from '@petrel/sans-io';
import type { Base } from './base.ts';
import type { Candidate } from './candidate.ts';
import type { CandidatePair } from './candidate-pair.ts';

type Transmit = (base: Base, address: string, port: number, data: Uint8Array, now: Instant) => boolean;

export class SelectedPath {
  readonly #transmit: Transmit;
  #pair: CandidatePair | undefined;
  #changes = 0;

  constructor(transmit: Transmit) {
    this.#transmit = transmit;
  }

  get pair(): CandidatePair | undefined {
    return this.#pair;
  }

  get candidates(): { readonly local: Candidate; readonly remote: Candidate } | undefined {
    return this.#pair && { local: this.#pair.local, remote: this.#pair.remote.candidate };
  }

  /** How often there was another one. */
  get changes(): number {
    return this.#changes;
  }

  /** @returns whether it is another one than before */
  change(pair: CandidatePair | undefined, now: Instant): boolean {
    if (pair === this.#pair) return false;
    this.#pair = pair;
    if (pair === undefined) return false;
    this.#changes += 1;
    pair.base.relay?.bind(pair.remote.candidate.address, pair.remote.candidate.port, now);
    return true;
  }

  /** @returns false when there is no path, or no consent (RFC 7675 §5.1) */
  send(payload: Uint8Array, now: Instant): boolean {
    const pair = this.#pair;
    if (pair === undefined) return false;
    const { address, port } = pair.remote.candidate;
    if (now >= pair.consentExpiresAt || !this.#transmit(pair.base, address, port, payload, now)) {
      pair.packetsDiscardedOnSend += 1;
      pair.bytesDiscardedOnSend += payload.length;
      return false;
    }
    pair.packetsSent += 1;
    pair.bytesSent += payload.length;
    pair.lastPacketSentAt = now;
    return true;
  }

  /** Whether a datagram comes from where it sends to. */
  isFrom(socket: number, address: string, port: number): boolean {
    const { base, remote } = this.#pair ?? {};
    return base?.socket === socket && remote?.candidate.port === port && remote.candidate.address === address;
  }
}
