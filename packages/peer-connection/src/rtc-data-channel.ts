/** RTCDataChannel (W3C WebRTC §6.2). The protocol is in `@petrel/data-channel`; the state behind an object in data-channel-slots.ts. */
import { Arena } from '@petrel/bytes';
import { DataChannelSlots, type DataChannelOptions, type Payload } from './data-channel-slots.ts';
import type { RTCErrorEvent } from './events.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

/** The states of a channel, in their order (W3C WebRTC §6.2). */
export type RTCDataChannelState = 'connecting' | 'open' | 'closing' | 'closed';
/** How binary messages are handed out. */
export type BinaryType = 'blob' | 'arraybuffer';
/** The share of a channel when several have something to send: each step doubles it (RFC 8831 §6.4). */
export type RTCPriorityType = 'very-low' | 'low' | 'medium' | 'high';

/**
 * The second argument of `createDataChannel` (W3C WebRTC §6.2.1).
 *
 * @example
 * { ordered: false, maxRetransmits: 0 } // like UDP
 */
export interface RTCDataChannelInit {
  /** Default true. */
  ordered?: boolean;
  /** Milliseconds in which a message is transmitted and retransmitted. Not together with `maxRetransmits`. */
  maxPacketLifeTime?: number;
  maxRetransmits?: number;
  /** A name that both applications understand. */
  protocol?: string;
  /** The other side creates the same channel itself, with the same `id`. */
  negotiated?: boolean;
  id?: number;
  /** W3C WebRTC Priority §4.2; default 'low'. */
  priority?: RTCPriorityType;
}

/** Converts the second argument of `createDataChannel`. */
export const toRTCDataChannelInit: webidl.Converter<RTCDataChannelInit> = webidl.dictionary<RTCDataChannelInit>('RTCDataChannelInit', {
  ordered: { convert: webidl.boolean, fallback: () => true },
  maxPacketLifeTime: { convert: webidl.unsignedShortInRange },
  maxRetransmits: { convert: webidl.unsignedShortInRange },
  protocol: { convert: webidl.usvString, fallback: () => '' },
  negotiated: { convert: webidl.boolean, fallback: () => false },
  id: { convert: webidl.unsignedShortInRange },
  priority: {
    convert: webidl.enumeration<RTCPriorityType>('RTCPriorityType', ['very-low', 'low', 'medium', 'high']),
    fallback: () => 'low',
  },
});

/** Makes a channel in the state "connecting"; {@link DataChannelSlots.attach} gives it its transport. */
export let createRTCDataChannel: (options: DataChannelOptions) => RTCDataChannel;
export let dataChannelSlots: (channel: RTCDataChannel) => DataChannelSlots;

/**
 * A channel for messages, each delivered whole.
 *
 * @example
 * const channel = pc.createDataChannel('chat');
 * channel.onopen = () => channel.send('hello');
 * channel.onmessage = ({ data }) => console.log(data);
 */
export class RTCDataChannel extends TypedEventTarget<RTCDataChannel> {
  declare onopen: webidl.EventHandler<RTCDataChannel>;
  declare onbufferedamountlow: webidl.EventHandler<RTCDataChannel>;
  declare onerror: webidl.EventHandler<RTCDataChannel, RTCErrorEvent>;
  declare onclosing: webidl.EventHandler<RTCDataChannel>;
  declare onclose: webidl.EventHandler<RTCDataChannel>;
  declare onmessage: webidl.EventHandler<RTCDataChannel, MessageEvent>;
  readonly #slots: DataChannelSlots;

  private constructor(...[token, options]: [token?: unknown, options?: DataChannelOptions]) {
    webidl.requireInternal(token);
    super();
    this.#slots = new DataChannelSlots(options!, (event) => this.dispatchEvent(event));
  }

  get label(): string {
    return this.#slots.label;
  }

  get ordered(): boolean {
    return this.#slots.ordered;
  }

  get maxPacketLifeTime(): number | null {
    return this.#slots.maxPacketLifeTime;
  }

  get maxRetransmits(): number | null {
    return this.#slots.maxRetransmits;
  }

  get protocol(): string {
    return this.#slots.protocol;
  }

  get negotiated(): boolean {
    return this.#slots.negotiated;
  }

  /** Null until it is known which side is the DTLS client. */
  get id(): number | null {
    return this.#slots.id;
  }

  get priority(): RTCPriorityType {
    return this.#slots.priority;
  }

  get readyState(): RTCDataChannelState {
    return this.#slots.readyState;
  }

  /** Bytes passed to `send` that have not been handed to the network. Falls only in a later task; stays as it is once the channel is closed. */
  get bufferedAmount(): number {
    return this.#slots.bufferedAmount;
  }

  /** `bufferedamountlow` fires when `bufferedAmount` falls from above this number of bytes to it or below. */
  get bufferedAmountLowThreshold(): number {
    return this.#slots.bufferedAmountLowThreshold;
  }

  set bufferedAmountLowThreshold(value: number) {
    const slots = this.#slots;
    slots.bufferedAmountLowThreshold = webidl.unsignedLongInRange(value, 'RTCDataChannel.bufferedAmountLowThreshold');
  }

  /** Whether binary messages arrive as `ArrayBuffer` (the default) or as `Blob`. */
  get binaryType(): BinaryType {
    return this.#slots.binaryType;
  }

  set binaryType(value: BinaryType) {
    const slots = this.#slots;
    const type = webidl.domString(value, 'RTCDataChannel.binaryType');
    // Assigning what is not a value of the enumeration does nothing (Web IDL §3.7.6).
    if (type === 'blob' || type === 'arraybuffer') slots.binaryType = type;
  }

  /** Closes the channel, once what was sent is on its way. `onclose` follows. */
  close(): void {
    this.#slots.close();
  }

  /**
   * Sends one message. The bytes are copied (those of a Blob are read later, in order).
   * @throws InvalidStateError when the channel is not open
   * @throws TypeError when the message is larger than the peer accepts (`pc.sctp.maxMessageSize`)
   * @throws OperationError when the buffer is full: wait for `bufferedamountlow` or {@link drained}
   */
  send(data: string | Blob | ArrayBuffer | ArrayBufferView): void {
    const slots = this.#slots;
    webidl.requireArguments(arguments.length, 1, 'RTCDataChannel.send');
    slots.send(toPayload(data));
  }

  /**
   * Not in the W3C's API: the messages as a stream of strings and `Uint8Array`s, from the first access on. While nobody reads, the peer is held
   * back by SCTP's receive window, which all channels of a connection share. `message` events fire as well. Ends when the channel closes.
   */
  get readable(): ReadableStream<string | Uint8Array> & AsyncIterable<string | Uint8Array> {
    return this.#slots.streams.readable;
  }

  /** Not in the W3C's API: a stream that sends each chunk as one message, and waits while more than 1 MiB is buffered. Closing it closes the channel. */
  get writable(): WritableStream<string | Blob | ArrayBuffer | ArrayBufferView> {
    return this.#slots.streams.writable((chunk) => this.#slots.send(toPayload(chunk)));
  }

  /**
   * Not in the W3C's API: resolves when `bufferedAmount` is at or below `bufferedAmountLowThreshold`, at once if it is already.
   * Rejects with InvalidStateError when the channel closes before that.
   */
  drained(): Promise<void> {
    return this.#slots.drained(this.#slots.bufferedAmountLowThreshold);
  }

  static {
    createRTCDataChannel = (options) => new RTCDataChannel(webidl.INTERNAL, options);
    dataChannelSlots = (channel) => channel.#slots;
    webidl.defineInterface({
      name: 'RTCDataChannel',
      prototype: RTCDataChannel.prototype,
      isInstance: (value) => #slots in value,
      handlers: ['open', 'bufferedamountlow', 'error', 'closing', 'close', 'message'],
      shown: ['label', 'protocol', 'id', 'readyState', 'bufferedAmount'],
    });
  }
}

const SHORT_MESSAGE = 2048;
const SHORT_MESSAGES: Arena = new Arena();
const byteLengthOf: ((this: ArrayBuffer) => number) | undefined = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength')?.get;

/** Web IDL overload resolution for `send`: anything else is converted to a string. */
function toPayload(data: unknown): Payload {
  if (data instanceof Blob) return data;
  if (ArrayBuffer.isView(data)) {
    if (!isArrayBuffer(data.buffer)) throw new TypeError('RTCDataChannel.send: the view is on shared memory');
    return copyOf(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  if (isArrayBuffer(data)) return copyOf(new Uint8Array(data));
  return webidl.domString(data, 'RTCDataChannel.send');
}

/** Short messages share slabs of memory: a buffer for each would cost more than sending it. */
function copyOf(bytes: Uint8Array): Uint8Array {
  if (bytes.length > SHORT_MESSAGE) return bytes.slice();
  const copy = SHORT_MESSAGES.allocate(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Also for buffers of other realms. */
function isArrayBuffer(value: unknown): value is ArrayBuffer {
  if (!webidl.isObject(value)) return false;
  try {
    byteLengthOf!.call(value as ArrayBuffer);
    return true;
  } catch {
    return false;
  }
}
