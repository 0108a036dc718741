// The provider's primitives for packets against the same of node:crypto, by length: AES-GCM, AES-CTR, HMAC-SHA1. docs/decisions/0005-wasm-aes-gcm.md
import { execFileSync } from 'node:child_process';
import { createCipheriv, createDecipheriv, createHmac, createSecretKey } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { nodeCrypto } from '@petrel/crypto/node';
import { median, printTable } from './lib/table.ts';

const LENGTHS = [20, 100, 200, 400, 800, 1200, 2400, 4096, 16_000];
const SLICES = 300;

type Primitive = 'seal' | 'open' | 'ctr' | 'hmac' | 'key';

/** One call of each kind, with nothing around. */
function ours(primitive: Primitive, length: number): () => unknown {
  const crypto = nodeCrypto();
  const [key, nonce, additionalData, text] = [new Uint8Array(16).fill(1), new Uint8Array(12), new Uint8Array(13), new Uint8Array(length)];
  const aead = crypto.aead('aes-128-gcm', key);
  const [sealed, output] = [new Uint8Array(length + 16), new Uint8Array(length + 16)];
  aead.seal(nonce, text, additionalData, sealed, 0);
  const [ctr, counter, mac] = [crypto.aesCtr(key), new Uint8Array(16), crypto.hmac('sha-1', key)];
  return {
    seal: () => aead.seal(nonce, text, additionalData, output, 0),
    open: () => aead.open(nonce, sealed, additionalData, output, 0),
    ctr: () => ctr.apply(counter, text),
    hmac: () => mac.compute(text),
    key: () => crypto.aead('aes-128-gcm', key).seal(nonce, text, additionalData, output, 0),
  }[primitive];
}

function bare(primitive: Primitive, length: number): () => unknown {
  const key = createSecretKey(new Uint8Array(16).fill(1));
  const [nonce, additionalData, text, counter] = [new Uint8Array(12), new Uint8Array(13), new Uint8Array(length), new Uint8Array(16)];
  const seal = (): { text: Uint8Array; tag: Uint8Array } => {
    const cipher = createCipheriv('aes-128-gcm', key, nonce, { authTagLength: 16 }).setAAD(additionalData);
    const sealed = cipher.update(text);
    cipher.final();
    return { text: sealed, tag: cipher.getAuthTag() };
  };
  const sealed = seal();
  return {
    seal,
    open() {
      const decipher = createDecipheriv('aes-128-gcm', key, nonce, { authTagLength: 16 }).setAAD(additionalData).setAuthTag(sealed.tag);
      decipher.update(sealed.text);
      decipher.final();
    },
    ctr: () => createCipheriv('aes-128-ctr', key, counter).update(text),
    hmac: () => createHmac('sha1', key).update(text).digest(),
    key: () => createSecretKey(new Uint8Array(16)),
  }[primitive];
}

/** µs of CPU a call. */
function measure(call: () => unknown): number {
  const calls = 200;
  const times = [];
  for (let slice = 0; slice < SLICES; slice++) {
    const before = process.cpuUsage();
    for (let i = 0; i < calls; i++) call();
    const { user, system } = process.cpuUsage(before);
    times.push((user + system) / calls);
  }
  return median(times.slice(SLICES / 3));
}

/** In a process of its own, where nothing else has shaped the compiled code. */
function isolated(kind: 'ours' | 'bare', primitive: Primitive, length: number): string {
  return execFileSync(process.execPath, [fileURLToPath(import.meta.url), kind, primitive, String(length)], { encoding: 'utf8' }).trim();
}

const [kind, primitive, length] = process.argv.slice(2);
if (kind === 'ours' || kind === 'bare') {
  console.log(measure((kind === 'ours' ? ours : bare)(primitive as Primitive, Number(length))).toFixed(2));
} else {
  const both = (name: Primitive, bytes: number): string => `${isolated('bare', name, bytes)} → ${isolated('ours', name, bytes)}`;
  const rows = LENGTHS.map((bytes) => [String(bytes), ...(['seal', 'open', 'ctr', 'hmac'] as const).map((name) => both(name, bytes))]);
  console.log('µs of CPU a call: node:crypto with an object for each → the node provider');
  printTable(['bytes', 'AES-128-GCM seal', 'open', 'AES-128-CTR', 'HMAC-SHA1'], rows);
  console.log(`A key for AES-GCM and its first text: ${isolated('ours', 'key', 100)} µs`);
}
