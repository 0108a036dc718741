import type { Random } from '@petrel/sans-io';

/** Reproducible randomness for simulations (xorshift128); never for anything that must be secret. */
export interface SeededRandom extends Random {
  /** A number in [0, 1). */
  fraction(): number;
  /** An integer in [0, bound). */
  below(bound: number): number;
}

/** @example const random = seededRandom(42); random.fraction(); */
export function seededRandom(seed: number): SeededRandom {
  let x = (seed ^ 0x9e3779b9) >>> 0 || 1;
  let y = 0x243f6a88;
  let z = 0xb7e15162;
  let w = (seed * 2654435761) >>> 0;
  const next = (): number => {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = (w ^ (w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return w;
  };
  for (let i = 0; i < 20; i++) next();
  return {
    fraction: () => next() / 0x1_0000_0000,
    below: (bound) => Math.floor((next() / 0x1_0000_0000) * bound),
    randomBytes(length) {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) bytes[i] = next() >>> 24;
      return bytes;
    },
  };
}
