/**
 * AES (FIPS 197) for eight blocks at once, bitsliced: vector b holds bit b of all 128 bytes, so that the S-box is a circuit of ANDs and XORs.
 * No address and no branch depends on a key or on data (after E. Käsper and P. Schwabe, "Faster and Timing-Attack Resistant AES-GCM", 2009).
 */
import {
  type Code,
  type FunctionBuilder,
  I32,
  I64X2,
  I8X16,
  i32,
  LANE,
  LOAD,
  type Local,
  loop,
  type ModuleBuilder,
  STORE,
  swapBytes,
  V128,
  v128,
  shuffleWords,
  when,
} from './assembler.ts';
import { KEY, KEYSTREAM, NONCE, ROUND_KEYS, ROUNDS, SCHEDULE, SHIFT_ROWS, TRANSPOSE } from './layout.ts';

/**
 * The S-box (FIPS 197 §5.1.1) of J. Boyar and R. Peralta, "A new combinational logic minimization technique with applications to cryptology", 2009:
 * inputs x0 (the most significant bit) to x7, outputs s0 to s7, without the four NOTs, for which the round keys make up.
 */
const S_BOX = `
  y14=x3^x5 y13=x0^x6 y9=x0^x3 y8=x0^x5 t0=x1^x2 y1=t0^x7 y4=y1^x3 y12=y13^y14 y2=y1^x0 y5=y1^x6 y3=y5^y8 t1=x4^y12 y15=t1^x5 y20=t1^x1
  y6=y15^x7 y10=y15^t0 y11=y20^y9 y7=x7^y11 y17=y10^y11 y19=y10^y8 y16=t0^y11 y21=y13^y16 y18=x0^y16
  t2=y12&y15 t3=y3&y6 t4=t3^t2 t5=y4&x7 t6=t5^t2 t7=y13&y16 t8=y5&y1 t9=t8^t7 t10=y2&y7 t11=t10^t7 t12=y9&y11 t13=y14&y17 t14=t13^t12
  t15=y8&y10 t16=t15^t12 t17=t4^t14 t18=t6^t16 t19=t9^t14 t20=t11^t16 t21=t17^y20 t22=t18^y19 t23=t19^y21 t24=t20^y18
  t25=t21^t22 t26=t21&t23 t27=t24^t26 t28=t25&t27 t29=t28^t22 t30=t23^t24 t31=t22^t26 t32=t31&t30 t33=t32^t24 t34=t23^t33 t35=t27^t33
  t36=t24&t35 t37=t36^t34 t38=t27^t36 t39=t29&t38 t40=t25^t39 t41=t40^t37 t42=t29^t33 t43=t29^t40 t44=t33^t37 t45=t42^t41
  z0=t44&y15 z1=t37&y6 z2=t33&x7 z3=t43&y16 z4=t40&y1 z5=t29&y7 z6=t42&y11 z7=t45&y17 z8=t41&y10 z9=t44&y12 z10=t37&y3 z11=t33&y4
  z12=t43&y13 z13=t40&y5 z14=t29&y2 z15=t42&y9 z16=t45&y14 z17=t41&y8
  t46=z15^z16 t47=z10^z11 t48=z5^z13 t49=z9^z10 t50=z2^z12 t51=z2^z5 t52=z7^z8 t53=z0^z3 t54=z6^z7 t55=z16^z17 t56=z12^t48 t57=t50^t53
  t58=z4^t46 t59=z3^t54 t60=t46^t57 t61=z14^t57 t62=t52^t58 t63=t49^t58 t64=z4^t59 t65=t61^t62 t66=z1^t63 s0=t59^t63 s6=t56^t62 s7=t48^t60
  t67=t64^t65 s3=t53^t66 s4=t51^t66 s5=t47^t65 s1=t64^s3 s2=t55^t67`;
/** The constant of the S-box's affine map, which the four NOTs add. */
const AFFINE = 0x63;

export interface AesFunctions {
  /** (slot): encrypts the eight blocks at KEYSTREAM, whose bytes are row by row; the results are as usual. */
  readonly encrypt: FunctionBuilder;
  /** (slot): expands the key of `rounds - 6` words that is at KEY. */
  readonly expandKey: FunctionBuilder;
  /** (slot, counter): eight blocks of keystream, from the nonce at NONCE and consecutive counters. */
  readonly keystream: FunctionBuilder;
}

export function addAes(module: ModuleBuilder): AesFunctions {
  const encrypt = addEncrypt(module);
  const substitute = addSubstituteWord(module);
  return { encrypt, expandKey: addExpandKey(module, substitute), keystream: addKeystream(module, encrypt) };
}

function addEncrypt(module: ModuleBuilder): FunctionBuilder {
  const f = module.func('encrypt', ['i32']);
  const [slot] = f.parameters as [Local];
  const bits = f.locals('v128', 8);
  const circuit = new SBox(f);
  const shiftRows = f.local('v128');
  const transpose = f.local('v128');
  const key = f.local('i32');
  const lastKey = f.local('i32');
  const addRoundKey = (offset: number): Code =>
    bits.map((bit, index) => bit.update(V128.xor, LOAD.v128(key.get, ROUND_KEYS + 128 * offset + 16 * index)));
  const substituteAndShift = [
    circuit.apply(bits),
    bits.map((bit) => bit.set(I8X16.swizzle(bit.get, shiftRows.get))),
  ];
  f.body = [
    shiftRows.set(LOAD.v128(i32(SHIFT_ROWS))),
    transpose.set(LOAD.v128(i32(TRANSPOSE))),
    bits.map((bit, index) => bit.set(LOAD.v128(i32(KEYSTREAM), 16 * index))),
    transposeBits(f, bits),
    key.set(slot.get),
    lastKey.set(I32.add(slot.get, I32.shl(LOAD.i32(slot.get, ROUNDS), i32(7)))),
    addRoundKey(0),
    key.update(I32.add, i32(128)),
    loop([substituteAndShift, mixColumns(f, bits), addRoundKey(0), key.update(I32.add, i32(128))], I32.lessThan(key.get, lastKey.get)),
    substituteAndShift,
    addRoundKey(0),
    transposeBits(f, bits),
    bits.map((bit, index) => STORE.v128(i32(KEYSTREAM), I8X16.swizzle(bit.get, transpose.get), 16 * index)),
  ];
  return f;
}

/** FIPS 197 §5.1.3. With r the state whose rows are one up: out = 2 (s + r) + r + rows two up of (s + r). Bit 8 of a double is 0x1b. */
function mixColumns(f: FunctionBuilder, bits: readonly Local[]): Code {
  const rotated = f.locals('v128', 8);
  const sum = f.locals('v128', 8);
  const rows = (value: Code, up: number): Code => shuffleWords(value, value, [up & 3, (up + 1) & 3, (up + 2) & 3, (up + 3) & 3]);
  return [
    bits.map((bit, b) => [rotated[b]!.set(rows(bit.get, 1)), sum[b]!.set(V128.xor(bit.get, rotated[b]!.get))]),
    bits.map((bit, b) => {
      const rest = V128.xor(rotated[b]!.get, rows(sum[b]!.get, 2));
      const doubled = b === 0 ? sum[7]!.get : sum[b - 1]!.get;
      const overflow = b === 1 || b === 3 || b === 4 ? V128.xor(rest, sum[7]!.get) : rest;
      return bit.set(V128.xor(overflow, doubled));
    }),
  ];
}

/** In each byte: bit k of vector b and bit b of vector k change places. */
function transposeBits(f: FunctionBuilder, vectors: readonly Local[]): Code {
  const t = f.local('v128');
  const mask = f.local('v128');
  const swap = (low: Local, high: Local, distance: number): Code => [
    t.set(V128.and(V128.xor(I64X2.shr(low.get, i32(distance)), high.get), mask.get)),
    high.update(V128.xor, t.get),
    low.update(V128.xor, I64X2.shl(t.get, i32(distance))),
  ];
  const stage = (distance: number, pattern: number): Code => [
    mask.set(v128(new Array<number>(16).fill(pattern))),
    [0, 1, 2, 3, 4, 5, 6, 7].filter((b) => (b & distance) === 0).map((b) => swap(vectors[b]!, vectors[b + distance]!, distance)),
  ];
  return [stage(1, 0x55), stage(2, 0x33), stage(4, 0x0f)];
}

/** The circuit as code; a gate's value is a variable of its name. */
class SBox {
  readonly #variables = new Map<string, Local>();
  readonly #f: FunctionBuilder;

  constructor(f: FunctionBuilder) {
    this.#f = f;
  }

  /** Applies it to the bytes whose bits, the least significant first, are these vectors. */
  apply(bits: readonly Local[]): Code {
    return [
      bits.map((bit, b) => this.#variable(`x${7 - b}`).set(bit.get)),
      [...S_BOX.matchAll(/(\w+)=(\w+)([\^&])(\w+)/g)].map(([, output, left, gate, right]) =>
        this.#variable(output!).set((gate === '^' ? V128.xor : V128.and)(this.#variable(left!).get, this.#variable(right!).get)),
      ),
      bits.map((bit, b) => bit.set(this.#variable(`s${7 - b}`).get)),
    ];
  }

  #variable(name: string): Local {
    const known = this.#variables.get(name) ?? this.#f.local('v128');
    this.#variables.set(name, known);
    return known;
  }
}

/** (word): SubWord (FIPS 197 §5.2), by the same circuit. */
function addSubstituteWord(module: ModuleBuilder): FunctionBuilder {
  const f = module.func('substitute', ['i32'], 'i32');
  const [word] = f.parameters as [Local];
  const bits = f.locals('v128', 8);
  f.body = [
    bits.map((bit, b) => bit.set(b === 0 ? LANE.replaceI32(0, I64X2.splat(zero64), word.get) : I64X2.splat(zero64))),
    transposeBits(f, bits),
    new SBox(f).apply(bits),
    transposeBits(f, bits),
    I32.xor(LANE.extractI32(0, bits[0]!.get), i32(0x01010101 * AFFINE)),
  ];
  return f;
}

const zero64: Code = [0x42, 0];

/**
 * (slot, words): KeyExpansion (FIPS 197 §5.2) of the key at KEY, which has 4 or 8 words, into round keys as `encrypt` wants them: each bit of a byte is a
 * byte of ones or zeros in a vector of its own.
 */
function addExpandKey(module: ModuleBuilder, substitute: FunctionBuilder): FunctionBuilder {
  const f = module.func('expandKey', ['i32', 'i32']);
  const [slot, words] = f.parameters as [Local, Local];
  const index = f.local('i32');
  const word = f.local('i32');
  const constant = f.local('i32');
  const output = f.local('i32');
  const end = f.local('i32');
  const byteOf = (i: Code): Code => I32.shl(i, i32(2));
  const isMultiple = (of: Code): Code => I32.isZero(I32.and(index.get, I32.sub(of, i32(1))));
  const next: Code = [
    word.set(LOAD.i32(byteOf(I32.sub(index.get, i32(1))), SCHEDULE)),
    when(isMultiple(words.get), [
      word.set(I32.xor(substitute.call(I32.rotl(word.get, i32(24))), constant.get)),
      // Rcon: doubling in the field. It is no secret.
      constant.update(I32.shl, i32(1)),
      when(I32.lessThan(i32(255), constant.get), constant.update(I32.xor, i32(0x11b))),
    ]),
    when(
      I32.and(I32.isZero(I32.xor(I32.and(index.get, i32(7)), i32(4))), I32.shr(words.get, i32(3))),
      word.set(substitute.call(word.get)),
    ),
    STORE.i32(byteOf(index.get), I32.xor(word.get, LOAD.i32(byteOf(I32.sub(index.get, words.get)), SCHEDULE)), SCHEDULE),
    index.update(I32.add, i32(1)),
  ];
  f.body = [
    [0, 16].map((at) => STORE.v128(i32(SCHEDULE), LOAD.v128(i32(KEY), at), at)),
    STORE.i32(slot.get, I32.add(words.get, i32(6)), ROUNDS),
    constant.set(i32(1)),
    index.set(words.get),
    end.set(I32.add(I32.shl(words.get, i32(2)), i32(28))),
    loop(next, I32.lessThan(index.get, end.get)),
    index.set(i32(0)),
    output.set(slot.get),
    spreadRoundKeys(f, index, output, end),
  ];
  return f;
}

function spreadRoundKeys(f: FunctionBuilder, index: Local, output: Local, end: Local): Code {
  const key = f.local('v128');
  const affine = f.local('v128');
  const spread = (b: number): Code => I8X16.shrSigned(I8X16.shl(key.get, i32(7 - b)), i32(7));
  return [
    affine.set(I64X2.splat(zero64)),
    loop(
      [
        key.set(V128.xor(I8X16.swizzle(LOAD.v128(I32.shl(index.get, i32(2)), SCHEDULE), LOAD.v128(i32(TRANSPOSE))), affine.get)),
        Array.from({ length: 8 }, (_, b) => STORE.v128(output.get, spread(b), 16 * b)),
        // All keys but the first follow an S-box without its constant, which ShiftRows and MixColumns leave as it is.
        affine.set(v128(new Array<number>(16).fill(AFFINE))),
        output.update(I32.add, i32(128)),
        index.update(I32.add, i32(4)),
      ],
      I32.lessThan(index.get, end.get),
    ),
  ];
}

function addKeystream(module: ModuleBuilder, encrypt: FunctionBuilder): FunctionBuilder {
  const f = module.func('keystream', ['i32', 'i32']);
  const [slot, counter] = f.parameters as [Local, Local];
  const nonce = f.local('v128');
  const transpose = f.local('v128');
  f.body = [
    nonce.set(LOAD.v128(i32(NONCE))),
    transpose.set(LOAD.v128(i32(TRANSPOSE))),
    Array.from({ length: 8 }, (_, block) => {
      const counterBlock = LANE.replaceI32(3, nonce.get, swapBytes(I32.add(counter.get, i32(block))));
      return STORE.v128(i32(KEYSTREAM), I8X16.swizzle(counterBlock, transpose.get), 16 * block);
    }),
    encrypt.call(slot.get),
  ];
  return f;
}
