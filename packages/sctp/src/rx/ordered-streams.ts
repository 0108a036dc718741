/** Ordered messages wait until those before them have arrived (RFC 9260 §6.6). */
import { compareSerial16, compareSerial32 } from '@petrel/bytes';

export interface WaitingMessage {
  readonly ppid: number;
  readonly data: Uint8Array;
}

interface OrderedStream {
  next: number;
  /** Complete messages after a missing one. */
  waiting: Map<number, WaitingMessage> | undefined;
}

export type Deliver = (streamId: number, ppid: number, data: Uint8Array) => void;

export class OrderedStreams {
  readonly #streams = new Map<number, OrderedStream>();
  /** Stream sequence numbers have 16 bits, message identifiers 32. */
  readonly #compare: (a: number, b: number) => number;
  readonly #mask: number;
  readonly #deliver: Deliver;
  #waitingBytes = 0;
  #waitingMessages = 0;

  constructor(interleaving: boolean, deliver: Deliver) {
    this.#compare = interleaving ? compareSerial32 : compareSerial16;
    this.#mask = interleaving ? 0xffff_ffff : 0xffff;
    this.#deliver = deliver;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get waitingMessages(): number {
    return this.#waitingMessages;
  }

  /** A complete message; without data: one that was thrown away, whose number is used up all the same. */
  add(streamId: number, sequence: number, ppid: number, data: Uint8Array | undefined): void {
    let stream = this.#streams.get(streamId);
    if (stream === undefined) this.#streams.set(streamId, (stream = { next: 0, waiting: undefined }));
    if (sequence === stream.next) {
      stream.next = ((sequence + 1) & this.#mask) >>> 0;
      if (data !== undefined) this.#deliver(streamId, ppid, data);
      if (stream.waiting !== undefined && stream.waiting.size > 0) this.#releaseInOrder(streamId, stream, stream.waiting);
    } else if (this.#compare(sequence, stream.next) > 0 && !stream.waiting?.has(sequence)) {
      (stream.waiting ??= new Map()).set(sequence, { ppid, data: data ?? NOTHING });
      this.#waitingBytes += data?.length ?? 0;
      this.#waitingMessages += 1;
    }
  }

  /** The sender has given up messages up to this one: those that are here are delivered, the others not waited for (RFC 3758 §3.6). */
  skipTo(streamId: number, sequence: number): void {
    let stream = this.#streams.get(streamId);
    if (stream === undefined) this.#streams.set(streamId, (stream = { next: 0, waiting: undefined }));
    if (this.#compare(sequence, stream.next) < 0) return;
    const { waiting } = stream;
    if (waiting !== undefined && waiting.size > 0) {
      const before = [...waiting.keys()].filter((key) => this.#compare(key, sequence) <= 0).toSorted(this.#compare);
      for (const key of before) this.#release(streamId, waiting, key);
    }
    stream.next = ((sequence + 1) & this.#mask) >>> 0;
    if (waiting !== undefined) this.#releaseInOrder(streamId, stream, waiting);
  }

  /** Numbers begin at zero again (RFC 6525 §5.2.2 E3); what waits will never be due. */
  reset(streamId: number): void {
    for (const { data } of this.#streams.get(streamId)?.waiting?.values() ?? []) {
      this.#waitingBytes -= data.length;
      this.#waitingMessages -= 1;
    }
    this.#streams.delete(streamId);
  }

  streamIds(): number[] {
    return [...this.#streams.keys()];
  }

  #releaseInOrder(streamId: number, stream: OrderedStream, waiting: Map<number, WaitingMessage>): void {
    while (this.#release(streamId, waiting, stream.next)) stream.next = ((stream.next + 1) & this.#mask) >>> 0;
  }

  #release(streamId: number, waiting: Map<number, WaitingMessage>, sequence: number): boolean {
    const message = waiting.get(sequence);
    if (message === undefined) return false;
    waiting.delete(sequence);
    this.#waitingBytes -= message.data.length;
    this.#waitingMessages -= 1;
    if (message.data.length > 0) this.#deliver(streamId, message.ppid, message.data);
    return true;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
