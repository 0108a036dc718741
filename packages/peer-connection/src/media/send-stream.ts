/** One outgoing RTP stream, with its RTX stream (RFC 3550 §5, RFC 4588). */
import { readUint16, writeUint16 } from '@petrel/bytes';
import {
  compactNtp,
  EXTENSION_URI,
  type HeaderExtension,
  parseExtensions,
  type ReportBlock,
  RetransmissionBuffer,
  roundTripTime,
  RTP_FIXED_HEADER_LENGTH,
  RtpPacket,
  RTX_HEADER_LENGTH,
  type SenderReport,
  serializeRed,
  toNtp,
  writeRtpFixedHeader,
} from '@petrel/rtp';
import { type Instant, NEVER, randomUint32 } from '@petrel/sans-io';
import { hasFeedback, isPrimary, isRed, rtxFor } from './codecs.ts';
import { HeaderTemplate } from './packet-header.ts';
import { RedundancyHistory } from './redundancy-history.ts';
import type { MediaKind, RtpCodec, SendStreamChanges, SendStreamOptions } from './rtp-parameters.ts';
import type { OutboundRtpCounters, RemoteInboundRtpCounters } from './rtp-stats.ts';
import { SequenceMapper } from './sequence-mapper.ts';
import type { StreamHost } from './stream-host.ts';

/** Least time between two key frame requests that the application sees; milliseconds. */
export const KEY_FRAME_INTERVAL = 500;
/** Bytes that may be resent before as much media was sent again: the resend rate stays below the media rate. */
const MAX_RETRANSMISSION_BUDGET = 1_000_000;
const EXTENSION_BIT = 0x10;
const NONE: readonly HeaderExtension[] = [];
/** Written by the stack, whatever the application's packets have. */
const OWN_EXTENSIONS: ReadonlySet<string> = new Set([
  EXTENSION_URI.mid,
  EXTENSION_URI.rid,
  EXTENSION_URI.repairedRid,
  EXTENSION_URI.absSendTime,
  EXTENSION_URI.transportSequenceNumber,
]);

/** Made by {@link MediaStack.addSendStream}. */
export class SendStream {
  readonly kind: MediaKind;
  readonly cname: string;
  readonly rid: string | undefined;
  readonly #host: StreamHost;
  readonly #header = new RtpPacket();
  readonly #sequence: SequenceMapper;
  readonly #redundancy = new RedundancyHistory();
  #options: SendStreamOptions;
  #ssrc: number;
  #rtxSsrc: number | undefined;
  #stopped = false;
  // What the options say, worked out once: it is asked for each packet.
  #active = false;
  #codec: RtpCodec | undefined;
  #redCodec: RtpCodec | undefined;
  #rtxCodec: RtpCodec | undefined;
  #template!: HeaderTemplate;
  #rtxTemplate!: HeaderTemplate;
  /** Source id to negotiated id. */
  #carriedIds: ReadonlyMap<number, number> = new Map();
  // Retransmission.
  #history: RetransmissionBuffer | undefined;
  #rtxSequenceNumber: number;
  #rtxPacketsSent = 0;
  #budget = 0;
  // Counters.
  #packetsSent = 0;
  #bytesSent = 0;
  #headerBytesSent = 0;
  #markersSent = 0;
  #retransmittedPackets = 0;
  #retransmittedBytes = 0;
  #nackCount = 0;
  #pliCount = 0;
  #firCount = 0;
  #latestTimestamp = 0;
  #latestSentAt: Instant | undefined;
  // Key frame requests.
  #keyFrameAllowedAt: Instant = 0;
  #keyFrameDue: Instant = NEVER;
  readonly #firSequenceNumbers = new Map<number, number>();
  // What the other side reports.
  #remote: RemoteInboundRtpCounters | undefined;

  constructor(host: StreamHost, options: SendStreamOptions) {
    this.#host = host;
    this.kind = options.kind;
    this.cname = options.cname;
    this.rid = options.rid;
    this.#ssrc = options.ssrc;
    this.#rtxSsrc = options.rtxSsrc;
    this.#options = options;
    this.#sequence = new SequenceMapper(host.random);
    this.#rtxSequenceNumber = randomUint32(host.random) & 0x7fff;
    this.#apply();
  }

  get ssrc(): number {
    return this.#ssrc;
  }

  get rtxSsrc(): number | undefined {
    return this.#rtxSsrc;
  }

  get mid(): string | undefined {
    return this.#options.mid;
  }

  get active(): boolean {
    return this.#active;
  }

  /** A packet went out at some time. */
  get hasSent(): boolean {
    return this.#latestSentAt !== undefined;
  }

  get hasSentRtx(): boolean {
    return this.#rtxSsrc !== undefined && this.#rtxPacketsSent > 0;
  }

  /** When the latest packet went out. */
  get latestSentAt(): Instant | undefined {
    return this.#latestSentAt;
  }

  get stats(): OutboundRtpCounters {
    return {
      ssrc: this.#ssrc,
      kind: this.kind,
      mid: this.mid,
      rid: this.rid,
      rtxSsrc: this.#rtxSsrc,
      active: this.active,
      payloadType: this.#codec?.payloadType,
      mimeType: this.#codec?.mimeType,
      packetsSent: this.#packetsSent + this.#retransmittedPackets,
      bytesSent: this.#bytesSent + this.#retransmittedBytes,
      headerBytesSent: this.#headerBytesSent,
      markersSent: this.#markersSent,
      retransmittedPacketsSent: this.#retransmittedPackets,
      retransmittedBytesSent: this.#retransmittedBytes,
      nackCount: this.#nackCount,
      pliCount: this.#pliCount,
      firCount: this.#firCount,
      remoteInbound: this.#remote,
    };
  }

  /** After renegotiation, `setParameters` or `replaceTrack`. */
  configure(changes: SendStreamChanges): void {
    this.#options = { ...this.#options, ...changes };
    if (changes.rtxSsrc !== undefined) this.#rtxSsrc = changes.rtxSsrc;
    this.#apply();
  }

  /** Takes a packet as the application wrote it; it is copied. SSRC, payload type and sequence number are replaced, header extensions added. */
  send(packet: Uint8Array, now: Instant): void {
    const header = this.#header;
    const codec = this.#codec;
    if (!this.active) return this.#host.countDiscard('inactive-send-stream');
    if (!header.read(packet)) return this.#host.countDiscard('malformed-outgoing');
    if (codec === undefined) return this.#host.countDiscard('no-codec');
    const sequenceNumber = this.#sequence.map(header.ssrc, header.sequenceNumber, header.timestamp, codec.clockRate, now);
    if (sequenceNumber < 0) return this.#host.countDiscard('stale-outgoing');
    const timestamp = this.#sequence.mapTimestamp(header.timestamp);
    if (this.#redCodec === undefined || (this.#options.redundancy ?? 0) === 0)
      this.#transmit(header, codec.payloadType, sequenceNumber, timestamp, undefined, now);
    else this.#transmit(header, this.#redCodec.payloadType, sequenceNumber, timestamp, this.#redundantPayload(codec, timestamp), now);
  }

  /** Sends BYE for it and forgets it. */
  stop(now: Instant): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#active = false;
    this.#history = undefined;
    this.#keyFrameDue = NEVER;
    this.#host.sendStreamStopped(this, now);
  }

  /** The SSRC collided (RFC 3550 §8.2): goes on with another one. Statistics and sequence numbers start anew, as for a new source. */
  changeSsrc(ssrc: number): void {
    this.#ssrc = ssrc;
    this.#history?.clear();
    this.#remote = undefined;
  }

  /** Its part of a sender report; undefined when it has not sent anything since `since`. */
  senderReport(now: Instant, since: Instant): Omit<SenderReport, 'reports'> | undefined {
    if (this.#latestSentAt === undefined || this.#latestSentAt < since) return undefined;
    const elapsed = ((now - this.#latestSentAt) * (this.#codec?.clockRate ?? 0)) / 1000;
    return {
      type: 'sender-report',
      ssrc: this.#ssrc,
      ntp: toNtp(this.#host.wallClock(now)),
      rtpTimestamp: (this.#latestTimestamp + Math.round(elapsed)) >>> 0,
      packetCount: this.#packetsSent % 0x1_0000_0000,
      octetCount: this.#bytesSent % 0x1_0000_0000,
    };
  }

  /** A report block about it. @returns the round-trip time that it gives, in milliseconds */
  receiveReport(block: ReportBlock, now: Instant): number | undefined {
    const arrival = compactNtp(toNtp(this.#host.wallClock(now)));
    const measured = roundTripTime(arrival, block.lastSenderReport, block.delaySinceLastSenderReport);
    const previous = this.#remote;
    this.#remote = {
      ssrc: this.#ssrc,
      kind: this.kind,
      packetsReceived: Math.max(0, this.#packetsSent - Math.max(0, block.packetsLost)),
      packetsLost: block.packetsLost,
      jitter: block.jitter / (this.#codec?.clockRate ?? 1),
      fractionLost: block.fractionLost / 256,
      roundTripTime: measured === undefined ? previous?.roundTripTime : measured / 1000,
      totalRoundTripTime: (previous?.totalRoundTripTime ?? 0) + (measured ?? 0) / 1000,
      roundTripTimeMeasurements: (previous?.roundTripTimeMeasurements ?? 0) + (measured === undefined ? 0 : 1),
      timestamp: now,
    };
    return measured;
  }

  /** Resends what is still there, each packet once a round trip at most, and not more bytes than were sent as media. */
  receiveNack(sequenceNumbers: readonly number[], now: Instant): void {
    this.#nackCount += 1;
    for (const sequenceNumber of sequenceNumbers) {
      if (this.#budget <= 0) return this.#host.countDiscard('retransmission-budget');
      const packet = this.#history?.take(sequenceNumber, now, this.#host.roundTripTime);
      if (packet !== undefined) this.#retransmit(packet, now);
    }
  }

  receivePictureLossIndication(now: Instant): void {
    this.#pliCount += 1;
    this.#requestKeyFrame(now);
  }

  /** The same sequence number again is a repetition of the same command (RFC 5104 §4.3.1.2). */
  receiveFullIntraRequest(from: number, sequenceNumber: number, now: Instant): void {
    this.#firCount += 1;
    if (this.#firSequenceNumbers.get(from) === sequenceNumber) return;
    if (this.#firSequenceNumbers.size < 64 || this.#firSequenceNumbers.has(from)) this.#firSequenceNumbers.set(from, sequenceNumber);
    this.#requestKeyFrame(now);
  }

  /** Passes on a request that came too soon after another. */
  handleTimeout(now: Instant): void {
    if (this.#keyFrameDue > now) return;
    this.#keyFrameDue = NEVER;
    this.#requestKeyFrame(now);
  }

  get keyFrameDue(): Instant {
    return this.#keyFrameDue;
  }

  #requestKeyFrame(now: Instant): void {
    if (!this.active) return;
    if (now >= this.#keyFrameAllowedAt) {
      this.#keyFrameAllowedAt = now + KEY_FRAME_INTERVAL;
      this.#host.keyFrameRequested(this);
    } else {
      this.#keyFrameDue = this.#keyFrameAllowedAt;
      this.#host.wakeForKeyFrame(this.#keyFrameDue);
    }
  }

  /** @param replacement of the payload; undefined: as it is */
  #transmit(
    header: RtpPacket,
    payloadType: number,
    sequenceNumber: number,
    timestamp: number,
    replacement: Uint8Array | undefined,
    now: Instant,
  ): void {
    const carried = this.#carriedIds.size > 0 ? this.#carriedExtensions(header) : NONE;
    const blockStart = RTP_FIXED_HEADER_LENGTH + 4 * header.csrcCount;
    const blockLength = this.#template.lengthWith(carried);
    const payloadLength = replacement?.length ?? header.payloadLength;
    const size = blockStart + blockLength + payloadLength;
    const packet = this.#history?.allocate(sequenceNumber, size, now) ?? this.#host.arena.allocate(size);
    this.#writePayload(packet, header, replacement, blockStart + blockLength);
    packet[0] = 0x80 | (blockLength > 0 ? EXTENSION_BIT : 0) | header.csrcCount;
    writeRtpFixedHeader(packet, header.marker, payloadType, sequenceNumber, timestamp, this.#ssrc);
    if (header.csrcCount > 0) packet.set(header.bytes.subarray(RTP_FIXED_HEADER_LENGTH, blockStart), RTP_FIXED_HEADER_LENGTH);
    if (blockLength > 0) this.#writeBlock(this.#template, packet, blockStart, carried, size, now);
    this.#budget = Math.min(MAX_RETRANSMISSION_BUDGET, this.#budget + size);
    this.#packetsSent += 1;
    if (header.marker) this.#markersSent += 1;
    this.#bytesSent += payloadLength;
    this.#headerBytesSent += blockStart + blockLength;
    this.#latestTimestamp = timestamp;
    this.#latestSentAt = now;
    this.#host.transmitRtp(packet, false);
    this.#host.sending(now);
  }

  /** Before the header: it copies the whole packet where that needs no view of the payload, and the header is written over it. */
  #writePayload(packet: Uint8Array, header: RtpPacket, replacement: Uint8Array | undefined, at: number): void {
    if (replacement !== undefined) packet.set(replacement, at);
    else if (at >= header.payloadStart && header.payloadEnd === header.bytes.length) packet.set(header.bytes, at - header.payloadStart);
    else packet.set(header.payload, at);
  }

  #writeBlock(
    template: HeaderTemplate,
    packet: Uint8Array,
    at: number,
    carried: readonly HeaderExtension[],
    size: number,
    now: Instant,
  ): void {
    const sequenceNumber = template.hasTransportSequenceNumber ? this.#host.nextTransportSequenceNumber(size, now) : 0;
    template.write(packet, at, carried, this.#host.wallClock(now), sequenceNumber);
  }

  /** As RTX where that was negotiated, else the same packet again, bit by bit (its SRTP index is the same too). */
  #retransmit(original: Uint8Array, now: Instant): void {
    const packet = this.#rtxSsrc !== undefined && this.#rtxCodec !== undefined ? this.#wrapForRtx(original, now) : original;
    this.#budget -= packet.length;
    this.#header.read(packet);
    this.#retransmittedPackets += 1;
    this.#retransmittedBytes += this.#header.payloadLength;
    this.#headerBytesSent += this.#header.payloadStart;
    this.#host.transmitRtp(packet, packet === original);
  }

  /** RFC 4588 §4: same timestamp and marker, own SSRC, sequence numbers and payload type; the original number before the payload. */
  #wrapForRtx(original: Uint8Array, now: Instant): Uint8Array {
    const header = this.#header;
    header.read(original);
    const blockStart = RTP_FIXED_HEADER_LENGTH + 4 * header.csrcCount;
    const blockLength = this.#rtxTemplate.length;
    const payloadStart = blockStart + blockLength + RTX_HEADER_LENGTH;
    const packet = this.#host.arena.allocate(payloadStart + header.payloadLength);
    packet[0] = 0x80 | (blockLength > 0 ? EXTENSION_BIT : 0) | header.csrcCount;
    writeRtpFixedHeader(packet, header.marker, this.#rtxCodec!.payloadType, this.#rtxSequenceNumber, header.timestamp, this.#rtxSsrc!);
    this.#rtxSequenceNumber = (this.#rtxSequenceNumber + 1) & 0xffff;
    this.#rtxPacketsSent += 1;
    packet.set(original.subarray(RTP_FIXED_HEADER_LENGTH, blockStart), RTP_FIXED_HEADER_LENGTH);
    if (blockLength > 0) this.#writeBlock(this.#rtxTemplate, packet, blockStart, [], packet.length, now);
    writeUint16(packet, payloadStart - RTX_HEADER_LENGTH, readUint16(original, 2));
    packet.set(header.payload, payloadStart);
    return packet;
  }

  #redundantPayload(codec: RtpCodec, timestamp: number): Uint8Array {
    const { payload } = this.#header;
    const redundant = this.#redundancy.blocks(codec.payloadType, timestamp, this.#options.redundancy ?? 0);
    this.#redundancy.add(payload, timestamp);
    return serializeRed({ payloadType: codec.payloadType, data: payload, redundant });
  }

  #carriedExtensions(header: RtpPacket): readonly HeaderExtension[] {
    const carried: HeaderExtension[] = [];
    if (header.extensionProfile < 0) return carried;
    for (const { id, data } of parseExtensions(header.bytes, header.extensionProfile, header.extensionStart, header.extensionEnd)) {
      const negotiated = this.#carriedIds.get(id);
      if (negotiated !== undefined) carried.push({ id: negotiated, data });
    }
    return carried;
  }

  #apply(): void {
    const { active, codecs, payloadType, headerExtensions: extensions, mid, sourceHeaderExtensions = [] } = this.#options;
    this.#active = !this.#stopped && active !== false;
    this.#codec = codecs.find((codec) => isPrimary(codec) && (payloadType === undefined || codec.payloadType === payloadType));
    this.#redCodec = codecs.find((codec) => isRed(codec) && codec.clockRate === this.#codec?.clockRate);
    this.#rtxCodec = this.#codec && rtxFor(codecs, this.#codec.payloadType);
    this.#template = new HeaderTemplate({ extensions, mid, rid: this.rid, repair: false });
    this.#rtxTemplate = new HeaderTemplate({ extensions, mid, rid: this.rid, repair: true });
    this.#carriedIds = carriedIds(sourceHeaderExtensions, extensions);
    const keepsHistory = this.#codec !== undefined && (hasFeedback(this.#codec, 'nack') || this.#rtxCodec !== undefined);
    if (!keepsHistory) this.#history = undefined;
    else this.#history ??= new RetransmissionBuffer();
  }
}

/** Those that the stack does not write itself: audio level, orientation, capture time, … */
function carriedIds(source: SendStreamOptions['headerExtensions'], negotiated: SendStreamOptions['headerExtensions']): Map<number, number> {
  const ids = new Map<number, number>();
  for (const { id, uri } of source) {
    const target = OWN_EXTENSIONS.has(uri) ? undefined : negotiated.find((extension) => extension.uri === uri);
    if (target) ids.set(id, target.id);
  }
  return ids;
}
