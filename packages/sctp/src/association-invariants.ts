/** What must hold of an association between two inputs, whatever came in: checked by tests after each step. */
import type { SctpAssociation } from './association.ts';
import type { AssociationState } from './tcb.ts';
import type { TimerName } from './timers.ts';

/** Timers that must run in a state, and those that may. Any other is a leak. */
const TIMERS: Record<AssociationState, { readonly must: readonly TimerName[]; readonly may: readonly TimerName[] }> = {
  closed: { must: [], may: [] },
  'cookie-wait': { must: ['t1-init'], may: ['t3-rtx'] },
  'cookie-echoed': { must: ['t1-cookie'], may: ['t3-rtx', 'tail-loss-probe', 'loss-detection'] },
  established: { must: ['heartbeat'], may: ['t3-rtx', 'loss-detection', 'tail-loss-probe', 'sack', 'reconfig', 'path-mtu'] },
  'shutdown-pending': {
    must: ['t5-shutdown-guard', 't3-rtx'],
    may: ['heartbeat', 'loss-detection', 'tail-loss-probe', 'sack', 'reconfig', 'path-mtu'],
  },
  'shutdown-sent': { must: ['t2-shutdown', 't5-shutdown-guard'], may: ['heartbeat', 'sack', 'reconfig', 'path-mtu'] },
  'shutdown-received': {
    must: ['t3-rtx'],
    may: ['t5-shutdown-guard', 'heartbeat', 'loss-detection', 'tail-loss-probe', 'sack', 'reconfig', 'path-mtu'],
  },
  'shutdown-ack-sent': { must: ['t2-shutdown'], may: ['t5-shutdown-guard', 'heartbeat', 'sack', 'reconfig', 'path-mtu'] },
};

/** What does not hold, in words; nothing when all is well. Call when transmits and events are drained. */
export function associationProblems(association: SctpAssociation): string[] {
  const { state, timers, hasPeer, isDone, heldBytes, receiveBuffer, inconsistencies } = association.inspect();
  const problems = [...inconsistencies];
  const { must, may } = TIMERS[state];
  for (const timer of must) if (!timers.includes(timer)) problems.push(`${state}: ${timer} does not run`);
  for (const timer of timers)
    if (!must.includes(timer as TimerName) && !may.includes(timer as TimerName)) problems.push(`${state}: ${timer} runs`);
  if (state !== 'closed' && state !== 'cookie-wait' && !hasPeer) problems.push(`${state}: nothing is known of the peer`);
  if ((state === 'shutdown-sent' || state === 'shutdown-ack-sent') && !isDone) problems.push(`${state}: data is outstanding`);
  if (heldBytes > 2 * receiveBuffer) problems.push(`${heldBytes} bytes are held, with a buffer of ${receiveBuffer}`);
  return problems;
}
