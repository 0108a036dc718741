/** Stream identifiers of one parity (RFC 8832 §6): the DTLS client's channels have even ones, the server's odd ones. */
export class StreamIds {
  readonly #first: 0 | 1;
  readonly #isTaken: (id: number) => boolean;
  readonly #released: number[] = [];
  readonly #burned = new Set<number>();
  #next: number;

  constructor(role: 'client' | 'server', isTaken: (id: number) => boolean) {
    this.#first = role === 'client' ? 0 : 1;
    this.#next = this.#first;
    this.#isTaken = isTaken;
  }

  /** A free identifier below `limit`, if there is one. */
  next(limit: number): number | undefined {
    for (let id = this.#released.pop(); id !== undefined; id = this.#released.pop()) if (this.#isFree(id) && id < limit) return id;
    for (; this.#next < limit; this.#next += 2)
      if (this.#isFree(this.#next)) {
        this.#next += 2;
        return this.#next - 2;
      }
    return undefined;
  }

  /** Both streams are reset: the identifier may be used again. */
  release(id: number): void {
    if (!this.isPeers(id) && id < this.#next) this.#released.push(id);
  }

  /** The streams could not be reset: their sequence numbers go on, so no new channel may have them. */
  burn(id: number): void {
    this.#burned.add(id);
  }

  /** Whether a channel with this identifier is for the peer to open. */
  isPeers(id: number): boolean {
    return (id & 1) !== this.#first;
  }

  #isFree(id: number): boolean {
    return !this.#isTaken(id) && !this.#burned.has(id);
  }
}
