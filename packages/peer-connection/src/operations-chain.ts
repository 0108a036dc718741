/** The operations chain (W3C WebRTC §4.4.1.2): asynchronous operations of a connection run one after the other. */
import { exception } from './errors.ts';

export class OperationsChain {
  readonly #operations: (() => void)[] = [];
  readonly #isClosed: () => boolean;
  readonly #onEmpty: () => void;

  /** `onEmpty` runs each time the last operation of the chain has settled. */
  constructor(isClosed: () => boolean, onEmpty: () => void) {
    this.#isClosed = isClosed;
    this.#onEmpty = onEmpty;
  }

  /** Operations that run or wait. */
  get length(): number {
    return this.#operations.length;
  }

  /** Chain an operation. On a connection that is closed meanwhile the promise stays pending for ever, as the specification has it. */
  chain<T>(operation: () => Promise<T>): Promise<T> {
    // 2. A closed connection takes no operations.
    if (this.#isClosed()) return Promise.reject(exception('InvalidStateError', 'the connection is closed'));
    const promise = new Promise<T>((resolve, reject) => {
      // 5. 6. It runs at once only when it is alone.
      this.#operations.push(() => {
        run(operation).then(
          // 7. The result is passed on, unless the connection was closed.
          (value) => this.#isClosed() || resolve(value),
          (error: unknown) => this.#isClosed() || reject(error as Error),
        );
      });
      if (this.#operations.length === 1) this.#operations[0]!();
    });
    // 8. Once the caller's promise is settled the next one runs.
    const next = (): void => this.#next();
    promise.then(next, next);
    return promise;
  }

  #next(): void {
    if (this.#isClosed()) return;
    this.#operations.shift();
    if (this.#operations.length > 0) this.#operations[0]!();
    else this.#onEmpty();
  }
}

/** What an operation throws becomes a rejection. */
function run<T>(operation: () => Promise<T>): Promise<T> {
  try {
    return operation();
  } catch (error) {
    return Promise.reject(error as Error);
  }
}
