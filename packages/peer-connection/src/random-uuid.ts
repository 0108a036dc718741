/** Identifiers of tracks, streams and transactions. */
import { toHex } from '@petrel/bytes';
import type { Random } from '@petrel/sans-io';

/** RFC 9562 §5.4: a UUID of version 4, which is 122 random bits. */
export function randomUuid(random: Random): string {
  const bytes = random.randomBytes(16);
  bytes[6] = 0x40 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}
