import { DATA_FLAG } from '../packet/data.ts';
import type { SkippedMessage } from '../packet/forward-tsn.ts';
import { FragmentRuns, type SizeLimit } from './fragment-runs.ts';
import { InterleavedMessages, isComplete } from './interleaved-messages.ts';
import { type Deliver, OrderedStreams } from './ordered-streams.ts';

/** A user message as its sender gave it. */
export interface Message {
  readonly streamId: number;
  readonly ppid: number;
  readonly data: Uint8Array;
}

export interface ReassemblyOptions extends SizeLimit {
  /** I-DATA instead of DATA (RFC 8260). */
  readonly interleaving: boolean;
  readonly deliver: Deliver;
}

/** Messages out of fragments (RFC 9260 §6.9, RFC 8260 §2.2.3), and ordered messages in order. */
export class ReassemblyQueue {
  readonly #interleaving: boolean;
  readonly #limit: SizeLimit;
  readonly #deliver: Deliver;
  readonly #runs: FragmentRuns;
  readonly #partial: InterleavedMessages;
  readonly #ordered: OrderedStreams;

  constructor(options: ReassemblyOptions) {
    this.#interleaving = options.interleaving;
    this.#limit = options;
    this.#deliver = options.deliver;
    this.#runs = new FragmentRuns(options);
    this.#partial = new InterleavedMessages(options);
    this.#ordered = new OrderedStreams(options.interleaving, options.deliver);
  }

  /** Bytes that are held, because a fragment or an earlier message is missing. */
  get bufferedBytes(): number {
    return this.#runs.heldBytes + this.#partial.heldBytes + this.#ordered.waitingBytes;
  }

  /** Pieces that are held: each costs memory of its own. */
  get bufferedPieces(): number {
    return this.#runs.fragments + this.#partial.fragments + this.#ordered.waitingMessages;
  }

  /** Takes a chunk that was not seen before. */
  add(tsn: number, flags: number, streamId: number, sequence: number, fragmentSequence: number, ppid: number, data: Uint8Array): void {
    const whole = DATA_FLAG.begin | DATA_FLAG.end;
    if ((flags & whole) === whole) this.#onMessage(streamId, (flags & DATA_FLAG.unordered) !== 0, sequence, ppid, data);
    else if (this.#interleaving) this.#addInterleaved(flags, streamId, sequence, fragmentSequence, ppid, data);
    else this.#addToRun(tsn, flags, streamId, sequence, ppid, data);
  }

  /** Drops what the sender gave up (RFC 3758 §3.6, RFC 8260 §2.3.1): fragments, and the wait for skipped messages. */
  forwardTo(cumulativeTsn: number, skipped: readonly SkippedMessage[]): void {
    if (!this.#interleaving) this.#runs.dropUpTo(cumulativeTsn);
    for (const { streamId, unordered, sequence } of lastOfEachStream(skipped)) {
      if (this.#interleaving) this.#partial.dropUpTo(streamId, unordered, sequence);
      if (!unordered) this.#ordered.skipTo(streamId, sequence);
    }
  }

  /** Sequence numbers begin at zero again (RFC 6525 §5.2.2). No ids: all streams. */
  resetStreams(streamIds: readonly number[]): void {
    const ids = streamIds.length > 0 ? streamIds : [...this.#ordered.streamIds(), ...this.#partial.streamIds()];
    for (const id of ids) {
      this.#ordered.reset(id);
      this.#partial.dropStream(id);
    }
  }

  #addToRun(tsn: number, flags: number, streamId: number, sequence: number, ppid: number, data: Uint8Array): void {
    const run = this.#runs.add(tsn, flags, streamId, sequence, ppid, data);
    if (!run.begins || !run.ends) return;
    if (!run.isTooLarge) this.#onMessage(streamId, run.unordered, sequence, ppid, joined(run.parts, run.bytes));
    else if (!run.unordered) this.#ordered.add(streamId, sequence, ppid, undefined);
  }

  #addInterleaved(flags: number, streamId: number, messageId: number, fragmentSequence: number, ppid: number, data: Uint8Array): void {
    const message = this.#partial.add(flags, streamId, messageId, fragmentSequence, ppid, data);
    if (message === undefined || !isComplete(message)) return;
    if (!message.isTooLarge) this.#onMessage(streamId, message.unordered, messageId, message.ppid, joined(message.parts, message.bytes));
    else if (!message.unordered) this.#ordered.add(streamId, messageId, message.ppid, undefined);
  }

  #onMessage(streamId: number, unordered: boolean, sequence: number, ppid: number, data: Uint8Array): void {
    const fits = data.length <= this.#limit.maxReceivedMessageSize;
    if (!fits) this.#limit.onMessageTooLarge(streamId);
    if (!unordered) this.#ordered.add(streamId, sequence, ppid, fits ? data : undefined);
    else if (fits) this.#deliver(streamId, ppid, data);
  }
}

/** A sender names each stream once (RFC 3758 §3.5 C4); each time costs a look at all that the stream has waiting. */
function lastOfEachStream(skipped: readonly SkippedMessage[]): Iterable<SkippedMessage> {
  if (skipped.length < 2) return skipped;
  return new Map(skipped.map((entry) => [entry.streamId * 2 + (entry.unordered ? 1 : 0), entry])).values();
}

/** The one copy between the packets and the application. */
function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
