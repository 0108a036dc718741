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
