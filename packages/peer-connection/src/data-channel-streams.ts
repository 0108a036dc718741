/** The WHATWG streams of a data channel: an addition to the W3C's API. */
import type { DataChannelSlots } from './data-channel-slots.ts';

/** Messages that a stream holds before the transport is told to hold the next ones. */
const READ_AHEAD = 16;
/** Bytes that may be buffered before a writer has to wait. */
const WRITE_AHEAD = 1_048_576;

export class DataChannelStreams {
  readonly #slots: DataChannelSlots;
  readonly #flow: { pause(): void; resume(): void };
  #readable: ReadableStream<string | Uint8Array> | undefined;
  #reader: ReadableStreamDefaultController<string | Uint8Array> | undefined;
  #writable: WritableStream<never> | undefined;
  #writer: WritableStreamDefaultController | undefined;
  #paused = false;

  constructor(slots: DataChannelSlots, flow: { pause(): void; resume(): void }) {
    this.#slots = slots;
    this.#flow = flow;
  }

  get readable(): ReadableStream<string | Uint8Array> {
    this.#readable ??= new ReadableStream<string | Uint8Array>(
      {
        start: (controller) => {
          if (this.#slots.readyState === 'closed') controller.close();
          else this.#reader = controller;
        },
        pull: () => this.#resume(),
        cancel: () => {
          this.#reader = undefined;
          this.#resume();
        },
      },
      { highWaterMark: READ_AHEAD },
    );
    return this.#readable;
  }

  writable<T>(send: (chunk: T) => void): WritableStream<T> {
    const stream = (this.#writable as WritableStream<T> | undefined) ?? this.#makeWritable(send);
    this.#writable = stream as WritableStream<never>;
    return stream;
  }

  #makeWritable<T>(send: (chunk: T) => void): WritableStream<T> {
    return new WritableStream<T>({
      start: (controller) => {
        this.#writer = controller;
        return this.#slots.opened();
      },
      write: async (chunk) => {
        await this.#slots.drained(WRITE_AHEAD);
        send(chunk);
      },
      close: () => this.#slots.close(),
      abort: () => this.#slots.close(),
    });
  }

  enqueue(data: string | Uint8Array): void {
    const reader = this.#reader;
    if (reader === undefined) return;
    reader.enqueue(data);
    if (this.#paused || (reader.desiredSize ?? 0) > 0) return;
    this.#paused = true;
    this.#flow.pause();
  }

  /** The channel has closed. */
  end(): void {
    this.#reader?.close();
    this.#reader = undefined;
    this.#writer?.error(new DOMException('the channel has closed', 'InvalidStateError'));
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flow.resume();
  }
}
