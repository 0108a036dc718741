/** Priorities of candidates and pairs (RFC 8445 §5.1.2, §6.1.2.3; TCP: RFC 6544 §4.2; families: RFC 8421). */
import { type AddressFamily, addressScope } from '@petrel/stun';
import type { CandidateType, TcpCandidateType } from './candidate.ts';

/** RFC 8445 §5.1.2.2. */
const TYPE_PREFERENCE: Readonly<Record<CandidateType, number>> = { host: 126, prflx: 110, srflx: 100, relay: 0 };
/** UDP is preferred over TCP of the same type (RFC 6544 §4.2); relays: UDP to the server before TCP before TLS. */
const TCP_TYPE_PENALTY = 36;
export const RELAY_PREFERENCE: Readonly<Record<'udp' | 'tcp' | 'tls', number>> = { udp: 2, tcp: 1, tls: 0 };

/** `2^24 * type preference + 2^8 * local preference + (256 - component)` */
export function candidatePriority(type: number, local: number, component: number): number {
  return type * 0x100_0000 + local * 0x100 + (256 - component);
}

export function typePreference(type: CandidateType, protocol: 'udp' | 'tcp', relayProtocol: 'udp' | 'tcp' | 'tls' = 'udp'): number {
  if (type === 'relay') return RELAY_PREFERENCE[relayProtocol];
  return TYPE_PREFERENCE[type] - (protocol === 'tcp' ? TCP_TYPE_PENALTY : 0);
}

/** RFC 6544 §4.2: `2^13 * direction preference + other preference`. */
export function tcpLocalPreference(type: CandidateType, tcpType: TcpCandidateType, otherPreference: number): number {
  const reflexive = type === 'srflx' || type === 'prflx';
  const direction = reflexive ? { so: 6, active: 4, passive: 2 }[tcpType] : { active: 6, passive: 4, so: 2 }[tcpType];
  return direction * 0x2000 + (otherPreference & 0x1fff);
}

/**
 * The local preference of the `index`th address of its family. Families alternate, IPv6 first (RFC 8421 §4), so that neither has to wait until all
 * checks of the other have failed; link-local and loopback addresses come last.
 */
export function localPreference(address: string, family: AddressFamily, index: number): number {
  const scope = addressScope(address);
  const ceiling = scope === 'loopback' ? 0x3fff : scope === 'link-local' ? 0x7fff : 0xffff;
  return Math.max(0, ceiling - 2 * index - (family === 6 ? 0 : 1));
}

/** `2^32 * MIN(G, D) + 2 * MAX(G, D) + (G > D ? 1 : 0)`: 64 bits, more than a number holds exactly. */
export function pairPriority(controlling: number, controlled: number): bigint {
  const smaller = Math.min(controlling, controlled);
  const larger = Math.max(controlling, controlled);
  return (BigInt(smaller) << 32n) + 2n * BigInt(larger) + (controlling > controlled ? 1n : 0n);
}
