/**
 * A cursor over bytes in network byte order. Reading past the end does not throw: it yields zeros (or an empty
 * view) and sets {@link overrun}, so a parser reads a whole structure and checks once.
 *
 * @example
 * const reader = new ByteReader(packet);
 * const [type, length] = [reader.uint8(), reader.uint16()];
 * const body = reader.view(length);
 * if (reader.overrun) return undefined; // cut off
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  offset: number;
  /** True once a read went past the end. */
  overrun: boolean = false;

  constructor(bytes: Uint8Array, offset: number = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = Math.min(end, bytes.length);
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  uint8(): number {
    return this.#advance(1) ? this.bytes[this.offset - 1]! : 0;
  }

  uint16(): number {
    if (!this.#advance(2)) return 0;
    return (this.bytes[this.offset - 2]! << 8) | this.bytes[this.offset - 1]!;
  }

  uint24(): number {
    if (!this.#advance(3)) return 0;
    return (this.bytes[this.offset - 3]! << 16) | (this.bytes[this.offset - 2]! << 8) | this.bytes[this.offset - 1]!;
  }

  uint32(): number {
    return this.#advance(4) ? readUint32(this.bytes, this.offset - 4) : 0;
  }

  /** 48 bits: DTLS sequence numbers. Exact, as a JavaScript number holds 53 bits. */
  uint48(): number {
    const high = this.uint16();
    return high * 0x1_0000_0000 + this.uint32();
  }

  uint64(): bigint {
    const high = this.uint32();
    return (BigInt(high) << 32n) | BigInt(this.uint32());
  }

  /** A view of the next `length` bytes, not a copy. */
  view(length: number): Uint8Array {
    if (!this.#advance(length)) return this.bytes.subarray(this.end, this.end);
    return this.bytes.subarray(this.offset - length, this.offset);
  }

  /** A view of everything that is left. */
  rest(): Uint8Array {
    return this.view(this.remaining);
  }

  skip(length: number): void {
    this.#advance(length);
  }

  #advance(length: number): boolean {
    if (length < 0 || length > this.end - this.offset) {
      this.overrun = true;
      this.offset = this.end;
      return false;
    }
    this.offset += length;
    return true;
  }
}

/** Network byte order. The offset is not checked: past the end the bytes count as 0. */
export function readUint16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/** Network byte order, unsigned. The offset is not checked: past the end the bytes count as 0. */
export function readUint32(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>> 0;
}
