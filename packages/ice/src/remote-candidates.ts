/** The peer's candidates: signalled ones, and those that its checks reveal (RFC 8445 §7.3.1.3), both in limited number. */
import { type Candidate, candidateFamily } from './candidate.ts';

export interface RemoteCandidate {
  /** Replaced when a peer-reflexive candidate is signalled later (RFC 8838 §11). */
  candidate: Candidate;
  readonly family: 4 | 6;
  /** A check was answered from this address. Until then only so many bytes are sent there. */
  proven: boolean;
  unprovenBytes: number;
}

/**
 * What checks may send to an address that has never answered, in bytes: a candidate that points at a victim is good for no more than this
 * (RFC 8445 §19.5.1).
 */
export const UNPROVEN_BUDGET = 9_000;

export class RemoteCandidates {
  readonly #byAddress = new Map<string, RemoteCandidate>();
  readonly #maxSignalled: number;
  readonly #maxPeerReflexive: number;
  #signalled = 0;

  constructor(maxSignalled: number, maxPeerReflexive: number) {
    this.#maxSignalled = maxSignalled;
    this.#maxPeerReflexive = maxPeerReflexive;
  }

  get size(): number {
    return this.#byAddress.size;
  }

  [Symbol.iterator](): IterableIterator<RemoteCandidate> {
    return this.#byAddress.values();
  }

  find(protocol: 'udp' | 'tcp', address: string, port: number): RemoteCandidate | undefined {
    return this.#byAddress.get(keyOf(protocol, address, port));
  }

  /**
   * Adds a signalled candidate, or gives a known peer-reflexive one its real type and priority.
   * @returns `full` when there are too many, `known` when nothing new was learned
   */
  addSignalled(candidate: Candidate): { added: RemoteCandidate } | { upgraded: RemoteCandidate } | 'known' | 'full' {
    const known = this.find(candidate.protocol, candidate.address, candidate.port);
    if (known !== undefined) {
      if (known.candidate.type !== 'prflx') return 'known';
      known.candidate = candidate;
      this.#signalled += 1;
      return { upgraded: known };
    }
    if (this.#signalled === this.#maxSignalled) return 'full';
    this.#signalled += 1;
    return { added: this.#insert(candidate) };
  }

  /**
   * Adds a candidate that an authenticated check came from. When there are too many, `evict` is asked for each, oldest first, whether it can go.
   * @returns undefined when none can
   */
  addPeerReflexive(candidate: Candidate, evict: (old: RemoteCandidate) => boolean): RemoteCandidate | undefined {
    const present = [...this].filter((remote) => remote.candidate.type === 'prflx');
    if (present.length >= this.#maxPeerReflexive) {
      const oldest = present.find(evict);
      if (oldest === undefined) return undefined;
      this.#remove(oldest);
    }
    return this.#insert(candidate);
  }

  #insert(candidate: Candidate): RemoteCandidate {
    const remote = { candidate, family: candidateFamily(candidate), proven: false, unprovenBytes: 0 };
    this.#byAddress.set(keyOf(candidate.protocol, candidate.address, candidate.port), remote);
    return remote;
  }

  #remove({ candidate }: RemoteCandidate): void {
    this.#byAddress.delete(keyOf(candidate.protocol, candidate.address, candidate.port));
  }
}

function keyOf(protocol: 'udp' | 'tcp', address: string, port: number): string {
  return `${protocol}|${address}|${port}`;
}
