/** The transports behind one port, and whose each username fragment is (RFC 8445 §7.3: the first half of a check's USERNAME). */

/** Of one member: enough for an ICE restart inside an ICE restart. */
const MAX_FRAGMENTS = 4;

export class MuxMembers<Member extends object> {
  readonly #fragmentsOf = new Map<Member, Set<string>>();
  readonly #byFragment = new Map<string, Member>();

  get size(): number {
    return this.#fragmentsOf.size;
  }

  /** How many fragments are known. */
  get fragments(): number {
    return this.#byFragment.size;
  }

  [Symbol.iterator](): IterableIterator<Member> {
    return this.#fragmentsOf.keys();
  }

  add(member: Member): void {
    this.#fragmentsOf.set(member, new Set());
  }

  has(member: Member): boolean {
    return this.#fragmentsOf.has(member);
  }

  ofFragment(fragment: string): Member | undefined {
    return this.#byFragment.get(fragment);
  }

  /** Checks for the fragment are the member's, besides those for its fragments before. Nothing for one that has left. */
  addFragment(member: Member, fragment: string): void {
    const fragments = this.#fragmentsOf.get(member);
    if (fragments === undefined) return;
    this.#byFragment.set(fragment, member);
    const oldest = keep(fragments, fragment, MAX_FRAGMENTS);
    if (oldest !== undefined) this.#forgetFragment(member, oldest);
  }

  /** The member has left. */
  delete(member: Member): void {
    for (const fragment of this.#fragmentsOf.get(member) ?? []) this.#forgetFragment(member, fragment);
    this.#fragmentsOf.delete(member);
  }

  /** Another member may have been given the same one since. */
  #forgetFragment(member: Member, fragment: string): void {
    if (this.#byFragment.get(fragment) === member) this.#byFragment.delete(fragment);
  }
}

/** Makes a key the newest of a set. @returns the oldest, when there are more than `limit` */
export function keep(keys: Set<string>, key: string, limit: number): string | undefined {
  keys.delete(key);
  keys.add(key);
  if (keys.size <= limit) return undefined;
  const [oldest] = keys;
  keys.delete(oldest!);
  return oldest;
}
