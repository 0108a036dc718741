/** Contents of messages and packets that say themselves whether they are right. */
import { readUint32, writeUint32 } from '@petrel/bytes';
import { seededRandom } from '@petrel/testing';

const NOISE: Uint8Array = seededRandom(1).randomBytes(524_288);
const MAGIC = 0x50455452;
const HEADER = 16;
const MAX_SIZE = 262_144;

/** What a payload says of itself. */
export interface Label {
  /** The channel or source. */
  readonly stream: number;
  /** Who sent it. */
  readonly from: 'a' | 'b';
  readonly index: number;
}

/** `size` bytes, at least 16. */
export function binaryPayload({ stream, from, index }: Label, size: number): Uint8Array {
  const payload = new Uint8Array(Math.min(Math.max(size, HEADER), MAX_SIZE));
  writeUint32(payload, 0, MAGIC);
  writeUint32(payload, 4, stream * 2 + (from === 'a' ? 0 : 1));
  writeUint32(payload, 8, index);
  writeUint32(payload, 12, payload.length);
  payload.set(noise(stream, index).subarray(0, payload.length - HEADER), HEADER);
  return payload;
}

/** Undefined unless every byte is as it was sent. */
export function readBinaryPayload(payload: Uint8Array): Label | undefined {
  if (payload.length < HEADER || readUint32(payload, 0) !== MAGIC || readUint32(payload, 12) !== payload.length) return undefined;
  const [key, index] = [readUint32(payload, 4), readUint32(payload, 8)];
  const stream = key >>> 1;
  if (Buffer.compare(payload.subarray(HEADER), noise(stream, index).subarray(0, payload.length - HEADER)) !== 0) return undefined;
  return { stream, from: key & 1 ? 'b' : 'a', index };
}

export function textPayload({ stream, from, index }: Label, length: number): string {
  return `${stream} ${from} ${index} ${length} ${filler(stream, index, length)}`;
}

export function readTextPayload(text: string): Label | undefined {
  const [stream, from, index, length] = text.split(' ', 4);
  const label: Label = { stream: Number(stream), from: from as 'a' | 'b', index: Number(index) };
  return text === textPayload(label, Number(length)) ? label : undefined;
}

function noise(stream: number, index: number): Uint8Array {
  return NOISE.subarray((stream * 104_729 + index * 7919) % (NOISE.length - MAX_SIZE));
}

function filler(stream: number, index: number, length: number): string {
  return 'aé漢😀'.repeat(Math.ceil(length / 5)) + String((stream * 31 + index) % 97);
}

/** A whole RTP packet; SSRC, payload type and sequence number are the sender's business. */
export function rtpPacket(label: Label, size: number, timestampStep: number): Uint8Array {
  const packet = new Uint8Array(12 + size);
  packet[0] = 0x80;
  packet[1] = 96;
  packet[2] = label.index >>> 8;
  packet[3] = label.index;
  writeUint32(packet, 4, (label.index * timestampStep) >>> 0);
  packet.set(binaryPayload(label, size), 12);
  return packet;
}

/** Behind header, CSRCs and header extension (RFC 3550 §5.1). */
export function rtpPayload(packet: Uint8Array): Uint8Array {
  let offset = 12 + 4 * (packet[0]! & 15);
  if (packet[0]! & 0x10) offset += 4 + 4 * ((packet[offset + 2]! << 8) | packet[offset + 3]!);
  return packet.subarray(offset);
}
