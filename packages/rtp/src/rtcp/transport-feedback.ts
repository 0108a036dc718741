/**
 * Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
 *
 * ```
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |V=2|P|  FMT=15 |    PT=205     |           length              |
 *   |                     SSRC of packet sender                     |
 *   |                      SSRC of media source                     |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |      base sequence number     |      packet status count      |
 *   |                 reference time                | fb pkt. count |
 *   |          packet chunk         |         packet chunk          |
 *   .                               .                               .
 *   |         packet chunk          |  recv delta   |  recv delta   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 *   run length chunk: 0 | symbol (2) | run length (13)
 *   status vector chunk: 1 | 0 | 14 one-bit symbols, or 1 | 1 | 7 two-bit symbols
 * ```
 */
import type { ByteReader, ByteWriter } from '@petrel/bytes';

/** Marks a lost packet in {@link TransportFeedback.arrivals}. */
export const NOT_RECEIVED: number = -0x8000_0000;
/** Unit of arrivals, in milliseconds. */
export const ARRIVAL_UNIT = 0.25;
/** Unit of the reference time, in arrival units: 64 ms. */
const REFERENCE_UNITS = 256;
const STATUS = { notReceived: 0, smallDelta: 1, largeDelta: 2 } as const;

/** When each packet of the transport arrived (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1). */
export interface TransportFeedback {
  readonly type: 'transport-feedback';
  readonly senderSsrc: number;
  readonly mediaSsrc: number;
  readonly baseSequenceNumber: number;
  /** In 64 ms, signed 24 bits, on a clock of the receiver's. */
  readonly referenceTime: number;
  /** Counts feedback packets, modulo 256. */
  readonly feedbackCount: number;
  /** For each packet from the base on: arrival after the reference time in {@link ARRIVAL_UNIT}s, or {@link NOT_RECEIVED}. */
  readonly arrivals: Int32Array;
}

export function parseTransportFeedback(reader: ByteReader): TransportFeedback | undefined {
  const [senderSsrc, mediaSsrc] = [reader.uint32(), reader.uint32()];
  const [baseSequenceNumber, count] = [reader.uint16(), reader.uint16()];
  const referenceTime = (reader.uint24() << 8) >> 8;
  const feedbackCount = reader.uint8();
  if (reader.overrun || count === 0) return undefined;
  const statuses = parseStatuses(reader, count);
  const arrivals = statuses && parseDeltas(reader, statuses);
  return arrivals && { type: 'transport-feedback', senderSsrc, mediaSsrc, baseSequenceNumber, referenceTime, feedbackCount, arrivals };
}

/** @throws RangeError when an arrival is more than 8.19 s from the one before it */
export function writeTransportFeedback(writer: ByteWriter, feedback: TransportFeedback): void {
  const { arrivals } = feedback;
  writer.uint32(feedback.senderSsrc).uint32(feedback.mediaSsrc);
  writer.uint16(feedback.baseSequenceNumber).uint16(arrivals.length);
  writer.uint24(feedback.referenceTime).uint8(feedback.feedbackCount);
  const deltas = deltasOf(arrivals);
  writeChunks(writer, arrivals, deltas);
  for (let i = 0; i < arrivals.length; i++) {
    if (arrivals[i] === NOT_RECEIVED) continue;
    const delta = deltas[i]!;
    if (delta >= 0 && delta <= 255) writer.uint8(delta);
    else writer.uint16(delta & 0xffff);
  }
}

/** Splits time into the reference time (64 ms) and the arrival units after it. */
export function referenceTimeOf(milliseconds: number): { referenceTime: number; originUnits: number } {
  const referenceTime = Math.floor(milliseconds / 64);
  return { referenceTime: (referenceTime << 8) >> 8, originUnits: referenceTime * REFERENCE_UNITS };
}

function parseStatuses(reader: ByteReader, count: number): Uint8Array | undefined {
  const statuses = new Uint8Array(count);
  let index = 0;
  while (index < count) {
    const chunk = reader.uint16();
    if (reader.overrun) return undefined;
    if ((chunk & 0x8000) === 0) {
      const end = Math.min(count, index + (chunk & 0x1fff));
      statuses.fill((chunk >> 13) & 3, index, end);
      index = end;
    } else if ((chunk & 0x4000) === 0) {
      for (let shift = 13; shift >= 0 && index < count; shift--) statuses[index++] = (chunk >> shift) & 1;
    } else {
      for (let shift = 12; shift >= 0 && index < count; shift -= 2) statuses[index++] = (chunk >> shift) & 3;
    }
  }
  return statuses;
}

function parseDeltas(reader: ByteReader, statuses: Uint8Array): Int32Array | undefined {
  const arrivals = new Int32Array(statuses.length).fill(NOT_RECEIVED);
  let arrival = 0;
  for (let i = 0; i < statuses.length; i++) {
    const status = statuses[i]!;
    if (status === STATUS.notReceived) continue;
    // Symbol 3 is reserved: received, without a delta (§3.1.1).
    if (status === STATUS.smallDelta) arrival += reader.uint8();
    else if (status === STATUS.largeDelta) arrival += (reader.uint16() << 16) >> 16;
    if (reader.overrun) return undefined;
    arrivals[i] = arrival;
  }
  return arrivals;
}

function deltasOf(arrivals: Int32Array): Int32Array {
  const deltas = new Int32Array(arrivals.length);
  let previous = 0;
  for (let i = 0; i < arrivals.length; i++) {
    const arrival = arrivals[i]!;
    if (arrival === NOT_RECEIVED) continue;
    const delta = arrival - previous;
    if (delta < -0x8000 || delta > 0x7fff) throw new RangeError('arrivals more than 8.19 s apart need another feedback packet');
    deltas[i] = delta;
    previous = arrival;
  }
  return deltas;
}

function symbolOf(arrivals: Int32Array, deltas: Int32Array, index: number): number {
  if (arrivals[index] === NOT_RECEIVED) return STATUS.notReceived;
  return deltas[index]! >= 0 && deltas[index]! <= 255 ? STATUS.smallDelta : STATUS.largeDelta;
}

/** Run length chunks where a symbol repeats beyond what a vector holds, else vectors with the fewest bits a symbol. */
function writeChunks(writer: ByteWriter, arrivals: Int32Array, deltas: Int32Array): void {
  const count = arrivals.length;
  let index = 0;
  while (index < count) {
    const symbol = symbolOf(arrivals, deltas, index);
    let run = 1;
    while (index + run < count && run < 0x1fff && symbolOf(arrivals, deltas, index + run) === symbol) run += 1;
    if (run >= 14 || index + run === count || (run >= 7 && symbol === STATUS.largeDelta)) {
      writer.uint16((symbol << 13) | run);
      index += run;
    } else index += writeVector(writer, arrivals, deltas, index);
  }
}

function writeVector(writer: ByteWriter, arrivals: Int32Array, deltas: Int32Array, start: number): number {
  let length = 0;
  while (length < 14 && start + length < arrivals.length && symbolOf(arrivals, deltas, start + length) !== STATUS.largeDelta) length += 1;
  const oneBit = length === 14 || (start + length === arrivals.length && length > 0);
  const size = Math.min(oneBit ? 14 : 7, arrivals.length - start);
  let chunk = oneBit ? 0x8000 : 0xc000;
  for (let i = 0; i < size; i++) chunk |= symbolOf(arrivals, deltas, start + i) << (oneBit ? 13 - i : 12 - 2 * i);
  writer.uint16(chunk);
  return size;
}
