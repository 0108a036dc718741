/**
 * AES in counter mode and GHASH (FIPS 197; NIST SP 800-38D §6.4, §6.5) as a WebAssembly module, in constant time: nothing that is secret selects an address or
 * a branch.
 *
 * AES is bitsliced (E. Käsper, P. Schwabe: "Faster and Timing-Attack Resistant AES-GCM", 2009): eight blocks at once in eight vectors; byte i of vector k has bit
 * k of byte i of each block. SubBytes is a circuit of gates then, ShiftRows and MixColumns move bytes within vectors.
 *
 * GHASH multiplies four blocks with four powers of H at once. The product of H and each nibble of a block is looked up in a vector: sixteen bytes that are
 * byte j of 0·H to 15·H, indexed by sixteen nibbles. The sums for j = 16 to 0 are added up by Horner's scheme, and reduced once.
 */
import { assemble, FunctionBody, type Local } from './assembler.ts';
import { SBOX_GATES } from './aes-sbox.ts';
import { hmacSha1 } from './hmac-sha1-function.ts';
import { BATCH, GHASH_BATCH, GHASH_TABLE_LENGTH, PAGES, ROUND_KEY_LENGTH } from './layout.ts';

const BYTES = Array.from({ length: 16 }, (_, index) => index);
const ZERO = BYTES.map(() => 0);
/**
 * The state is kept row by row: row r is the 32-bit word r, which vector instructions move as one. FIPS 197 §3.4 has it column by column. This
 * exchanges the two.
 */
const ROW_ORDER = BYTES.map((i) => 4 * (i & 3) + (i >> 2));
/** ShiftRows (FIPS 197 §5.1.2): byte i comes from here. */
const SHIFT_ROWS = BYTES.map((i) => (i & 12) | ((i + (i >> 2)) & 3));
const NEXT_ROW = BYTES.map((i) => (i + 4) & 15);
const OPPOSITE_ROW = BYTES.map((i) => (i + 8) & 15);
/** Counters are big-endian. */
const SWAP_COUNTER = BYTES.map((i) => (i < 12 ? i : 27 - i));
const REVERSE = BYTES.map((i) => 15 - i);
/** Bit k of the product with x, when bit k - 1 is there already: also the top bit, where x^8 + x^4 + x^3 + x + 1 has a term. */
const REDUCED = [0, 1, 3, 4];

/**
 * - `keystream(keys, rounds, counterBlock, counter, at, end)` writes whole batches of blocks.
 * - `counters(counterBlock, counter, at, end)` writes counter blocks, for a cipher elsewhere to encrypt.
 * - `combine(data, keystream, end)` adds the one to the other, in whole blocks.
 * - `hash(table, data, end, state)` adds blocks, a multiple of `GHASH_BATCH`, to the GHASH in `state`.
 * - `hmacSha1(states, data, end, block)` is in `hmac-sha1-function.ts`.
 * - `substitute(data)` is SubBytes of one bitsliced state without the constant, for key expansion.
 */
export function aesGcmModule(): Uint8Array {
  const functions = {
    keystream: keystream(),
    counters: counters(),
    combine: combine(),
    hash: hash(),
    substitute: substituteOnce(),
    hmacSha1: hmacSha1(),
  };
  return assemble(functions, PAGES);
}

// AES ---------------------------------------------------------------------------------------------------------------------

function keystream(): FunctionBody {
  const [keys, rounds, counterBlock, counter, at, end, roundKey, round] = [0, 1, 2, 3, 4, 5, 6, 7];
  const body = new FunctionBody(6, 2);
  const base = body.vector();
  const state = body.vectors(8);
  const scratch = new SliceScratch(body);
  // Orders of bytes in variables: as constants of `shuffle`, they would be put together again for each use.
  const [counterOrder, rowOrder] = [body.vector(), body.vector()];
  body.constant(ROW_ORDER.map((i) => SWAP_COUNTER[i]!)).set(counterOrder);
  body.constant(ROW_ORDER).set(rowOrder).constant(SHIFT_ROWS).set(scratch.shiftRows);
  body.get(counterBlock).load().set(base);
  body.loop(() => {
    state.forEach((block, index) => {
      body.get(base).get(counter).i32(index).i32Add().replaceI32Lane(3);
      body.get(counterOrder).swizzle().set(block);
    });
    transpose(body, state, scratch);
    body.get(keys).set(roundKey).get(rounds).set(round);
    addRoundKey(body, state, roundKey);
    body.loop(() => {
      body.advance(roundKey, ROUND_KEY_LENGTH);
      substitute(body, state, scratch);
      shiftRows(body, state, scratch);
      mix(body, state, scratch);
      addRoundKey(body, state, roundKey);
      body.advance(round, -1).get(round).i32(1).i32Subtract();
    });
    body.advance(roundKey, ROUND_KEY_LENGTH);
    substitute(body, state, scratch);
    shiftRows(body, state, scratch);
    addRoundKey(body, state, roundKey);
    transpose(body, state, scratch);
    for (const [index, block] of state.entries())
      body
        .get(at)
        .get(block)
        .get(rowOrder)
        .swizzle()
        .store(16 * index);
    body.advance(counter, BATCH);
    whileBelow(body, at, 16 * BATCH, end);
  });
  return body;
}

function counters(): FunctionBody {
  const [counterBlock, counter, at, end] = [0, 1, 2, 3];
  const body = new FunctionBody(4, 0);
  const base = body.vector();
  body.get(counterBlock).load().set(base);
  body.loop(() => {
    body.get(at).get(base).get(counter).replaceI32Lane(3).constant(ZERO).shuffle(SWAP_COUNTER).store();
    body.advance(counter, 1);
    whileBelow(body, at, 16, end);
  });
  return body;
}

function combine(): FunctionBody {
  const [data, stream, end] = [0, 1, 2];
  const body = new FunctionBody(3, 0);
  body.loop(() => {
    body.get(data).get(data).load().get(stream).load().xor().store();
    body.advance(stream, 16);
    whileBelow(body, data, 16, end);
  });
  return body;
}

/** The end of a loop over memory. */
function whileBelow(body: FunctionBody, at: Local, step: number, end: Local): void {
  body.advance(at, step).get(at).get(end).i32Less();
}

function substituteOnce(): FunctionBody {
  const body = new FunctionBody(1, 0);
  const state = body.vectors(8);
  state.forEach((slice, bit) =>
    body
      .get(0)
      .load(16 * bit)
      .set(slice),
  );
  substitute(body, state, new SliceScratch(body));
  state.forEach((slice, bit) =>
    body
      .get(0)
      .get(slice)
      .store(16 * bit),
  );
  return body;
}

/** Variables that are used anew for every step. */
class SliceScratch {
  readonly wires = new Map<string, Local>();
  readonly temporary: Local;
  readonly shiftRows: Local;
  readonly rotated: Local[];
  readonly sums: Local[];

  constructor(body: FunctionBody) {
    for (const { output } of SBOX_GATES) this.wires.set(output, body.vector());
    this.temporary = body.vector();
    this.shiftRows = body.vector();
    this.rotated = body.vectors(8);
    this.sums = body.vectors(8);
  }
}

function substitute(body: FunctionBody, state: readonly Local[], { wires }: SliceScratch): void {
  const wire = (name: string): Local => (name.startsWith('x') ? state[7 - Number(name.slice(1))]! : wires.get(name)!);
  for (const { output, operator, inputs } of SBOX_GATES) {
    body.get(wire(inputs[0])).get(wire(inputs[1]));
    (operator === '^' ? body.xor() : body.and()).set(wire(output));
  }
  state.forEach((slice, bit) => body.get(wires.get(`s${7 - bit}`)!).set(slice));
}

function shiftRows(body: FunctionBody, state: readonly Local[], { shiftRows: order }: SliceScratch): void {
  for (const slice of state) body.get(slice).get(order).swizzle().set(slice);
}

/**
 * MixColumns (FIPS 197 §5.1.3). With b the next byte of the column, and c, d those after it: 2a + 3b + c + d = 2(a + b) + b + (c + d), and c + d is a + b of
 * the row opposite.
 */
function mix(body: FunctionBody, state: readonly Local[], { rotated, sums }: SliceScratch): void {
  state.forEach((slice, bit) => {
    body.get(slice).constant(ZERO).shuffle(NEXT_ROW).set(rotated[bit]!);
    body.setXor(sums[bit]!, slice, rotated[bit]!);
  });
  state.forEach((slice, bit) => {
    body.get(rotated[bit]!).get(sums[bit]!).constant(ZERO).shuffle(OPPOSITE_ROW).xor();
    if (bit > 0) body.get(sums[bit - 1]!).xor();
    if (REDUCED.includes(bit)) body.get(sums[7]!).xor();
    body.set(slice);
  });
}

function addRoundKey(body: FunctionBody, state: readonly Local[], roundKey: Local): void {
  state.forEach((slice, bit) =>
    body
      .get(slice)
      .get(roundKey)
      .load(16 * bit)
      .xor()
      .set(slice),
  );
}

/** Eight blocks to slices, or back: an 8 by 8 transposition of the bits in each byte position, by exchanging ever larger squares. */
function transpose(body: FunctionBody, state: readonly Local[], { temporary }: SliceScratch): void {
  for (const [distance, mask] of [
    [1, 0x55],
    [2, 0x33],
    [4, 0x0f],
  ] as const) {
    for (let i = 0; i < 8; i++) {
      if ((i & distance) !== 0) continue;
      const [low, high] = [state[i]!, state[i + distance]!];
      body.get(low).shiftHalvesRight(distance).get(high).xor();
      body.constant(BYTES.map(() => mask)).and();
      body.set(temporary).setXor(high, high, temporary);
      body.get(low).get(temporary).shiftHalvesLeft(distance).xor().set(low);
    }
  }
}

// GHASH -------------------------------------------------------------------------------------------------------------------

function hash(): FunctionBody {
  const [table, data, end, state, row, lastRow] = [0, 1, 2, 3, 4, 5];
  const body = new FunctionBody(4, 2);
  const sum = body.vector();
  const [low, high] = [body.vector(), body.vector()];
  const highNibbles = body.vectors(GHASH_BATCH);
  const lowNibbles = body.vectors(GHASH_BATCH);
  const scratch = body.vectors(3);
  const rowLength = 2 * 16 * GHASH_BATCH;
  body.get(state).load().set(sum);
  body.get(table).i32(GHASH_TABLE_LENGTH).i32Add().set(lastRow);
  body.loop(() => {
    for (let i = 0; i < GHASH_BATCH; i++) {
      body.get(data).load(16 * i);
      if (i === 0) body.get(sum).xor();
      body.set(scratch[0]!);
      body.get(scratch[0]!).shiftBytesRight(4).set(highNibbles[i]!);
      body
        .get(scratch[0]!)
        .constant(BYTES.map(() => 0x0f))
        .and()
        .set(lowNibbles[i]!);
    }
    body.constant(ZERO).set(low).constant(ZERO).set(high);
    body.get(table).set(row);
    body.loop(() => {
      // Times x^8: one byte up.
      body
        .get(low)
        .get(high)
        .shuffle(BYTES.map((i) => 15 + i))
        .set(high);
      body
        .constant(ZERO)
        .get(low)
        .shuffle(BYTES.map((i) => 15 + i));
      for (let i = 0; i < GHASH_BATCH; i++) {
        body
          .get(row)
          .load(32 * i)
          .get(highNibbles[i]!)
          .swizzle()
          .xor();
        body
          .get(row)
          .load(32 * i + 16)
          .get(lowNibbles[i]!)
          .swizzle()
          .xor();
      }
      body.set(low);
      body.advance(row, rowLength).get(row).get(lastRow).i32Less();
    });
    reduce(body, low, high, scratch, sum);
    whileBelow(body, data, 16 * GHASH_BATCH, end);
  });
  body.get(state).get(sum).store();
  return body;
}

/**
 * Modulo x^128 + x^7 + x^2 + x + 1. Read backwards, a block is a little-endian number whose top bit belongs to x^0, so that a product with x is a shift to the
 * right; what falls out at the bottom is a multiple of x^128 again.
 */
function reduce(body: FunctionBody, low: Local, high: Local, scratch: readonly Local[], result: Local): void {
  const [above, moved] = [scratch[0]!, scratch[1]!];
  const spread = (): void => {
    body.get(moved).shiftHalvesLeft(63).get(moved).shiftHalvesLeft(62).xor().get(moved).shiftHalvesLeft(57).xor();
  };
  body.get(high).constant(ZERO).shuffle(REVERSE).set(above);
  body
    .constant(ZERO)
    .get(above)
    .shuffle(BYTES.map((i) => (i < 8 ? 0 : 8 + i)))
    .set(moved); // the lower half moved up
  spread();
  body.get(above).xor().set(above);
  body
    .get(above)
    .constant(ZERO)
    .shuffle(BYTES.map((i) => (i < 8 ? 8 + i : 16)))
    .set(moved); // the upper half moved down
  spread();
  body.get(above).xor();
  for (const count of [1, 2, 7]) body.get(above).shiftHalvesRight(count).xor();
  body.constant(ZERO).shuffle(REVERSE).get(low).xor().set(result);
}
