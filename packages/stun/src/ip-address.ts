/**
 * IP addresses as bytes and as text (RFC 4291 §2.2, RFC 5952). One address has one text form here, so that addresses can be compared as text:
 * an IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) becomes the IPv4 address.
 */
import { readUint16 } from '@petrel/bytes';

/** An IP literal and a port. */
export interface TransportAddress {
  readonly address: string;
  readonly port: number;
}

/** IPv4 or IPv6. */
export type AddressFamily = 4 | 6;

/** 4 or 16 bytes, or undefined when the text is not an IP literal. A zone (`%eth0`) is not one. */
export function parseIpAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** The canonical text of 4 or 16 bytes. */
export function formatIpAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (isMappedIpv4(bytes)) return formatIpAddress(bytes.subarray(12));
  return formatIpv6(bytes);
}

/** The canonical form of an IP literal, or undefined when it is none. */
export function canonicalIpAddress(text: string): string | undefined {
  const bytes = parseIpAddress(text);
  return bytes && formatIpAddress(bytes);
}

/** The family of a literal in canonical form. */
export function addressFamily(address: string): AddressFamily {
  return address.includes(':') ? 6 : 4;
}

/** Both have to be in canonical form. */
export function sameTransportAddress(a: TransportAddress, b: TransportAddress): boolean {
  return a.port === b.port && a.address === b.address;
}

/** What an address may be used for. `special` cannot be a peer: unspecified, multicast, broadcast, reserved. */
export type AddressScope = 'global' | 'private' | 'link-local' | 'loopback' | 'special';

/** RFC 6890's registries, as far as they matter for candidates. */
export function addressScope(address: string): AddressScope {
  const bytes = parseIpAddress(address);
  if (bytes === undefined) return 'special';
  if (bytes.length === 4) return ipv4Scope(bytes);
  if (isMappedIpv4(bytes)) return ipv4Scope(bytes.subarray(12));
  return ipv6Scope(bytes);
}

function ipv4Scope(bytes: Uint8Array): AddressScope {
  const [a, b] = bytes as unknown as readonly [number, number];
  if (a === 0 || a >= 224) return 'special';
  if (a === 127) return 'loopback';
  if (a === 169 && b === 254) return 'link-local';
  if (a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 100 && b >= 64 && b < 128)) return 'private';
  return 'global';
}

function ipv6Scope(bytes: Uint8Array): AddressScope {
  const leadingZeros = bytes.findIndex((byte) => byte !== 0);
  if (leadingZeros === -1) return 'special';
  if (leadingZeros === 15 && bytes[15] === 1) return 'loopback';
  if (leadingZeros >= 12) return 'special'; // IPv4-compatible, deprecated (RFC 4291 §2.5.5.1)
  if (bytes[0] === 0xff) return 'special';
  if (bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80) return 'link-local';
  if ((bytes[0]! & 0xfe) === 0xfc) return 'private';
  return 'global';
}

function isMappedIpv4(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[i] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

function parseIpv4(text: string): Uint8Array | undefined {
  if (text.length > 15) return undefined;
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i]!;
    // No leading zeros: some parsers read them as octal.
    if (!/^(?:0|[1-9][0-9]{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bytes[i] = Number(part);
  }
  return bytes;
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (text.length > 45) return undefined;
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1]!, true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const length = head.length + tail.length;
  if (halves.length === 1 ? length !== 8 : length > 7) return undefined;
  const bytes = new Uint8Array(16);
  writeGroups(bytes, 0, head);
  writeGroups(bytes, 16 - 2 * tail.length, tail);
  return bytes;
}

/** Groups of 16 bits; the last two may be written as an IPv4 address. */
function parseGroups(text: string, ipv4Allowed: boolean): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (ipv4Allowed && index === parts.length - 1 && part.includes('.')) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === undefined) return undefined;
      groups.push(readUint16(ipv4, 0), readUint16(ipv4, 2));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

function writeGroups(bytes: Uint8Array, offset: number, groups: readonly number[]): void {
  for (const [index, group] of groups.entries()) {
    bytes[offset + 2 * index] = group >>> 8;
    bytes[offset + 2 * index + 1] = group;
  }
}

/** Lower case, no leading zeros, the first longest run of two or more zero groups as `::` (RFC 5952 §4). */
function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(readUint16(bytes, i));
  let runStart = -1;
  let runLength = 1;
  for (let start = 0; start < 8; start++) {
    let end = start;
    while (end < 8 && groups[end] === 0) end++;
    if (end - start > runLength) {
      runStart = start;
      runLength = end - start;
    }
    start = Math.max(start, end - 1);
  }
  if (runStart === -1) return joinGroups(groups);
  return `${joinGroups(groups.slice(0, runStart))}::${joinGroups(groups.slice(runStart + runLength))}`;
}

function joinGroups(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':');
}
