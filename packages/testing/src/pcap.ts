/**
 * Captures for Wireshark, in the classic format (draft-ietf-opsawg-pcap §4): packets begin with their IP header (link type 101).
 *
 * ```
 *  +---------------------------------------------------------------+
 *  |                   magic number 0xA1B2C3D4                     |
 *  |      major version 2          |      minor version 4          |
 *  |                   reserved (8 bytes), snap length             |
 *  |                   link type                                   |
 *  +---------------------------------------------------------------+   then for each packet:
 *  |      seconds, microseconds, captured length, original length  |
 *  +---------------------------------------------------------------+
 * ```
 */
import { ByteWriter, readUint16 } from '@petrel/bytes';
import { parseIpAddress } from './ip-bytes.ts';
import type { WireEntry } from './wire-log.ts';

const LINKTYPE_RAW = 101;
const UDP = 17;
const TCP = 6;
/** FIN, SYN, RST, PSH, ACK (RFC 9293 §3.1). */
const FLAGS = { syn: 0x02, 'syn-ack': 0x12, ack: 0x10, data: 0x18, fin: 0x11, rst: 0x04 } as const;
/** Sequence numbers of simulated segments count segments; so far apart, their bytes do not overlap. */
const SEGMENT_SPACING = 1200;

/**
 * @param entries what is to be in the capture, such as `network.log.entries`
 * @param timeOrigin milliseconds since the Unix epoch at virtual time zero
 *
 * @example
 * await writeFile('run.pcap', toPcap(network.log.entries)); // wireshark run.pcap
 */
export function toPcap(entries: readonly WireEntry[], timeOrigin: number = Date.UTC(2026, 0, 1)): Uint8Array {
  const file = new ByteWriter(64 + entries.length * 256);
  file.uint32(0xa1b2c3d4).uint16(2).uint16(4).zeros(8).uint32(0x40000).uint32(LINKTYPE_RAW);
  for (const entry of entries) {
    const packet = ipPacket(entry);
    const microseconds = Math.round((timeOrigin + entry.at) * 1000);
    file.uint32(Math.floor(microseconds / 1e6)).uint32(microseconds % 1e6);
    file.uint32(packet.length).uint32(packet.length).bytes(packet);
  }
  return file.finish();
}

function ipPacket(entry: WireEntry): Uint8Array {
  const [source, destination] = [parseIpAddress(entry.source.address), parseIpAddress(entry.destination.address)];
  const protocol = entry.segment === undefined ? UDP : TCP;
  const payload = protocol === UDP ? udpDatagram(entry) : tcpSegment(entry);
  const pseudoHeader = new ByteWriter().bytes(source).bytes(destination).uint32(payload.length).uint32(protocol);
  const sum = checksum(pseudoHeader.finish(), payload);
  const at = protocol === UDP ? 6 : 16;
  payload[at] = sum >>> 8;
  payload[at + 1] = sum;
  const header = source.length === 4 ? ipv4Header(source, destination, protocol, payload.length) : new ByteWriter().uint32(0x6000_0000);
  if (source.length === 16) header.uint16(payload.length).uint8(protocol).uint8(64).bytes(source).bytes(destination);
  return header.bytes(payload).finish();
}

function ipv4Header(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): ByteWriter {
  const header = new ByteWriter().uint16(0x4500).uint16(20 + length);
  header.uint16(0).uint16(0x4000).uint8(64).uint8(protocol).uint16(0).bytes(source).bytes(destination);
  return header.setUint16(10, checksum(header.view()));
}

function udpDatagram({ source, destination, data }: WireEntry): Uint8Array {
  const length = 8 + data.length;
  return new ByteWriter(length).uint16(source.port).uint16(destination.port).uint16(length).uint16(0).bytes(data).finish();
}

function tcpSegment({ source, destination, data, segment }: WireEntry): Uint8Array {
  const { kind, sequence, acknowledgement } = segment!;
  const writer = new ByteWriter(20 + data.length).uint16(source.port).uint16(destination.port);
  writer.uint32(sequence * SEGMENT_SPACING).uint32(acknowledgement * SEGMENT_SPACING);
  return writer.uint8(0x50).uint8(FLAGS[kind]).uint16(0xffff).uint32(0).bytes(data).finish();
}

/** The Internet checksum (RFC 1071). */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i + 1 < part.length; i += 2) sum += readUint16(part, i);
    if (part.length % 2 === 1) sum += part[part.length - 1]! << 8;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
