import { addSerial16, addSerial32 } from '@petrel/bytes';
import { type Instant, Queue } from '@petrel/sans-io';
import { OutgoingMessage, type SendOptions } from './outgoing-message.ts';
import { newStream, type OutgoingStream, StreamScheduler } from './stream-scheduler.ts';

/** Messages that wait for the congestion window. */
export class SendQueue {
  readonly #streams = new Map<number, OutgoingStream>();
  readonly #scheduler = new StreamScheduler();
  readonly #giveUp: (message: OutgoingMessage) => boolean;
  /** Streams whose buffered amount has changed. */
  #dirty: OutgoingStream[] = [];
  /** Fragments of several messages may be mixed (RFC 8260); otherwise those of one have consecutive TSNs (RFC 9260 §6.9). */
  #interleaving = false;
  /** With interleaving: bytes of messages that are begun and not finished, and how many there may be. */
  #begunBytes = 0;
  #maxBegunBytes = Infinity;
  /** Without: the message that is begun. */
  #current: OutgoingMessage | undefined;
  #waitingBytes = 0;

  /** @param giveUp a message that was begun has passed its lifetime: false when the peer has to get it all the same; otherwise `discardRest` */
  constructor(giveUp: (message: OutgoingMessage) => boolean) {
    this.#giveUp = giveUp;
  }

  /**
   * @param maxBegunBytes messages that are begun may have so many bytes together, or be one: a peer that holds the beginnings of more than
   * its window has no room left for their ends
   */
  configure(interleaving: boolean, maxBegunBytes: number): void {
    this.#interleaving = interleaving;
    this.#maxBegunBytes = maxBegunBytes;
  }

  /** Nothing may be sent now; messages that wait for the reset of their stream do not count. */
  get isEmpty(): boolean {
    return this.#scheduler.isEmpty;
  }

  /** Bytes that wait, on all streams. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  bufferedAmount(streamId: number): number {
    return this.#streams.get(streamId)?.bufferedBytes ?? 0;
  }

  setWeight(streamId: number, weight: number): void {
    this.#stream(streamId).weight = Math.min(Math.max(weight, 1), 65_535);
  }

  add(streamId: number, ppid: number, data: Uint8Array, options: SendOptions, now: Instant): void {
    const stream = this.#stream(streamId);
    const message = new OutgoingMessage(stream, ppid, data, options, now);
    if (!message.uncounted) stream.bufferedBytes += data.length;
    this.#waitingBytes += data.length;
    if (stream.held !== undefined) stream.held.push(message);
    else {
      stream.messages.push(message);
      this.#scheduler.add(stream);
    }
  }

  /** The message of which a piece is to be sent next. Expired ones disappear (RFC 3758 §3.5 A1). */
  next(now: Instant): OutgoingMessage | undefined {
    for (let message = this.#pick(); message !== undefined; message = this.#pick()) {
      if (message.expires > now) return message;
      if (message.offset === 0) this.#drop(message);
      else if (!this.#giveUp(message)) return message;
    }
    return undefined;
  }

  /** The first bytes of the next message get their number, and its place among the others. */
  begin(message: OutgoingMessage): void {
    const { stream } = message;
    if (!this.#interleaving) {
      this.#current = message;
      if (message.unordered) return;
      message.sequence = stream.nextSequence;
      stream.nextSequence = addSerial16(stream.nextSequence, 1);
    } else if (message.unordered) {
      message.sequence = stream.nextUnorderedSequence;
      stream.nextUnorderedSequence = addSerial32(stream.nextUnorderedSequence, 1);
    } else {
      message.sequence = stream.nextSequence;
      stream.nextSequence = addSerial32(stream.nextSequence, 1);
    }
    this.#begunBytes += message.data.length;
  }

  /** So many bytes of the message that {@link next} gave were sent. */
  consume(message: OutgoingMessage, bytes: number): void {
    const { stream } = message;
    message.offset += bytes;
    message.fragments += 1;
    this.#release(message, bytes);
    const isFinished = message.offset === message.data.length;
    this.#scheduler.charge(stream, bytes);
    if (isFinished) this.#finish(message);
  }

  /** The rest of a message that was given up is not sent (RFC 3758 §3.5 A3). @returns whether there was one */
  discardRest(message: OutgoingMessage): boolean {
    if (message.remaining === 0 || message.stream.messages.peek() !== message) return false;
    this.#release(message, message.remaining);
    this.#finish(message);
    return true;
  }

  /** Throws away the messages of a stream that are not begun. */
  discardWaiting(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    const first = stream.messages.peek();
    const begun = first !== undefined && first.offset > 0 ? first : undefined;
    for (const queue of [stream.messages, stream.held]) {
      for (const message of queue ?? []) if (message !== begun) this.#forget(message);
      queue?.clear();
    }
    if (begun !== undefined) stream.messages.push(begun);
    else this.#scheduler.remove(stream);
  }

  /** Throws away what was queued for streams that the peer does not have. */
  discardBeyond(streamCount: number): void {
    for (const id of this.#streams.keys()) {
      if (id < streamCount) continue;
      this.discardWaiting(id);
      this.#streams.delete(id);
    }
  }

  /** Messages that come now wait for the reset of the stream; those that are here are sent before it. */
  pause(streamId: number): void {
    this.#stream(streamId).held ??= new Queue();
  }

  /** Everything that came before the pause was sent a first time. */
  isIdle(streamId: number): boolean {
    return (this.#streams.get(streamId)?.messages.length ?? 0) === 0;
  }

  /** Sequence numbers begin at zero again (RFC 6525 §5.2.7 H3), and what waited may go. */
  reset(streamId: number, performed: boolean): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    const { held } = stream;
    stream.held = undefined;
    if (performed) {
      stream.nextSequence = 0;
      stream.nextUnorderedSequence = 0;
    }
    for (const message of held ?? []) stream.messages.push(message);
    if (stream.messages.length > 0) this.#scheduler.add(stream);
    else if (performed && !stream.isDirty) this.#streams.delete(streamId);
  }

  /** A stream whose buffered amount has changed since it was last told. */
  pollBufferedAmount(): { readonly streamId: number; readonly amount: number } | undefined {
    const stream = this.#dirty.pop();
    if (stream === undefined) return undefined;
    stream.isDirty = false;
    return { streamId: stream.id, amount: stream.bufferedBytes };
  }

  clear(): void {
    this.#streams.clear();
    this.#scheduler.clear();
    this.#dirty = [];
    this.#current = undefined;
    this.#begunBytes = 0;
    this.#waitingBytes = 0;
  }

  #pick(): OutgoingMessage | undefined {
    const message = this.#current ?? this.#scheduler.next()?.messages.peek();
    if (!this.#interleaving || message === undefined || message.offset > 0 || this.#begunBytes === 0) return message;
    if (this.#begunBytes + message.data.length <= this.#maxBegunBytes) return message;
    // It may not begin yet: the next of those that are begun.
    return this.#scheduler.find((stream) => stream.messages.peek()!.offset > 0)?.messages.peek();
  }

  #drop({ stream }: OutgoingMessage): void {
    this.#forget(stream.messages.shift()!);
    if (stream.messages.length === 0) this.#scheduler.remove(stream);
  }

  #forget(message: OutgoingMessage): void {
    this.#release(message, message.data.length);
  }

  #finish(message: OutgoingMessage): void {
    const { stream } = message;
    stream.messages.shift();
    this.#begunBytes -= message.data.length;
    this.#current = undefined;
    if (stream.messages.length === 0) this.#scheduler.remove(stream);
  }

  #release(message: OutgoingMessage, bytes: number): void {
    const { stream } = message;
    this.#waitingBytes -= bytes;
    if (message.uncounted) return;
    stream.bufferedBytes -= bytes;
    if (stream.isDirty) return;
    stream.isDirty = true;
    this.#dirty.push(stream);
  }

  #stream(id: number): OutgoingStream {
    let stream = this.#streams.get(id);
    if (stream === undefined) this.#streams.set(id, (stream = newStream(id)));
    return stream;
  }
}
