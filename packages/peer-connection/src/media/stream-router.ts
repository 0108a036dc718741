/** Finds the stream that a packet belongs to (RFC 8843 §9.2): by MID, known SSRC, announced SSRC, or a payload type that only one section has. */
import { decodeTextExtension, EXTENSION_URI, type RtpPacket } from '@petrel/rtp';
import type { Instant } from '@petrel/sans-io';
import { isRtx } from './codecs.ts';
import { IncomingSource } from './incoming-source.ts';
import { extensionId } from './packet-header.ts';
import type { ReceiveStream } from './receive-stream.ts';
import type { RtpHeaderExtension } from './rtp-parameters.ts';
import { SsrcMap } from './ssrc-map.ts';
import type { MediaDiscard } from './stream-host.ts';

/** Remote SSRCs of a transport; with many sections, four for each. */
export const MAX_SOURCES = 64;
const SOURCES_PER_STREAM = 4;
/** A source that was silent for this long gives way to a new one when all places are taken; milliseconds. */
const IDLE_TIME = 10_000;

interface ExtensionIds {
  readonly mid: number;
  readonly rid: number;
  readonly repairedRid: number;
  readonly transportSequenceNumber: number;
}

export class StreamRouter {
  readonly #streams = new Set<ReceiveStream>();
  readonly #sources = new SsrcMap<IncomingSource>();
  #byMid = new Map<string, ReceiveStream>();
  /** Announced in the description, for media and for RTX. */
  #bySsrc = new Map<number, ReceiveStream>();
  /** From SDES MID items about SSRCs that have not sent yet. */
  readonly #described = new Map<number, string>();
  /** `ambiguous`: more than one section has it. */
  #byPayloadType = new Map<number, ReceiveStream | 'ambiguous'>();
  #ids: ExtensionIds = { mid: 0, rid: 0, repairedRid: 0, transportSequenceNumber: 0 };
  #latest: IncomingSource | undefined;

  get sources(): Pick<SsrcMap<IncomingSource>, 'get' | 'has' | 'values' | 'size'> {
    return this.#sources;
  }

  get streams(): ReadonlySet<ReceiveStream> {
    return this.#streams;
  }

  /** 0 when no section has it. The ids are the same in all sections of a group (RFC 8285 §5, RFC 8843 §9). */
  get transportSequenceNumberId(): number {
    return this.#ids.transportSequenceNumber;
  }

  add(stream: ReceiveStream): void {
    this.#streams.add(stream);
    this.rebuild();
  }

  /** After a stream was configured or stopped. */
  rebuild(): void {
    for (const stream of this.#streams) if (stream.stopped) this.#remove(stream);
    this.#byMid = new Map();
    this.#bySsrc = new Map();
    this.#byPayloadType = new Map();
    const extensions: RtpHeaderExtension[] = [];
    for (const stream of this.#streams) {
      const { mid, ssrcs = [], rtxPairs = [], headerExtensions } = stream.options;
      if (mid !== undefined) this.#byMid.set(mid, stream);
      for (const ssrc of ssrcs) this.#bySsrc.set(ssrc, stream);
      for (const { rtxSsrc } of rtxPairs) this.#bySsrc.set(rtxSsrc, stream);
      for (const payloadType of stream.payloadTypes)
        this.#byPayloadType.set(payloadType, this.#byPayloadType.has(payloadType) ? 'ambiguous' : stream);
      extensions.push(...headerExtensions);
    }
    this.#ids = {
      mid: extensionId(extensions, EXTENSION_URI.mid),
      rid: extensionId(extensions, EXTENSION_URI.rid),
      repairedRid: extensionId(extensions, EXTENSION_URI.repairedRid),
      transportSequenceNumber: extensionId(extensions, EXTENSION_URI.transportSequenceNumber),
    };
  }

  /** The source that the packet comes from, bound to its stream; or why it goes nowhere. */
  route(packet: RtpPacket, now: Instant): IncomingSource | MediaDiscard {
    const known = this.#latest?.ssrc === packet.ssrc ? this.#latest : this.#sources.get(packet.ssrc);
    if (known === undefined) return this.#routeNew(packet, now);
    this.#latest = known;
    const mid = this.#midOf(packet, known.mid);
    if (mid !== undefined && mid !== known.mid) {
      const problem = this.#rebind(known, mid, known.extend(packet.sequenceNumber));
      if (problem !== undefined) return problem;
    }
    if (known.rid === undefined) this.#readRid(known, packet);
    return known;
  }

  /** A MID from SDES (RFC 8843 §9.2); about an SSRC that has not sent yet it is remembered. */
  describe(ssrc: number, mid: string): void {
    const source = this.#sources.get(ssrc);
    if (source !== undefined) {
      // Older than the packets that carried a MID themselves, so it only fills in (RFC 7941 §4.2.6).
      if (source.mid === undefined && this.#byMid.has(mid)) this.#rebind(source, mid, -Number.MAX_VALUE);
    } else if (this.#described.size < MAX_SOURCES || this.#described.has(ssrc)) this.#described.set(ssrc, mid);
  }

  remove(source: IncomingSource): void {
    this.#sources.delete(source.ssrc);
    source.stream.removeSource(source);
    if (this.#latest === source) this.#latest = undefined;
  }

  #routeNew(packet: RtpPacket, now: Instant): IncomingSource | MediaDiscard {
    const mid = this.#midOf(packet, undefined) ?? this.#described.get(packet.ssrc);
    const stream = this.#streamFor(packet, mid);
    if (typeof stream === 'string') return stream;
    const codec = stream.codecFor(packet.payloadType);
    if (codec === undefined) return 'unknown-payload-type';
    if (!stream.active) return 'inactive-receive-stream';
    if (!this.#makeRoom(now)) return 'too-many-sources';
    const source = new IncomingSource(packet.ssrc, isRtx(codec) ? 'rtx' : 'media', stream, now);
    if (mid !== undefined) {
      source.mid = mid;
      source.midUpdatedAt = packet.sequenceNumber;
    }
    this.#readRid(source, packet);
    this.#described.delete(packet.ssrc);
    this.#sources.set(packet.ssrc, source);
    stream.addSource(source);
    this.#latest = source;
    return source;
  }

  #streamFor(packet: RtpPacket, mid: string | undefined): ReceiveStream | MediaDiscard {
    if (mid !== undefined) return this.#byMid.get(mid) ?? 'unknown-mid';
    const announced = this.#bySsrc.get(packet.ssrc);
    if (announced !== undefined) return announced;
    const byPayloadType = this.#byPayloadType.get(packet.payloadType);
    return byPayloadType === undefined || byPayloadType === 'ambiguous' ? 'unroutable-rtp' : byPayloadType;
  }

  /** §9.2: only a packet that is newer than the last update moves a stream to another section. */
  #rebind(source: IncomingSource, mid: string, extendedSequenceNumber: number): MediaDiscard | undefined {
    const stream = this.#byMid.get(mid);
    if (stream === undefined) return 'unknown-mid';
    if (extendedSequenceNumber <= source.midUpdatedAt) return undefined;
    source.mid = mid;
    source.midUpdatedAt = extendedSequenceNumber;
    if (stream === source.stream) return undefined;
    source.stream.removeSource(source);
    source.pair = undefined;
    stream.addSource(source);
    return undefined;
  }

  /** Undefined without the element; `expected` itself when that is what it says, without decoding it. */
  #midOf(packet: RtpPacket, expected: string | undefined): string | undefined {
    if (this.#ids.mid === 0) return undefined;
    const offset = packet.extensionOffset(this.#ids.mid);
    if (offset < 0) return undefined;
    const length = packet.extensionLengthAt(offset);
    if (expected !== undefined && isText(packet.bytes, offset, length, expected)) return expected;
    return decodeTextExtension(packet.bytes.subarray(offset, offset + length));
  }

  #readRid(source: IncomingSource, packet: RtpPacket): void {
    const id = source.role === 'rtx' ? this.#ids.repairedRid : this.#ids.rid;
    if (id === 0) return;
    const data = packet.extension(id);
    if (data !== undefined) source.rid = decodeTextExtension(data);
  }

  #makeRoom(now: Instant): boolean {
    if (this.#sources.size < Math.max(MAX_SOURCES, SOURCES_PER_STREAM * this.#streams.size)) return true;
    let stalest: IncomingSource | undefined;
    for (const source of this.#sources.values())
      if (stalest === undefined || source.latestArrival < stalest.latestArrival) stalest = source;
    if (stalest === undefined || (now - stalest.latestArrival < IDLE_TIME && stalest.endedAt === undefined)) return false;
    this.remove(stalest);
    return true;
  }

  #remove(stream: ReceiveStream): void {
    this.#streams.delete(stream);
    for (const source of this.#sources.values()) if (source.stream === stream) this.remove(source);
  }
}

/** Whether the bytes are this ASCII text; MIDs are tokens, so others only cost a decoding. */
function isText(bytes: Uint8Array, offset: number, length: number, text: string): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) if (bytes[offset + i] !== text.charCodeAt(i)) return false;
  return true;
}
