/**
 * X.509 (RFC 5280 §4.1), as far as WebRTC needs it: making a self-signed certificate, and reading a peer's public key out of one.
 *
 * ```
 *   Certificate     ::=  SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue BIT STRING }
 *   TBSCertificate  ::=  SEQUENCE { [0] version, serialNumber, signature, issuer, validity { notBefore, notAfter },
 *                                   subject, subjectPublicKeyInfo, … }
 * ```
 */
import { encodeUtf8 } from '@petrel/bytes';
import type { SigningKey } from './crypto.ts';
import { type DerElement, encodeBitString, encodeElement, encodeSequence, OID, readSequence, TAG } from './der.ts';

/** Milliseconds since the Unix epoch. */
interface Validity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** @param serialNumber positive, at most 20 bytes (§4.1.2.2) */
export function createSelfSigned(key: SigningKey, serialNumber: Uint8Array, validity: Validity): Uint8Array {
  const [scheme, algorithm] =
    key.algorithm === 'rsa'
      ? (['rsa-pkcs1-sha256', encodeSequence(OID.sha256WithRsa, Uint8Array.of(TAG.null, 0))] as const) // RFC 4055 §5
      : (['ecdsa-sha256', encodeSequence(OID.ecdsaWithSha256)] as const); // RFC 5758 §3.2: no parameters
  const commonName = encodeSequence(OID.commonName, encodeElement(TAG.utf8String, encodeUtf8('WebRTC')));
  const name = encodeSequence(encodeElement(TAG.set, commonName));
  const tbsCertificate = encodeSequence(
    encodeElement(TAG.explicit0, encodeElement(TAG.integer, Uint8Array.of(2))), // v3
    encodeElement(TAG.integer, serialNumber),
    algorithm,
    name,
    encodeSequence(encodeTime(validity.notBefore), encodeTime(validity.notAfter)),
    name,
    key.subjectPublicKeyInfo,
  );
  return encodeSequence(tbsCertificate, algorithm, encodeBitString(key.sign(scheme, tbsCertificate)));
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

/** UTCTime through 2049, GeneralizedTime after (§4.1.2.5). */
function encodeTime(milliseconds: number): Uint8Array {
  const digits = new Date(milliseconds).toISOString().replace(/[-:T]|\.\d+/g, '');
  const isShort = digits < '2050';
  return encodeElement(isShort ? TAG.utcTime : TAG.generalizedTime, encodeUtf8(isShort ? digits.slice(2) : digits));
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
