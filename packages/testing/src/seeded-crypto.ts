import type { CryptoProvider } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { seededX25519, withDeterministicSignatures } from './seeded-keys.ts';
import { seededRandom } from './seeded-random.ts';

/**
 * A provider whose random numbers, ephemeral keys and P-256 signatures follow from a seed, so that two runs put the same bytes on the wire.
 * Bulk ciphers, hashes and verification stay the given provider's. For simulations only.
 *
 * @example
 * const crypto = seededCrypto(nodeCrypto(), 7);
 */
export function seededCrypto(provider: CryptoProvider, seed: number): CryptoProvider {
  const random = seededRandom(seed);
  const deterministic = nobleCrypto(random);
  return {
    ...provider,
    name: `${provider.name}, seeded`,
    randomBytes: (length) => random.randomBytes(length),
    generateKeyAgreement: (group) => (group === 'x25519' ? seededX25519(random) : deterministic.generateKeyAgreement(group)),
    generateSigningKey: () => deterministic.generateSigningKey(),
    importSigningKey: (pkcs8) => withDeterministicSignatures(provider.importSigningKey(pkcs8)),
  };
}
