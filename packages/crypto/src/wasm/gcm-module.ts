/**
 * AES-GCM (NIST SP 800-38D §7) with nonces of 12 bytes and tags of 16, as a WebAssembly module.
 *
 * ```
 *   memory:   … | additional data, filled up with zeros | text, filled up | lengths |
 *                                                       ^ DATA
 *   S = GHASH(all of that), with the text encrypted;  tag = S XOR E(K, nonce || 1);  text block i = block XOR E(K, nonce || i + 2)
 * ```
 */
import { addAes, type AesFunctions } from './aes.ts';
import {
  type Code,
  type FunctionBuilder,
  I32,
  i32,
  LANE,
  LOAD,
  type Local,
  loop,
  ModuleBuilder,
  returns,
  STORE,
  swapBytes,
  V128,
  v128,
  when,
} from './assembler.ts';
import { addGhash } from './ghash.ts';
import { DATA, KEYSTREAM, MEMORY_PAGES, ONES } from './layout.ts';

export function gcmModule(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const aes = addAes(module);
  const { ghash, expandPowers } = addGhash(module);
  const counterMode = addCounterMode(module, aes);
  const tagOf = addTag(module, ghash);
  addSetKey(module, aes, expandPowers);
  addSeal(module, aes, counterMode, tagOf);
  addOpen(module, aes, counterMode, tagOf);
  return module.build(MEMORY_PAGES);
}

/** (slot, words): the key at KEY. */
function addSetKey(module: ModuleBuilder, aes: AesFunctions, expandPowers: FunctionBuilder): void {
  const f = module.func('setKey', ['i32', 'i32']);
  const [slot, words] = f.parameters as [Local, Local];
  const encrypt = aes.encrypt;
  f.body = [
    aes.expandKey.call(slot.get, words.get),
    // H = E(K, 0) (§7.1 step 1)
    STORE.v128(i32(KEYSTREAM), v128(new Array<number>(16).fill(0))),
    encrypt.call(slot.get),
    expandPowers.call(slot.get),
  ];
}

/** (slot, length): adds the keystream to the text; its first batch is at KEYSTREAM already, with E(K, nonce || 1) in front. */
function addCounterMode(module: ModuleBuilder, { keystream }: AesFunctions): FunctionBuilder {
  const f = module.func('counterMode', ['i32', 'i32']);
  const [slot, length] = f.parameters as [Local, Local];
  const [at, end, counter] = f.locals('i32', 3) as [Local, Local, Local];
  const before = f.local('v128');
  f.body = [
    before.set(LOAD.v128(i32(DATA - 16))),
    at.set(i32(DATA - 16)),
    end.set(I32.add(length.get, i32(DATA))),
    counter.set(i32(1)),
    loop(
      [
        when(I32.lessThan(i32(1), counter.get), keystream.call(slot.get, counter.get)),
        Array.from({ length: 8 }, (_, block) =>
          STORE.v128(at.get, V128.xor(LOAD.v128(at.get, 16 * block), LOAD.v128(i32(KEYSTREAM), 16 * block)), 16 * block),
        ),
        at.update(I32.add, i32(128)),
        counter.update(I32.add, i32(8)),
      ],
      I32.lessThan(at.get, end.get),
    ),
    STORE.v128(i32(DATA - 16), before.get),
  ];
  return f;
}

/** (slot, length, additional length, mask): fills both up with zeros, and makes the tag (§7.1 steps 4 to 6). */
function addTag(module: ModuleBuilder, ghash: FunctionBuilder): FunctionBuilder {
  const f = module.func('tag', ['i32', 'i32', 'i32', 'v128'], 'v128');
  const [slot, length, additional, mask] = f.parameters as [Local, Local, Local, Local];
  const [begin, end] = f.locals('i32', 2) as [Local, Local];
  const up = (value: Code): Code => I32.and(I32.add(value, i32(15)), i32(-16));
  const bits = (bytes: Code): Code => swapBytes(I32.shl(bytes, i32(3)));
  const zeros = v128(new Array<number>(16).fill(0));
  f.body = [
    begin.set(I32.sub(i32(DATA), up(additional.get))),
    end.set(I32.add(i32(DATA), up(length.get))),
    clearRest(begin.get, additional.get),
    clearRest(i32(DATA), length.get),
    STORE.v128(end.get, LANE.replaceI32(3, LANE.replaceI32(1, zeros, bits(additional.get)), bits(length.get))),
    returns(V128.xor(mask.get, ghash.call(slot.get, begin.get, I32.add(I32.shr(I32.sub(end.get, begin.get), i32(4)), i32(1))))),
  ];
  return f;
}

/** Zeros behind `length` bytes, to the end of the block. */
function clearRest(begin: Code, length: Code): Code {
  const last = I32.add(begin, I32.and(length, i32(-16)));
  const rest = I32.and(length, i32(15));
  return when(rest, STORE.v128(last, V128.and(LOAD.v128(last), LOAD.v128(I32.sub(i32(ONES + 16), rest)))));
}

/** (slot, length, additional length): the text at DATA becomes the sealed one, and its tag follows (§7.1). */
function addSeal(module: ModuleBuilder, { keystream }: AesFunctions, counterMode: FunctionBuilder, tagOf: FunctionBuilder): void {
  const f = module.func('seal', ['i32', 'i32', 'i32']);
  const [slot, length, additional] = f.parameters as [Local, Local, Local];
  const mask = f.local('v128');
  f.body = [
    keystream.call(slot.get, i32(1)),
    mask.set(LOAD.v128(i32(KEYSTREAM))),
    counterMode.call(slot.get, length.get),
    STORE.v128(I32.add(length.get, i32(DATA)), tagOf.call(slot.get, length.get, additional.get, mask.get)),
  ];
}

/** (slot, length without the tag, additional length): whether the tag is right; only then is the text at DATA decrypted (§7.2). */
function addOpen(module: ModuleBuilder, { keystream }: AesFunctions, counterMode: FunctionBuilder, tagOf: FunctionBuilder): void {
  const f = module.func('open', ['i32', 'i32', 'i32'], 'i32');
  const [slot, length, additional] = f.parameters as [Local, Local, Local];
  const tag = f.local('v128');
  f.body = [
    tag.set(LOAD.v128(I32.add(length.get, i32(DATA)))),
    keystream.call(slot.get, i32(1)),
    tag.update(V128.xor, tagOf.call(slot.get, length.get, additional.get, LOAD.v128(i32(KEYSTREAM)))),
    when(V128.anyTrue(tag.get), returns(i32(0))),
    counterMode.call(slot.get, length.get),
    i32(1),
  ];
}
