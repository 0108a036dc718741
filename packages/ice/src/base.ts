/** Bases: the transport addresses that packets are really sent from (RFC 8445 §4). */
import type { AddressFamily } from '@petrel/stun';
import type { Candidate } from './candidate.ts';
import type { LocalSocket } from './ice-types.ts';
import { candidatePriority, tcpLocalPreference, typePreference } from './priority.ts';
import type { RelayClient } from './relay-client.ts';

export interface Base {
  /** Unique in the agent. */
  readonly id: number;
  readonly kind: 'udp' | 'tcp-passive' | 'tcp-active' | 'relay';
  /** The driver's id of the socket; -1 for relays and TCP active bases, which have none of their own. */
  readonly socket: number;
  readonly address: string;
  readonly port: number;
  readonly family: AddressFamily;
  readonly localPreference: number;
  /** The host or relay candidate of the base, as it is shown; replaced at an ICE restart. */
  candidate: Candidate;
  /** Set for relays. */
  readonly relay?: RelayClient;
  /** Of a socket that is not used for everything, see {@link LocalSocket.use}. */
  readonly use?: LocalSocket['use'];
}

/** Whether packets leave over the interface that has this address. */
export function leavesFrom({ kind, address: own, relay }: Base, address: string): boolean {
  if (kind !== 'relay') return own === address;
  return relay?.transport.kind === 'udp' && relay.transport.base.address === address;
}

/** The PRIORITY of checks from this base: what a peer-reflexive candidate learned from them will have (RFC 8445 §7.1.1). */
export function peerReflexivePriority(base: Base): number {
  const { kind, localPreference } = base;
  if (kind === 'udp' || kind === 'relay') return candidatePriority(typePreference('prflx', 'udp'), localPreference, 1);
  const tcpType = kind === 'tcp-active' ? 'active' : 'passive';
  return candidatePriority(typePreference('prflx', 'tcp'), tcpLocalPreference('prflx', tcpType, localPreference), 1);
}

/** How pairs are told apart: where packets leave, and where they go. */
export function pathKey(baseId: number, address: string, port: number): string {
  return `${baseId}|${address}|${port}`;
}
