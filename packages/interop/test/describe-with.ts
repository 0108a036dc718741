import { describe } from '@jest/globals';
import { findPeer, installCommand, type PeerName } from '../src/peers.ts';

/**
 * A `describe` whose tests need a peer. Where it is missing they are reported as skipped, by name, with the command that installs it.
 *
 * @example
 * describeWith('coturn', 'our client at coturn', (turnserver) => { … });
 */
export function describeWith(peer: PeerName, title: string, body: (path: string) => void): void {
  const path = findPeer(peer);
  if (path === undefined) describe.skip(`${title} [${peer} is missing: ${installCommand(peer)}]`, () => body(''));
  else describe(title, () => body(path));
}
