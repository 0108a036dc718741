/**
 * X.509 (RFC 5280 §4.1), as far as WebRTC needs it: `@peculiar/x509` makes a self-signed certificate; a peer's public key is read out of its own.
 *
 * ```
 *   Certificate     ::=  SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 *   TBSCertificate  ::=  SEQUENCE { [0] version, serialNumber, signature, issuer, validity { notBefore, notAfter },
 *                                   subject, subjectPublicKeyInfo, … }
 * ```
 */
import type { X509CertificateGenerator } from '@peculiar/x509';
import { toHex } from '@petrel/bytes';
import type { SigningKey } from './crypto.ts';
import { type DerElement, readSequence, TAG } from './der.ts';

/** Milliseconds since the Unix epoch. */
interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * The library is loaded with the first certificate: that takes 100 ms, which users of the codecs should not pay.
 * @param serialNumber positive, at most 20 bytes (§4.1.2.2)
 */
export async function createSelfSigned(key: SigningKey, serialNumber: Uint8Array, validity: Validity): Promise<Uint8Array> {
  const x509 = await import('@peculiar/x509');
  const name = 'CN=WebRTC';
  const parameters = {
    serialNumber: toHex(serialNumber),
    subject: name,
    issuer: name,
    notBefore: new Date(validity.notBefore),
    notAfter: new Date(validity.notAfter),
    publicKey: key.subjectPublicKeyInfo,
    signingKey: { algorithm: key.algorithm === 'rsa' ? { name: 'RSASSA-PKCS1-v1_5' } : { name: 'ECDSA', namedCurve: 'P-256' } },
  };
  const certificate = await x509.X509CertificateGenerator.create(parameters as unknown as CreateParameters, signerOf(key));
  return new Uint8Array(certificate.rawData);
}

type CreateParameters = Parameters<typeof X509CertificateGenerator.create>[0];
type WebCrypto = NonNullable<Parameters<typeof X509CertificateGenerator.create>[1]>;

/** The library signs through WebCrypto's interface; the provider's key takes its place, so that a seeded provider makes the same certificate again. */
function signerOf(key: SigningKey): WebCrypto {
  const sign = async (_algorithm: unknown, _key: unknown, data: ArrayBuffer): Promise<Uint8Array> =>
    webCryptoSignature(key, new Uint8Array(data));
  return { subtle: { sign } } as unknown as WebCrypto;
}

/** WebCrypto has ECDSA signatures as r || s, 32 bytes each, a {@link SigningKey} as DER. */
function webCryptoSignature(key: SigningKey, data: Uint8Array): Uint8Array {
  if (key.algorithm === 'rsa') return key.sign('rsa-pkcs1-sha256', data);
  const signature = new Uint8Array(64);
  const integers = readSequence(key.sign('ecdsa-sha256', data))!;
  integers.forEach(({ content }, index) => {
    const digits = content.subarray(Math.max(0, content.length - 32)); // without the sign's zero byte
    signature.set(digits, 32 * (index + 1) - digits.length);
  });
  return signature;
}

/** The SubjectPublicKeyInfo inside a DER certificate, or undefined when the bytes are not one. */
export function subjectPublicKeyInfo(certificate: Uint8Array): Uint8Array | undefined {
  const fields = tbsFields(certificate);
  return fields?.[5]?.tag === TAG.sequence ? fields[5].whole : undefined;
}

/** When a DER certificate expires, in milliseconds since the Unix epoch; undefined when the bytes are not one (§4.1.2.5). */
export function expiryOf(certificate: Uint8Array): number | undefined {
  const validity = readSequence(tbsFields(certificate)?.[3]?.whole);
  return validity?.[1] && decodeTime(validity[1]);
}

/** The fields of the TBSCertificate from the serial number on. */
function tbsFields(certificate: Uint8Array): DerElement[] | undefined {
  const fields = readSequence(readSequence(certificate)?.[0]?.whole);
  return fields?.[0]?.tag === TAG.explicit0 ? fields.slice(1) : fields;
}

function decodeTime({ tag, content }: DerElement): number | undefined {
  const text = String.fromCharCode(...content.subarray(0, 20));
  // §4.1.2.5.1: a year of two digits is in 1950 to 2049.
  const full = tag === TAG.utcTime ? (text < '50' ? '20' : '19') + text : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (match === null) return undefined;
  const [year, month, day, hours, minutes, seconds] = match.slice(1).map(Number) as [number, number, number, number, number, number];
  return Date.UTC(year, month - 1, day, hours, minutes, seconds);
}
