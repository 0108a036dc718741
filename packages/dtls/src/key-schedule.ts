/** From the key agreement's secret to record keys, Finished values and exported keys (RFC 5246 §6.3, §8.1; RFC 7627; RFC 5705). */
import { concatBytes, toHex, writeUint16 } from '@petrel/bytes';
import { type CryptoProvider, tls12Prf } from '@petrel/crypto';
import { CipherState } from './cipher-state.ts';
import type { CipherSuite } from './cipher-suites.ts';

const MASTER_SECRET_LENGTH = 48;
export const VERIFY_DATA_LENGTH = 12;

/** What both sides know once the keys are agreed. */
export interface SessionSecrets {
  readonly suite: CipherSuite;
  readonly clientRandom: Uint8Array;
  readonly serverRandom: Uint8Array;
  readonly masterSecret: Uint8Array;
}

/** @param sessionHash hash of the transcript up to and including the ClientKeyExchange (RFC 7627 §4); undefined without that extension */
export function deriveMasterSecret(
  crypto: CryptoProvider,
  { suite, clientRandom, serverRandom }: Omit<SessionSecrets, 'masterSecret'>,
  premasterSecret: Uint8Array,
  sessionHash: Uint8Array | undefined,
): Uint8Array {
  return sessionHash === undefined
    ? tls12Prf(crypto, suite.hash, premasterSecret, 'master secret', [clientRandom, serverRandom], MASTER_SECRET_LENGTH) // RFC 5246 §8.1
    : tls12Prf(crypto, suite.hash, premasterSecret, 'extended master secret', [sessionHash], MASTER_SECRET_LENGTH);
}

export class KeySchedule {
  readonly #crypto: CryptoProvider;
  readonly #suite: CipherSuite;
  readonly #clientRandom: Uint8Array;
  readonly #serverRandom: Uint8Array;
  readonly #masterSecret: Uint8Array;

  constructor(crypto: CryptoProvider, { suite, clientRandom, serverRandom, masterSecret }: SessionSecrets) {
    this.#crypto = crypto;
    this.#suite = suite;
    this.#clientRandom = clientRandom;
    this.#serverRandom = serverRandom;
    this.#masterSecret = masterSecret;
  }

  /** client_write_key, server_write_key, client_write_IV, server_write_IV (RFC 5246 §6.3; AEADs have no MAC keys). */
  recordKeys(): { readonly client: CipherState; readonly server: CipherState } {
    const { keyLength, fixedIvLength } = this.#suite;
    const seed = [this.#serverRandom, this.#clientRandom];
    const block = tls12Prf(this.#crypto, this.#suite.hash, this.#masterSecret, 'key expansion', seed, 2 * (keyLength + fixedIvLength));
    const state = (side: 0 | 1): CipherState => {
      const iv = 2 * keyLength + side * fixedIvLength;
      return new CipherState(
        this.#crypto,
        this.#suite,
        block.slice(side * keyLength, (side + 1) * keyLength),
        block.slice(iv, iv + fixedIvLength),
      );
    };
    return { client: state(0), server: state(1) };
  }

  /** verify_data of a Finished message (RFC 5246 §7.4.9). */
  verifyData(side: 'client' | 'server', transcriptHash: Uint8Array): Uint8Array {
    return tls12Prf(this.#crypto, this.#suite.hash, this.#masterSecret, `${side} finished`, [transcriptHash], VERIFY_DATA_LENGTH);
  }

  /** Keying material for another protocol (RFC 5705 §4). */
  export(label: string, length: number, context?: Uint8Array): Uint8Array {
    let seed = concatBytes(this.#clientRandom, this.#serverRandom);
    if (context !== undefined) {
      const prefix = new Uint8Array(2);
      writeUint16(prefix, 0, context.length);
      seed = concatBytes(seed, prefix, context);
    }
    return tls12Prf(this.#crypto, this.#suite.hash, this.#masterSecret, label, [seed], length);
  }

  /** A line of the SSLKEYLOGFILE format, with which a capture can be decrypted: only ever on request. */
  keyLogLine(): string {
    return `CLIENT_RANDOM ${toHex(this.#clientRandom)} ${toHex(this.#masterSecret)}`;
  }
}
