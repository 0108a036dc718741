/** Fragments of I-DATA chunks (RFC 8260 §2.1): each says which message of its stream it belongs to, and its place in it. */
import { compareSerial32 } from '@petrel/bytes';
import { DATA_FLAG } from '../packet/data.ts';
import type { SizeLimit } from './fragment-runs.ts';

export interface PartialMessage {
  readonly streamId: number;
  readonly unordered: boolean;
  readonly messageId: number;
  ppid: number;
  /** In order, from the first on. */
  parts: Uint8Array[];
  /** How many fragments are in order. */
  next: number;
  /** Fragments after a missing one, by their sequence number. */
  early: Map<number, Uint8Array> | undefined;
  /** The sequence number of the last fragment. */
  last: number | undefined;
  bytes: number;
  fragments: number;
  isTooLarge: boolean;
}

export function isComplete({ last, next }: PartialMessage): boolean {
  return last !== undefined && next > last;
}

export class InterleavedMessages {
  readonly #ordered = new Map<number, Map<number, PartialMessage>>();
  readonly #unordered = new Map<number, Map<number, PartialMessage>>();
  readonly #limit: SizeLimit;
  #heldBytes = 0;
  #fragments = 0;

  constructor(limit: SizeLimit) {
    this.#limit = limit;
  }

  /** Bytes of fragments that are kept. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get fragments(): number {
    return this.#fragments;
  }

  /** Takes a fragment that was not seen before. @returns its message; complete ones are no longer kept. Undefined: it contradicts the others */
  add(
    flags: number,
    streamId: number,
    messageId: number,
    fragmentSequence: number,
    ppid: number,
    data: Uint8Array,
  ): PartialMessage | undefined {
    const unordered = (flags & DATA_FLAG.unordered) !== 0;
    const streams = unordered ? this.#unordered : this.#ordered;
    let messages = streams.get(streamId);
    if (messages === undefined) streams.set(streamId, (messages = new Map()));
    let message = messages.get(messageId);
    if (message === undefined) {
      message = {
        streamId,
        unordered,
        messageId,
        ppid: 0,
        parts: [],
        next: 0,
        early: undefined,
        last: undefined,
        bytes: 0,
        fragments: 0,
        isTooLarge: false,
      };
      messages.set(messageId, message);
    }
    const place = (flags & DATA_FLAG.begin) !== 0 ? 0 : fragmentSequence;
    if (!insert(message, place, flags, ppid, data)) return undefined;
    this.#fragments += 1;
    if (!message.isTooLarge) this.#heldBytes += data.length;
    if (message.bytes > this.#limit.maxReceivedMessageSize && !message.isTooLarge) {
      this.#heldBytes -= message.bytes;
      message.isTooLarge = true;
      message.parts = [];
      for (const early of message.early?.keys() ?? []) message.early?.set(early, NOTHING);
      this.#limit.onMessageTooLarge(streamId);
    }
    if (isComplete(message)) this.#remove(streams, message);
    return message;
  }

  /** Drops the messages of a stream up to this one (RFC 8260 §2.3.1). */
  dropUpTo(streamId: number, unordered: boolean, messageId: number): void {
    const streams = unordered ? this.#unordered : this.#ordered;
    for (const message of streams.get(streamId)?.values() ?? []) {
      if (compareSerial32(message.messageId, messageId) > 0) continue;
      this.#remove(streams, message);
    }
  }

  dropStream(streamId: number): void {
    for (const streams of [this.#ordered, this.#unordered]) {
      for (const message of streams.get(streamId)?.values() ?? []) this.#remove(streams, message);
    }
  }

  streamIds(): number[] {
    return [...new Set([...this.#ordered.keys(), ...this.#unordered.keys()])];
  }

  #remove(streams: Map<number, Map<number, PartialMessage>>, message: PartialMessage): void {
    const messages = streams.get(message.streamId);
    messages?.delete(message.messageId);
    if (messages?.size === 0) streams.delete(message.streamId);
    this.#fragments -= message.fragments;
    if (!message.isTooLarge) this.#heldBytes -= message.bytes;
  }
}

function insert(message: PartialMessage, place: number, flags: number, ppid: number, data: Uint8Array): boolean {
  if (place < message.next || (message.last !== undefined && place > message.last) || message.early?.has(place)) return false;
  if ((flags & DATA_FLAG.end) !== 0) message.last = place;
  if (place === 0) message.ppid = ppid;
  message.bytes += data.length;
  message.fragments += 1;
  if (place !== message.next) (message.early ??= new Map()).set(place, message.isTooLarge ? NOTHING : data);
  else {
    if (!message.isTooLarge) message.parts.push(data);
    message.next += 1;
    if (message.early !== undefined && message.early.size > 0) takeEarly(message, message.early);
  }
  return true;
}

function takeEarly(message: PartialMessage, early: Map<number, Uint8Array>): void {
  for (let data = early.get(message.next); data !== undefined; data = early.get(message.next)) {
    early.delete(message.next);
    if (!message.isTooLarge) message.parts.push(data);
    message.next += 1;
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
