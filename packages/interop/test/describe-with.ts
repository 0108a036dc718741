import { describe, jest } from '@jest/globals';
import { findPeer, installCommand, type PeerName } from '../src/peers.ts';

// Peers that are not ours run on real time beside everything else on the machine: a test has a second attempt. `npm test` names those that
// needed it, with the reason; a test that needs it often has a defect.
jest.retryTimes(1, { logErrorsBeforeRetry: true });

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
