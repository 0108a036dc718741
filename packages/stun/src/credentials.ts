/** Credentials (RFC 8489 §9): keys, and what a server's challenge says about how to use them. */
import { encodeUtf8, utf8Length } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import { MAX_SENT_TEXT } from './attribute-values.ts';
import type { PasswordAlgorithmEntry, StunAttributes } from './attributes.ts';
import { type IntegrityAlgorithm, IntegrityKey } from './integrity.ts';

/** A user name and password for the long-term mechanism. Never logged. */
export interface StunCredentials {
  readonly username: string;
  readonly password: string;
}

/** How a long-term key is made (RFC 8489 §18.5). */
export type PasswordAlgorithm = 'md5' | 'sha-256';
/** RFC 8489 §18.5. */
const PASSWORD_ALGORITHM_NUMBERS: Readonly<Record<PasswordAlgorithm, number>> = { md5: 1, 'sha-256': 2 };

/** RFC 8489 §9.1.1. */
export function shortTermKey(crypto: CryptoProvider, password: string, algorithms?: readonly IntegrityAlgorithm[]): IntegrityKey {
  return new IntegrityKey(crypto, encodeUtf8(opaqueString(password)), algorithms);
}

/** RFC 8489 §9.2.2, §18.5.1: the hash of `username:realm:password`. */
export function longTermKey(
  crypto: CryptoProvider,
  { username, password }: StunCredentials,
  realm: string,
  algorithm: PasswordAlgorithm = 'md5',
  accepted?: readonly IntegrityAlgorithm[],
): IntegrityKey {
  const text = `${opaqueString(username)}:${opaqueString(realm)}:${opaqueString(password)}`;
  return new IntegrityKey(crypto, crypto.hash(algorithm, encodeUtf8(text)), accepted);
}

/** RFC 8489 §14.4. */
export function userhash(crypto: CryptoProvider, username: string, realm: string): Uint8Array {
  return crypto.hash('sha-256', encodeUtf8(`${opaqueString(username)}:${opaqueString(realm)}`));
}

/** The OpaqueString profile (RFC 8265 §4.2) without its rejections: other spaces become spaces, then NFC. */
export function opaqueString(text: string): string {
  return text.replace(/\p{Zs}/gu, ' ').normalize('NFC');
}

/** RFC 8489 §18.1: bit 0 is the most significant one of 24. */
export interface SecurityFeatures {
  readonly passwordAlgorithms: boolean;
  readonly usernameAnonymity: boolean;
}

const NONCE_COOKIE = 'obMatJos2';
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The security features of a nonce cookie (RFC 8489 §9.2), or undefined when the nonce has none. */
export function nonceSecurityFeatures(nonce: string): SecurityFeatures | undefined {
  if (!nonce.startsWith(NONCE_COOKIE)) return undefined;
  // The two assigned bits are in the first of the four base64 characters.
  const digits = Array.from(nonce.slice(NONCE_COOKIE.length, NONCE_COOKIE.length + 4), (character) => BASE64.indexOf(character));
  if (digits.length < 4 || digits.includes(-1)) return undefined;
  return { passwordAlgorithms: (digits[0]! & 0x20) !== 0, usernameAnonymity: (digits[0]! & 0x10) !== 0 };
}

/** What a client uses after a server's challenge: attributes for every request, and the key to protect it. */
export interface LongTermSession {
  readonly realm: string;
  readonly nonce: string;
  readonly key: IntegrityKey;
  readonly integrity: IntegrityAlgorithm;
  /** USERNAME or USERHASH, REALM, NONCE, PASSWORD-ALGORITHMS, PASSWORD-ALGORITHM. */
  readonly attributes: StunAttributes;
}

/** Why a challenge cannot be answered. `bid-down` is a server, or somebody in between, that hides what it can (RFC 8489 §9.2.1). */
export type ChallengeProblem = 'no-realm-or-nonce' | 'oversized-challenge' | 'bid-down' | 'no-supported-algorithm';

/**
 * Answers a 401 or 438 response (RFC 8489 §9.2.5).
 * @param previous the session that the challenge replaces: its realm serves when a 438 has none, and what it has learned is not forgotten
 */
export function answerChallenge(
  crypto: CryptoProvider,
  credentials: StunCredentials,
  challenge: StunAttributes,
  previous?: LongTermSession,
): LongTermSession | ChallengeProblem {
  const realm = challenge.realm ?? previous?.realm;
  const { nonce, passwordAlgorithms } = challenge;
  if (realm === undefined || nonce === undefined) return 'no-realm-or-nonce';
  // They have to be echoed, and what is sent must be shorter than what is accepted (§14.9, §14.10).
  if (utf8Length(realm) > MAX_SENT_TEXT || utf8Length(nonce) > MAX_SENT_TEXT) return 'oversized-challenge';
  const features = nonceSecurityFeatures(nonce);
  if (features?.passwordAlgorithms === true && passwordAlgorithms === undefined) return 'bid-down';
  if (previous?.integrity === 'sha-256' && passwordAlgorithms === undefined) return 'bid-down';
  const algorithm = passwordAlgorithms === undefined ? 'md5' : chooseAlgorithm(passwordAlgorithms);
  if (algorithm === undefined) return 'no-supported-algorithm';
  const integrity = passwordAlgorithms === undefined ? 'sha-1' : 'sha-256';
  const attributes: StunAttributes =
    features?.usernameAnonymity === true
      ? { userhash: userhash(crypto, credentials.username, realm) }
      : { username: opaqueString(credentials.username) };
  attributes.realm = realm;
  attributes.nonce = nonce;
  if (passwordAlgorithms !== undefined) {
    attributes.passwordAlgorithms = passwordAlgorithms;
    attributes.passwordAlgorithm = { algorithm: PASSWORD_ALGORITHM_NUMBERS[algorithm], parameters: new Uint8Array(0) };
  }
  return { realm, nonce, key: longTermKey(crypto, credentials, realm, algorithm, [integrity]), integrity, attributes };
}

/** The first one on the server's list that is known (RFC 8489 §9.2.5). */
function chooseAlgorithm(offered: readonly PasswordAlgorithmEntry[]): PasswordAlgorithm | undefined {
  for (const { algorithm } of offered) {
    if (algorithm === PASSWORD_ALGORITHM_NUMBERS.md5) return 'md5';
    if (algorithm === PASSWORD_ALGORITHM_NUMBERS['sha-256']) return 'sha-256';
  }
  return undefined;
}
