/**
 * Certificates as WebRTC uses them (RFC 8826 §6.5, RFC 8827 §6.5): self-signed, identified by the fingerprint in the session description.
 * Nothing in a peer's certificate is trusted but its public key.
 */
import { equalBytes, toHex } from '@petrel/bytes';
import type { CryptoProvider, HashAlgorithm, SigningKey } from './crypto.ts';
import { createSelfSigned, expiryOf, subjectPublicKeyInfo } from './x509.ts';

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

/** The third argument of {@link generateCertificate}. */
export interface CertificateOptions {
  readonly algorithm?: 'ecdsa-p256' | 'rsa-2048';
  /** Milliseconds since the Unix epoch; 30 days from now unless given, as W3C RTCPeerConnection has it. */
  readonly expires?: number;
}

const THIRTY_DAYS = 30 * 24 * 3600 * 1000;
/** Leeway for peers whose clock is behind. */
const ONE_DAY = 24 * 3600 * 1000;
/** Strongest first. MD2 and MD5 must not be used, not even to verify (RFC 8122 §5). */
const FINGERPRINT_HASHES: readonly HashAlgorithm[] = ['sha-512', 'sha-384', 'sha-256', 'sha-224', 'sha-1'];

/**
 * Makes a self-signed certificate with a fresh key: for P-256 in a few milliseconds, the first one in 100. Asynchronous, because an RSA key
 * takes much longer and is made by WebCrypto, off this thread.
 * @param now milliseconds since the Unix epoch
 *
 * @example
 * const certificate = await generateCertificate(nodeCrypto(), Date.now(), { algorithm: 'ecdsa-p256' });
 */
export async function generateCertificate(crypto: CryptoProvider, now: number, options: CertificateOptions = {}): Promise<Certificate> {
  const privateKey = options.algorithm === 'rsa-2048' ? crypto.importSigningKey(await generateRsaKey()) : crypto.generateSigningKey();
  const expires = options.expires ?? now + THIRTY_DAYS;
  const serialNumber = crypto.randomBytes(9);
  serialNumber[0] = 0x40; // RFC 5280 §4.1.2.2: positive
  const der = await createSelfSigned(privateKey, serialNumber, { notBefore: now - ONE_DAY, notAfter: expires });
  return { derChain: [der], privateKey, expires };
}

/** The fingerprint of a DER certificate (RFC 8122 §5). */
export function fingerprint(crypto: CryptoProvider, algorithm: HashAlgorithm, der: Uint8Array): Fingerprint {
  const digest = toHex(crypto.hash(algorithm, der)).toUpperCase();
  return { algorithm, value: digest.match(/../g)!.join(':') };
}

/**
 * Whether the certificate is the one that a session description announces. Of several fingerprints those with the strongest hash decide, and
 * one of them has to match (RFC 8122 §5). None that we know, or a malformed one: no.
 */
export function matchesFingerprint(crypto: CryptoProvider, der: Uint8Array, fingerprints: readonly Fingerprint[]): boolean {
  const isFor = (hash: HashAlgorithm) => (candidate: Fingerprint) => candidate.algorithm.toLowerCase() === hash;
  const strongest = FINGERPRINT_HASHES.find((hash) => fingerprints.some(isFor(hash)));
  if (strongest === undefined) return false;
  const { value } = fingerprint(crypto, strongest, der);
  return fingerprints.filter(isFor(strongest)).some((candidate) => candidate.value.toUpperCase() === value);
}

/**
 * PEM of the chain and, last, of the private key (RFC 7468): what to keep so that a server has the same fingerprint after a restart.
 * It contains the secret key; store it accordingly.
 */
export function certificateToPem({ derChain, privateKey }: Certificate): string {
  return [...derChain.map((der) => toPem('CERTIFICATE', der)), toPem('PRIVATE KEY', privateKey.exportPkcs8())].join('');
}

/**
 * The certificate and key in a PEM text: the end entity's certificate first, the key in PKCS #8 anywhere.
 * @throws TypeError when one is missing or malformed, or when they do not belong together
 * @example
 * const certificate = certificateFromPem(crypto, readFileSync('cert.pem', 'utf8') + readFileSync('key.pem', 'utf8'));
 */
export function certificateFromPem(crypto: CryptoProvider, pem: string): Certificate {
  const blocks = [...pem.matchAll(/-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g)];
  const ofType = (label: string): Uint8Array[] => blocks.filter((block) => block[1] === label).map((block) => fromBase64(block[2]!));
  const derChain = ofType('CERTIFICATE');
  const [pkcs8] = ofType('PRIVATE KEY');
  if (derChain[0] === undefined) throw new TypeError('the PEM text has no CERTIFICATE');
  if (pkcs8 === undefined) throw new TypeError('the PEM text has no PRIVATE KEY: convert other forms with openssl pkcs8 -topk8 -nodes');
  const privateKey = crypto.importSigningKey(pkcs8);
  const expires = expiryOf(derChain[0]);
  const publicKey = subjectPublicKeyInfo(derChain[0]);
  if (expires === undefined || publicKey === undefined) throw new TypeError('the CERTIFICATE is malformed');
  if (!equalBytes(publicKey, privateKey.subjectPublicKeyInfo)) throw new TypeError('the PRIVATE KEY is not that of the CERTIFICATE');
  return { derChain, privateKey, expires };
}

async function generateRsaKey(): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto;
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: Uint8Array.of(1, 0, 1), modulusLength: 2048 };
  const { privateKey } = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  return new Uint8Array(await subtle.exportKey('pkcs8', privateKey));
}

function toPem(label: string, der: Uint8Array): string {
  const base64 = btoa(String.fromCharCode(...der));
  return `-----BEGIN ${label}-----\n${base64.replace(/.{64}(?=.)/g, '$&\n')}\n-----END ${label}-----\n`;
}

function fromBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new TypeError('the PEM text is not base64');
  }
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
