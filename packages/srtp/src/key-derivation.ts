/**
 * Session keys from the master key (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11), with a key derivation rate of zero:
 * the keystream of AES in counter mode that starts at the master salt with a label added.
 */
import type { CryptoProvider } from '@petrel/crypto';

/** RFC 3711 §4.3.2, RFC 6904 §4.1. */
export const LABEL = {
  rtpEncryption: 0,
  rtpAuthentication: 1,
  rtpSalt: 2,
  rtcpEncryption: 3,
  rtcpAuthentication: 4,
  rtcpSalt: 5,
  rtpHeaderEncryption: 6,
  rtpHeaderSalt: 7,
} as const;

/** Where the label meets the salt: it stands before 48 bits of index, which is zero. */
const LABEL_OFFSET = 7;

/** A master salt of 96 bits (AEAD) is filled up with zeros (RFC 7714 §11). */
export function deriveSessionKey(
  crypto: CryptoProvider,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  label: number,
  length: number,
): Uint8Array {
  const counterBlock = new Uint8Array(16);
  counterBlock.set(masterSalt);
  counterBlock[LABEL_OFFSET]! ^= label;
  const sessionKey = new Uint8Array(length);
  crypto.aesCtr(masterKey).apply(counterBlock, sessionKey);
  return sessionKey;
}
