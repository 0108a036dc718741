/**
 * What is behind an RTCDataChannel: its internal slots, and the algorithms of W3C WebRTC §6.2 that are not methods. Its transport is a
 * channel of `@petrel/data-channel`; before the connection has one the channel is only "connecting".
 */
import { utf8Length } from '@petrel/bytes';
import type { ChannelError, DataChannelEvent } from '@petrel/data-channel';
import { DataChannelStreams } from './data-channel-streams.ts';
import { exception, RTCError } from './errors.ts';
import { RTCErrorEvent } from './events.ts';
import type { BinaryType, RTCDataChannelState, RTCPriorityType } from './rtc-data-channel.ts';

/** Bytes, a Blob, or text. */
export type Payload = string | Uint8Array | Blob;

/** The transport of one channel: `ConnectionDriver.input` on `stack.channels`, bound to a handle. */
export interface DataChannelTransport {
  send(data: string | Uint8Array): void;
  close(): void;
  /** Bytes that the association has not handed to the network. */
  bufferedAmount(): number;
  id(): number | undefined;
  pauseReading(): void;
  resumeReading(): void;
}

export interface DataChannelOptions {
  readonly label: string;
  readonly ordered: boolean;
  readonly maxPacketLifeTime?: number | undefined;
  readonly maxRetransmits?: number | undefined;
  readonly protocol: string;
  readonly negotiated: boolean;
  readonly id?: number | undefined;
  readonly priority?: RTCPriorityType | undefined;
  /** Which channel of the connection it is. */
  readonly statsId: number;
  /** [[MaxMessageSize]] and [[MaxBufferSize]] of the SCTP transport, asked for at each `send`. */
  readonly limits: () => { readonly maxMessageSize: number; readonly maxBufferSize: number };
  /** `Runtime.queueTask`. */
  readonly queueTask: (task: () => void) => void;
  /** The channel has closed (or was closed abruptly): the connection forgets it. */
  readonly onClosed?: () => void;
}

export interface DataChannelCounters {
  messagesSent: number;
  bytesSent: number;
  messagesReceived: number;
  bytesReceived: number;
}

/** A message that waits for a Blob before it to be read, or is that Blob. */
interface QueuedMessage {
  data: string | Uint8Array | undefined;
  readonly size: number;
}

interface Waiter {
  readonly limit: number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class DataChannelSlots {
  /** Distinguishes the statistics of channels, which may have no stream identifier or an earlier channel's. */
  readonly statsId: number;
  readonly label: string;
  readonly ordered: boolean;
  readonly maxPacketLifeTime: number | null;
  readonly maxRetransmits: number | null;
  readonly protocol: string;
  readonly negotiated: boolean;
  readonly priority: RTCPriorityType;
  readyState: RTCDataChannelState = 'connecting';
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  binaryType: BinaryType = 'arraybuffer';
  readonly counters: DataChannelCounters = { messagesSent: 0, bytesSent: 0, messagesReceived: 0, bytesReceived: 0 };
  readonly #options: DataChannelOptions;
  readonly #dispatch: (event: Event) => void;
  #id: number | null;
  #transport: DataChannelTransport | undefined;
  #streams: DataChannelStreams | undefined;
  /** Not empty only while a Blob is being read. */
  readonly #queue: QueuedMessage[] = [];
  #waiters: Waiter[] = [];
  #openWaiters: Omit<Waiter, 'limit'>[] = [];

  constructor(options: DataChannelOptions, dispatch: (event: Event) => void) {
    this.#options = options;
    this.#dispatch = dispatch;
    this.label = options.label;
    this.ordered = options.ordered;
    this.maxPacketLifeTime = options.maxPacketLifeTime ?? null;
    this.maxRetransmits = options.maxRetransmits ?? null;
    this.protocol = options.protocol;
    this.negotiated = options.negotiated;
    this.priority = options.priority ?? 'low';
    this.statsId = options.statsId;
    this.#id = options.id ?? null;
  }

  /** Does not change any more once it is known. */
  get id(): number | null {
    this.#id ??= this.#transport?.id() ?? null;
    return this.#id;
  }

  get streams(): DataChannelStreams {
    this.#streams ??= new DataChannelStreams(this, {
      pause: () => this.#transport?.pauseReading(),
      resume: () => this.#transport?.resumeReading(),
    });
    return this.#streams;
  }

  /** The connection has made a channel for this object. */
  attach(transport: DataChannelTransport): void {
    this.#transport = transport;
    if (this.readyState === 'closing') transport.close();
  }

  // The algorithm of send() ------------------------------------------------------------------------------------------

  send(payload: Payload): void {
    if (this.readyState !== 'open')
      throw exception(
        'InvalidStateError',
        `the channel is ${this.readyState}${this.readyState === 'connecting' ? ': wait for its open event' : ''}`,
      );
    const size = sizeOf(payload);
    const { maxMessageSize, maxBufferSize } = this.#options.limits();
    if (size > maxMessageSize)
      throw new TypeError(`a message of ${size} bytes is larger than the peer accepts: send at most ${maxMessageSize} at a time`);
    if (this.bufferedAmount + size > maxBufferSize)
      throw exception(
        'OperationError',
        `the buffer is full (${this.bufferedAmount} of ${maxBufferSize} bytes): wait for bufferedamountlow, or await drained()`,
      );
    this.bufferedAmount += size;
    this.counters.messagesSent++;
    this.counters.bytesSent += size;
    if (payload instanceof Blob) this.#readBlob(payload);
    else if (this.#queue.length > 0) this.#queue.push({ data: payload, size });
    else this.#transport!.send(payload);
  }

  /** A Blob's bytes come later; what is sent meanwhile waits behind it. */
  #readBlob(blob: Blob): void {
    const message: QueuedMessage = { data: undefined, size: blob.size };
    this.#queue.push(message);
    void blob.arrayBuffer().then(
      (buffer) => {
        message.data = new Uint8Array(buffer);
        this.#sendQueued();
      },
      (error: unknown) => this.#failBlob(message, error),
    );
  }

  #sendQueued(): void {
    while (this.#queue[0]?.data !== undefined && this.readyState !== 'closed') this.#transport!.send(this.#queue.shift()!.data!);
    if (this.#queue.length === 0 && this.readyState === 'closing') this.#transport!.close();
  }

  #failBlob(message: QueuedMessage, error: unknown): void {
    this.#queue.splice(this.#queue.indexOf(message), 1);
    if (this.readyState === 'closed') return;
    this.#fireError('data-channel-failure', { message: `a Blob could not be read: ${String(error)}` });
    this.#updateBufferedAmount();
    this.#sendQueued();
  }

  // Closing ----------------------------------------------------------------------------------------------------------

  /** The method close(). */
  close(): void {
    // 2. Nothing to do when it is closing or closed.
    if (this.readyState === 'closing' || this.readyState === 'closed') return;
    // 3. 4. Start the closing procedure; what waits behind a Blob is sent first.
    this.readyState = 'closing';
    if (this.#transport === undefined) this.#options.queueTask(() => this.#transport === undefined && this.#close(undefined));
    else if (this.#queue.length === 0) this.#transport.close();
  }

  /** `RTCPeerConnection.close()`: closed at once, without events. */
  closeAbruptly(): void {
    if (this.readyState === 'closed') return;
    this.readyState = 'closed';
    this.#release();
  }

  /** The transport could not be created or has failed: error, then close. Call it in a task. */
  fail(error: ChannelError): void {
    this.#close(error);
  }

  /** Announcing a data channel as closed; or as never created, when it has not been open and SCTP is not to blame. */
  #close(error: ChannelError | undefined): void {
    if (this.readyState === 'closed') return;
    const neverOpened = this.readyState === 'connecting' && error?.sctpCauseCode === undefined;
    this.readyState = 'closed';
    if (error !== undefined) this.#fireError(neverOpened ? 'data-channel-failure' : 'sctp-failure', error);
    this.#dispatch(new Event('close'));
    this.#release();
  }

  #release(): void {
    this.#queue.length = 0;
    this.#streams?.end();
    const waiters = [...this.#waiters, ...this.#openWaiters];
    this.#waiters = [];
    this.#openWaiters = [];
    for (const { reject } of waiters) reject(exception('InvalidStateError', 'the channel has closed'));
    this.#options.onClosed?.();
  }

  #fireError(errorDetail: 'data-channel-failure' | 'sctp-failure', { message, sctpCauseCode }: ChannelError): void {
    const init = { errorDetail, ...(sctpCauseCode === undefined ? {} : { sctpCauseCode }) };
    this.#dispatch(new RTCErrorEvent('error', { error: new RTCError(init, message) }));
  }

  // Events of the transport, each in a task --------------------------------------------------------------------------

  /** Every event of this channel's handle but 'incoming'. Call it in a task. */
  handleEvent(event: Exclude<DataChannelEvent, { type: 'incoming' }>): void {
    if (this.readyState === 'closed') return;
    switch (event.type) {
      case 'open':
        return this.announceOpen();
      case 'message':
        return this.#receive(event.data);
      case 'buffered-amount':
      case 'buffered-amount-low':
        return this.#updateBufferedAmount();
      case 'closing':
        return this.#onClosing();
      case 'closed':
        return this.#close(event.error);
    }
  }

  /** Announcing a data channel as open. A channel that the peer has opened is "open" already, when its `datachannel` event fires. */
  announceOpen(): void {
    if (this.readyState === 'closing' || this.readyState === 'closed') return;
    this.readyState = 'open';
    const waiters = this.#openWaiters;
    this.#openWaiters = [];
    for (const { resolve } of waiters) resolve();
    this.#dispatch(new Event('open'));
  }

  opened(): Promise<void> {
    if (this.readyState === 'open') return Promise.resolve();
    if (this.readyState !== 'connecting') return Promise.reject(exception('InvalidStateError', `the channel is ${this.readyState}`));
    return new Promise((resolve, reject) => this.#openWaiters.push({ resolve, reject }));
  }

  #onClosing(): void {
    if (this.readyState === 'closing') return;
    this.readyState = 'closing';
    this.#dispatch(new Event('closing'));
  }

  /** Receiving messages on a data channel. */
  #receive(data: string | Uint8Array): void {
    if (this.readyState !== 'open') return;
    this.counters.messagesReceived++;
    this.counters.bytesReceived += sizeOf(data);
    this.#streams?.enqueue(data);
    this.#dispatch(new MessageEvent('message', { data: typeof data === 'string' ? data : this.#toBinary(data) }));
  }

  #toBinary(data: Uint8Array): ArrayBuffer | Blob {
    if (this.binaryType === 'blob') return new Blob([data as Uint8Array<ArrayBuffer>]);
    // A view into a datagram is copied, a message of its own is not. (`ArrayBuffer.prototype.slice` takes twice as long.)
    const isWhole = data.byteLength === data.buffer.byteLength;
    return (isWhole ? data : data.slice()).buffer as ArrayBuffer;
  }

  #updateBufferedAmount(): void {
    const before = this.bufferedAmount;
    const waiting = this.#queue.reduce((sum, { size }) => sum + size, 0);
    this.bufferedAmount = Math.min(before, waiting + (this.#transport?.bufferedAmount() ?? 0));
    const now = this.bufferedAmount;
    if (before > this.bufferedAmountLowThreshold && now <= this.bufferedAmountLowThreshold) this.#dispatch(new Event('bufferedamountlow'));
    const ready = this.#waiters.filter(({ limit }) => now <= limit);
    this.#waiters = this.#waiters.filter(({ limit }) => now > limit);
    for (const { resolve } of ready) resolve();
  }

  /** Resolves when at most `limit` bytes are buffered. */
  drained(limit: number): Promise<void> {
    if (this.bufferedAmount <= limit) return Promise.resolve();
    if (this.readyState === 'closed') return Promise.reject(exception('InvalidStateError', 'the channel has closed'));
    return new Promise((resolve, reject) => this.#waiters.push({ limit, resolve, reject }));
  }
}

function sizeOf(payload: Payload): number {
  if (typeof payload === 'string') return utf8Length(payload);
  return payload instanceof Blob ? payload.size : payload.length;
}
