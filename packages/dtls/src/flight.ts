/**
 * Sending handshake messages in flights, with retransmission (RFC 6347 §4.2.4). A flight is kept as messages, not as records: each
 * transmission makes new records with new numbers, as §4.2.4 requires.
 */
import { ByteWriter, concatBytes } from '@petrel/bytes';
import { type Instant, NEVER } from '@petrel/sans-io';
import { HANDSHAKE_HEADER_LENGTH } from './reassembler.ts';
import { CONTENT_TYPE, type RecordLayer } from './record-layer.ts';

/**
 * RFC 6347 §4.2.4.1 asks for a first timeout of one second, doubling up to sixty. Here a path has been found and measured by ICE before, and a
 * person waits: 400 ms when nobody says how long a round trip takes, and no pause above 2 s for the first 30 s. A flight is one or two datagrams.
 */
const DEFAULT_TIMEOUT = 400;
const TIMEOUT_BOUNDS = { least: 50, most: 3000 };
const EARLY = { until: 30_000, cap: 2000 };
const LATE_CAP = 60_000;
/** After two timeouts the path may be too narrow (RFC 6347 §4.1.1.1): what every IPv4 path carries, 576 bytes less the IP and UDP headers. */
const NARROW = { afterTimeouts: 2, datagram: 548 };

interface Part {
  readonly contentType: number;
  readonly epoch: 0 | 1;
  /** A handshake message has a header to be fragmented with; a ChangeCipherSpec does not. */
  readonly message?: { readonly type: number; readonly sequence: number };
  readonly body: Uint8Array;
}

export class FlightSender {
  readonly #records: RecordLayer;
  #initialTimeout: number = DEFAULT_TIMEOUT;
  #maxDatagram: number;
  #parts: Part[] = [];
  #nextSequence = 0;
  #startedAt: Instant | undefined;
  #sentAt: Instant = -Infinity;
  #timeouts = 0;
  #interval: number;
  #deadline: Instant = NEVER;

  /** @param initialTimeout milliseconds before the first repetition; kept between 50 ms and 3 s */
  constructor(records: RecordLayer, maxDatagram: number, initialTimeout: number = DEFAULT_TIMEOUT) {
    this.#records = records;
    this.#maxDatagram = maxDatagram;
    this.setInitialTimeout(initialTimeout);
    this.#interval = this.#initialTimeout;
  }

  get deadline(): Instant {
    return this.#deadline;
  }

  /** For flights that begin from now on. */
  setInitialTimeout(milliseconds: number): void {
    this.#initialTimeout = Math.min(Math.max(milliseconds, TIMEOUT_BOUNDS.least), TIMEOUT_BOUNDS.most);
  }

  /** The message_seq of the first message; 0 unless a stateless cookie exchange came before (RFC 6347 §4.2.2). */
  startAt(sequence: number): void {
    this.#nextSequence = sequence;
  }

  /** Begins a new flight; the previous one has been answered. */
  begin(): void {
    this.#parts = [];
    this.#interval = this.#initialTimeout;
    this.#timeouts = 0;
    this.#deadline = NEVER;
  }

  /** Adds a message and returns it as the transcript has it: whole, with its header. */
  addMessage(type: number, body: Uint8Array, epoch: 0 | 1 = 0): Uint8Array {
    const sequence = this.#nextSequence++;
    const whole = wholeMessage(type, sequence, body);
    this.#parts.push({
      contentType: CONTENT_TYPE.handshake,
      epoch,
      message: { type, sequence },
      body: whole.subarray(HANDSHAKE_HEADER_LENGTH),
    });
    return whole;
  }

  addChangeCipherSpec(): void {
    this.#parts.push({ contentType: CONTENT_TYPE.changeCipherSpec, epoch: 0, body: Uint8Array.of(1) });
  }

  /** Datagrams of the whole flight. @param answerExpected whether to send it again until `stop` */
  transmit(now: Instant, answerExpected: boolean): Uint8Array[] {
    this.#startedAt ??= now;
    this.#sentAt = now;
    this.#deadline = answerExpected ? now + this.#interval : NEVER;
    return this.#datagrams();
  }

  /**
   * The timer has fired: the flight again, and twice the pause (RFC 6347 §4.2.4.1). It goes out in two copies, as RFC 9002 §6.2.4 lets a probe:
   * something was lost, and a flight is small beside the pause that losing it again costs.
   */
  retransmit(now: Instant): Uint8Array[] {
    const cap = now - (this.#startedAt ?? now) < EARLY.until ? Math.max(EARLY.cap, this.#initialTimeout) : LATE_CAP;
    this.#interval = Math.min(this.#interval * 2, cap);
    this.#timeouts += 1;
    if (this.#timeouts >= NARROW.afterTimeouts) this.#maxDatagram = Math.min(this.#maxDatagram, NARROW.datagram);
    return [...this.transmit(now, true), ...this.#datagrams()];
  }

  /** The peer has repeated what this flight answers: the flight again, unless it was sent a moment ago. */
  repeat(now: Instant, answerExpected: boolean): Uint8Array[] {
    return now - this.#sentAt < this.#initialTimeout / 2 ? [] : this.transmit(now, answerExpected);
  }

  stop(): void {
    this.#deadline = NEVER;
  }

  #datagrams(): Uint8Array[] {
    const datagrams: Uint8Array[] = [];
    let datagram = new Uint8Array(this.#maxDatagram);
    let length = 0;
    const flush = (): void => {
      datagrams.push(datagram.subarray(0, length));
      datagram = new Uint8Array(this.#maxDatagram);
      length = 0;
    };
    for (const part of this.#parts) {
      let offset = 0;
      do {
        const overhead = this.#records.overhead(part.epoch) + (part.message ? HANDSHAKE_HEADER_LENGTH : 0);
        // A fragment of a few bytes at the end of a datagram is not worth its header.
        if (length > 0 && this.#maxDatagram - length < overhead + Math.min(part.body.length - offset, 64)) flush();
        const content = part.body.subarray(offset, offset + this.#maxDatagram - length - overhead);
        const fragment = part.message
          ? concatBytes(header(part.message.type, part.message.sequence, part.body.length, offset, content.length), content)
          : content;
        length += this.#records.sealInto(part.contentType, part.epoch, fragment, datagram, length);
        offset += content.length;
      } while (offset < part.body.length);
    }
    if (length > 0) datagrams.push(datagram.subarray(0, length));
    return datagrams;
  }
}

/** The message as if it had been sent in one fragment: the form that enters the transcript (RFC 6347 §4.2.6). */
export function wholeMessage(type: number, sequence: number, body: Uint8Array): Uint8Array {
  return concatBytes(header(type, sequence, body.length, 0, body.length), body);
}

function header(type: number, sequence: number, length: number, offset: number, fragmentLength: number): Uint8Array {
  return new ByteWriter(HANDSHAKE_HEADER_LENGTH).uint8(type).uint24(length).uint16(sequence).uint24(offset).uint24(fragmentLength).finish();
}
