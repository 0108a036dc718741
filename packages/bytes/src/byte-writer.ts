/**
 * Appends to a growing buffer in network byte order. For control messages; per-packet paths with a known size
 * write into one preallocated array with {@link writeUint16} and {@link writeUint32}.
 *
 * @example
 * const message = new ByteWriter().uint8(1).uint16(2).bytes(body).finish();
 */
export class ByteWriter {
  #buffer: Uint8Array;
  #length = 0;

  constructor(capacity: number = 128) {
    this.#buffer = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  uint8(value: number): this {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
    return this;
  }

  uint16(value: number): this {
    this.#reserve(2);
    writeUint16(this.#buffer, this.#length, value);
    this.#length += 2;
    return this;
  }

  uint24(value: number): this {
    return this.uint8(value >>> 16).uint16(value);
  }

  uint32(value: number): this {
    this.#reserve(4);
    writeUint32(this.#buffer, this.#length, value);
    this.#length += 4;
    return this;
  }

  uint48(value: number): this {
    return this.uint16(Math.floor(value / 0x1_0000_0000)).uint32(value >>> 0);
  }

  uint64(value: bigint): this {
    return this.uint32(Number(value >> 32n)).uint32(Number(value & 0xffff_ffffn));
  }

  bytes(data: Uint8Array): this {
    this.#reserve(data.length);
    this.#buffer.set(data, this.#length);
    this.#length += data.length;
    return this;
  }

  /** Zero bytes, `count` of them. */
  zeros(count: number): this {
    this.#reserve(count);
    this.#length += count;
    return this;
  }

  /** Zero bytes up to the next multiple of `alignment`. */
  pad(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** Overwrites two bytes that are already written, such as a length field. */
  setUint16(offset: number, value: number): this {
    writeUint16(this.#buffer, offset, value);
    return this;
  }

  setUint24(offset: number, value: number): this {
    this.#buffer[offset] = value >>> 16;
    writeUint16(this.#buffer, offset + 1, value);
    return this;
  }

  setUint32(offset: number, value: number): this {
    writeUint32(this.#buffer, offset, value);
    return this;
  }

  /** What is written so far, as a view that later writes may invalidate. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What was written. The writer must not be used afterwards. */
  finish(): Uint8Array {
    return this.view();
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#buffer.length * 2));
    larger.set(this.view());
    this.#buffer = larger;
  }
}

/** Network byte order; the higher bits of the value are ignored. Past the end nothing is written. */
export function writeUint16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

/** Network byte order; the value is taken modulo 2^32. Past the end nothing is written. */
export function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}
