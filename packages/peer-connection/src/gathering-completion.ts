/** What `iceGatheringComplete` promises: the end of the gathering that the last local description began. An ICE restart begins another one. */
export class GatheringCompletion {
  #promise: Promise<void>;
  #resolve!: () => void;
  #isOver = false;

  constructor() {
    this.#promise = this.#newPromise();
  }

  get promise(): Promise<void> {
    return this.#promise;
  }

  /** Who waits already goes on waiting: for this one. */
  begin(): void {
    if (!this.#isOver) return;
    this.#isOver = false;
    this.#promise = this.#newPromise();
  }

  end(): void {
    this.#isOver = true;
    this.#resolve();
  }

  #newPromise(): Promise<void> {
    return new Promise((resolve) => (this.#resolve = resolve));
  }
}
