/** The state that an application sees (W3C WebRTC §5.6.4, RTCIceTransportState). */
import { type Instant, NEVER } from '@petrel/sans-io';
import type { CandidatePair } from './candidate-pair.ts';
import { disconnectionTime } from './consent.ts';
import type { IceTransportState } from './ice-types.ts';
import type { IceSession } from './session.ts';

/**
 * The state that follows from what the session and the path are, and when that may change by itself. Without a path a state stays until checks
 * have begun: a restart does not make a failed transport a new one.
 */
export function transportState(
  present: IceTransportState,
  session: IceSession,
  path: CandidatePair | undefined,
  gathered: boolean,
  now: Instant,
): { readonly state: IceTransportState; readonly until: Instant } {
  if (path !== undefined) {
    const until = disconnectionTime(path);
    if (now >= until) return { state: 'disconnected', until: NEVER };
    const completed = gathered && path === session.selected && session.endOfCandidates && session.finished;
    return { state: completed ? 'completed' : 'connected', until };
  }
  if (session.outcome !== undefined) return { state: 'failed', until: NEVER };
  if (session.lostPath || present === 'connected' || present === 'completed') return { state: 'disconnected', until: NEVER };
  return { state: session.checking ? 'checking' : present, until: NEVER };
}
