/**
 * GHASH (NIST SP 800-38D §6.4) without tables that secrets index: carry-less products by integer multiplication, with holes between the bits.
 *
 * A factor of 16 bits is split into three classes, bits 0, 3, 6 …, bits 1, 4, 7 … and bits 2, 5, 8 …. In the integer product of two classes at most
 * six ones meet in a place, so that no carry reaches the next place of the class, three bits up, and the lowest bit of each place is the sum modulo 2
 * (after T. Pornin, BearSSL, "Constant-time mul", whose classes are of every fourth bit). `i32x4.mul` makes four such products at once.
 *
 * 128 bits are 8 such factors. Karatsuba's method, three times, makes 27 products instead of 64: those of x0 … x7 and of the sums named here:
 *
 *   L = x0 x1 x2 x3                               pairs(L) = x0+x1  x2+x3  x0+x2  x1+x3        the same of H and M
 *   H = x4 x5 x6 x7      M = L + H                all = x0+x1+x2+x3  x4+x5+x6+x7  their sum
 *
 * Up to eight blocks are multiplied with as many powers of H, and their products added, before anything is recombined and reduced.
 */
import {
  type Code,
  type FunctionBuilder,
  I32,
  I32X4,
  I64,
  I64X2,
  I8X16,
  i32,
  i64,
  LANE,
  LOAD,
  type Local,
  loop,
  type ModuleBuilder,
  returns,
  STORE,
  V128,
  v128,
  shuffleWords,
  when,
} from './assembler.ts';
import { GHASH_BATCH, KEYSTREAM, POWER_LENGTH, POWERS, REVERSE, SPLIT } from './layout.ts';

const VECTORS = 7;
const CLASSES = [0x49249249, 0x92492492, 0x24924924] as const;

export interface GhashFunctions {
  /** (slot, address, blocks): GHASH of so many blocks, at least one. */
  readonly ghash: FunctionBuilder;
  /** (slot): the powers of H, from the block at KEYSTREAM. */
  readonly expandPowers: FunctionBuilder;
}

export function addGhash(module: ModuleBuilder): GhashFunctions {
  const split = addSplit(module);
  const ghash = module.func('ghash', ['i32', 'i32', 'i32'], 'v128');
  ghash.body = ghashBody(ghash, split);
  return { ghash, expandPowers: addExpandPowers(module, split, ghash) };
}

function mask(word: number): Code {
  return v128([0, 1, 2, 3].flatMap(() => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]));
}

/** (block, address): writes L, H, M, pairs(L), pairs(H), pairs(M), all; 16 bits of a block, its bytes reversed, in a word. */
function addSplit(module: ModuleBuilder): FunctionBuilder {
  const f = module.func('split', ['v128', 'i32']);
  const [block, address] = f.parameters as [Local, Local];
  const [low, high, lowPairs, highPairs, all] = f.locals('v128', 5) as [Local, Local, Local, Local, Local];
  const pairs = ({ get }: Local): Code => V128.xor(shuffleWords(get, get, [0, 2, 0, 1]), shuffleWords(get, get, [1, 3, 2, 3]));
  const write = (index: number, value: Code): Code => STORE.v128(address.get, value, 16 * index);
  const onlyUpper = v128([0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]);
  f.body = [
    low.set(I32X4.extendLow(block.get)),
    high.set(I32X4.extendHigh(block.get)),
    lowPairs.set(pairs(low)),
    highPairs.set(pairs(high)),
    all.set(shuffleWords(lowPairs.get, highPairs.get, [0, 4, 1, 5])),
    all.set(V128.xor(all.get, shuffleWords(all.get, all.get, [2, 3, 0, 1]))),
    // The last word is of no use, here and in its factor's place.
    all.set(V128.xor(all.get, V128.and(shuffleWords(all.get, all.get, [1, 0, 3, 2]), onlyUpper))),
    write(0, low.get),
    write(1, high.get),
    write(2, V128.xor(low.get, high.get)),
    write(3, lowPairs.get),
    write(4, highPairs.get),
    write(5, V128.xor(lowPairs.get, highPairs.get)),
    write(6, all.get),
  ];
  return f;
}

function ghashBody(f: FunctionBuilder, split: FunctionBuilder): Code {
  const [slot, address, blocks] = f.parameters as [Local, Local, Local];
  const [y, reverse] = f.locals('v128', 2) as [Local, Local];
  const [count, at, end] = f.locals('i32', 3) as [Local, Local, Local];
  const products = f.locals('v128', VECTORS);
  const splitBatch: Code = [
    at.set(i32(SPLIT)),
    end.set(I32.add(i32(SPLIT), I32.shl(count.get, i32(7)))),
    loop(
      [
        split.call(V128.xor(y.get, I8X16.swizzle(LOAD.v128(address.get), reverse.get)), at.get),
        y.update(V128.xor, y.get),
        address.update(I32.add, i32(16)),
        at.update(I32.add, i32(128)),
      ],
      I32.lessThan(at.get, end.get),
    ),
  ];
  return [
    reverse.set(LOAD.v128(i32(REVERSE))),
    loop(
      [
        count.set(I32.add(I32.and(I32.sub(blocks.get, i32(1)), i32(GHASH_BATCH - 1)), i32(1))),
        splitBatch,
        multiplyBatch(f, { slot, count, end }, products),
        y.set(reduce(f, products)),
        blocks.update(I32.sub, count.get),
      ],
      blocks.get,
    ),
    returns(I8X16.swizzle(y.get, reverse.get)),
  ];
}

interface Batch {
  readonly slot: Local;
  readonly count: Local;
  /** Behind the last split block. */
  readonly end: Local;
}

/** products[v] = the sum over the batch of the carry-less products of vector v of a block and vector v of its power of H. */
function multiplyBatch(f: FunctionBuilder, { slot, count, end }: Batch, products: readonly Local[]): Code {
  const [at, power, first] = f.locals('i32', 3) as [Local, Local, Local];
  const masks = f.locals('v128', 3);
  const x = f.locals('v128', 3);
  const h = f.locals('v128', 3);
  const sums = f.locals('v128', 3);
  const factor = f.local('v128');
  return [
    CLASSES.map((bits, c) => masks[c]!.set(mask(bits))),
    first.set(I32.sub(I32.add(slot.get, i32(POWERS + GHASH_BATCH * POWER_LENGTH)), times336(count.get))),
    products.map((product, v) => [
      at.set(i32(SPLIT)),
      power.set(first.get),
      sums.map((sum) => sum.update(V128.xor, sum.get)),
      loop(
        [
          factor.set(LOAD.v128(at.get, 16 * v)),
          x.map((part, c) => [part.set(V128.and(factor.get, masks[c]!.get)), h[c]!.set(LOAD.v128(power.get, 48 * v + 16 * c))]),
          sums.map((sum, c) => [0, 1, 2].map((i) => sum.update(V128.xor, I32X4.mul(x[i]!.get, h[(c - i + 3) % 3]!.get)))),
          at.update(I32.add, i32(128)),
          power.update(I32.add, i32(POWER_LENGTH)),
        ],
        I32.lessThan(at.get, end.get),
      ),
      product.set(sums.map((sum, c) => V128.and(sum.get, masks[c]!.get)).reduce((all, sum) => V128.or(all, sum))),
    ]),
  ];
}

/** POWER_LENGTH times. */
function times336(count: Code): Code {
  return I32.add(I32.shl(count, i32(8)), I32.add(I32.shl(count, i32(6)), I32.shl(count, i32(4))));
}

/** Puts the 27 products of 31 bits together, and reduces them modulo x^128 + x^7 + x^2 + x + 1. */
function reduce(f: FunctionBuilder, products: readonly Local[]): Code {
  const all = products[6]!;
  const lanes = [0, 1, 2].map((index) => {
    const [two, low, high] = [f.local('v128'), f.local('i64'), f.local('i64')];
    const code = multiplied64(f, { four: products[index]!, pairs: products[3 + index]!, all: LANE.extractI32(index, all.get) }, two, low, high);
    return { low, high, code };
  });
  const [l, h, m] = lanes as [(typeof lanes)[0], (typeof lanes)[0], (typeof lanes)[0]];
  const [v0, v1, v2, v3] = f.locals('i64', 4) as [Local, Local, Local, Local];
  const xor = (...values: readonly Code[]): Code => values.reduce((sum, value) => I64.xor(sum, value));
  return [
    lanes.map(({ code }) => code),
    v1.set(xor(l.high.get, m.low.get, l.low.get, h.low.get)),
    v2.set(xor(h.low.get, m.high.get, l.high.get, h.high.get)),
    // SP 800-38D §6.3 has the coefficient of x^0 first. So has this product, of 255 bits, once it is moved up by one.
    v3.set(I64.or(I64.shl(h.high.get, i64(1n)), I64.shr(v2.get, i64(63n)))),
    v2.set(I64.or(I64.shl(v2.get, i64(1n)), I64.shr(v1.get, i64(63n)))),
    v1.set(I64.or(I64.shl(v1.get, i64(1n)), I64.shr(l.low.get, i64(63n)))),
    v0.set(I64.shl(l.low.get, i64(1n))),
    fold(v0, v1, v2),
    fold(v1, v2, v3),
    LANE.replaceI64(1, I64X2.splat(v2.get), v3.get),
  ];
}

/** Word w stands for x^128 and more: x^128 = x^7 + x^2 + x + 1. */
function fold(w: Local, up1: Local, up2: Local): Code {
  const shifted = (shift: Code[]): Code => shift.reduce((sum, value) => I64.xor(sum, value));
  return [
    up2.update(I64.xor, shifted([w.get, I64.shr(w.get, i64(1n)), I64.shr(w.get, i64(2n)), I64.shr(w.get, i64(7n))])),
    up1.update(I64.xor, shifted([I64.shl(w.get, i64(63n)), I64.shl(w.get, i64(62n)), I64.shl(w.get, i64(57n))])),
  ];
}

interface Products {
  /** Of x0, x1, x2, x3. */
  readonly four: Local;
  /** Of x0+x1, x2+x3, x0+x2, x1+x3. */
  readonly pairs: Local;
  /** Of x0+x1+x2+x3: 32 bits. */
  readonly all: Code;
}

/** The product of 64 by 64 bits, by two steps of Karatsuba's method. */
function multiplied64(f: FunctionBuilder, { four, pairs, all }: Products, two: Local, low: Local, high: Local): Code {
  const [middle, first, second] = f.locals('i64', 3) as [Local, Local, Local];
  const lowWords = v128([255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]);
  const sumOfHalves = V128.xor(V128.xor(four.get, I64X2.shr(four.get, i32(32))), I64X2.extendLow(pairs.get));
  const words = LANE.extractI64(1, pairs.get);
  const middleOfMiddle = I64.and(I64.xor(I64.xor(middle.get, I64.shr(middle.get, i64(32n))), I64.extend(all)), i64(0xffff_ffffn));
  return [
    // x0 x1 and x2 x3, each 32 by 32 bits.
    two.set(V128.xor(four.get, I64X2.shl(V128.and(sumOfHalves, lowWords), i32(16)))),
    first.set(LANE.extractI64(0, two.get)),
    second.set(LANE.extractI64(1, two.get)),
    // (x0+x2) (x1+x3)
    middle.set(words),
    middle.update(I64.xor, I64.shl(middleOfMiddle, i64(16n))),
    middle.set(I64.xor(I64.xor(middle.get, first.get), second.get)),
    low.set(I64.xor(first.get, I64.shl(middle.get, i64(32n)))),
    high.set(I64.xor(second.get, I64.shr(middle.get, i64(32n)))),
  ];
}

/** (slot): H, H^2 … H^8, the highest first, each split into classes. */
function addExpandPowers(module: ModuleBuilder, split: FunctionBuilder, ghash: FunctionBuilder): FunctionBuilder {
  const f = module.func('expandPowers', ['i32']);
  const [slot] = f.parameters as [Local];
  const [at] = f.locals('i32', 1) as [Local];
  const begin = I32.add(slot.get, i32(POWERS));
  const writeClasses: Code = Array.from({ length: VECTORS }, (_, v) =>
    CLASSES.map((bits, c) => STORE.v128(at.get, V128.and(LOAD.v128(i32(SPLIT), 16 * v), mask(bits)), 48 * v + 16 * c)),
  );
  f.body = [
    at.set(I32.add(slot.get, i32(POWERS + (GHASH_BATCH - 1) * POWER_LENGTH))),
    loop(
      [
        split.call(I8X16.swizzle(LOAD.v128(i32(KEYSTREAM)), LOAD.v128(i32(REVERSE))), i32(SPLIT)),
        writeClasses,
        when(I32.lessThan(begin, at.get), STORE.v128(i32(KEYSTREAM), ghash.call(slot.get, i32(KEYSTREAM), i32(1)))),
        at.update(I32.sub, i32(POWER_LENGTH)),
      ],
      I32.isZero(I32.lessThan(at.get, begin)),
    ),
  ];
  return f;
}
