import type { Certificate, CryptoProvider } from '@petrel/crypto';

/** Two self-signed P-256 certificates, made once: tests that are to be reproducible cannot make new ones. Valid until 2046. */
const CERTIFICATES = [
  {
    der: 'MIIBGTCBwaADAgECAglAEcLcUSfwatUwCgYIKoZIzj0EAwIwETEPMA0GA1UEAxMGV2ViUlRDMB4XDTI1MTIzMTAwMDAwMFoXDTQ2MDEwMTAwMDAwMFowETEPMA0GA1UEAxMGV2ViUlRDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpomyqC1yTLYyPbobzpaFQJ9Gtqd5t4otNHn/hBp7uKnOpPobSxoctDuFpdXXOdv3yIu8nkQKMAwAIdp8lcaD/KMCMAAwCgYIKoZIzj0EAwIDRwAwRAIgNYyI0AmXZWNe6t9Q9ZDzQtHA3dStrUn9lm+uE1Qf95gCIBxV9WoteEEhr8B2oQjKGakME84mZFY5rj064eqhtElL',
    pkcs8:
      'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeGKf0lyVQIi390pVWRjSf9i3lO8xc738TNjWNfM0ifuhRANCAASmibKoLXJMtjI9uhvOloVAn0a2p3m3ii00ef+EGnu4qc6k+htLGhy0O4Wl1dc52/fIi7yeRAowDAAh2nyVxoP8',
  },
  {
    der: 'MIIBGzCBwaADAgECAglAA6TFtjpyzSEwCgYIKoZIzj0EAwIwETEPMA0GA1UEAxMGV2ViUlRDMB4XDTI1MTIzMTAwMDAwMFoXDTQ2MDEwMTAwMDAwMFowETEPMA0GA1UEAxMGV2ViUlRDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEx6NmHLbps3692NMKSVB9OpjKdIULKOc4OA+a8Cb2Ms3WBV/Pzm7BUcIkYb8sYvtfXzfCLRJpgSBuNFcS3PXzqqMCMAAwCgYIKoZIzj0EAwIDSQAwRgIhAMrnOmyYAF12S6dCXE/ramd+8cwVl+UkLI1NpUuCKkytAiEAiWGkI0vDophGFR+oA8wG3QpGkbrDZHKIcrLBoDVvjr8=',
    pkcs8:
      'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgaqKXg4eCkXMYR8l/CZqvqBj6WRtwj6+UZ/lV/b//ARihRANCAATHo2Yctumzfr3Y0wpJUH06mMp0hQso5zg4D5rwJvYyzdYFX8/ObsFRwiRhvyxi+19fN8ItEmmBIG40VxLc9fOq',
  },
] as const;
const EXPIRES = Date.UTC(2046, 0, 1);

/** One of two fixed certificates, with its key in the provider's form. Public keys of test code: never use them elsewhere. */
export function testCertificate(crypto: CryptoProvider, index: 0 | 1): Certificate {
  const { der, pkcs8 } = CERTIFICATES[index];
  return { derChain: [fromBase64(der)], privateKey: crypto.importSigningKey(fromBase64(pkcs8)), expires: EXPIRES };
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
