/** What the asking and the answering side of multicast DNS share (RFC 6762 §3, §11, §15). */
import type { Socket } from 'node:dgram';
import { networkInterfaces } from './network-interfaces.ts';

const MDNS_GROUP = '224.0.0.251';
export const MDNS_PORT = 5353;

/** Once over every interface; loopback serves peers on this machine when there is no other. */
export function multicast(socket: Socket, message: Uint8Array, port: number): void {
  for (const address of multicastInterfaces()) {
    try {
      socket.setMulticastInterface(address);
      socket.send(message, port, MDNS_GROUP);
    } catch {
      // The interface has gone, or the socket is not bound yet: the question is asked again.
    }
  }
}

export function joinGroup(socket: Socket): void {
  for (const address of multicastInterfaces()) {
    try {
      socket.addMembership(MDNS_GROUP, address);
    } catch {
      // ENODEV, EADDRINUSE: two addresses on one interface
    }
  }
}

function multicastInterfaces(): string[] {
  const addresses = networkInterfaces().filter(({ family }) => family === 4);
  const external = addresses.filter(({ internal }) => !internal);
  return (external.length > 0 ? external : addresses).map(({ address }) => address);
}
