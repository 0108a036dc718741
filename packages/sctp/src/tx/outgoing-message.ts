import { type Instant, NEVER } from '@petrel/sans-io';
import type { OutgoingStream } from './stream-scheduler.ts';

/** How a message is to be delivered (RFC 9260 §11.1.5; RFC 3758 and RFC 7496 for the limits). */
export interface SendOptions {
  readonly unordered?: boolean;
  /** Give up after this many retransmissions. */
  readonly maxRetransmits?: number;
  /** Give up this many milliseconds after `send`. */
  readonly lifetime?: number;
  /** Not part of `bufferedAmount`: control messages of the layer above. */
  readonly uncounted?: boolean;
}

/** A message on its way. Its fragments share it, so that they are given up together. */
export class OutgoingMessage {
  readonly stream: OutgoingStream;
  readonly ppid: number;
  readonly data: Uint8Array;
  readonly unordered: boolean;
  readonly maxRetransmits: number;
  readonly expires: Instant;
  readonly uncounted: boolean;
  /** Stream sequence number or message identifier, once its first fragment is sent. */
  sequence = 0;
  /** Bytes that were put into fragments. */
  offset = 0;
  fragments = 0;
  /** Of its first and its latest fragment. */
  firstTsn = 0;
  lastTsn = 0;
  abandoned = false;

  constructor(stream: OutgoingStream, ppid: number, data: Uint8Array, options: SendOptions, now: Instant) {
    this.stream = stream;
    this.ppid = ppid;
    this.data = data;
    this.unordered = options.unordered === true;
    this.maxRetransmits = options.maxRetransmits ?? NEVER;
    this.expires = options.lifetime === undefined ? NEVER : now + options.lifetime;
    this.uncounted = options.uncounted === true;
  }

  get remaining(): number {
    return this.data.length - this.offset;
  }
}
