/** What both sides of a handshake come to agree on, and what they make of it: keys and Finished messages (RFC 5246 §7.4.9, §8.1; RFC 7627 §4). */
import type { KeyAgreement } from '@petrel/crypto';
import type { CipherSuite } from './cipher-suites.ts';
import { type DtlsFailure, failure } from './errors.ts';
import { type HandshakeContext, type HandshakeResult, malformed, type Transcript } from './handshake.ts';
import { deriveMasterSecret, KeySchedule, VERIFY_DATA_LENGTH } from './key-schedule.ts';

export class HandshakeSession {
  suite: CipherSuite | undefined;
  extendedMasterSecret = false;
  srtpProfile: number | undefined;
  applicationProtocol: string | undefined;
  /** DER, the peer's own certificate first. */
  peerCertificates: readonly Uint8Array[] = [];
  keyAgreement: KeyAgreement | undefined;
  readonly #context: HandshakeContext;
  readonly #transcript: Transcript;
  #keys: KeySchedule | undefined;

  constructor(context: HandshakeContext, transcript: Transcript) {
    this.#context = context;
    this.#transcript = transcript;
  }

  /** The transcript ends with ClientKeyExchange now: with the extended master secret it is part of the keys. */
  deriveKeys(clientRandom: Uint8Array, serverRandom: Uint8Array, premasterSecret: Uint8Array): KeySchedule {
    const { crypto, keyLog } = this.#context;
    const session = { suite: this.suite!, clientRandom, serverRandom };
    const sessionHash = this.extendedMasterSecret ? this.#transcriptHash() : undefined;
    const masterSecret = deriveMasterSecret(crypto, session, premasterSecret, sessionHash);
    this.#keys = new KeySchedule(crypto, { ...session, masterSecret });
    keyLog?.(this.#keys.keyLogLine());
    return this.#keys;
  }

  /** The body of this side's Finished, which covers all messages before it. */
  verifyData(side: 'client' | 'server'): Uint8Array {
    return this.#keys!.verifyData(side, this.#transcriptHash());
  }

  checkFinished(side: 'client' | 'server', body: Uint8Array): DtlsFailure | undefined {
    if (body.length !== VERIFY_DATA_LENGTH) return malformed;
    const isRight = this.#context.crypto.timingSafeEqual(body, this.verifyData(side));
    return isRight ? undefined : failure('bad-finished', 'decrypt_error');
  }

  /** Once both Finished messages are exchanged and verified. */
  result(): HandshakeResult {
    const { suite, srtpProfile, applicationProtocol, peerCertificates } = this;
    return { suite: suite!, srtpProfile, applicationProtocol, keys: this.#keys!, peerCertificates };
  }

  #transcriptHash(): Uint8Array {
    return this.#context.crypto.hash(this.suite!.hash, this.#transcript.bytes());
  }
}
