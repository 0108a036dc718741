import { expect } from '@jest/globals';
import { ByteWriter, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
import { nobleCrypto } from '@petrel/crypto/noble';
import type { Instant } from '@petrel/sans-io';
import {
  associationProblems,
  type Chunk,
  CHUNK_TYPE,
  decodePacket,
  encodePacket,
  type Packet,
  SctpAssociation,
  type SctpEvent,
  type SctpOptions,
} from '@petrel/sctp';
import { CoreLink, type LinkedCore, type LinkOptions, seededRandom } from '@petrel/testing';

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** As under ICE, whose consent checks say when the peer is gone. */
export const PATIENT = { maxInitRetransmits: Number.POSITIVE_INFINITY, maxRetransmits: Number.POSITIVE_INFINITY };
/** Packets of one size: for tests that count packets. */
export const NO_PROBES = { maxProbedPacket: 1160 };

export interface Pair {
  readonly a: SctpAssociation;
  readonly b: SctpAssociation;
  readonly link: CoreLink<SctpEvent>;
}

/** An association that is checked for consistency whenever it has been drained: after every input. */
class Checked implements LinkedCore<SctpEvent> {
  readonly #association: SctpAssociation;

  constructor(association: SctpAssociation) {
    this.#association = association;
  }

  receive(datagram: Uint8Array, now: Instant): void {
    this.#association.receive(datagram, now);
  }

  handleTimeout(now: Instant): void {
    this.#association.handleTimeout(now);
  }

  nextTimeout(): Instant {
    const problems = associationProblems(this.#association);
    if (problems.length > 0) throw new Error(problems.join('; '));
    return this.#association.nextTimeout();
  }

  pollTransmit(now: Instant): Uint8Array | undefined {
    return this.#association.pollTransmit(now);
  }

  pollEvent(): SctpEvent | undefined {
    return this.#association.pollEvent();
  }
}

export function newAssociation(seed: number, options: Partial<SctpOptions> = {}): SctpAssociation {
  return new SctpAssociation({ crypto: nobleCrypto(seededRandom(seed)), ...options });
}

export function pair(link: LinkOptions = {}, optionsOfA: Partial<SctpOptions> = {}, optionsOfB: Partial<SctpOptions> = optionsOfA): Pair {
  const seed = link.seed ?? 1;
  const a = newAssociation(seed * 2, { ...PATIENT, ...optionsOfA });
  const b = newAssociation(seed * 2 + 1, { ...PATIENT, ...optionsOfB });
  return { a, b, link: new CoreLink<SctpEvent>(new Checked(a), new Checked(b), link) };
}

export function connect(
  link: LinkOptions = {},
  optionsOfA: Partial<SctpOptions> = {},
  optionsOfB: Partial<SctpOptions> = optionsOfA,
): Pair {
  const both = pair(link, optionsOfA, optionsOfB);
  both.a.connect(0);
  both.b.connect(0);
  expect(both.link.runUntil(() => both.a.state === 'established' && both.b.state === 'established', 60_000)).toBe(true);
  return both;
}

export const decode = (datagram: Uint8Array): Packet => decodePacket(datagram.slice(), true) as Packet;
export const typesOf = (datagram: Uint8Array): number[] => decode(datagram).chunks.map(({ type }) => type);
export const isData = (datagram: Uint8Array): boolean =>
  typesOf(datagram).some((type) => type === CHUNK_TYPE.data || type === CHUNK_TYPE.iData);
export const chunksFrom = ({ link }: Pair, from: 'a' | 'b', type: number, since: number = 0): Chunk[] =>
  link.wire
    .slice(since)
    .flatMap((record) => (record.from === from ? decode(record.datagram).chunks.filter((chunk) => chunk.type === type) : []));

export const messages = (events: readonly SctpEvent[]): string[] =>
  events.flatMap((event) => (event.type === 'message' ? [`${event.streamId}:${event.ppid}:${new TextDecoder().decode(event.data)}`] : []));
export const count = (events: readonly SctpEvent[], type: SctpEvent['type']): number =>
  events.filter((event) => event.type === type).length;

/** A packet from the other side of the link with a tag of the caller's choice. */
export function forge(tag: number, type: number, flags: number, value: Uint8Array): Uint8Array {
  return encodePacket({ sourcePort: 5000, destinationPort: 5000, verificationTag: tag }, [{ type, flags, value }]);
}

export function forgeMany(tag: number, chunks: readonly Chunk[]): Uint8Array {
  return encodePacket({ sourcePort: 5000, destinationPort: 5000, verificationTag: tag }, chunks);
}

/** The verification tag that packets from this side carry. */
export const tagFrom = ({ link }: Pair, from: 'a' | 'b'): number => {
  const record = link.wire.findLast((candidate) => candidate.from === from && decode(candidate.datagram).verificationTag !== 0);
  return decode(record!.datagram).verificationTag;
};

/** The first TSN of this side, from its INIT. */
export const initialTsnOf = (both: Pair, from: 'a' | 'b'): number => readUint32(chunksFrom(both, from, CHUNK_TYPE.init)[0]!.value, 12);

export interface DataFields {
  readonly tsn: number;
  readonly stream?: number;
  readonly sequence?: number;
  readonly ppid?: number;
  readonly data?: Uint8Array;
  /** Bits of §3.3.1: 1 E, 2 B, 4 U, 8 I. */
  readonly flags?: number;
}

export function dataChunk({ tsn, stream = 1, sequence = 0, ppid = 51, data = utf8('x'), flags = 3 }: DataFields): Chunk {
  const value = new Uint8Array(12 + data.length);
  writeUint32(value, 0, tsn);
  writeUint16(value, 4, stream);
  writeUint16(value, 6, sequence);
  writeUint32(value, 8, ppid);
  value.set(data, 12);
  return { type: CHUNK_TYPE.data, flags, value };
}

export function sackChunk(
  cumulativeTsn: number,
  window: number,
  gaps: readonly (readonly [number, number])[] = [],
  duplicates: readonly number[] = [],
): Chunk {
  const value = new Uint8Array(12 + 4 * (gaps.length + duplicates.length));
  writeUint32(value, 0, cumulativeTsn);
  writeUint32(value, 4, window);
  writeUint16(value, 8, gaps.length);
  writeUint16(value, 10, duplicates.length);
  gaps.forEach(([start, end], i) => {
    writeUint16(value, 12 + 4 * i, start);
    writeUint16(value, 14 + 4 * i, end);
  });
  duplicates.forEach((tsn, i) => writeUint32(value, 12 + 4 * (gaps.length + i), tsn));
  return { type: CHUNK_TYPE.sack, flags: 0, value };
}

/** Everything that an association would send now, its events thrown away. */
export function drain(association: SctpAssociation, now: Instant): Uint8Array[] {
  const packets: Uint8Array[] = [];
  for (let packet = association.pollTransmit(now); packet; packet = association.pollTransmit(now)) packets.push(packet);
  while (association.pollEvent());
  return packets;
}

/** An INIT as a hostile peer might make it. */
export function init(
  change: { tag?: number; window?: number; outbound?: number; inbound?: number; parameters?: Uint8Array } = {},
): Uint8Array {
  const writer = new ByteWriter().uint32(change.tag ?? 0x11223344).uint32(change.window ?? 100_000);
  writer
    .uint16(change.outbound ?? 10)
    .uint16(change.inbound ?? 10)
    .uint32(1);
  return writer.bytes(change.parameters ?? new Uint8Array(0)).finish();
}

export const parameter = (type: number, value: Uint8Array): Uint8Array =>
  new ByteWriter()
    .uint16(type)
    .uint16(4 + value.length)
    .bytes(value)
    .pad(4)
    .finish();

/** An association that has got an INIT, and the cookie that it made. */
export function cookieOf(
  association: SctpAssociation,
  now: number = 0,
  change: Parameters<typeof init>[0] = {},
): { tag: number; cookie: Uint8Array } {
  association.receive(forge(0, CHUNK_TYPE.init, 0, init(change)), now);
  const [packet] = drain(association, now);
  const { value } = decode(packet!).chunks[0]!;
  for (let offset = 16; offset + 4 <= value.length; ) {
    const length = (value[offset + 2]! << 8) | value[offset + 3]!;
    if (value[offset + 1] === 7 && value[offset] === 0)
      return { tag: readUint32(value, 0), cookie: value.slice(offset + 4, offset + length) };
    offset += (length + 3) & ~3;
  }
  throw new Error('no cookie');
}
