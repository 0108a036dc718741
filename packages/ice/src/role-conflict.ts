/** Two agents that believe to have the same role (RFC 8445 §7.3.1.1). */
import type { StunAttributes } from '@petrel/stun';
import type { IceRole } from './ice-types.ts';

/**
 * | own role    | request has     | own tie-breaker >= the request's | smaller          |
 * |-------------|-----------------|----------------------------------|------------------|
 * | controlling | ICE-CONTROLLING | 487 response                     | become controlled |
 * | controlled  | ICE-CONTROLLED  | become controlling               | 487 response     |
 */
export function resolveRoleConflict(role: IceRole, tieBreaker: bigint, request: StunAttributes): 'none' | 'reject' | 'switch' {
  const theirs = role === 'controlling' ? request.iceControlling : request.iceControlled;
  if (theirs === undefined) return 'none';
  const larger = tieBreaker >= theirs;
  return larger === (role === 'controlling') ? 'reject' : 'switch';
}
