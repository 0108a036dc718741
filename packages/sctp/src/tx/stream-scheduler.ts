/**
 * Which stream sends next: weighted fair queueing (RFC 8260 §3.6), as RFC 8831 §6.4 wants the priorities of data channels to be read.
 * A stream's tag grows with what it has sent, the slower the greater its weight; the smallest tag is next.
 */
import { Queue } from '@petrel/sans-io';
import type { OutgoingMessage } from './outgoing-message.ts';

const DEFAULT_WEIGHT = 256;

export interface OutgoingStream {
  readonly id: number;
  readonly messages: Queue<OutgoingMessage>;
  /** Sent after a reset was asked for: they wait until it is done (RFC 6525 §5.1.2 A1). */
  held: Queue<OutgoingMessage> | undefined;
  /** Numbers of the next messages; unordered ones have their own with I-DATA (RFC 8260 §2.1). */
  nextSequence: number;
  nextUnorderedSequence: number;
  /** Bytes that count as buffered. */
  bufferedBytes: number;
  /** The amount has changed since it was last reported. */
  isDirty: boolean;
  weight: number;
  /** Virtual time at which it may send next. */
  tag: number;
  order: number;
  isScheduled: boolean;
}

export function newStream(id: number): OutgoingStream {
  return {
    id,
    messages: new Queue(),
    held: undefined,
    nextSequence: 0,
    nextUnorderedSequence: 0,
    bufferedBytes: 0,
    isDirty: false,
    weight: DEFAULT_WEIGHT,
    tag: 0,
    order: 0,
    isScheduled: false,
  };
}

/** The streams with something to send, in a heap by tag. */
export class StreamScheduler {
  readonly #heap: OutgoingStream[] = [];
  /** The tag of the stream that was served last: where a stream that has been silent joins. */
  #virtualTime = 0;
  #order = 0;

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  next(): OutgoingStream | undefined {
    return this.#heap[0];
  }

  /** The stream has got something to send. */
  add(stream: OutgoingStream): void {
    if (stream.isScheduled) return;
    stream.isScheduled = true;
    stream.tag = Math.max(stream.tag, this.#virtualTime);
    stream.order = this.#order++;
    this.#heap.push(stream);
    this.#up(this.#heap.length - 1);
  }

  /** The stream with the smallest tag for which the condition holds. */
  find(condition: (stream: OutgoingStream) => boolean): OutgoingStream | undefined {
    let best: OutgoingStream | undefined;
    for (const stream of this.#heap) if (condition(stream) && (best === undefined || before(stream, best))) best = stream;
    return best;
  }

  /** The stream has sent so much. */
  charge(stream: OutgoingStream, bytes: number): void {
    const heap = this.#heap;
    this.#virtualTime = Math.max(this.#virtualTime, heap[0]!.tag);
    stream.tag += (bytes * DEFAULT_WEIGHT) / stream.weight;
    stream.order = this.#order++;
    if (heap.length > 1) this.#down(heap[0] === stream ? 0 : heap.indexOf(stream));
  }

  /** The stream has nothing more to send. */
  remove(stream: OutgoingStream): void {
    if (!stream.isScheduled) return;
    stream.isScheduled = false;
    const heap = this.#heap;
    const index = heap[0] === stream ? 0 : heap.indexOf(stream);
    const last = heap.pop()!;
    if (last === stream) return;
    heap[index] = last;
    this.#up(index);
    this.#down(index);
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #up(start: number): void {
    const heap = this.#heap;
    const stream = heap[start]!;
    let index = start;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!before(stream, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = stream;
  }

  #down(start: number): void {
    const heap = this.#heap;
    const stream = heap[start]!;
    let index = start;
    for (let child = 2 * index + 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, stream)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = stream;
  }
}

function before(a: OutgoingStream, b: OutgoingStream): boolean {
  return a.tag < b.tag || (a.tag === b.tag && a.order < b.order);
}
