/**
 * A small assembler for WebAssembly modules: one memory, functions of i32 parameters without results, and the instructions that `aes-gcm-module.ts` needs
 * (WebAssembly Core Specification 2.0, §5: Binary Format).
 */

/** The parts of the JavaScript interface to WebAssembly that are used; TypeScript's declarations of it come with those of the DOM. */
export interface WasmExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly [name: string]: unknown;
}

interface WasmApi {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: WasmExports };
}

/** Instantiates a module without imports. Undefined where the platform has no WebAssembly, or not with vectors. */
export function instantiate(bytes: Uint8Array): WasmExports | undefined {
  const api = (globalThis as unknown as { WebAssembly?: WasmApi }).WebAssembly;
  if (api === undefined) return undefined;
  try {
    return new api.Instance(new api.Module(bytes)).exports;
  } catch {
    return undefined;
  }
}

const TYPE = { i32: 0x7f, v128: 0x7b, function: 0x60, empty: 0x40 } as const;
const SECTION = { type: 1, function: 3, memory: 5, export: 7, code: 10 } as const;

/** A local variable of a function. */
export type Local = number;

/** The body of a function. Its methods append one instruction each, or the few that their name says. */
export class FunctionBody {
  readonly parameterCount: number;
  readonly #code: number[] = [];
  readonly #i32Locals: number;
  #vectorLocals = 0;

  /** @param i32Locals numbered from `parameterCount` on; vectors follow */
  constructor(parameterCount: number, i32Locals: number) {
    this.parameterCount = parameterCount;
    this.#i32Locals = i32Locals;
  }

  /** A new v128 variable. */
  vector(): Local {
    return this.parameterCount + this.#i32Locals + this.#vectorLocals++;
  }

  vectors(count: number): Local[] {
    return Array.from({ length: count }, () => this.vector());
  }

  get(local: Local): this {
    return this.#emit(0x20, ...unsigned(local));
  }

  set(local: Local): this {
    return this.#emit(0x21, ...unsigned(local));
  }

  i32(value: number): this {
    return this.#emit(0x41, ...signed(value));
  }

  i32Add(): this {
    return this.#emit(0x6a);
  }

  i32Subtract(): this {
    return this.#emit(0x6b);
  }

  i32And(): this {
    return this.#emit(0x71);
  }

  i32Or(): this {
    return this.#emit(0x72);
  }

  i32Xor(): this {
    return this.#emit(0x73);
  }

  /** To the left. */
  i32Rotate(count: number): this {
    return this.i32(count).#emit(0x77);
  }

  loadI32(offset: number = 0): this {
    return this.#emit(0x28, 0, ...unsigned(offset));
  }

  storeI32(offset: number = 0): this {
    return this.#emit(0x36, 0, ...unsigned(offset));
  }

  i32Less(): this {
    return this.#emit(0x49); // unsigned
  }

  /** `local += value` */
  advance(local: Local, value: number): this {
    return this.get(local).i32(value).i32Add().set(local);
  }

  /** Repeats the body until, after it, the condition that it leaves on the stack is zero. */
  loop(body: () => void): this {
    this.#emit(0x03, TYPE.empty);
    body();
    return this.#emit(0x0d, 0, 0x0b);
  }

  /** Loads from the address on the stack. */
  load(offset: number = 0): this {
    return this.#emit(0xfd, 0x00, 0, ...unsigned(offset));
  }

  /** Stores the vector on the stack to the address below it. */
  store(offset: number = 0): this {
    return this.#emit(0xfd, 0x0b, 0, ...unsigned(offset));
  }

  constant(bytes: readonly number[]): this {
    return this.#emit(0xfd, 0x0c, ...bytes);
  }

  /** Each byte of the result is the named one of two vectors: 0 to 15 of the first, 16 to 31 of the second. */
  shuffle(lanes: readonly number[]): this {
    return this.#emit(0xfd, 0x0d, ...lanes);
  }

  /** Looks each byte of the vector on top up in the one below it. */
  swizzle(): this {
    return this.#emit(0xfd, 0x0e);
  }

  replaceI32Lane(lane: number): this {
    return this.#emit(0xfd, 0x1c, lane);
  }

  and(): this {
    return this.#emit(0xfd, 0x4e);
  }

  or(): this {
    return this.#emit(0xfd, 0x50);
  }

  xor(): this {
    return this.#emit(0xfd, 0x51);
  }

  /** Of each byte. */
  shiftBytesRight(count: number): this {
    return this.i32(count).#emit(0xfd, 0x6d);
  }

  /** Of each half, as a little-endian number. */
  shiftHalvesLeft(count: number): this {
    return this.i32(count).#emit(0xfd, 0xcb, 0x01);
  }

  shiftHalvesRight(count: number): this {
    return this.i32(count).#emit(0xfd, 0xcd, 0x01);
  }

  /** `to = a ^ b` */
  setXor(to: Local, a: Local, b: Local): this {
    return this.get(a).get(b).xor().set(to);
  }

  encode(): number[] {
    const locals = [
      [this.#i32Locals, TYPE.i32],
      [this.#vectorLocals, TYPE.v128],
    ] as const;
    const declarations = [locals.length, ...locals.flatMap(([count, type]) => [...unsigned(count), type])];
    return [...declarations, ...this.#code, 0x0b];
  }

  #emit(...bytes: readonly number[]): this {
    for (const byte of bytes) this.#code.push(byte);
    return this;
  }
}

/** A module that exports these functions and its memory, as `memory`. */
export function assemble(functions: Readonly<Record<string, FunctionBody>>, memoryPages: number): Uint8Array {
  const bodies = Object.values(functions);
  const types = bodies.map(({ parameterCount }) => [
    TYPE.function,
    parameterCount,
    ...Array.from({ length: parameterCount }, () => TYPE.i32),
    0,
  ]);
  const exports = [...Object.keys(functions).map((name, index) => [...text(name), 0, index]), [...text('memory'), 2, 0]];
  const code = bodies.map((body) => sized(body.encode()));
  return Uint8Array.from([
    0x00,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0, // "\0asm", version 1
    ...section(SECTION.type, types),
    ...section(
      SECTION.function,
      bodies.map((_, index) => [index]),
    ),
    ...section(SECTION.memory, [[1, ...unsigned(memoryPages), ...unsigned(memoryPages)]]),
    ...section(SECTION.export, exports),
    ...section(SECTION.code, code),
  ]);
}

function section(id: number, items: readonly (readonly number[])[]): number[] {
  return [id, ...sized([...unsigned(items.length), ...items.flat()])];
}

function sized(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function text(value: string): number[] {
  return sized(Array.from(value, (character) => character.charCodeAt(0)));
}

/** LEB128 (§5.2.2). */
function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  if (value >= -0x40 && value < 0x40) return [value & 0x7f];
  return [(value & 0x7f) | 0x80, ...signed(value >> 7)];
}
