/** Credentials of a session (RFC 8445 §5.3, RFC 8839 §5.4). */
import type { Random } from '@petrel/sans-io';
import type { IceParameters } from './ice-types.ts';

const ICE_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** 48 and 144 random bits; at least 24 and 128 are required. */
export function newIceParameters(random: Random, lite: boolean): IceParameters {
  const parameters = { usernameFragment: randomText(random, 8), password: randomText(random, 24) };
  return lite ? { ...parameters, lite } : parameters;
}

function randomText(random: Random, length: number): string {
  return Array.from(random.randomBytes(length), (byte) => ICE_CHARACTERS[byte & 63]!).join('');
}
