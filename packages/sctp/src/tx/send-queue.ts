import { addSerial16 } from '@petrel/bytes';
import { type Instant, NEVER, Queue } from '@petrel/sans-io';

/** How a message is to be delivered (RFC 9260 §10.1 E; RFC 3758 and RFC 7496 for the limits). */
export interface SendOptions {
  readonly unordered?: boolean;
  /** Give up after this many retransmissions. */
  readonly maxRetransmits?: number;
  /** Give up this many milliseconds after `send`. */
  readonly lifetime?: number;
  /** Not part of `bufferedAmount`: control messages of the layer above. */
  readonly uncounted?: boolean;
}

/** A message on its way: shared by its fragments, so that they are given up together. */
export interface OutgoingMessage {
  readonly streamId: number;
  readonly ppid: number;
  readonly data: Uint8Array;
  readonly unordered: boolean;
  readonly maxRetransmits: number;
  readonly expires: Instant;
  streamSequence: number;
  abandoned: boolean;
}

export interface Fragment {
  readonly message: OutgoingMessage;
  readonly data: Uint8Array;
  readonly begin: boolean;
  readonly end: boolean;
}

interface OutgoingStream {
  readonly id: number;
  readonly messages: Queue<OutgoingMessage>;
  nextSequence: number;
  bufferedBytes: number;
  lowThreshold: number;
  paused: boolean;
}

/** Messages that wait for the congestion window; streams take turns message by message (RFC 9260 §6.5 leaves the order to us). */
export class SendQueue {
  readonly #streams = new Map<number, OutgoingStream>();
  readonly #turns = new Queue<OutgoingStream>();
  readonly #onBufferedAmountLow: (streamId: number) => void;
  /** The stream whose message has been begun: its fragments have consecutive TSNs (§6.9). */
  #current: OutgoingStream | undefined;
  #offset = 0;
  #bufferedBytes = 0;

  constructor(onBufferedAmountLow: (streamId: number) => void) {
    this.#onBufferedAmountLow = onBufferedAmountLow;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get isEmpty(): boolean {
    return this.#bufferedBytes === 0;
  }

  bufferedAmount(streamId: number): number {
    return this.#streams.get(streamId)?.bufferedBytes ?? 0;
  }

  setBufferedAmountLowThreshold(streamId: number, bytes: number): void {
    this.#stream(streamId).lowThreshold = bytes;
  }

  add(streamId: number, ppid: number, data: Uint8Array, options: SendOptions, now: Instant): void {
    const stream = this.#stream(streamId);
    stream.messages.push({
      streamId,
      ppid,
      data,
      unordered: options.unordered === true,
      maxRetransmits: options.maxRetransmits ?? NEVER,
      expires: options.lifetime === undefined ? NEVER : now + options.lifetime,
      streamSequence: 0,
      abandoned: false,
    });
    stream.bufferedBytes += data.length;
    this.#bufferedBytes += data.length;
    if (stream.messages.length === 1 && !stream.paused) this.#turns.push(stream);
  }

  /** The next piece of at most `maxLength` bytes. */
  next(maxLength: number, now: Instant): Fragment | undefined {
    this.#current ??= this.#begin(now);
    if (this.#current === undefined) return undefined;
    const message = this.#current.messages.peek()!;
    const data = message.data.subarray(this.#offset, this.#offset + maxLength);
    const begin = this.#offset === 0;
    this.#offset += data.length;
    const end = this.#offset === message.data.length;
    this.#release(this.#current, data.length);
    if (end) this.#finish(this.#current);
    return { message, data, begin, end };
  }

  /** Bytes of the message whose turn it is that are still to be sent, to decide whether they are worth a packet. */
  get nextLength(): number {
    const message = (this.#current ?? this.#turns.peek())?.messages.peek();
    return message === undefined ? 0 : message.data.length - this.#offset;
  }

  /** The rest of a message that was given up is not sent (RFC 3758 §3.5 A3). */
  discardRest(message: OutgoingMessage): void {
    if (this.#current?.messages.peek() !== message) return;
    this.#release(this.#current, message.data.length - this.#offset);
    this.#finish(this.#current);
  }

  /** No new message begins on the stream until it is reset. */
  pause(streamId: number): void {
    this.#stream(streamId).paused = true;
  }

  isIdle(streamId: number): boolean {
    return this.bufferedAmount(streamId) === 0 && this.#current?.id !== streamId;
  }

  /** Sequence numbers begin at zero again (RFC 6525 §5.2.7), and what waited may go. */
  reset(streamId: number): void {
    const stream = this.#stream(streamId);
    stream.nextSequence = 0;
    if (stream.paused && stream.messages.length > 0) this.#turns.push(stream);
    stream.paused = false;
  }

  clear(): void {
    this.#streams.clear();
    this.#turns.clear();
    this.#current = undefined;
    this.#bufferedBytes = 0;
    this.#offset = 0;
  }

  #begin(now: Instant): OutgoingStream | undefined {
    for (let stream = this.#turns.shift(); stream !== undefined; stream = this.#turns.shift()) {
      // Expired before anything was sent (RFC 3758 §3.5 A1): it just disappears.
      while (stream.messages.length > 0 && stream.messages.peek()!.expires <= now)
        this.#release(stream, stream.messages.shift()!.data.length);
      const message = stream.messages.peek();
      if (message === undefined) continue;
      if (!message.unordered) {
        message.streamSequence = stream.nextSequence;
        stream.nextSequence = addSerial16(stream.nextSequence, 1);
      }
      return stream;
    }
    return undefined;
  }

  #finish(stream: OutgoingStream): void {
    stream.messages.shift();
    this.#offset = 0;
    this.#current = undefined;
    if (stream.messages.length > 0) this.#turns.push(stream);
  }

  #release(stream: OutgoingStream, bytes: number): void {
    const before = stream.bufferedBytes;
    stream.bufferedBytes -= bytes;
    this.#bufferedBytes -= bytes;
    if (before > stream.lowThreshold && stream.bufferedBytes <= stream.lowThreshold) this.#onBufferedAmountLow(stream.id);
  }

  #stream(id: number): OutgoingStream {
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      stream = { id, messages: new Queue(), nextSequence: 0, bufferedBytes: 0, lowThreshold: 0, paused: false };
      this.#streams.set(id, stream);
    }
    return stream;
  }
}
