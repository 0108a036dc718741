/** Cuts a byte stream into frames: STUN and ChannelData over TCP or TLS frame themselves (RFC 8489 §6.2.2, RFC 8656 §12.5). */
import { readUint16 } from '@petrel/bytes';

/**
 * The length of the frame that starts at `offset`, in bytes of the stream; `more` when its header is not complete, `broken` when nothing
 * can start like this.
 */
export type FrameMeasure = (bytes: Uint8Array, offset: number) => number | 'more' | 'broken';

/**
 * @example
 * const frames = new FrameReader(measureStunFrame);
 * frames.push(bytesFromTheStream);
 * for (let frame; (frame = frames.next()); ) client.receive(frame, now);
 */
export class FrameReader {
  readonly #measure: FrameMeasure;
  /** The bytes from `#offset` to `#end` wait; those before belong to frames that were handed out and are never written again. */
  #buffer: Uint8Array = NO_BYTES;
  #offset = 0;
  #end = 0;
  #broken = false;

  constructor(measure: FrameMeasure) {
    this.#measure = measure;
  }

  /** True once the stream cannot be understood: it has to be closed. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Bytes that wait for the rest of their frame: never more than the largest frame has, once `next` has returned undefined. */
  get buffered(): number {
    return this.#end - this.#offset;
  }

  /** The next bytes of the stream; the buffer is taken over. */
  push(bytes: Uint8Array): void {
    if (this.#broken) return;
    if (this.buffered === 0) {
      this.#buffer = bytes;
      this.#offset = 0;
      this.#end = bytes.length;
      return;
    }
    if (this.#end + bytes.length > this.#buffer.length) this.#grow(bytes.length);
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** The next complete frame, header included, as a view; undefined when there is none yet. */
  next(): Uint8Array | undefined {
    if (this.#broken || this.buffered === 0) return undefined;
    const length = this.#measure(this.#buffer.subarray(0, this.#end), this.#offset);
    if (length === 'broken') {
      this.#broken = true;
      this.#buffer = NO_BYTES;
      this.#offset = this.#end = 0;
      return undefined;
    }
    if (length === 'more' || length > this.buffered) return undefined;
    const frame = this.#buffer.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return frame;
  }

  /** Doubles, so that a frame which comes byte by byte is not copied for every byte. */
  #grow(count: number): void {
    const waiting = this.#buffer.subarray(this.#offset, this.#end);
    this.#buffer = new Uint8Array(2 * (waiting.length + count));
    this.#buffer.set(waiting);
    this.#offset = 0;
    this.#end = waiting.length;
  }
}

/** A STUN message, or ChannelData with its padding to four bytes (RFC 8656 §12.5). */
export function measureStunFrame(bytes: Uint8Array, offset: number): number | 'more' | 'broken' {
  if (bytes.length - offset < 4) return bytes[offset]! < 0x80 ? 'more' : 'broken';
  const length = readUint16(bytes, offset + 2);
  switch (bytes[offset]! >>> 6) {
    case 0:
      return length % 4 === 0 ? 20 + length : 'broken';
    case 1:
      return 4 + length + ((4 - (length % 4)) % 4);
    default:
      return 'broken';
  }
}

const NO_BYTES = new Uint8Array(0);
