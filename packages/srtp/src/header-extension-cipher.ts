/**
 * Encryption of chosen RTP header extension elements (RFC 6904 §3, RFC 7714 §8.3): the data of the elements, not their ids and lengths,
 * is added to a keystream that starts where the elements start. AES in counter mode with keys of its own, also beside an AEAD.
 */
import { readUint16 } from '@petrel/bytes';
import type { CounterCipher, CryptoProvider } from '@petrel/crypto';
import { parseExtensions, RTP_FIXED_HEADER_LENGTH } from '@petrel/rtp';
import { counterBlock } from './aes-cm-hmac-sha1.ts';
import type { SessionKeys } from './packet-transform.ts';

const EXTENSION_BIT = 0x10;

export class HeaderExtensionCipher {
  readonly #cipher: CounterCipher;
  readonly #salt: Uint8Array;
  readonly #ids: ReadonlySet<number>;

  /** @param ids of the elements that are encrypted */
  constructor(crypto: CryptoProvider, keys: Pick<SessionKeys, 'encryption' | 'salt'>, ids: readonly number[]) {
    this.#cipher = crypto.aesCtr(keys.encryption);
    this.#salt = keys.salt;
    this.#ids = new Set(ids);
  }

  /** Encrypts or decrypts in place. The header must be complete. */
  apply(packet: Uint8Array, headerLength: number, ssrc: number, index: number): void {
    if ((packet[0]! & EXTENSION_BIT) === 0) return;
    const block = RTP_FIXED_HEADER_LENGTH + 4 * (packet[0]! & 0x0f);
    const start = block + 4;
    const elements = parseExtensions(packet, readUint16(packet, block), start, headerLength).filter(({ id }) => this.#ids.has(id));
    if (elements.length === 0) return;
    const keystream = new Uint8Array(headerLength - start);
    this.#cipher.apply(counterBlock(this.#salt, ssrc, index, new Uint8Array(16)), keystream);
    for (const { data } of elements) {
      const at = data.byteOffset - packet.byteOffset - start;
      for (let i = 0; i < data.length; i++) data[i]! ^= keystream[at + i]!;
    }
  }
}
