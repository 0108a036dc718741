/** Credentials of a session (RFC 8445 §5.3, RFC 8839 §5.4). */
import { type Random, randomText } from '@petrel/sans-io';
import type { IceParameters } from './ice-types.ts';

/** 48 and 144 random bits; at least 24 and 128 are required. Base 64 has just the ice-chars. */
export function newIceParameters(random: Random, lite: boolean): IceParameters {
  const parameters = { usernameFragment: randomText(random, 8), password: randomText(random, 24) };
  return lite ? { ...parameters, lite } : parameters;
}
