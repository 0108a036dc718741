// npm run fuzz [-- --target stun --seconds 60 --seed 1]: mutates the inputs that scripts/fuzz/<target>.ts gives as seeds and feeds them to its
// functions, which share the seconds. One that throws has a bug: network input never throws. The seed and the input are printed, to repeat it.
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { bundle } from '../bundle.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true },
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
  },
});
const known = readdirSync('scripts/fuzz')
  .filter((file) => file.endsWith('.ts'))
  .map((file) => basename(file, '.ts'));
const wanted = values.target ?? known;
const unknown = wanted.find((name) => !known.includes(name));
if (unknown !== undefined) throw new Error(`There is no target ${unknown}, but: ${known.join(', ')}`);
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error(`--seconds wants a number above 0, not ${values.seconds}`);

let state = Number(values.seed) >>> 0;
const scripts = await bundle(
  wanted.map((name) => `scripts/fuzz/${name}.ts`),
  '.cache/fuzz',
);
for (const script of scripts) {
  const { targets, seeds } = await import(pathToFileURL(script).href);
  const functions = Object.entries(targets);
  for (const [name, target] of functions)
    fuzz(`${basename(script, '.mjs')}/${name}`, target, [...seeds], (seconds * 1000) / functions.length);
}

function fuzz(name, target, corpus, duration) {
  const end = performance.now() + duration;
  let runs = 0;
  let slowest = 0;
  while (performance.now() < end) {
    const input = mutate(corpus[random(corpus.length)] ?? new Uint8Array(), corpus);
    const before = performance.now();
    try {
      target(Uint8Array.from(input));
    } catch (error) {
      console.error(`${name} threw on ${Buffer.from(input).toString('hex')}`);
      console.error(error);
      process.exitCode = 1;
      return;
    }
    slowest = Math.max(slowest, performance.now() - before);
    runs += 1;
  }
  console.log(`${name.padEnd(40)} ${String(runs).padStart(9)} inputs, slowest ${slowest.toFixed(1)} ms`);
}

/** One to eight of: flip a bit, set a byte to an interesting value, cut, repeat a piece, splice in a piece of another seed. */
function mutate(seed, corpus) {
  let bytes = Uint8Array.from(seed);
  for (let count = 1 + random(8); count > 0; count -= 1) {
    const at = random(bytes.length + 1);
    const length = random(Math.min(64, bytes.length - at + 1));
    switch (random(6)) {
      case 0:
        if (at < bytes.length) bytes[at] ^= 1 << random(8);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = [0, 1, 0x7f, 0x80, 0xfe, 0xff][random(6)];
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length));
        break;
      case 4:
        bytes = joined(bytes.subarray(0, at + length), bytes.subarray(at));
        break;
      default: {
        const other = corpus[random(corpus.length)];
        const from = random(other.length + 1);
        bytes = joined(bytes.subarray(0, at), other.subarray(from, from + random(64)), bytes.subarray(at));
      }
    }
  }
  return bytes.subarray(0, 65_536);
}

function joined(...parts) {
  return Uint8Array.from(Buffer.concat(parts));
}

/** mulberry32, so that a run can be repeated from its seed. */
function random(below) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return below === 0 ? 0 : ((t ^ (t >>> 14)) >>> 0) % below;
}
