import { addSerial16, addSerial32, compareSerial16, compareSerial32, concatBytes } from '@petrel/bytes';
import type { DataChunk } from '../packet/data.ts';

/** A user message as its sender gave it. */
export interface Message {
  readonly streamId: number;
  readonly ppid: number;
  readonly data: Uint8Array;
}

interface OrderedStream {
  nextSequence: number;
  /** Complete messages that wait for an earlier one. */
  readonly waiting: Map<number, Message>;
}

/** Messages out of fragments, and ordered messages in order (RFC 9260 §6.6, §6.9). */
export class ReassemblyQueue {
  readonly #fragments = new Map<number, DataChunk>();
  readonly #streams = new Map<number, OrderedStream>();
  readonly #deliver: (message: Message) => void;
  #bufferedBytes = 0;

  constructor(deliver: (message: Message) => void) {
    this.#deliver = deliver;
  }

  /** Bytes that are held, because a fragment or an earlier message is missing. */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** Takes a chunk that was not seen before. */
  add(chunk: DataChunk): void {
    if (chunk.begin && chunk.end) return this.#complete(chunk, chunk.data, chunk.streamSequence);
    this.#fragments.set(chunk.tsn, chunk);
    this.#bufferedBytes += chunk.data.length;
    const last = this.#lastFragment(chunk);
    if (last !== undefined) this.#assemble(last);
  }

  /** Drops what the sender gave up (RFC 3758 §3.6): fragments up to the TSN, and the wait for skipped messages. */
  forwardTo(cumulativeTsn: number, skipped: ReadonlyMap<number, number>): void {
    for (const [tsn, chunk] of this.#fragments) if (compareSerial32(tsn, cumulativeTsn) <= 0) this.#remove(chunk);
    for (const [streamId, sequence] of skipped) {
      const stream = this.#stream(streamId);
      if (compareSerial16(sequence, stream.nextSequence) < 0) continue;
      for (let next = stream.nextSequence; compareSerial16(next, sequence) <= 0; next = addSerial16(next, 1)) this.#release(stream, next);
      stream.nextSequence = addSerial16(sequence, 1);
      this.#releaseInOrder(stream);
    }
  }

  /** Sequence numbers begin at zero again (RFC 6525 §5.2.2). No ids: all streams. */
  resetStreams(streamIds: readonly number[]): void {
    for (const id of streamIds.length > 0 ? streamIds : [...this.#streams.keys()]) {
      for (const message of this.#streams.get(id)?.waiting.values() ?? []) this.#bufferedBytes -= message.data.length;
      this.#streams.delete(id);
    }
  }

  /** The end fragment, when everything from this chunk up to it is here. */
  #lastFragment(chunk: DataChunk): DataChunk | undefined {
    let last: DataChunk | undefined = chunk;
    while (last !== undefined && !last.end) last = this.#fragments.get(addSerial32(last.tsn, 1));
    return last;
  }

  #assemble(last: DataChunk): void {
    const chunks: DataChunk[] = [last];
    for (let chunk = last; !chunk.begin; ) {
      const before = this.#fragments.get(addSerial32(chunk.tsn, -1));
      if (before === undefined || before.streamId !== last.streamId) return;
      chunks.push(before);
      chunk = before;
    }
    chunks.reverse();
    for (const chunk of chunks) this.#remove(chunk);
    this.#complete(chunks[0]!, concatBytes(...chunks.map((chunk) => chunk.data)), last.streamSequence);
  }

  #remove(chunk: DataChunk): void {
    if (this.#fragments.delete(chunk.tsn)) this.#bufferedBytes -= chunk.data.length;
  }

  #complete({ streamId, ppid, unordered }: DataChunk, data: Uint8Array, sequence: number): void {
    const message = { streamId, ppid, data };
    if (unordered) return this.#deliver(message);
    const stream = this.#stream(streamId);
    if (sequence === stream.nextSequence) {
      stream.nextSequence = addSerial16(sequence, 1);
      this.#deliver(message);
      this.#releaseInOrder(stream);
    } else if (compareSerial16(sequence, stream.nextSequence) > 0 && !stream.waiting.has(sequence)) {
      stream.waiting.set(sequence, message);
      this.#bufferedBytes += data.length;
    }
  }

  #releaseInOrder(stream: OrderedStream): void {
    while (stream.waiting.size > 0 && this.#release(stream, stream.nextSequence)) stream.nextSequence = addSerial16(stream.nextSequence, 1);
  }

  #release(stream: OrderedStream, sequence: number): boolean {
    const message = stream.waiting.get(sequence);
    if (message === undefined) return false;
    stream.waiting.delete(sequence);
    this.#bufferedBytes -= message.data.length;
    this.#deliver(message);
    return true;
  }

  #stream(id: number): OrderedStream {
    let stream = this.#streams.get(id);
    if (stream === undefined) this.#streams.set(id, (stream = { nextSequence: 0, waiting: new Map() }));
    return stream;
  }
}
