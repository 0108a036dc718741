import { networkInterfaces as osInterfaces } from 'node:os';
import type { NetworkInterface } from '@petrel/peer-connection';

/** What `runtime.networkInterfaces()` lists. */
export interface NodeNetworkInterface extends NetworkInterface {
  /** fe80::/10 or 169.254.0.0/16: reachable from the same link only, and IPv6 needs a zone with it. */
  readonly linkLocal: boolean;
}

/** Every address of every interface that is up. Link-local IPv6 addresses come without their zone. */
export function networkInterfaces(): readonly NodeNetworkInterface[] {
  return Object.entries(osInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).map(({ address, family, internal }) => ({
      name,
      address,
      family: family === 'IPv6' ? (6 as const) : (4 as const),
      internal,
      linkLocal: /^(?:fe[89ab][0-9a-f]:|169\.254\.)/i.test(address),
    })),
  );
}
