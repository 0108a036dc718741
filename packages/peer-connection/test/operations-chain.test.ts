import { describe, expect, test } from '@jest/globals';
import { OperationsChain } from '../src/operations-chain.ts';

interface Deferred {
  readonly promise: Promise<string>;
  readonly resolve: (value: string) => void;
  readonly reject: (error: Error) => void;
}

function defer(): Deferred {
  let resolve!: (value: string) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

describe('W3C WebRTC §4.4.1.2: the operations chain', () => {
  test('an operation that is alone begins at once, the next one when it has settled, whatever the result', async () => {
    const chain = new OperationsChain(
      () => false,
      () => {},
    );
    const log: string[] = [];
    const first = defer();
    const one = chain.chain(() => {
      log.push('one');
      return first.promise;
    });
    const two = chain.chain(async () => {
      log.push('two');
      return 'done';
    });
    expect(log).toEqual(['one']);
    expect(chain.length).toBe(2);
    first.reject(new Error('no'));
    await expect(one).rejects.toThrow('no');
    expect(await two).toBe('done');
    expect(log).toEqual(['one', 'two']);
  });

  test('when it is empty the connection is told', async () => {
    let empty = 0;
    const chain = new OperationsChain(
      () => false,
      () => {
        empty++;
      },
    );
    await Promise.all([chain.chain(async () => 1), chain.chain(async () => 2)]);
    await Promise.resolve();
    expect(empty).toBe(1);
    expect(chain.length).toBe(0);
  });

  test('what an operation throws rejects its promise', async () => {
    const chain = new OperationsChain(
      () => false,
      () => {},
    );
    const promise = chain.chain(() => {
      throw new TypeError('thrown');
    });
    await expect(promise).rejects.toThrow(TypeError);
  });

  test('a closed connection takes none, and leaves those that run unsettled', async () => {
    let closed = false;
    const chain = new OperationsChain(
      () => closed,
      () => {},
    );
    const running = defer();
    let settled = false;
    const promise = chain.chain(() => running.promise);
    promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    closed = true;
    running.resolve('too late');
    await expect(chain.chain(async () => 1)).rejects.toMatchObject({ name: 'InvalidStateError' });
    await new Promise(setImmediate);
    expect(settled).toBe(false);
  });
});
