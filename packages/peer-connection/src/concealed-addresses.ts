/**
 * Names in place of one's own addresses (draft-ietf-mmusic-mdns-ice-candidates §3.1): random, one for each address and transport, and answered for
 * by multicast DNS where the runtime can do that. Without it, peers learn the address from checks.
 */
import type { Random } from '@petrel/sans-io';
import type { Advertisement, Runtime } from './runtime.ts';

export class ConcealedAddresses {
  readonly #runtime: Runtime;
  readonly #names = new Map<string, string>();
  readonly #advertisements: Advertisement[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  nameOf(address: string): string {
    const known = this.#names.get(address);
    if (known !== undefined) return known;
    const name = `${randomUuid(this.#runtime.crypto)}.local`;
    this.#names.set(address, name);
    const advertisement = this.#runtime.advertise?.(name, address);
    if (advertisement !== undefined) this.#advertisements.push(advertisement);
    return name;
  }

  /** Nobody is told what the names stand for any more. */
  close(): void {
    for (const advertisement of this.#advertisements.splice(0)) advertisement.close();
  }
}

/** Version 4 (RFC 9562 §5.4). */
function randomUuid(random: Random): string {
  const bytes = random.randomBytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
