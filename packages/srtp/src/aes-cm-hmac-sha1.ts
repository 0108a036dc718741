/**
 * AES in counter mode with HMAC-SHA1 (RFC 3711 §3.1, §3.4, §4.1.1, §4.2.1).
 *
 * ```
 *   SRTP                                     SRTCP
 *   | RTP header | encrypted payload | tag |   | first 8 bytes | encrypted | E, SRTCP index | tag |
 *   |<-------- authenticated ------->|         |<----------- authenticated --------------->|
 *                and the ROC behind it
 *
 *   IV = (session salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16)
 * ```
 */
import { readUint32, writeUint32 } from '@petrel/bytes';
import type { CounterCipher, CryptoProvider, Mac } from '@petrel/crypto';
import type { PacketTransform, SessionKeys } from './packet-transform.ts';

/** Length of the authentication key, and of a whole HMAC-SHA1 (RFC 3711 §5.2). */
export const AUTHENTICATION_KEY_LENGTH = 20;

/** Session cipher, MAC and salt: what SRTP and SRTCP have in common. */
class CounterModeKeys {
  readonly cipher: CounterCipher;
  readonly mac: Mac;
  readonly #salt: Uint8Array;
  readonly #counterBlock = new Uint8Array(16);

  constructor(crypto: CryptoProvider, keys: SessionKeys) {
    this.cipher = crypto.aesCtr(keys.encryption);
    this.mac = crypto.hmac('sha-1', keys.authentication!);
    this.#salt = keys.salt;
  }

  /** Valid until the next call. */
  counterBlock(ssrc: number, index: number): Uint8Array {
    return counterBlock(this.#salt, ssrc, index, this.#counterBlock);
  }
}

/** Writes the initial counter block (§4.1.1) of a packet; a salt of 96 bits is filled up with zeros. */
export function counterBlock(salt: Uint8Array, ssrc: number, index: number, block: Uint8Array): Uint8Array {
  block.fill(0, salt.length);
  block.set(salt);
  writeUint32(block, 4, readUint32(block, 4) ^ ssrc);
  writeUint32(block, 8, readUint32(block, 8) ^ Math.floor(index / 0x1_0000));
  block[12]! ^= (index >>> 8) & 0xff;
  block[13]! ^= index & 0xff;
  return block;
}

export class SrtpCounterMode implements PacketTransform {
  readonly overhead: number;
  readonly #crypto: CryptoProvider;
  readonly #keys: CounterModeKeys;
  readonly #tag: Uint8Array;

  /** @param tagLength in bytes; at least 4, as the ROC is put in the tag's place while the MAC is computed */
  constructor(crypto: CryptoProvider, keys: SessionKeys, tagLength: number) {
    this.#crypto = crypto;
    this.#keys = new CounterModeKeys(crypto, keys);
    this.overhead = tagLength;
    this.#tag = new Uint8Array(tagLength);
  }

  seal(packet: Uint8Array, clear: number, ssrc: number, index: number, output: Uint8Array): void {
    const end = packet.length;
    output.set(packet);
    if (clear < end) this.#keys.cipher.apply(this.#keys.counterBlock(ssrc, index), output.subarray(clear, end));
    const mac = this.#mac(output, end, index);
    for (let i = 0; i < this.overhead; i++) output[end + i] = mac[i]!;
  }

  open(packet: Uint8Array, clear: number, ssrc: number, index: number): number {
    const end = packet.length - this.overhead;
    for (let i = 0; i < this.overhead; i++) this.#tag[i] = packet[end + i]!;
    const mac = this.#mac(packet, end, index);
    if (!this.#crypto.timingSafeEqual(this.#tag, mac.subarray(0, this.overhead))) {
      packet.set(this.#tag, end);
      return -1;
    }
    if (clear < end) this.#keys.cipher.apply(this.#keys.counterBlock(ssrc, index), packet.subarray(clear, end));
    return end;
  }

  /** Over the packet and the ROC behind it (§4.2), which takes the tag's place for so long: one contiguous input, no copy. */
  #mac(bytes: Uint8Array, end: number, index: number): Uint8Array {
    writeUint32(bytes, end, Math.floor(index / 0x1_0000));
    return this.#keys.mac.compute(bytes.subarray(0, end + 4));
  }
}

export class SrtcpCounterMode implements PacketTransform {
  readonly overhead: number;
  readonly #crypto: CryptoProvider;
  readonly #keys: CounterModeKeys;
  readonly #tagLength: number;

  constructor(crypto: CryptoProvider, keys: SessionKeys, tagLength: number) {
    this.#crypto = crypto;
    this.#keys = new CounterModeKeys(crypto, keys);
    this.#tagLength = tagLength;
    this.overhead = 4 + tagLength;
  }

  seal(packet: Uint8Array, clear: number, ssrc: number, index: number, output: Uint8Array): void {
    const end = packet.length;
    output.set(packet);
    this.#keys.cipher.apply(this.#keys.counterBlock(ssrc, index), output.subarray(clear, end));
    writeUint32(output, end, 0x8000_0000 + index);
    output.set(this.#keys.mac.compute(output.subarray(0, end + 4)).subarray(0, this.#tagLength), end + 4);
  }

  open(packet: Uint8Array, clear: number, ssrc: number, index: number): number {
    const tag = packet.length - this.#tagLength;
    const mac = this.#keys.mac.compute(packet.subarray(0, tag)).subarray(0, this.#tagLength);
    if (!this.#crypto.timingSafeEqual(mac, packet.subarray(tag))) return -1;
    this.#keys.cipher.apply(this.#keys.counterBlock(ssrc, index), packet.subarray(clear, tag - 4));
    return tag - 4;
  }
}
