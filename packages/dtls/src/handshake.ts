import { concatBytes } from '@petrel/bytes';
import { type Certificate, type CryptoProvider, type NamedGroup, type SignatureScheme, subjectPublicKeyInfo } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
import type { CipherSuite } from './cipher-suites.ts';
import { type DtlsFailure, failure } from './errors.ts';
import { type FlightSender, wholeMessage } from './flight.ts';
import { SIGNATURE_SCHEMES, schemeOf } from './handshake-messages.ts';
import type { KeySchedule } from './key-schedule.ts';
import type { HandshakeMessage } from './reassembler.ts';
import type { RecordLayer } from './record-layer.ts';

/** What both sides of the handshake are given by the connection. */
export interface HandshakeContext {
  readonly crypto: CryptoProvider;
  readonly certificate: Certificate;
  readonly cipherSuites: readonly CipherSuite[];
  readonly groups: readonly NamedGroup[];
  readonly srtpProfiles: readonly number[];
  readonly applicationProtocols: readonly string[];
  readonly requireExtendedMasterSecret: boolean;
  readonly records: RecordLayer;
  readonly flight: FlightSender;
  readonly keyLog: ((line: string) => void) | undefined;
  /** Sends the flight, again and again if an answer is expected. */
  transmitFlight(now: Instant, answerExpected: boolean): void;
  /** False when the fingerprints are known and the certificate has none of them (RFC 8122 §6.2). */
  isAcceptable(certificate: Uint8Array): boolean;
}

/** What the handshake agreed on. */
export interface HandshakeResult {
  readonly suite: CipherSuite;
  readonly srtpProfile: number | undefined;
  readonly applicationProtocol: string | undefined;
  readonly keys: KeySchedule;
  /** DER, the peer's own certificate first. */
  readonly peerCertificates: readonly Uint8Array[];
}

/** One side of the handshake: a state and, for each, the message that it waits for. */
export interface Handshake {
  /** @returns a failure, which is fatal unless the handshake `isOpen`, or undefined */
  onMessage(message: HandshakeMessage, now: Instant): DtlsFailure | undefined;
  /** Set once both Finished messages are exchanged and verified. */
  readonly result: HandshakeResult | undefined;
  /** True while a server waits for a ClientHello: a bad one then does not shut out the good one that may follow. */
  readonly isOpen: boolean;
  /** Whether this message of the peer's, come again, says that our flight was lost (RFC 6347 §4.2.4); it ends the flight that ours answers. */
  isRepeatedFlight(type: number): boolean;
}

/** The concatenated handshake messages, each as if sent unfragmented (RFC 6347 §4.2.6). */
export class Transcript {
  #messages: Uint8Array[] = [];

  add(message: Uint8Array): void {
    this.#messages.push(message);
  }

  addReceived({ type, sequence, body }: HandshakeMessage): void {
    this.add(wholeMessage(type, sequence, body));
  }

  /** The first ClientHello and the HelloVerifyRequest do not count (RFC 6347 §4.2.1). */
  clear(): void {
    this.#messages = [];
  }

  bytes(): Uint8Array {
    const bytes = concatBytes(...this.#messages);
    this.#messages = [bytes];
    return bytes;
  }
}

/** The first scheme of ours that the peer accepts and our certificate's key can make. */
export function chooseScheme(certificate: Certificate, accepted: readonly number[]): SignatureScheme | undefined {
  const kind = certificate.privateKey.algorithm;
  const usable = Object.entries(SIGNATURE_SCHEMES) as [SignatureScheme, number][];
  return usable.find(([name, code]) => name.startsWith(kind) && accepted.includes(code))?.[0];
}

/** Verifies a signature with the key of the peer's certificate (RFC 5246 §7.4.3, §7.4.8). */
export function checkSignature(
  crypto: CryptoProvider,
  certificate: Uint8Array,
  schemeCode: number,
  signed: Uint8Array,
  signature: Uint8Array,
): DtlsFailure | undefined {
  const scheme = schemeOf(schemeCode);
  if (scheme === undefined) return failure('no-common-signature-scheme', 'illegal_parameter');
  const spki = subjectPublicKeyInfo(certificate);
  if (spki === undefined) return failure('bad-certificate', 'bad_certificate');
  return crypto.verify(scheme, spki, signed, signature) ? undefined : failure('bad-signature', 'decrypt_error');
}

export const malformed: DtlsFailure = failure('malformed-message', 'decode_error');
export const unexpected: DtlsFailure = failure('unexpected-message', 'unexpected_message');
