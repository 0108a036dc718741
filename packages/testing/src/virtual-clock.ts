import type { Instant } from '@petrel/sans-io';

interface Task {
  readonly at: Instant;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Time that moves only when told: tasks run in order of their instants, ties in order of scheduling. */
export class VirtualClock {
  #now: Instant = 0;
  #order = 0;
  /** A binary heap, earliest task first. */
  readonly #heap: Task[] = [];

  now(): Instant {
    return this.#now;
  }

  /** Tasks that are scheduled and not cancelled. */
  get pending(): number {
    return this.#heap.reduce((count, task) => count + (task.run ? 1 : 0), 0);
  }

  /** When the next task runs; Infinity when there is none. */
  get nextAt(): Instant {
    return this.#nextAt();
  }

  /** Runs `task` at `at`, or at the present instant when that has passed. Returns a function that cancels it. */
  schedule(at: Instant, task: () => void): () => void {
    const entry: Task = { at: Math.max(at, this.#now), order: this.#order++, run: task };
    this.#push(entry);
    return () => {
      entry.run = undefined;
    };
  }

  /** Runs the next task and moves the clock to it; false when there is none. */
  step(): boolean {
    for (let task = this.#pop(); task; task = this.#pop()) {
      if (!task.run) continue;
      this.#now = task.at;
      task.run();
      return true;
    }
    return false;
  }

  /** Runs everything that is due until `deadline`, then leaves the clock there. */
  advanceTo(deadline: Instant): void {
    for (let next = this.#nextAt(); next <= deadline; next = this.#nextAt()) this.step();
    this.#now = Math.max(this.#now, deadline);
  }

  advanceBy(milliseconds: number): void {
    this.advanceTo(this.#now + milliseconds);
  }

  /** Runs until the condition holds. False when `deadline` passed first, or when nothing is left to run. */
  runUntil(condition: () => boolean, deadline: Instant = Infinity): boolean {
    while (!condition()) {
      if (this.#nextAt() > deadline) {
        if (deadline !== Infinity) this.#now = Math.max(this.#now, deadline);
        return false;
      }
      if (!this.step()) return false;
    }
    return true;
  }

  #nextAt(): Instant {
    while (this.#heap.length && !this.#heap[0]!.run) this.#pop();
    return this.#heap.length ? this.#heap[0]!.at : Infinity;
  }

  #push(task: Task): void {
    const heap = this.#heap;
    let index = heap.push(task) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(task, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = task;
  }

  #pop(): Task | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last || first === last) return first;
    let index = 0;
    for (let child = 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function before(a: Task, b: Task): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
