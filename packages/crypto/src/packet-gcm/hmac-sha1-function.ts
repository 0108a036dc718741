/**
 * HMAC-SHA1 (RFC 2104, FIPS 180-4 §6.1) as a function of the module, for SRTP's packets: `hmacSha1(states, data, end, block)`. There are the two states that a
 * key leads to, the message with its padding, and a block that has the padding of the outer hash; the digest is at its beginning afterwards.
 */
import { FunctionBody, type Local } from './assembler.ts';
import { MAC_SCHEDULE } from './layout.ts';

const SWAP_WORDS = Array.from({ length: 16 }, (_, i) => i ^ 3);
const WORDS = Array.from({ length: 5 }, (_, i) => i);
/** §4.1.1, §4.2.1: functions and constants, each for 20 rounds. */
const CHOOSE = { constant: 0x5a827999, emit: choose };
const PARITY = { constant: 0x6ed9eba1, emit: parity };
const MAJORITY = { constant: 0x8f1bbcdc, emit: majority };
const PARITY_AGAIN = { constant: 0xca62c1d6, emit: parity };

export function hmacSha1(): FunctionBody {
  const [states, data, end, block, w, limit, pass] = [0, 1, 2, 3, 4, 5, 6];
  const [hash, working] = [WORDS.map((i) => 7 + i), WORDS.map((i) => 12 + i)];
  const body = new FunctionBody(4, 13);
  const swapWords = body.vector();
  body.constant(SWAP_WORDS).set(swapWords).i32(0).set(pass);
  body.loop(() => {
    for (const i of WORDS)
      body
        .get(states)
        .loadI32(4 * i)
        .set(hash[i]!);
    body.loop(() => {
      schedule(body, data, swapWords, w, limit);
      for (const i of WORDS) body.get(hash[i]!).set(working[i]!);
      body.i32(MAC_SCHEDULE).set(w);
      for (const part of [CHOOSE, PARITY, MAJORITY, PARITY_AGAIN]) twentyRounds(body, part, working, w, limit);
      for (const i of WORDS) body.get(hash[i]!).get(working[i]!).i32Add().set(hash[i]!);
      body.advance(data, 64).get(data).get(end).i32Less();
    });
    for (const i of WORDS) storeSwapped(body, block, hash[i]!, 4 * i);
    // The outer hash: its state, over the block that now begins with the inner digest.
    body.advance(states, 20).get(block).set(data).get(block).i32(64).i32Add().set(end);
    body.advance(pass, 1).get(pass).i32(2).i32Less();
  });
  return body;
}

/** §6.1.2 step 1, in memory. */
function schedule(body: FunctionBody, data: Local, swapWords: Local, w: Local, limit: Local): void {
  body.i32(MAC_SCHEDULE).set(w);
  for (const at of [0, 16, 32, 48]) body.get(w).get(data).load(at).get(swapWords).swizzle().store(at);
  body.i32(MAC_SCHEDULE + 4 * 64).set(limit);
  body.loop(() => {
    for (let t = 16; t < 32; t++) {
      body
        .get(w)
        .get(w)
        .loadI32(4 * (t - 3));
      for (const back of [8, 14, 16])
        body
          .get(w)
          .loadI32(4 * (t - back))
          .i32Xor();
      body.i32Rotate(1).storeI32(4 * t);
    }
    body.advance(w, 64).get(w).get(limit).i32Less();
  });
}

interface Rounds {
  readonly constant: number;
  readonly emit: (body: FunctionBody, b: Local, c: Local, d: Local) => void;
}

/** §6.1.2 step 3. In place of moving five variables, five rounds are written out with other names each. */
function twentyRounds(body: FunctionBody, { constant, emit }: Rounds, working: readonly Local[], w: Local, limit: Local): void {
  body.get(w).i32(80).i32Add().set(limit);
  body.loop(() => {
    for (const i of WORDS) {
      const [a, b, c, d, e] = WORDS.map((k) => working[(k + 5 - i) % 5]!) as [Local, Local, Local, Local, Local];
      body
        .get(e)
        .get(w)
        .loadI32(4 * i)
        .i32Add()
        .i32(constant | 0)
        .i32Add();
      emit(body, b, c, d);
      body.i32Add().get(a).i32Rotate(5).i32Add().set(e);
      body.get(b).i32Rotate(30).set(b);
    }
    body.advance(w, 20).get(w).get(limit).i32Less();
  });
}

function choose(body: FunctionBody, b: Local, c: Local, d: Local): void {
  body.get(c).get(d).i32Xor().get(b).i32And().get(d).i32Xor();
}

function parity(body: FunctionBody, b: Local, c: Local, d: Local): void {
  body.get(b).get(c).i32Xor().get(d).i32Xor();
}

function majority(body: FunctionBody, b: Local, c: Local, d: Local): void {
  body.get(b).get(c).i32And().get(b).get(c).i32Or().get(d).i32And().i32Or();
}

function storeSwapped(body: FunctionBody, address: Local, word: Local, offset: number): void {
  body.get(address);
  body.get(word).i32Rotate(8).i32(0x00ff00ff).i32And();
  body
    .get(word)
    .i32Rotate(24)
    .i32(0xff00ff00 | 0)
    .i32And()
    .i32Or();
  body.storeI32(offset);
}
