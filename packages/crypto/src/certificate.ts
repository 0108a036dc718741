/**
 * X.509 certificates as WebRTC uses them (RFC 8826 §6.5, RFC 8827): self-signed, identified by the fingerprint in the
 * session description. Nothing in a peer's certificate is trusted but its public key.
 */
import { ByteReader } from '@petrel/bytes';
import type { CryptoProvider, HashAlgorithm, SigningKey } from './crypto.ts';

/** A certificate with its private key. */
export interface Certificate {
  /** DER, the end entity's certificate first. */
  readonly derChain: readonly Uint8Array[];
  readonly privateKey: SigningKey;
  /** Milliseconds since the Unix epoch. */
  readonly expires: number;
}

/** A fingerprint as in `a=fingerprint` (RFC 8122 §5). */
export interface Fingerprint {
  /** Lower case: `sha-256`. */
  readonly algorithm: string;
  /** Upper-case hexadecimal bytes with colons between. */
  readonly value: string;
}

export interface CertificateOptions {
  readonly algorithm?: 'ecdsa-p256' | 'rsa-2048';
  /** Milliseconds since the Unix epoch; 30 days from now unless given, as W3C RTCPeerConnection has it. */
  readonly expires?: number;
}

const THIRTY_DAYS = 30 * 24 * 3600 * 1000;

/**
 * Makes a self-signed certificate with a fresh key. Asynchronous, because `@peculiar/x509` is loaded on first use and signs with WebCrypto.
 * @param now milliseconds since the Unix epoch
 */
export async function generateCertificate(crypto: CryptoProvider, now: number, options: CertificateOptions = {}): Promise<Certificate> {
  const { X509CertificateGenerator } = await import('@peculiar/x509');
  const { subtle } = globalThis.crypto;
  const algorithm =
    options.algorithm === 'rsa-2048'
      ? { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 2048 }
      : { name: 'ECDSA', hash: 'SHA-256', namedCurve: 'P-256' };
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const expires = options.expires ?? now + THIRTY_DAYS;
  const serialNumber = crypto.randomBytes(9);
  serialNumber[0] = 0x40; // RFC 5280 §4.1.2.2: positive, at most 20 octets
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: Array.from(serialNumber, (byte) => byte.toString(16).padStart(2, '0')).join(''),
      name: 'CN=WebRTC',
      // A day of leeway for peers whose clock is behind.
      notBefore: new Date(now - 24 * 3600 * 1000),
      notAfter: new Date(expires),
      signingAlgorithm: algorithm,
      keys,
    },
    globalThis.crypto,
  );
  const pkcs8 = new Uint8Array(await subtle.exportKey('pkcs8', keys.privateKey));
  return { derChain: [new Uint8Array(certificate.rawData)], privateKey: crypto.importSigningKey(pkcs8), expires };
}

/** The fingerprint of a DER certificate (RFC 8122 §5). */
export function fingerprint(crypto: CryptoProvider, algorithm: HashAlgorithm, der: Uint8Array): Fingerprint {
  const digest = crypto.hash(algorithm, der);
  const value = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(':');
  return { algorithm, value };
}

/**
 * The SubjectPublicKeyInfo inside a DER certificate, or undefined when the bytes are not one.
 *
 * ```
 *   Certificate  ::=  SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }
 *   TBSCertificate  ::=  SEQUENCE { [0] version OPTIONAL, serialNumber, signature, issuer, validity,
 *                                   subject, subjectPublicKeyInfo, … }          (RFC 5280 §4.1)
 * ```
 */
export function subjectPublicKeyInfo(certificate: Uint8Array): Uint8Array | undefined {
  return tbsField(certificate, SUBJECT_PUBLIC_KEY_INFO)?.whole;
}

/** When a DER certificate expires, in milliseconds since the Unix epoch, or undefined when the bytes are not one (RFC 5280 §4.1.2.5). */
export function expiryOf(certificate: Uint8Array): number | undefined {
  const validity = tbsField(certificate, VALIDITY);
  if (validity === undefined) return undefined;
  const times = new ByteReader(validity.content);
  if (readTime(times) === undefined) return undefined;
  return readTime(times);
}

/** Positions among the fields that follow the version. */
const VALIDITY = 3;
const SUBJECT_PUBLIC_KEY_INFO = 5;

function tbsField(certificate: Uint8Array, index: number): { whole: Uint8Array; content: Uint8Array } | undefined {
  const outer = readElement(new ByteReader(certificate), SEQUENCE);
  const tbs = outer && readElement(new ByteReader(outer.content), SEQUENCE);
  if (tbs === undefined) return undefined;
  const fields = new ByteReader(tbs.content);
  if (fields.remaining > 0 && tbs.content[0] === EXPLICIT_0) readElement(fields, EXPLICIT_0);
  for (const tag of [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE].slice(0, index))
    if (readElement(fields, tag) === undefined) return undefined;
  return readElement(fields, SEQUENCE);
}

/** UTCTime (two digits of the year, 1950 to 2049) or GeneralizedTime, both in Zulu time with seconds. */
function readTime(reader: ByteReader): number | undefined {
  const tag = reader.bytes[reader.offset];
  const element = tag === UTC_TIME || tag === GENERALIZED_TIME ? readElement(reader, tag) : undefined;
  if (element === undefined) return undefined;
  const digits = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(String.fromCharCode(...element.content.subarray(0, 16)));
  if (digits === null) return undefined;
  const [year, month, day, hours, minutes, seconds] = digits.slice(1).map(Number) as [number, number, number, number, number, number];
  const fullYear = tag === GENERALIZED_TIME ? year : year < 50 ? 2000 + year : 1900 + year;
  return Date.UTC(fullYear, month - 1, day, hours, minutes, seconds);
}

const INTEGER = 0x02;
const SEQUENCE = 0x30;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const EXPLICIT_0 = 0xa0;

/** One DER element with the expected tag: definite lengths of at most three bytes (X.690 §8.1.3). */
function readElement(reader: ByteReader, tag: number): { whole: Uint8Array; content: Uint8Array } | undefined {
  const start = reader.offset;
  if (reader.uint8() !== tag) return undefined;
  let length = reader.uint8();
  if (length === 0x81) length = reader.uint8();
  else if (length === 0x82) length = reader.uint16();
  else if (length === 0x83) length = reader.uint24();
  else if (length >= 0x80) return undefined;
  const content = reader.view(length);
  return reader.overrun ? undefined : { whole: reader.bytes.subarray(start, reader.offset), content };
}
