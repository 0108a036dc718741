/**
 * A small assembler for WebAssembly modules (WebAssembly Core Specification 2.0, §5 "Binary Format"), so that no compiler is needed to build
 * or install: the modules of this directory are written in TypeScript and put together when they are first used.
 *
 * Code is a tree of bytes. An operator takes the code of its operands and puts its opcode behind: `I32.add(a, b)`.
 */
export type Code = number | readonly Code[];
export type ValueType = 'i32' | 'i64' | 'v128';
export type Operator = (...operands: readonly Code[]) => Code;
/** A lane operator's immediate comes first (§5.4.8). */
export type LaneOperator = (lane: number, ...operands: readonly Code[]) => Code;
export type Load = (address: Code, offset?: number) => Code;
export type Store = (address: Code, value: Code, offset?: number) => Code;

const VALUE_TYPES: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, v128: 0x7b };
const SIMD = 0xfd;

const operator =
  (...opcode: readonly number[]): Operator =>
  (...operands) => [operands, opcode];
/** §5.4.8: the prefix, then the opcode as LEB128. */
const simd = (opcode: number): Operator => operator(SIMD, ...unsigned(opcode));
const simdLane =
  (opcode: number): LaneOperator =>
  (lane, ...operands) => [operands, SIMD, unsigned(opcode), lane];
/** Alignment is a hint only: byte-aligned. */
const load =
  (...opcode: readonly number[]): Load =>
  (address, offset = 0) => [address, opcode, 0, unsigned(offset)];
const store =
  (...opcode: readonly number[]): Store =>
  (address, value, offset = 0) => [address, value, opcode, 0, unsigned(offset)];

/** §5.4.6, §5.4.7. */
export const I32: Readonly<Record<'add' | 'sub' | 'and' | 'or' | 'xor' | 'shl' | 'shr' | 'rotl' | 'lessThan' | 'isZero', Operator>> = {
  add: operator(0x6a),
  sub: operator(0x6b),
  and: operator(0x71),
  or: operator(0x72),
  xor: operator(0x73),
  shl: operator(0x74),
  shr: operator(0x76),
  rotl: operator(0x77),
  lessThan: operator(0x49),
  isZero: operator(0x45),
};
export const I64: Readonly<Record<'and' | 'or' | 'xor' | 'shl' | 'shr' | 'extend', Operator>> = {
  and: operator(0x83),
  or: operator(0x84),
  xor: operator(0x85),
  shl: operator(0x86),
  shr: operator(0x88),
  extend: operator(0xad),
};
export const V128: Readonly<Record<'and' | 'or' | 'xor' | 'anyTrue', Operator>> = {
  and: simd(0x4e),
  or: simd(0x50),
  xor: simd(0x51),
  anyTrue: simd(0x53),
};
export const I8X16: Readonly<Record<'swizzle' | 'splat' | 'shl' | 'shrSigned', Operator>> = {
  swizzle: simd(0x0e),
  splat: simd(0x0f),
  shl: simd(0x6b),
  shrSigned: simd(0x6c),
};
export const I32X4: Readonly<Record<'mul' | 'extendLow' | 'extendHigh', Operator>> = {
  mul: simd(0xb5),
  extendLow: simd(0xa9),
  extendHigh: simd(0xaa),
};
export const I64X2: Readonly<Record<'splat' | 'shl' | 'shr' | 'extendLow', Operator>> = {
  splat: simd(0x12),
  shl: simd(0xcb),
  shr: simd(0xcd),
  extendLow: simd(0xc9),
};
export const LANE: Readonly<Record<'extractI32' | 'replaceI32' | 'extractI64' | 'replaceI64', LaneOperator>> = {
  extractI32: simdLane(0x1b),
  replaceI32: simdLane(0x1c),
  extractI64: simdLane(0x1d),
  replaceI64: simdLane(0x1e),
};
export const LOAD: Readonly<Record<'i32' | 'v128', Load>> = { i32: load(0x28), v128: load(SIMD, 0) };
export const STORE: Readonly<Record<'i32' | 'v128', Store>> = { i32: store(0x36), v128: store(SIMD, 11) };

export const i32 = (value: number): Code => [0x41, signed(BigInt(value))];
export const i64 = (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))];
export const v128 = (bytes: readonly number[]): Code => [SIMD, 12, bytes];
/** The four words of `a` and the four of `b` are numbered 0 to 7. */
export const shuffleWords = (a: Code, b: Code, words: readonly number[]): Code => [
  a,
  b,
  SIMD,
  13,
  words.flatMap((word) => [4 * word, 4 * word + 1, 4 * word + 2, 4 * word + 3]),
];

/** A 32-bit word with its bytes in the other order. */
export function swapBytes(value: Code): Code {
  return I32.or(I32.and(I32.rotl(value, i32(24)), i32(0xff00ff00 | 0)), I32.and(I32.rotl(value, i32(8)), i32(0x00ff00ff)));
}

/** A local variable (§5.4.4), or a parameter. */
export class Local {
  readonly get: Code;
  readonly #index: readonly number[];

  constructor(index: number) {
    this.#index = unsigned(index);
    this.get = [0x20, this.#index];
  }

  set(value: Code): Code {
    return [value, 0x21, this.#index];
  }

  /** `this = operator(this, value)` */
  update(change: Operator, value: Code): Code {
    return this.set(change(this.get, value));
  }
}

/** Repeats while the condition, which comes last, is not zero (§5.4.1). */
export const loop = (body: Code, condition: Code): Code => [0x03, 0x40, body, condition, 0x0d, 0, 0x0b];
export const when = (condition: Code, then: Code): Code => [condition, 0x04, 0x40, then, 0x0b];
export const returns = (value: Code): Code => [value, 0x0f];

/** One function: declares its variables, takes its code. */
export class FunctionBuilder {
  readonly #parameters: readonly ValueType[];
  readonly #locals: ValueType[] = [];
  readonly #index: number;
  readonly result: ValueType | undefined;
  readonly name: string;
  readonly parameters: readonly Local[];
  body: Code = [];

  constructor(index: number, name: string, parameters: readonly ValueType[], result?: ValueType) {
    this.#index = index;
    this.name = name;
    this.#parameters = parameters;
    this.parameters = parameters.map((_, parameter) => new Local(parameter));
    this.result = result;
  }

  local(type: ValueType): Local {
    this.#locals.push(type);
    return new Local(this.#parameters.length + this.#locals.length - 1);
  }

  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  call(...operands: readonly Code[]): Code {
    return [operands, 0x10, unsigned(this.#index)];
  }

  /** §5.3.6 */
  get signature(): Code {
    return [0x60, vector(this.#parameters.map((type) => VALUE_TYPES[type])), vector(this.result ? [VALUE_TYPES[this.result]] : [])];
  }

  /** §5.5.13 */
  get code(): Code {
    const locals = vector(this.#locals.map((type) => [1, VALUE_TYPES[type]]));
    return sized([locals, this.body, 0x0b]);
  }
}

/** A module of functions, all of them exported, over one imported memory (`m.m`). */
export class ModuleBuilder {
  readonly #functions: FunctionBuilder[] = [];

  func(name: string, parameters: readonly ValueType[], result?: ValueType): FunctionBuilder {
    const added = new FunctionBuilder(this.#functions.length, name, parameters, result);
    this.#functions.push(added);
    return added;
  }

  /** §5.5.16: types, imports, functions, exports, code. */
  build(memoryPages: number): Uint8Array<ArrayBuffer> {
    const functions = this.#functions;
    const memory = [text('m'), text('m'), 0x02, 0x01, unsigned(memoryPages), unsigned(memoryPages)];
    return Uint8Array.from(
      flatten([
        [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
        section(1, vector(functions.map(({ signature }) => signature))),
        section(2, vector([memory])),
        section(3, vector(functions.map((_, index) => unsigned(index)))),
        section(7, vector(functions.map(({ name }, index) => [text(name), 0x00, unsigned(index)]))),
        section(10, vector(functions.map(({ code }) => code))),
      ]),
    );
  }
}

const section = (id: number, content: Code): Code => [id, sized(content)];
const vector = (items: readonly Code[]): Code => [unsigned(items.length), items];
const text = (name: string): Code => vector([...name].map((character) => character.charCodeAt(0)));

function sized(content: Code): Code {
  const bytes = flatten(content);
  return [unsigned(bytes.length), bytes];
}

function flatten(code: Code, bytes: number[] = []): number[] {
  if (typeof code === 'number') bytes.push(code);
  else for (const part of code) flatten(part, bytes);
  return bytes;
}

/** LEB128 (§5.2.2). */
function unsigned(value: number): number[] {
  const bytes = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}

function signed(value: bigint): number[] {
  const bytes = [];
  let rest = value;
  for (; rest < -64n || rest > 63n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest & 0x7fn)];
}
