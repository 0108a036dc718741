/**
 * A tap on a transport: a one-line summary of every packet, decoded and in the clear, for ladders, logs and tests. It reads headers only and believes
 * them: what it shows may still be dropped by the layer that checks it.
 */
import { readUint16, readUint32 } from '@petrel/bytes';
import { ALERT_DESCRIPTIONS } from '@petrel/dtls';
import type { Instant } from '@petrel/sans-io';
import { classify } from './demultiplex.ts';

/** Which protocol a {@link TapRecord} is about. */
export type TapLayer = 'stun' | 'dtls' | 'sctp' | 'rtp' | 'rtcp';

/** One packet, as `pc.tap` is told of it. */
export interface TapRecord {
  /** Milliseconds on the runtime's clock. */
  readonly at: Instant;
  readonly direction: 'in' | 'out';
  readonly layer: TapLayer;
  /** For people: `Binding request USE-CANDIDATE`, `ABORT`, `BYE`. The words are those of the standards. */
  readonly summary: string;
  /** Length of the packet in its own layer, before encryption. */
  readonly bytes: number;
}

/** What `pc.tap` is set to. Called from inside of the stack: it must not throw, nor call back. */
export type TapListener = (record: TapRecord) => void;
type Direction = TapRecord['direction'];

const MAX_PARTS = 16;

/**
 * STUN messages and DTLS records; media is described when it is in the clear.
 * @param alert what an encrypted alert in the datagram says
 */
export function describeDatagram(
  listener: TapListener,
  at: Instant,
  direction: Direction,
  datagram: Uint8Array,
  alert?: string | number,
): void {
  const kind = classify(datagram);
  if (kind === 'stun' && datagram.length >= 20)
    listener({ at, direction, layer: 'stun', summary: stunSummary(datagram), bytes: datagram.length });
  else if (kind === 'dtls') listener({ at, direction, layer: 'dtls', summary: dtlsSummary(datagram, alert), bytes: datagram.length });
}

export function describeSctp(listener: TapListener, at: Instant, direction: Direction, packet: Uint8Array): void {
  listener({ at, direction, layer: 'sctp', summary: sctpSummary(packet), bytes: packet.length });
}

export function describeRtp(listener: TapListener, at: Instant, direction: Direction, packet: Uint8Array): void {
  if (packet.length < 12) return;
  const marker = packet[1]! & 0x80 ? ' M' : '';
  const summary = `payload type ${packet[1]! & 0x7f} seq ${readUint16(packet, 2)} ts ${readUint32(packet, 4)} ssrc ${readUint32(packet, 8)}${marker}`;
  listener({ at, direction, layer: 'rtp', summary, bytes: packet.length });
}

export function describeRtcp(listener: TapListener, at: Instant, direction: Direction, compound: Uint8Array): void {
  listener({ at, direction, layer: 'rtcp', summary: rtcpSummary(compound), bytes: compound.length });
}

// STUN (RFC 8489 §5) ---------------------------------------------------------------------------------------------------

const STUN_METHODS: Readonly<Record<number, string>> = {
  1: 'Binding',
  3: 'Allocate',
  4: 'Refresh',
  6: 'Send',
  7: 'Data',
  8: 'CreatePermission',
  9: 'ChannelBind',
};
const STUN_CLASSES = ['request', 'indication', 'success', 'error'] as const;
const STUN_ERROR_CODE = 0x0009;
const STUN_USE_CANDIDATE = 0x0025;

function stunSummary(message: Uint8Array): string {
  const type = readUint16(message, 0);
  const method = (type & 0x000f) | ((type & 0x00e0) >> 1) | ((type & 0x3e00) >> 2);
  const messageClass = STUN_CLASSES[((type & 0x0100) >> 7) | ((type & 0x0010) >> 4)]!;
  let summary = `${STUN_METHODS[method] ?? `method ${method}`} ${messageClass}`;
  for (let offset = 20; offset + 4 <= message.length; offset += 4 + ((readUint16(message, offset + 2) + 3) & ~3)) {
    const attribute = readUint16(message, offset);
    if (attribute === STUN_USE_CANDIDATE) summary += ' USE-CANDIDATE';
    if (attribute === STUN_ERROR_CODE && offset + 8 <= message.length) summary += ` ${message[offset + 6]! * 100 + message[offset + 7]!}`;
  }
  return summary;
}

// DTLS (RFC 6347 §4.1) -------------------------------------------------------------------------------------------------

const CONTENT_TYPES: Readonly<Record<number, string>> = { 20: 'ChangeCipherSpec', 21: 'Alert', 22: 'Handshake', 23: 'ApplicationData' };
const HANDSHAKE_TYPES: Readonly<Record<number, string>> = {
  0: 'HelloRequest',
  1: 'ClientHello',
  2: 'ServerHello',
  3: 'HelloVerifyRequest',
  11: 'Certificate',
  12: 'ServerKeyExchange',
  13: 'CertificateRequest',
  14: 'ServerHelloDone',
  15: 'CertificateVerify',
  16: 'ClientKeyExchange',
  20: 'Finished',
};

const ALERT_NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ALERT_DESCRIPTIONS).map(([name, code]) => [code, name]));

function dtlsSummary(datagram: Uint8Array, alert: string | number | undefined): string {
  const records: string[] = [];
  for (let offset = 0; offset + 13 <= datagram.length && records.length < MAX_PARTS; offset += 13 + readUint16(datagram, offset + 11)) {
    const type = datagram[offset]!;
    const epoch = readUint16(datagram, offset + 3);
    const number = readUint16(datagram, offset + 5) * 2 ** 32 + readUint32(datagram, offset + 7);
    let name = CONTENT_TYPES[type] ?? `content type ${type}`;
    if (type === 22) name = (epoch === 0 && HANDSHAKE_TYPES[datagram[offset + 13] ?? -1]) || (epoch === 0 ? name : 'Finished');
    if (type === 21) name = alertName(epoch === 0 ? ALERT_NAMES.get(datagram[offset + 14] ?? -1) : alert);
    records.push(`${name} (${epoch}/${number})`);
  }
  return records.join(', ');
}

function alertName(description: string | number | undefined): string {
  return description === undefined ? 'Alert' : `Alert ${description}`;
}

// SCTP (RFC 9260 §3) ---------------------------------------------------------------------------------------------------

const CHUNK_TYPES: Readonly<Record<number, string>> = {
  0: 'DATA',
  1: 'INIT',
  2: 'INIT ACK',
  3: 'SACK',
  4: 'HEARTBEAT',
  5: 'HEARTBEAT ACK',
  6: 'ABORT',
  7: 'SHUTDOWN',
  8: 'SHUTDOWN ACK',
  9: 'ERROR',
  10: 'COOKIE ECHO',
  11: 'COOKIE ACK',
  14: 'SHUTDOWN COMPLETE',
  64: 'I-DATA',
  130: 'RE-CONFIG',
  132: 'PAD',
  192: 'FORWARD TSN',
  194: 'I-FORWARD TSN',
};

function sctpSummary(packet: Uint8Array): string {
  const chunks: string[] = [];
  for (let offset = 12; offset + 4 <= packet.length && chunks.length < MAX_PARTS; ) {
    const type = packet[offset]!;
    const length = readUint16(packet, offset + 2);
    chunks.push((CHUNK_TYPES[type] ?? `chunk ${type}`) + chunkDetail(packet, type, offset, length));
    offset += Math.max(4, (length + 3) & ~3);
  }
  return chunks.join(', ');
}

function chunkDetail(packet: Uint8Array, type: number, offset: number, length: number): string {
  if (offset + 12 > packet.length) return '';
  if (type === 0) return ` tsn ${readUint32(packet, offset + 4)} stream ${readUint16(packet, offset + 8)} (${length - 16} B)`;
  if (type === 3) return ` ${readUint32(packet, offset + 4)}`;
  return '';
}

// RTCP (RFC 3550 §6) ---------------------------------------------------------------------------------------------------

const RTCP_TYPES: Readonly<Record<number, string>> = {
  200: 'SR',
  201: 'RR',
  202: 'SDES',
  203: 'BYE',
  204: 'APP',
  205: 'RTPFB',
  206: 'PSFB',
  207: 'XR',
};
const RTPFB_FORMATS: Readonly<Record<number, string>> = { 1: 'NACK', 3: 'TMMBR', 15: 'transport-cc' };
const PSFB_FORMATS: Readonly<Record<number, string>> = { 1: 'PLI', 4: 'FIR', 15: 'REMB' };

function rtcpSummary(compound: Uint8Array): string {
  const packets: string[] = [];
  for (let offset = 0; offset + 4 <= compound.length && packets.length < MAX_PARTS; offset += 4 + 4 * readUint16(compound, offset + 2)) {
    const type = compound[offset + 1]!;
    const format = compound[offset]! & 0x1f;
    const feedback = type === 205 ? RTPFB_FORMATS[format] : type === 206 ? PSFB_FORMATS[format] : undefined;
    packets.push(feedback ?? RTCP_TYPES[type] ?? `packet type ${type}`);
  }
  return packets.join(', ');
}
