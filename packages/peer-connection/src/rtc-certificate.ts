/** RTCCertificate (W3C WebRTC §4.9), with import and export in PEM (RFC 7468), which the W3C's API does not have. */
import {
  type Certificate,
  certificateFromPem,
  certificateToPem,
  type CryptoProvider,
  fingerprint,
  generateCertificate,
} from '@petrel/crypto';
import { exception } from './errors.ts';
import * as webidl from './webidl.ts';

/** The hash of a certificate, as in `a=fingerprint` (RFC 8122 §5). */
export interface RTCDtlsFingerprint {
  /** Lower case: `sha-256`. */
  algorithm?: string;
  /** Lower-case hexadecimal bytes with colons between. */
  value?: string;
}

/** As in Web Cryptography: `{ name: 'ECDSA', namedCurve: 'P-256' }`, with `expires` in milliseconds from now (W3C WebRTC §4.9.1). */
export type AlgorithmIdentifier = string | { name: string; [parameter: string]: unknown };

/** The internal slots. */
export interface CertificateSlots {
  readonly certificate: Certificate;
  readonly fingerprints: readonly { readonly algorithm: string; readonly value: string }[];
}

export let createRTCCertificate: (crypto: CryptoProvider, certificate: Certificate) => RTCCertificate;
export let certificateSlots: (certificate: RTCCertificate) => CertificateSlots;

/**
 * A certificate for DTLS; `RTCPeerConnection.generateCertificate()` makes one.
 *
 * @example
 * const certificate = await RTCPeerConnection.generateCertificate({ name: 'ECDSA', namedCurve: 'P-256' });
 * await writeFile('server.pem', certificate.exportPem(), { mode: 0o600 });
 */
export class RTCCertificate {
  readonly #slots: CertificateSlots;

  private constructor(...[token, slots]: [token?: unknown, slots?: CertificateSlots]) {
    webidl.requireInternal(token);
    this.#slots = slots!;
  }

  /** Milliseconds since the Unix epoch; afterwards no new connection can use it. */
  get expires(): number {
    return this.#slots.certificate.expires;
  }

  getFingerprints(): RTCDtlsFingerprint[] {
    return this.#slots.fingerprints.map(({ algorithm, value }) => ({ algorithm, value: value.toLowerCase() }));
  }

  /** Not in the W3C's API: the certificate chain and the private key in PEM, to be kept for the next start. {@link importCertificate} reads them. */
  exportPem(): string {
    return certificateToPem(this.#slots.certificate);
  }

  static {
    createRTCCertificate = (crypto, certificate) => {
      const fingerprints = [fingerprint(crypto, 'sha-256', certificate.derChain[0]!)];
      return new RTCCertificate(webidl.INTERNAL, { certificate, fingerprints });
    };
    certificateSlots = (certificate) => certificate.#slots;
    webidl.defineInterface({
      name: 'RTCCertificate',
      prototype: RTCCertificate.prototype,
      isInstance: (value) => #slots in value,
      shown: ['expires'],
    });
  }
}

/**
 * `RTCPeerConnection.generateCertificate`: ECDSA on P-256, or RSASSA-PKCS1-v1_5 with 2048 bits, both with SHA-256.
 * @param now milliseconds since the Unix epoch
 * @throws NotSupportedError for any other algorithm
 * @throws TypeError when a member has the wrong type
 */
export async function generateRTCCertificate(crypto: CryptoProvider, keygenAlgorithm: unknown, now: number): Promise<RTCCertificate> {
  // 1. 2. Normalize the algorithm.
  const algorithm = normalizeAlgorithm(keygenAlgorithm);
  // 3. The member `expires` is an interval from now, in milliseconds; at most 365 days are granted (§4.9.1).
  const { expires } = toRTCCertificateExpiration(typeof keygenAlgorithm === 'string' ? undefined : keygenAlgorithm, 'generateCertificate');
  const lifetime = Math.min(expires ?? THIRTY_DAYS, ONE_YEAR);
  const expiry = Math.floor(now) + lifetime;
  return createRTCCertificate(crypto, await generateCertificate(crypto, now, { algorithm, expires: expiry }));
}

/**
 * Not in the W3C's API: a certificate that {@link RTCCertificate.exportPem} or another tool has written.
 * @param pem one or more CERTIFICATE blocks, the end entity's first, and a PRIVATE KEY block (PKCS #8)
 * @throws TypeError when the blocks are missing or cannot be read
 */
export function importCertificate(crypto: CryptoProvider, pem: string): RTCCertificate {
  return createRTCCertificate(crypto, certificateFromPem(crypto, pem));
}

const THIRTY_DAYS = 30 * 24 * 3600 * 1000;
const ONE_YEAR = 365 * 24 * 3600 * 1000;

const toRTCCertificateExpiration = webidl.dictionary<{ expires?: number }>('RTCCertificateExpiration', {
  expires: { convert: webidl.unsignedLongLongInRange },
});

/** Web Cryptography §18.4.4, for the algorithms that a certificate's key can have. */
function normalizeAlgorithm(value: unknown): 'ecdsa-p256' | 'rsa-2048' {
  const algorithm = toAlgorithm(value, 'generateCertificate');
  const { name, namedCurve, modulusLength, publicExponent } = algorithm;
  if (name.toUpperCase() === 'ECDSA') {
    if (namedCurve === undefined) throw new TypeError("generateCertificate: ECDSA needs a namedCurve: 'P-256'");
    if (namedCurve === 'P-256') return 'ecdsa-p256';
  } else if (name.toUpperCase() === 'RSASSA-PKCS1-V1_5') {
    if (modulusLength === undefined || publicExponent === undefined)
      throw new TypeError('generateCertificate: RSA needs a modulusLength (2048), a publicExponent (1, 0, 1) and a hash (SHA-256)');
    if (modulusLength === 2048 && isSha256(algorithm.hash) && String(publicExponent) === '1,0,1') return 'rsa-2048';
  }
  throw exception(
    'NotSupportedError',
    `generateCertificate: only ECDSA on P-256, and RSASSA-PKCS1-v1_5 with 2048 bits and SHA-256, are supported, not this form of ${name}`,
  );
}

interface KeyAlgorithm {
  name: string;
  namedCurve?: string;
  modulusLength?: number;
  publicExponent?: unknown;
  hash?: unknown;
}

const toAlgorithmObject = webidl.dictionary<KeyAlgorithm>('Algorithm', {
  name: { convert: webidl.domString, required: true },
  namedCurve: { convert: webidl.domString },
  modulusLength: { convert: webidl.unsignedLongInRange },
  publicExponent: { convert: webidl.any },
  hash: { convert: webidl.any },
});

const toAlgorithm: webidl.Converter<KeyAlgorithm> = (value, context) =>
  webidl.isObject(value) ? toAlgorithmObject(value, context) : { name: webidl.domString(value, context) };

function isSha256(hash: unknown): boolean {
  const name = webidl.isObject(hash) ? (hash as { name?: unknown }).name : hash;
  return String(name).toUpperCase() === 'SHA-256';
}
