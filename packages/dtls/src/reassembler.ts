/**
 * Handshake messages out of their fragments (RFC 6347 §4.2.2, §4.2.3).
 *
 * ```
 *   struct {
 *     HandshakeType msg_type;  uint24 length;  uint16 message_seq;
 *     uint24 fragment_offset;  uint24 fragment_length;  opaque body[fragment_length];
 *   } Handshake;
 * ```
 */
import { ByteReader } from '@petrel/bytes';

export const HANDSHAKE_HEADER_LENGTH = 12;
/** A message may be this long; a certificate chain is the only one that comes near. */
export const MAX_HANDSHAKE_LENGTH = 16_384;
/** Messages beyond the next one that are kept while it is missing: a flight has at most six. */
const WINDOW = 8;

export interface HandshakeMessage {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
  /** The epoch of the record that completed the message. */
  readonly epoch: number;
}

export type FragmentOutcome = 'accepted' | 'old' | 'malformed' | 'too-far-ahead';

interface PartialMessage {
  readonly type: number;
  readonly body: Uint8Array;
  /** One bit a byte, and how many are still missing. */
  readonly have: Uint8Array;
  missing: number;
  epoch: number;
}

export class Reassembler {
  #next = 0;
  readonly #partial = new Map<number, PartialMessage>();

  /** Takes every fragment of a handshake record. The record is all right or it is dropped whole from the first bad fragment on. */
  add(fragment: Uint8Array, epoch: number): FragmentOutcome {
    const reader = new ByteReader(fragment);
    let outcome: FragmentOutcome = 'malformed';
    while (reader.remaining > 0) {
      outcome = this.#addOne(reader, epoch);
      if (outcome === 'malformed') return outcome;
    }
    return outcome;
  }

  /** The next message in order, once it is complete. */
  next(): HandshakeMessage | undefined {
    const message = this.#partial.get(this.#next);
    if (message === undefined || message.missing > 0) return undefined;
    this.#partial.delete(this.#next);
    return { type: message.type, sequence: this.#next++, body: message.body, epoch: message.epoch };
  }

  /** Makes `sequence` the next message: a server that answers a first ClientHello statelessly forgets it. */
  expect(sequence: number): void {
    this.#next = sequence;
    for (const key of this.#partial.keys()) if (key < sequence) this.#partial.delete(key);
  }

  #addOne(reader: ByteReader, epoch: number): FragmentOutcome {
    const type = reader.uint8();
    const length = reader.uint24();
    const sequence = reader.uint16();
    const offset = reader.uint24();
    const data = reader.view(reader.uint24());
    if (reader.overrun || length > MAX_HANDSHAKE_LENGTH || offset + data.length > length || (data.length === 0 && length > 0))
      return 'malformed';
    if (sequence < this.#next) return 'old';
    if (sequence >= this.#next + WINDOW) return 'too-far-ahead';
    let message = this.#partial.get(sequence);
    if (message === undefined) {
      message = { type, body: new Uint8Array(length), have: new Uint8Array(length), missing: length, epoch };
      this.#partial.set(sequence, message);
    } else if (message.type !== type || message.body.length !== length || message.epoch !== epoch) return 'malformed';
    for (let i = 0; i < data.length; i++) {
      if (message.have[offset + i] === 1) continue; // overlaps are legal; the first copy stays
      message.have[offset + i] = 1;
      message.body[offset + i] = data[i]!;
      message.missing -= 1;
    }
    return 'accepted';
  }
}
