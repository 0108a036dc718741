/**
 * Sending handshake messages in flights, with retransmission (RFC 6347 §4.2.4). A flight is kept as messages, not as records: each
 * transmission makes new records with new numbers, as §4.2.4 requires.
 */
import { ByteWriter, concatBytes } from '@petrel/bytes';
import { Backoff, type Instant, NEVER } from '@petrel/sans-io';
import { HANDSHAKE_HEADER_LENGTH } from './reassembler.ts';
import { CONTENT_TYPE, type RecordLayer } from './record-layer.ts';

/** First retransmission after 400 ms, doubling up to 2 s: ICE has found a path already, so a second would be too timid. */
const INITIAL_TIMEOUT = 400;
const MAXIMUM_TIMEOUT = 2000;

interface Part {
  readonly contentType: number;
  readonly epoch: 0 | 1;
  /** A handshake message has a header to be fragmented with; a ChangeCipherSpec does not. */
  readonly message?: { readonly type: number; readonly sequence: number };
  readonly body: Uint8Array;
}

export class FlightSender {
  readonly #records: RecordLayer;
  readonly #maxDatagram: number;
  #parts: Part[] = [];
  #nextSequence = 0;
  #backoff = new Backoff(INITIAL_TIMEOUT, MAXIMUM_TIMEOUT);
  #deadline: Instant = NEVER;

  constructor(records: RecordLayer, maxDatagram: number) {
    this.#records = records;
    this.#maxDatagram = maxDatagram;
  }

  /** Begins a new flight; the previous one has been answered. */
  begin(): void {
    this.#parts = [];
    this.#backoff = new Backoff(INITIAL_TIMEOUT, MAXIMUM_TIMEOUT);
    this.#deadline = NEVER;
  }

  /** The retransmission timer starts from here when the round-trip time is known: 1.5 round trips, within reason. */
  setRoundTripTime(milliseconds: number): void {
    const initial = Math.min(Math.max(1.5 * milliseconds, 50), INITIAL_TIMEOUT);
    this.#backoff = new Backoff(initial, MAXIMUM_TIMEOUT);
  }

  /** Adds a message and returns it as the transcript has it: whole, with its header. */
  addMessage(type: number, body: Uint8Array, epoch: 0 | 1 = 0): Uint8Array {
    const sequence = this.#nextSequence++;
    this.#parts.push({ contentType: CONTENT_TYPE.handshake, epoch, message: { type, sequence }, body });
    return wholeMessage(type, sequence, body);
  }

  addChangeCipherSpec(): void {
    this.#parts.push({ contentType: CONTENT_TYPE.changeCipherSpec, epoch: 0, body: Uint8Array.of(1) });
  }

  /** Datagrams of the whole flight. @param answerExpected whether to send it again until `stop` */
  transmit(now: Instant, answerExpected: boolean): Uint8Array[] {
    this.#deadline = answerExpected ? now + this.#backoff.next() : NEVER;
    const datagrams: Uint8Array[] = [];
    let datagram = new Uint8Array(this.#maxDatagram);
    let length = 0;
    const flush = (): void => {
      if (length > 0) datagrams.push(datagram.subarray(0, length));
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
    flush();
    return datagrams;
  }

  stop(): void {
    this.#deadline = NEVER;
  }

  get deadline(): Instant {
    return this.#deadline;
  }
}

/** The message as if it had been sent in one fragment: the form that enters the transcript (RFC 6347 §4.2.6). */
export function wholeMessage(type: number, sequence: number, body: Uint8Array): Uint8Array {
  return concatBytes(header(type, sequence, body.length, 0, body.length), body);
}

function header(type: number, sequence: number, length: number, offset: number, fragmentLength: number): Uint8Array {
  return new ByteWriter(HANDSHAKE_HEADER_LENGTH).uint8(type).uint24(length).uint16(sequence).uint24(offset).uint24(fragmentLength).finish();
}
