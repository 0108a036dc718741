/**
 * The ICE candidate pool (RFC 8829 §3.5.4): transports that gather before there is a description for them. What they find shows when a local
 * description with them is applied, as if it had just been found.
 */
import type { IceRole } from '@petrel/ice';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { PeerTransport } from './peer-transport.ts';
import { handleStackEvent } from './transport-events.ts';

/** Makes as many as the configuration wants. Not once there is a local description: the pool is for the beginning. */
export function fillPool(connection: PeerConnectionSlots): void {
  const { pool, configuration } = connection;
  if (connection.isClosed || connection.hasSetLocalDescription) return;
  while (pool.length < configuration.iceCandidatePoolSize) {
    const transport = new PeerTransport(connection, '', 'controlling', (from, event) => handleStackEvent(connection, from, event));
    transport.gatherInAdvance();
    pool.push(transport);
  }
  for (const transport of pool.splice(configuration.iceCandidatePoolSize)) transport.discard();
}

/** Other servers, another policy: what was gathered is not what is wanted. */
export function refillPool(connection: PeerConnectionSlots): void {
  for (const transport of connection.pool.splice(0)) transport.discard();
  // Before there is a certificate, the connection fills the pool when it is there.
  if (connection.certificate !== undefined) fillPool(connection);
}

/** A transport that has gathered, if there is one. */
export function takeFromPool(connection: PeerConnectionSlots, mid: string, role: IceRole): PeerTransport | undefined {
  const transport = connection.pool.shift();
  if (transport === undefined) return undefined;
  transport.mid = mid;
  transport.driver.input(({ ice }, now) => ice.setRole(role, now));
  return transport;
}
