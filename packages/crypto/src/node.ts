import {
  type Cipher,
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type Hash,
  hash as hashOnce,
  type KeyObject,
  randomFillSync,
  sign as signOnce,
  timingSafeEqual,
  verify as verifyOnce,
} from 'node:crypto';
import { concatBytes, equalBytes } from '@petrel/bytes';
import type { Random } from '@petrel/sans-io';
import {
  AEAD_TAG_LENGTH,
  type Aead,
  type AeadAlgorithm,
  type CounterCipher,
  type CryptoProvider,
  type HashAlgorithm,
  type IncrementalHash,
  type KeyAgreement,
  type Mac,
  type NamedGroup,
  type SignatureScheme,
  type SigningKey,
} from './crypto.ts';
import { type HmacModule, HmacSha1 } from './hmac-sha1.ts';
import { OID, readSequence, TAG } from './der.ts';
import { EXPONENT_BYTES, MODULUS_BYTES } from './rsa-pkcs1.ts';
import { AES_GCM_MODULE } from './packet-gcm/aes-gcm-module.bytes.ts';
import { WasmAes } from './packet-gcm/wasm-aes.ts';

const HASH_NAMES: Readonly<Record<HashAlgorithm, string>> = {
  md5: 'md5',
  'sha-1': 'sha1',
  'sha-224': 'sha224',
  'sha-256': 'sha256',
  'sha-384': 'sha384',
  'sha-512': 'sha512',
};
const P256_ALGORITHM = concatBytes(OID.ecPublicKey, OID.p256);
const CURVE_NAMES = { 'p-256': 'prime256v1', 'p-384': 'secp384r1' } as const;
/** Random bytes are drawn from the operating system in blocks: a call for four bytes costs as much as one for a kilobyte. */
const RANDOM_BLOCK = 1024;
/** Texts with their additional data up to so many bytes are faster without a cipher object for each: docs/decisions/0005-wasm-aes-gcm.md. */
const LONGEST_PACKET = 2_600;
/** With its so manieth text, a key goes to the module: many keys derive others, and have nothing else to do. */
const WARM_UP = 8;

/**
 * The provider on `node:crypto`: OpenSSL's assembly for AES-GCM and the curves.
 * @param random where random bytes come from; the operating system unless given. Ephemeral and long-term keys come from OpenSSL in any case.
 * @example
 * const aead = nodeCrypto().aead('aes-128-gcm', key);
 */
export function nodeCrypto(random: Random = systemRandom()): CryptoProvider {
  return {
    name: 'node',
    randomBytes: (length) => random.randomBytes(length),
    hash: (algorithm, data) => hashBytes(algorithm, data),
    createHash: (algorithm) => new NodeHash(createHash(HASH_NAMES[algorithm])),
    hmac: (algorithm, key) => (algorithm === 'sha-1' ? new HmacSha1(key, nativeSha1, moduleSha1) : new NodeMac(HASH_NAMES[algorithm], key)),
    aead: (algorithm, key) => (algorithm === 'chacha20-poly1305' ? new NodeAead(algorithm, key) : new PacketGcm(algorithm, key)),
    aesCtr: (key) => new NodeCounterCipher(key),
    generateKeyAgreement: (group) => generateKeyAgreement(group),
    importSigningKey: (pkcs8) => importSigningKey(pkcs8),
    generateSigningKey: () => new NodeSigningKey(generateKeyPairSync('ec', { namedCurve: CURVE_NAMES['p-256'] }).privateKey),
    verify,
    timingSafeEqual: (a, b) => a.length === b.length && timingSafeEqual(a, b),
  };
}

/** Random bytes of the operating system, drawn in blocks. */
function systemRandom(): Random {
  let block = new Uint8Array(0);
  return {
    randomBytes(length) {
      if (length > RANDOM_BLOCK) return randomFillSync(new Uint8Array(length));
      if (block.length < length) block = randomFillSync(new Uint8Array(RANDOM_BLOCK));
      const bytes = block.slice(0, length);
      block = block.subarray(length);
      return bytes;
    },
  };
}

const moduleSha1: HmacModule = (states) => wasmAes()?.hmacSha1(states);
const nativeSha1 = (data: Uint8Array): Uint8Array => hashBytes('sha-1', data);

function hashBytes(algorithm: HashAlgorithm, data: Uint8Array): Uint8Array {
  // crypto.hash (Node 20.12) skips the Hash object; its declaration lacks the 'buffer' overload for views in some versions.
  return hashOnce(HASH_NAMES[algorithm], data, 'buffer');
}

class NodeHash implements IncrementalHash {
  readonly #hash: Hash;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  update(data: Uint8Array): void {
    this.#hash.update(data);
  }

  digest(): Uint8Array {
    return this.#hash.copy().digest();
  }
}

class NodeMac implements Mac {
  readonly #algorithm: string;
  readonly #key: KeyObject;

  constructor(algorithm: string, key: Uint8Array) {
    this.#algorithm = algorithm;
    this.#key = createSecretKey(key);
  }

  compute(...parts: readonly Uint8Array[]): Uint8Array {
    const hmac = createHmac(this.#algorithm, this.#key);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  }
}

class NodeAead implements Aead {
  readonly #algorithm: AeadAlgorithm;
  readonly #key: KeyObject;

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.#algorithm = algorithm;
    this.#key = createSecretKey(key);
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, additionalData: Uint8Array, output: Uint8Array, offset: number): void {
    // The GCM overloads of the declarations; ChaCha20-Poly1305 takes the same options.
    const cipher = createCipheriv(this.#algorithm as 'aes-128-gcm', this.#key, nonce, { authTagLength: AEAD_TAG_LENGTH });
    cipher.setAAD(additionalData);
    output.set(cipher.update(plaintext), offset);
    cipher.final();
    output.set(cipher.getAuthTag(), offset + plaintext.length);
  }

  open(nonce: Uint8Array, ciphertextAndTag: Uint8Array, additionalData: Uint8Array, output: Uint8Array, offset: number): number {
    const length = ciphertextAndTag.length - AEAD_TAG_LENGTH;
    if (length < 0) return -1;
    const decipher = createDecipheriv(this.#algorithm as 'aes-128-gcm', this.#key, nonce, { authTagLength: AEAD_TAG_LENGTH });
    decipher.setAAD(additionalData).setAuthTag(ciphertextAndTag.subarray(length));
    const plaintext = decipher.update(ciphertextAndTag.subarray(0, length));
    try {
      decipher.final();
    } catch {
      return -1;
    }
    output.set(plaintext, offset);
    return length;
  }
}

/** AES-GCM: packets in WebAssembly, what is longer in OpenSSL. Each is prepared when it is first needed. */
class PacketGcm implements Aead {
  readonly #algorithm: AeadAlgorithm;
  readonly #key: Uint8Array;
  #short: Aead | undefined;
  #long: Aead | undefined;

  constructor(algorithm: AeadAlgorithm, key: Uint8Array) {
    this.#algorithm = algorithm;
    this.#key = key.slice();
  }

  seal(nonce: Uint8Array, plaintext: Uint8Array, additionalData: Uint8Array, output: Uint8Array, offset: number): void {
    this.#for(plaintext.length + additionalData.length).seal(nonce, plaintext, additionalData, output, offset);
  }

  open(nonce: Uint8Array, ciphertextAndTag: Uint8Array, additionalData: Uint8Array, output: Uint8Array, offset: number): number {
    return this.#for(ciphertextAndTag.length + additionalData.length).open(nonce, ciphertextAndTag, additionalData, output, offset);
  }

  #for(length: number): Aead {
    if (length <= LONGEST_PACKET) return (this.#short ??= this.#newShort());
    return (this.#long ??= new NodeAead(this.#algorithm, this.#key));
  }

  #newShort(): Aead {
    const aes = wasmAes();
    if (aes === undefined) return (this.#long ??= new NodeAead(this.#algorithm, this.#key));
    let cipher: Cipher | undefined;
    return aes.gcm(this.#key, (blocks) => (cipher ??= newBlockCipher(this.#key)).update(blocks));
  }
}

let sharedAes: WasmAes | undefined;
let isAesLoaded = false;

function wasmAes(): WasmAes | undefined {
  if (!isAesLoaded) sharedAes = WasmAes.create(Buffer.from(AES_GCM_MODULE, 'base64'));
  isAesLoaded = true;
  return sharedAes;
}

function newBlockCipher(key: Uint8Array): Cipher {
  return createCipheriv(`aes-${key.length * 8}-ecb`, key, null).setAutoPadding(false);
}

/**
 * Counter mode by the module, or from one kept AES-ECB cipher: making a cipher object for each packet would cost more than the encryption.
 */
class NodeCounterCipher implements CounterCipher {
  readonly #ecb: Cipher;
  /** Until it is in the module. */
  #key: Uint8Array | undefined;
  #module: ((counterBlock: Uint8Array, data: Uint8Array) => boolean) | undefined;
  #texts = 0;

  constructor(key: Uint8Array) {
    if (key.length !== 16 && key.length !== 24 && key.length !== 32) throw new RangeError('an AES key has 16, 24 or 32 bytes');
    this.#ecb = newBlockCipher(key);
    this.#key = key.length === 24 ? undefined : key.slice();
  }

  apply(counterBlock: Uint8Array, data: Uint8Array): void {
    if (data.length === 0 || this.#inModule()?.(counterBlock, data)) return;
    const keystream = this.#ecb.update(countersFrom(counterBlock, (data.length + 15) >>> 4));
    for (let i = 0; i < data.length; i++) data[i]! ^= keystream[i]!;
  }

  #inModule(): ((counterBlock: Uint8Array, data: Uint8Array) => boolean) | undefined {
    if (this.#key !== undefined && this.#texts++ === WARM_UP) {
      this.#module = wasmAes()?.counterMode(this.#key, (counters) => this.#ecb.update(counters));
      this.#key = undefined;
    }
    return this.#module;
  }
}

/** The block and those that follow it: a 128-bit number, most significant byte first. */
function countersFrom(first: Uint8Array, count: number): Uint8Array {
  const blocks = new Uint8Array(16 * count);
  blocks.set(first);
  for (let at = 16; at < 16 * count; at += 16) {
    blocks.copyWithin(at, at - 16, at);
    let last = at + 15;
    while (last > at && blocks[last] === 0xff) blocks[last--] = 0;
    blocks[last]! += 1;
  }
  return blocks;
}

function generateKeyAgreement(group: NamedGroup): KeyAgreement {
  return group === 'x25519' ? generateX25519() : generateEcdh(CURVE_NAMES[group]);
}

function generateEcdh(curve: string): KeyAgreement {
  const ecdh = createECDH(curve);
  return {
    publicKey: ecdh.generateKeys(),
    deriveSharedSecret(peerPublicKey) {
      // RFC 8422 §5.4.1: only the uncompressed form. OpenSSL checks that the point is on the curve.
      if (peerPublicKey[0] !== 4) return undefined;
      try {
        return ecdh.computeSecret(peerPublicKey);
      } catch {
        return undefined;
      }
    },
  };
}

/**
 * As JWK, because OpenSSL takes three times as long to read or write DER. Not by `generateKeyPairSync`: Node holds a key's lock while it writes the
 * JWK, and a garbage collection in that moment, of the job that made the key, would wait for the same lock for ever.
 */
function generateX25519(): KeyAgreement {
  const d = base64Url(randomFillSync(new Uint8Array(32)));
  const privateKey = createPrivateKey({ key: { kty: 'OKP', crv: 'X25519', d, x: '' }, format: 'jwk' }); // the public half is computed
  return {
    publicKey: Buffer.from(privateKey.export({ format: 'jwk' }).x!, 'base64url'),
    deriveSharedSecret(peerPublicKey) {
      if (peerPublicKey.length !== 32) return undefined;
      try {
        const key = { kty: 'OKP', crv: 'X25519', x: base64Url(peerPublicKey) };
        // RFC 7748 §6.1: OpenSSL refuses an all-zero result.
        return diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'jwk' }) });
      } catch {
        return undefined;
      }
    },
  };
}

function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64url');
}

function importSigningKey(pkcs8: Uint8Array): SigningKey {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  } catch {
    throw new TypeError('not a private key in PKCS #8 DER');
  }
  if (key.asymmetricKeyType !== 'ec' && key.asymmetricKeyType !== 'rsa')
    throw new TypeError(`unsupported key type ${key.asymmetricKeyType}`);
  return new NodeSigningKey(key);
}

class NodeSigningKey implements SigningKey {
  readonly algorithm: 'ecdsa' | 'rsa';
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
    this.algorithm = key.asymmetricKeyType === 'rsa' ? 'rsa' : 'ecdsa';
  }

  get subjectPublicKeyInfo(): Uint8Array {
    return createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
  }

  exportPkcs8(): Uint8Array {
    return this.#key.export({ format: 'der', type: 'pkcs8' });
  }

  sign(scheme: SignatureScheme, data: Uint8Array): Uint8Array {
    return signOnce(hashOf(scheme), data, this.#key);
  }
}

function verify(scheme: SignatureScheme, subjectPublicKeyInfo: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = readEcKey(subjectPublicKeyInfo) ?? createPublicKey({ key: Buffer.from(subjectPublicKeyInfo), format: 'der', type: 'spki' });
    const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
    if (key.asymmetricKeyType === 'rsa' && !isUsableRsaKey(modulusLength, publicExponent)) return false;
    // The scheme binds the kind of key (RFC 5246 §7.4.1.4.1); OpenSSL alone would take the kind from the key.
    if (key.asymmetricKeyType !== (scheme.startsWith('rsa') ? 'rsa' : 'ec')) return false;
    return verifyOnce(hashOf(scheme), data, key, signature);
  } catch {
    return false;
  }
}

/** A P-256 key by way of JWK, in half the time that OpenSSL needs for DER. Other keys: undefined. @throws what node:crypto throws for a point off the curve */
function readEcKey(subjectPublicKeyInfo: Uint8Array): KeyObject | undefined {
  const [algorithm, key] = readSequence(subjectPublicKeyInfo) ?? [];
  const isP256 = algorithm !== undefined && equalBytes(algorithm.content, P256_ALGORITHM);
  if (!isP256 || key?.tag !== TAG.bitString || key.content.length !== 66 || key.content[0] !== 0 || key.content[1] !== 4) return undefined;
  const [x, y] = [key.content.subarray(2, 34), key.content.subarray(34)];
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: base64Url(x), y: base64Url(y) }, format: 'jwk' });
}

/** A key that is too short protects nothing; one that is too long is work for an attacker to order. */
function isUsableRsaKey(modulusLength: number, publicExponent: bigint): boolean {
  return (
    modulusLength >= 8 * MODULUS_BYTES.least && modulusLength <= 8 * MODULUS_BYTES.most && publicExponent < 1n << BigInt(8 * EXPONENT_BYTES)
  );
}

/** `ecdsa-sha256` → `sha256`. */
function hashOf(scheme: SignatureScheme): string {
  return scheme.slice(scheme.lastIndexOf('-') + 1);
}
