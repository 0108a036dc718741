// npm run fuzz [-- package [seconds [seed]]]: mutates the inputs that scripts/fuzz/<package>.ts gives as seeds and feeds them to its
// targets. A target that throws has a bug: network input never throws. The seed and the input are printed, to repeat it.
import { mkdirSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '../..'));
const [only, seconds = '10', seedText = '1'] = process.argv.slice(2);
const files = readdirSync('scripts/fuzz').filter((file) => file.endsWith('.ts') && (only === undefined || file === `${only}.ts`));
const out = '.cache/fuzz';
mkdirSync(out, { recursive: true });
await build({
  entryPoints: files.map((file) => `scripts/fuzz/${file}`),
  outdir: out,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  conditions: ['@petrel/source'],
  external: ['@peculiar/x509'],
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
});

let state = Number(seedText) >>> 0;
for (const file of files) {
  const { targets, seeds } = await import(pathToFileURL(join(out, file.replace(/\.ts$/, '.mjs'))).href);
  for (const [name, target] of Object.entries(targets))
    fuzz(`${basename(file, '.ts')}/${name}`, target, [...seeds], Number(seconds) * 1000);
}

function fuzz(name, target, corpus, duration) {
  const end = performance.now() + duration / files.length;
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
