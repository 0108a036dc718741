export {
  AEAD_TAG_LENGTH,
  type Aead,
  type AeadAlgorithm,
  type CounterCipher,
  type CryptoProvider,
  type HashAlgorithm,
  type IncrementalHash,
  type KeyAgreement,
  type Mac,
  type NamedGroup,
  type SignatureScheme,
  type SigningKey,
} from './crypto.ts';
export {
  type Certificate,
  type CertificateOptions,
  type Fingerprint,
  certificateFromPem,
  certificateToPem,
  fingerprint,
  generateCertificate,
  matchesFingerprint,
} from './certificate.ts';
export { expiryOf, subjectPublicKeyInfo } from './x509.ts';
export { tls12Prf } from './tls12-prf.ts';
