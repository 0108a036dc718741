import { certificateToPem, certificateFromPem, expiryOf, fingerprint, matchesFingerprint, subjectPublicKeyInfo } from '@petrel/crypto';
import { nobleCrypto } from '@petrel/crypto/noble';
import { nodeCrypto } from '@petrel/crypto/node';
import { testCertificate } from '@petrel/testing';

const providers = [nodeCrypto(), nobleCrypto()] as const;
const certificate = testCertificate(providers[0], 0);
const der = certificate.derChain[0]!;
const message = Uint8Array.of(1, 2, 3);

export const seeds: readonly Uint8Array[] = [
  der,
  subjectPublicKeyInfo(der)!,
  certificate.privateKey.exportPkcs8(),
  certificate.privateKey.sign('ecdsa-sha256', message),
  providers[0].generateKeyAgreement('p-256').publicKey,
  providers[0].generateKeyAgreement('x25519').publicKey,
  Uint8Array.from(certificateToPem(certificate), (character) => character.charCodeAt(0)),
];

/** Keys that were configured, not received: an error is right, but only the one that is documented. */
function orTypeError(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

export const targets: Readonly<Record<string, (input: Uint8Array) => void>> = {
  certificates: (input) => {
    const spki = subjectPublicKeyInfo(input);
    expiryOf(input);
    matchesFingerprint(providers[0], input, [fingerprint(providers[0], 'sha-256', input)]);
    for (const provider of providers) provider.verify('ecdsa-sha256', spki ?? input, message, input);
  },
  signatures: (input) => {
    const spki = subjectPublicKeyInfo(der)!;
    const [node, noble] = providers.map((provider) => provider.verify('ecdsa-sha256', spki, message, input));
    if (node !== noble) throw new Error(`the providers disagree: ${node} and ${noble}`);
  },
  'public keys': (input) => {
    for (const provider of providers) {
      provider.verify('rsa-pkcs1-sha256', input, message, input);
      provider.verify('ecdsa-sha256', input, message, input);
    }
    const [node, noble] = (['x25519', 'p-256', 'p-384'] as const).map((group) =>
      providers.map((provider) => provider.generateKeyAgreement(group).deriveSharedSecret(input) !== undefined).join(),
    );
    for (const both of [node, noble])
      if (both === 'true,false' || both === 'false,true') throw new Error(`the providers disagree: ${both}`);
  },
  'private keys': (input) => {
    for (const provider of providers) orTypeError(() => provider.importSigningKey(input));
  },
  pem: (input) => orTypeError(() => certificateFromPem(providers[0], String.fromCharCode(...input.subarray(0, 10_000)))),
};
