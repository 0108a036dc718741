/** Everything that arrives for one transceiver: a media section may have several SSRCs, after each other or at once. */
import {
  decodeAudioLevel,
  EXTENSION_URI,
  NackGenerator,
  originalSequenceNumber,
  parseRed,
  RtpPacket,
  unwrapRetransmission,
  writeRtpFixedHeader,
} from '@petrel/rtp';
import type { Instant } from '@petrel/sans-io';
import { hasFeedback, isPrimary, isRed, isRtx } from './codecs.ts';
import type { Arrival, IncomingSource } from './incoming-source.ts';
import { extensionId } from './packet-header.ts';
import type { MediaKind, PacketHandler, PacketInfo, ReceiveStreamChanges, ReceiveStreamOptions, RtpCodec } from './rtp-parameters.ts';
import type { InboundRtpCounters, SourceInfo } from './rtp-stats.ts';
import type { StreamHost } from './stream-host.ts';

/** Least time between two requests for a key frame; milliseconds. */
const KEY_FRAME_REQUEST_INTERVAL = 500;
/** W3C: getContributingSources and getSynchronizationSources look back ten seconds. */
const SOURCE_WINDOW = 10_000;
const MAX_CONTRIBUTING_SOURCES = 64;
/** Packets that arrive behind their BYE, for so long, are stragglers; milliseconds. */
const STRAGGLER_TIME = 1000;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Made by {@link MediaStack.addReceiveStream}. */
export class ReceiveStream {
  readonly kind: MediaKind;
  readonly #host: StreamHost;
  #options: ReceiveStreamOptions;
  #stopped = false;
  // What the options say, worked out once: it is asked for each packet.
  #active = false;
  #codecs: readonly (RtpCodec | undefined)[] = [];
  #hasRed = false;
  #audioLevelId = 0;
  #onPacket!: PacketHandler;
  #muted = true;
  readonly #sources = new Set<IncomingSource>();
  readonly #contributing = new Map<number, { timestamp: Instant; rtpTimestamp: number }>();
  #keyFrameRequestedAt: Instant = -Infinity;
  /** Views for what is inside RTX and RED. */
  readonly #inner = new RtpPacket();
  readonly #info: Mutable<PacketInfo>;

  constructor(host: StreamHost, options: ReceiveStreamOptions) {
    this.kind = options.kind;
    this.#host = host;
    this.#options = options;
    this.#apply();
    this.#info = {
      ssrc: 0,
      rid: undefined,
      codec: options.codecs[0] ?? { payloadType: 0, mimeType: '', clockRate: 1 },
      extendedSequenceNumber: 0,
      timestamp: 0,
      marker: false,
      payloadStart: 0,
      payloadEnd: 0,
      arrival: 0,
      recovered: false,
    };
  }

  get mid(): string | undefined {
    return this.#options.mid;
  }

  get active(): boolean {
    return this.#active;
  }

  get options(): ReceiveStreamOptions {
    return this.#options;
  }

  /** No packets arrive: none yet, BYE, or silence. */
  get muted(): boolean {
    return this.#muted;
  }

  /** One element per SSRC, latest first. */
  get stats(): readonly InboundRtpCounters[] {
    return this.#latestFirst().map((source) => source.counters);
  }

  codecFor(payloadType: number): RtpCodec | undefined {
    return this.#codecs[payloadType];
  }

  get payloadTypes(): readonly number[] {
    return this.#options.codecs.map((codec) => codec.payloadType);
  }

  addSource(source: IncomingSource): void {
    source.stream = this;
    this.#sources.add(source);
    if (source.role === 'media') this.#enableNack(source);
  }

  removeSource(source: IncomingSource): void {
    this.#sources.delete(source);
    if (source.pair?.pair === source) source.pair.pair = undefined;
  }

  /** PLI, or FIR where only that was negotiated, for each SSRC; at most one in 500 ms. False when there is nothing to ask. */
  requestKeyFrame(now: Instant): boolean {
    const kind = this.#keyFrameRequestKind();
    const sources = this.#latestFirst().filter((source) => source.endedAt === undefined);
    if (!this.active || kind === undefined || sources.length === 0) return false;
    if (now - this.#keyFrameRequestedAt < KEY_FRAME_REQUEST_INTERVAL) return true;
    this.#keyFrameRequestedAt = now;
    for (const source of sources) source[kind === 'pli' ? 'pliCount' : 'firCount'] += 1;
    this.#host.sendKeyFrameRequest(
      sources.map((source) => source.ssrc),
      kind,
      now,
    );
    return true;
  }

  /** SSRCs and CSRCs of the last ten seconds, latest first (W3C getSynchronizationSources, getContributingSources). */
  sources(now: Instant): SourceInfo[] {
    const infos: SourceInfo[] = this.#latestFirst().map((source) => ({
      type: 'synchronization',
      source: source.ssrc,
      timestamp: source.latestArrival,
      rtpTimestamp: source.latestTimestamp,
      audioLevel: source.audioLevel === undefined ? undefined : linearLevel(source.audioLevel),
    }));
    for (const [source, entry] of this.#contributing) infos.push({ type: 'contributing', source, audioLevel: undefined, ...entry });
    return infos.filter((info) => now - info.timestamp <= SOURCE_WINDOW).toSorted((a, b) => b.timestamp - a.timestamp);
  }

  /**
   * The sender's wall clock, in milliseconds of the Unix epoch, at an RTP timestamp; undefined before its first report. Streams of one
   * CNAME are in sync when these are equal (RFC 3550 §6.4.1).
   */
  toWallClock(ssrc: number, timestamp: number): number | undefined {
    for (const source of this.#sources) if (source.ssrc === ssrc) return source.toWallClock(timestamp);
    return undefined;
  }

  /** After renegotiation. */
  configure(changes: ReceiveStreamChanges): void {
    this.#options = { ...this.#options, ...changes };
    this.#apply();
    for (const source of this.#sources) if (source.role === 'media') this.#enableNack(source);
    this.#host.receiveTablesChanged();
  }

  /** Drops everything from now on. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#active = false;
    this.#muted = true;
    this.#host.receiveTablesChanged();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** A packet that was routed here. @returns what has to happen: `gap`, losses were found; `unmute`, it is the first one */
  receive(source: IncomingSource, packet: RtpPacket, codec: RtpCodec, now: Instant): Arrival | 'dropped' {
    if (source.endedAt !== undefined) {
      // RFC 3550 §6.2.1: packets may overtake a BYE. A sender that goes on later has come back.
      if (now - source.endedAt < STRAGGLER_TIME) return this.#drop(source, 'rtp-after-bye');
      source.endedAt = undefined;
    }
    const arrival = source.receive(packet, codec, now);
    if (arrival === 'out-of-range') return this.#drop(source, 'sequence-out-of-range');
    if (source.role === 'rtx') return this.#receiveRetransmission(source, packet, codec, now);
    if (arrival === 'duplicate') return this.#drop(source, 'duplicate');
    if (packet.csrcCount > 0) this.#noteContributing(packet, now);
    if (this.#audioLevelId > 0) this.#noteAudioLevel(source, packet);
    if (this.#hasRed && isRed(codec)) return this.#receiveRedundant(source, packet, now, arrival);
    this.#deliver(source, packet, codec, now, false);
    return arrival;
  }

  /** W3C mute, after BYE or silence. @returns true when it was not muted */
  setMuted(muted: boolean): boolean {
    if (this.#muted === muted) return false;
    this.#muted = muted;
    return true;
  }

  /** Whether a media source has sent since then, and not said BYE. */
  hasLiveSource(since: Instant): boolean {
    for (const source of this.#sources)
      if (source.role === 'media' && source.endedAt === undefined && source.latestArrival >= since) return true;
    return false;
  }

  /** The media source that this retransmission belongs to, as far as can be told (RFC 4588 §5.3). */
  #pairFor(rtx: IncomingSource, packet: RtpPacket): IncomingSource | undefined {
    if (rtx.pair !== undefined) return rtx.pair;
    const announced = this.#options.rtxPairs?.find((pair) => pair.rtxSsrc === rtx.ssrc)?.ssrc;
    const media = this.#latestFirst();
    let found: IncomingSource | undefined;
    if (announced !== undefined) found = media.find((source) => source.ssrc === announced);
    else if (rtx.rid !== undefined) found = media.find((source) => source.rid === rtx.rid);
    else if (media.length === 1) found = media[0];
    else {
      // RFC 4588 §5.3: by the sequence number that was asked for, if only one stream misses it.
      const sequenceNumber = originalSequenceNumber(packet);
      const candidates = media.filter((source) => source.nack?.isMissing(source.extend(sequenceNumber)));
      if (candidates.length === 1) found = candidates[0];
    }
    if (found !== undefined) {
      rtx.pair = found;
      found.pair = rtx;
    }
    return found;
  }

  #receiveRetransmission(rtx: IncomingSource, packet: RtpPacket, codec: RtpCodec, now: Instant): 'dropped' | 'filled' {
    // Padding only: probing.
    if (originalSequenceNumber(packet) < 0) return packet.payloadLength === 0 ? 'filled' : this.#drop(rtx, 'malformed-rtx');
    const original = codec.apt === undefined ? undefined : this.#codecs[codec.apt];
    // Depth one: what is inside RTX is a codec, and never RTX again.
    if (original === undefined || isRtx(original)) return this.#drop(rtx, 'malformed-rtx');
    const source = this.#pairFor(rtx, packet);
    if (source === undefined) return this.#drop(rtx, 'unmatched-rtx');
    source.countRetransmission(packet);
    if (source.recover(originalSequenceNumber(packet), now) === 'duplicate') return this.#drop(source, 'duplicate');
    const inner = this.#inner;
    if (!inner.read(unwrapRetransmission(packet, source.ssrc, original.payloadType)!)) return this.#drop(source, 'malformed-rtx');
    if (isRed(original)) this.#receiveRedundant(source, inner, now, 'filled');
    else this.#deliver(source, inner, original, now, true);
    return 'filled';
  }

  /** RFC 2198: the primary payload, and before it those of the earlier ones that are missing. */
  #receiveRedundant(source: IncomingSource, packet: RtpPacket, now: Instant, arrival: Arrival): Arrival | 'dropped' {
    const red = parseRed(packet.payload);
    const primary = red && this.#codecs[red.payloadType];
    if (red === undefined || primary === undefined || !isPrimary(primary)) return this.#drop(source, 'malformed-red');
    const extended = source.extend(packet.sequenceNumber);
    red.redundant.forEach((block, index) => {
      const lost = extended - (red.redundant.length - index);
      const codec = this.#codecs[block.payloadType];
      if (codec === undefined || !isPrimary(codec) || block.data.length === 0 || source.hasReceived(lost)) return;
      if (lost < 0 || source.recover(lost & 0xffff, now) === 'duplicate') return;
      this.#deliverRebuilt(source, packet, codec, lost, (packet.timestamp - block.timestampOffset) >>> 0, block.data, now, true);
    });
    this.#deliverRebuilt(source, packet, primary, extended, packet.timestamp, red.data, now, arrival === 'filled');
    return arrival;
  }

  /** Makes the packet that a block of RED stands for; the header extensions stay with the primary one. */
  #deliverRebuilt(
    source: IncomingSource,
    carrier: RtpPacket,
    codec: RtpCodec,
    extended: number,
    timestamp: number,
    payload: Uint8Array,
    now: Instant,
    recovered: boolean,
  ): void {
    const header = carrier.bytes.subarray(0, carrier.payloadStart);
    const bytes = new Uint8Array(header.length + payload.length);
    bytes.set(header);
    bytes.set(payload, header.length);
    bytes[0]! &= ~0x20; // without the carrier's padding
    writeRtpFixedHeader(bytes, carrier.marker, codec.payloadType, extended & 0xffff, timestamp, carrier.ssrc);
    const rebuilt = RtpPacket.parse(bytes);
    if (rebuilt !== undefined) this.#deliver(source, rebuilt, codec, now, recovered);
  }

  #deliver(source: IncomingSource, packet: RtpPacket, codec: RtpCodec, now: Instant, recovered: boolean): void {
    const info = this.#info;
    info.ssrc = source.ssrc;
    info.rid = source.rid;
    info.codec = codec;
    info.extendedSequenceNumber = source.extend(packet.sequenceNumber);
    info.timestamp = packet.timestamp;
    info.marker = packet.marker;
    info.payloadStart = packet.payloadStart;
    info.payloadEnd = packet.payloadEnd;
    info.arrival = now;
    info.recovered = recovered;
    this.#onPacket(packet.bytes, info);
  }

  #drop(source: IncomingSource, reason: Parameters<StreamHost['countDiscard']>[0]): 'dropped' {
    source.packetsDiscarded += 1;
    this.#host.countDiscard(reason);
    return 'dropped';
  }

  #noteContributing(packet: RtpPacket, now: Instant): void {
    for (let i = 0; i < packet.csrcCount; i++) {
      const csrc = packet.csrc(i);
      this.#contributing.delete(csrc);
      this.#contributing.set(csrc, { timestamp: now, rtpTimestamp: packet.timestamp });
    }
    for (const oldest of this.#contributing.keys()) {
      if (this.#contributing.size <= MAX_CONTRIBUTING_SOURCES) return;
      this.#contributing.delete(oldest);
    }
  }

  #noteAudioLevel(source: IncomingSource, packet: RtpPacket): void {
    const data = packet.extension(this.#audioLevelId);
    const level = data && decodeAudioLevel(data);
    if (level !== undefined) source.audioLevel = level.level;
  }

  #latestFirst(): IncomingSource[] {
    return [...this.#sources].filter((source) => source.role === 'media').toSorted((a, b) => b.latestArrival - a.latestArrival);
  }

  #keyFrameRequestKind(): 'pli' | 'fir' | undefined {
    if (this.#options.codecs.some((codec) => hasFeedback(codec, 'nack pli'))) return 'pli';
    return this.#options.codecs.some((codec) => hasFeedback(codec, 'ccm fir')) ? 'fir' : undefined;
  }

  #enableNack(source: IncomingSource): void {
    if (!this.#options.codecs.some((codec) => hasFeedback(codec, 'nack'))) source.nack = undefined;
    else source.nack ??= new NackGenerator();
  }

  #apply(): void {
    const { active, codecs, headerExtensions, onPacket } = this.#options;
    const byPayloadType: (RtpCodec | undefined)[] = Array.from({ length: 128 }, () => undefined);
    for (const codec of codecs) byPayloadType[codec.payloadType & 0x7f] = codec;
    this.#active = !this.#stopped && active !== false;
    this.#codecs = byPayloadType;
    this.#hasRed = codecs.some(isRed);
    this.#audioLevelId = extensionId(headerExtensions, EXTENSION_URI.audioLevel);
    this.#onPacket = onPacket;
  }
}

/** -dBov to the linear scale of the W3C: 0 for silence (127), 1 for 0 dBov. */
function linearLevel(level: number): number {
  return level === 127 ? 0 : 10 ** (-level / 20);
}
