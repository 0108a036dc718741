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
import { ByteReader, concatBytes } from '@petrel/bytes';

export const HANDSHAKE_HEADER_LENGTH = 12;
/** A message may be this long; a certificate chain is the only one that comes near. */
export const MAX_HANDSHAKE_LENGTH = 16_384;
/** Messages beyond the next one that are kept while it is missing: a flight has at most six. */
const WINDOW = 8;
/** Pieces of all unfinished messages together. Memory follows what came, never what a length field announces. */
const MAX_PIECES = 1024;
/** Bytes of all unfinished messages together. */
const MAX_BUFFERED = 65_536;

export interface HandshakeMessage {
  readonly type: number;
  readonly sequence: number;
  readonly body: Uint8Array;
  /** The epoch of the records that carried the message. */
  readonly epoch: number;
}

export type FragmentOutcome = 'accepted' | 'old' | 'malformed' | 'too-far-ahead' | 'too-much';

interface Piece {
  readonly start: number;
  readonly bytes: Uint8Array;
}

interface PartialMessage {
  readonly type: number;
  readonly length: number;
  readonly epoch: number;
  /** In order of `start`, without overlaps. */
  readonly pieces: Piece[];
  missing: number;
}

export class Reassembler {
  /** The type of the message whose end came again in the latest record, for the repetition of flights; undefined when none did. */
  repeatedType: number | undefined;
  #next = 0;
  #pieces = 0;
  #buffered = 0;
  readonly #partial = new Map<number, PartialMessage>();

  /** Takes the fragments of a handshake record, up to the first bad one. @returns what became of the last one that was looked at */
  add(fragment: Uint8Array, epoch: number): FragmentOutcome {
    const reader = new ByteReader(fragment);
    let outcome: FragmentOutcome = 'malformed';
    this.repeatedType = undefined;
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
    this.#forget(this.#next, message);
    const body = message.pieces.length === 1 ? message.pieces[0]!.bytes : concatBytes(...message.pieces.map((piece) => piece.bytes));
    return { type: message.type, sequence: this.#next++, body, epoch: message.epoch };
  }

  /** Makes `sequence` the next message: the first one after a cookie, or one that was refused and may come again, better. */
  expect(sequence: number): void {
    this.#next = sequence;
    for (const [key, message] of this.#partial) if (key < sequence) this.#forget(key, message);
  }

  /** Forgets everything that waits. */
  clear(): void {
    for (const [key, message] of this.#partial) this.#forget(key, message);
  }

  #addOne(reader: ByteReader, epoch: number): FragmentOutcome {
    const type = reader.uint8();
    const length = reader.uint24();
    const sequence = reader.uint16();
    const offset = reader.uint24();
    const data = reader.view(reader.uint24());
    if (reader.overrun || length > MAX_HANDSHAKE_LENGTH || offset + data.length > length || (data.length === 0 && length > 0))
      return 'malformed';
    if (sequence < this.#next) {
      if (offset + data.length === length) this.repeatedType = type;
      return 'old';
    }
    if (sequence >= this.#next + WINDOW) return 'too-far-ahead';
    const message = this.#open(sequence, type, length, epoch);
    if (message === undefined) return 'malformed';
    return this.#insert(message, offset, data) ? 'accepted' : 'too-much';
  }

  /**
   * The message that a fragment belongs to. When the fragments contradict each other the newest counts, or one forged fragment would shut out the
   * real message for good; but never one with less protection than what is there.
   */
  #open(sequence: number, type: number, length: number, epoch: number): PartialMessage | undefined {
    const known = this.#partial.get(sequence);
    if (known?.type === type && known.length === length && known.epoch === epoch) return known;
    if (known !== undefined) {
      if (known.epoch > epoch) return undefined;
      this.#forget(sequence, known);
    }
    const message: PartialMessage = { type, length, epoch, pieces: [], missing: length };
    this.#partial.set(sequence, message);
    return message;
  }

  /** Adds what is not there yet; overlaps are legal, and the first copy stays. */
  #insert(message: PartialMessage, offset: number, data: Uint8Array): boolean {
    const { pieces } = message;
    const end = offset + data.length;
    let index = 0;
    for (let at = offset; at < end; ) {
      while (index < pieces.length && pieceEnd(pieces[index]!) <= at) index += 1;
      const next = pieces[index];
      if (next !== undefined && next.start <= at) {
        at = pieceEnd(next);
        continue;
      }
      const stop = Math.min(end, next?.start ?? end);
      if (this.#pieces >= MAX_PIECES || this.#buffered + stop - at > MAX_BUFFERED) return false;
      pieces.splice(index, 0, { start: at, bytes: data.slice(at - offset, stop - offset) });
      this.#pieces += 1;
      this.#buffered += stop - at;
      message.missing -= stop - at;
      at = stop;
    }
    return true;
  }

  #forget(sequence: number, message: PartialMessage): void {
    this.#partial.delete(sequence);
    this.#pieces -= message.pieces.length;
    for (const { bytes } of message.pieces) this.#buffered -= bytes.length;
  }
}

function pieceEnd({ start, bytes }: Piece): number {
  return start + bytes.length;
}
