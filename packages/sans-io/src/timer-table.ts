import { NEVER, type Instant } from './core.ts';

/**
 * One deadline per named timer of a core; names are small integers, so a table is one typed array.
 *
 * @example
 * const timers = new TimerTable(['t1-init', 't3-rtx']);
 * timers.start('t1-init', now + 1000);
 */
export class TimerTable<Name extends string> {
  readonly #names: readonly Name[];
  readonly #deadlines: Float64Array;

  constructor(names: readonly Name[]) {
    this.#names = names;
    this.#deadlines = new Float64Array(names.length).fill(NEVER);
  }

  start(timer: Name, deadline: Instant): void {
    this.#deadlines[this.#names.indexOf(timer)] = deadline;
  }

  stop(timer: Name): void {
    this.#deadlines[this.#names.indexOf(timer)] = NEVER;
  }

  stopAll(): void {
    this.#deadlines.fill(NEVER);
  }

  isRunning(timer: Name): boolean {
    return this.#deadlines[this.#names.indexOf(timer)] !== NEVER;
  }

  deadline(timer: Name): Instant {
    return this.#deadlines[this.#names.indexOf(timer)] ?? NEVER;
  }

  /** Stops the timer and returns true when its deadline has passed. */
  expire(timer: Name, now: Instant): boolean {
    const index = this.#names.indexOf(timer);
    if (!(this.#deadlines[index]! <= now)) return false;
    this.#deadlines[index] = NEVER;
    return true;
  }

  /** The earliest deadline of all timers, or {@link NEVER}. */
  next(): Instant {
    let next = NEVER;
    for (let i = 0; i < this.#deadlines.length; i++) if (this.#deadlines[i]! < next) next = this.#deadlines[i]!;
    return next;
  }

  /** Names of the timers that run, for invariants and leak checks. */
  running(): Name[] {
    return this.#names.filter((_, index) => this.#deadlines[index] !== NEVER);
  }
}
