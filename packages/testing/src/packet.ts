import { isIPv6 } from 'node:net';

/** One end of a datagram's or connection's way. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** A TCP segment, simplified: sequence numbers count segments. */
export interface Segment {
  readonly kind: 'syn' | 'syn-ack' | 'ack' | 'data' | 'fin' | 'rst';
  readonly sequence: number;
  readonly acknowledgement: number;
  /** On a `syn-ack` of a TLS server: the names that its certificate is valid for. */
  readonly tlsNames?: readonly string[] | undefined;
}

/** What travels in the simulation. */
export interface Packet {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly data: Uint8Array;
  /** Present: TCP; absent: UDP. */
  readonly segment?: Segment;
}

/** Bytes of the IP packet. */
export function packetSize({ destination, data, segment }: Packet): number {
  return (isIPv6(destination.address) ? 40 : 20) + (segment === undefined ? 8 : 20) + data.length;
}

/** One text for one address: IPv6 in its shortest form, in lower case, without a zone. */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address;
  const known = canonical.get(address);
  if (known !== undefined) return known;
  const bare = address.replace(/%.*$/, '');
  const text = isIPv6(bare) ? new URL(`http://[${bare}]`).hostname.slice(1, -1) : bare;
  canonical.set(address, text);
  return text;
}

const canonical = new Map<string, string>();

export function endpointKey({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}
