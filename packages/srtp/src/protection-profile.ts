/** SRTP protection profiles (RFC 5764 §4.1.2, RFC 7714 §14.2) and the keys that DTLS exports for them (RFC 5764 §4.2). */

/** The names of the DTLS-SRTP Protection Profiles registry, without their prefix. */
export type ProtectionProfileName = 'AES_CM_128_HMAC_SHA1_80' | 'AES_CM_128_HMAC_SHA1_32' | 'AEAD_AES_128_GCM' | 'AEAD_AES_256_GCM';

/** What a profile fixes. Lengths are in bytes. */
export interface ProtectionProfile {
  readonly name: ProtectionProfileName;
  /** Number in the use_srtp extension. */
  readonly id: number;
  readonly cipher: 'aes-cm' | 'aes-128-gcm' | 'aes-256-gcm';
  /** In bytes: master keys and session keys have the same length. */
  readonly keyLength: number;
  readonly saltLength: number;
  /** Of RTP packets, in bytes. */
  readonly tagLength: number;
  /** Of RTCP packets: 80 bits also with the _32 profile (RFC 5764 §4.1.2). */
  readonly rtcpTagLength: number;
}

/** By name; `id` is the number in `use_srtp` (RFC 5764 §4.1.2, RFC 7714 §14.2). */
export const PROTECTION_PROFILES: Readonly<Record<ProtectionProfileName, ProtectionProfile>> = {
  AES_CM_128_HMAC_SHA1_80: profile('AES_CM_128_HMAC_SHA1_80', 0x0001, 'aes-cm', 16, 14, 10, 10),
  AES_CM_128_HMAC_SHA1_32: profile('AES_CM_128_HMAC_SHA1_32', 0x0002, 'aes-cm', 16, 14, 4, 10),
  AEAD_AES_128_GCM: profile('AEAD_AES_128_GCM', 0x0007, 'aes-128-gcm', 16, 12, 16, 16),
  AEAD_AES_256_GCM: profile('AEAD_AES_256_GCM', 0x0008, 'aes-256-gcm', 32, 12, 16, 16),
};

/** Label of the DTLS exporter (RFC 5764 §4.2); it is used without a context. */
export const EXPORTER_LABEL = 'EXTRACTOR-dtls_srtp';

/** Master key and master salt of one direction. */
export interface MasterKey {
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

/** The profile with this use_srtp number, or undefined. */
export function protectionProfileById(id: number): ProtectionProfile | undefined {
  return Object.values(PROTECTION_PROFILES).find((candidate) => candidate.id === id);
}

/** How many bytes the exporter has to give. */
export function keyingMaterialLength(name: ProtectionProfileName): number {
  const { keyLength, saltLength } = PROTECTION_PROFILES[name];
  return 2 * (keyLength + saltLength);
}

/**
 * Splits what the exporter gave: client key, server key, client salt, server salt (RFC 5764 §4.2). Each side protects with its own.
 * @throws RangeError when the material's length is not {@link keyingMaterialLength}
 */
export function splitKeyingMaterial(
  name: ProtectionProfileName,
  exported: Uint8Array,
  dtlsRole: 'client' | 'server',
): { local: MasterKey; remote: MasterKey } {
  if (exported.length !== keyingMaterialLength(name))
    throw new RangeError(`${name} takes ${keyingMaterialLength(name)} bytes of keying material, not ${exported.length}`);
  const { keyLength, saltLength } = PROTECTION_PROFILES[name];
  const salts = 2 * keyLength;
  const client = { key: exported.slice(0, keyLength), salt: exported.slice(salts, salts + saltLength) };
  const server = { key: exported.slice(keyLength, salts), salt: exported.slice(salts + saltLength) };
  return dtlsRole === 'client' ? { local: client, remote: server } : { local: server, remote: client };
}

function profile(
  name: ProtectionProfileName,
  id: number,
  cipher: ProtectionProfile['cipher'],
  keyLength: number,
  saltLength: number,
  tagLength: number,
  rtcpTagLength: number,
): ProtectionProfile {
  return { name, id, cipher, keyLength, saltLength, tagLength, rtcpTagLength };
}
