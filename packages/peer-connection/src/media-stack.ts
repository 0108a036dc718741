/**
 * RTP and RTCP of one transport (BUNDLE group), without encryption: streams, routing, reports, feedback
 * (RFC 3550, RFC 4585, RFC 8834, RFC 8843 §9).
 */
import { Arena, readUint16 } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import {
  compactNtp,
  type DlrrEntry,
  type ReportBlock,
  ReportScheduler,
  type RtcpPacket,
  RtpPacket,
  toNtp,
  TransportFeedbackRecorder,
} from '@petrel/rtp';
import { type Core, Discards, type Instant, NEVER, Queue, randomUint32, TimerTable } from '@petrel/sans-io';
import { ReceiveStream } from './media/receive-stream.ts';
import { composeFeedback, composeGoodbyes, composeReports, type LocalSource } from './media/rtcp-composer.ts';
import { RtcpReceiver } from './media/rtcp-receiver.ts';
import type { ReceiveStreamOptions, SendStreamOptions } from './media/rtp-parameters.ts';
import { SendStream } from './media/send-stream.ts';
import { SsrcMap } from './media/ssrc-map.ts';
import { SentPacketHistory, type SentPacketFeedback } from './media/sent-packet-history.ts';
import type { MediaDiscard, StreamHost } from './media/stream-host.ts';
import { StreamRouter } from './media/stream-router.ts';

export type { MediaDiscard } from './media/stream-host.ts';
export type { SentPacketFeedback } from './media/sent-packet-history.ts';

/** Between transport-wide feedback packets; milliseconds. */
const TRANSPORT_FEEDBACK_INTERVAL = 100;
/** Between requests for what was lost, at least; milliseconds. */
const NACK_INTERVAL = 5;
/** UDP and IPv4, and SRTCP's index and largest tag (RFC 3711 §3.4); octets. */
const RTCP_OVERHEAD = 28 + 20;
/** How often silence and ended sources are looked for; milliseconds. */
const HOUSEKEEPING_INTERVAL = 1000;
/** A receive stream without packets for so long is muted; milliseconds. */
const SILENCE = 10_000;
/** After BYE a source is kept for so long, for stragglers (RFC 3550 §6.2.1); milliseconds. */
const ENDED_SOURCE_TIME = 10_000;
/** A source that nothing was heard of for five of RFC 3550's intervals is no member any more (§6.3.5; RFC 8834 §4.1: unreduced ones). */
const MEMBER_TIMEOUT = 25_000;
/** Changes of SSRC because of collisions, per stream; more would be a loop (RFC 3550 §8.2). */
const MAX_SSRC_CHANGES = 4;

export interface MediaTransmit {
  readonly kind: 'rtp' | 'rtcp';
  /** Plain. It stays the stack's, which keeps it for retransmission and later uses its memory again: protect or copy it before the next input. */
  readonly packet: Uint8Array;
  /** The same bytes were sent before: pass it on to `SrtpContext.protect`. */
  readonly repeat: boolean;
}

export type MediaEvent =
  /** Packets arrive: W3C "set track's muted state to false". */
  | { readonly type: 'unmute'; readonly stream: ReceiveStream }
  /** BYE, or silence. */
  | { readonly type: 'mute'; readonly stream: ReceiveStream }
  /** PLI or FIR; at most one in 500 ms per stream. */
  | { readonly type: 'key-frame-request'; readonly stream: SendStream }
  /** The remote side uses our SSRC (RFC 3550 §8.2): BYE was sent, and the stream goes on with a new one. */
  | { readonly type: 'ssrc-changed'; readonly stream: SendStream; readonly previous: number }
  /** REMB (draft-alvestrand-rmcat-remb), bits per second. */
  | { readonly type: 'bitrate-estimate'; readonly bitrate: number; readonly ssrcs: readonly number[] }
  /** Transport-wide feedback, joined with what was sent: the input of bandwidth estimation. */
  | { readonly type: 'transport-feedback'; readonly packets: readonly SentPacketFeedback[] };

export interface MediaStackOptions {
  readonly crypto: CryptoProvider;
  /** Milliseconds since the Unix epoch at Instant 0, for the NTP timestamps of sender reports. */
  readonly timeOrigin: number;
  /** CNAME while there is no send stream to take it from. Random unless given (RFC 7022 §4.2). */
  readonly cname?: string;
}

type Timer = 'report' | 'nack' | 'transport-feedback' | 'key-frame' | 'housekeeping';

export class MediaStack implements Core<MediaTransmit, MediaEvent> {
  readonly discards: Discards<MediaDiscard> = new Discards();
  /** `a=rtcp-rsize` was negotiated (RFC 5506): feedback needs no compound around it. */
  reducedSize: boolean = false;
  /** `a=rtcp-xr:rcvr-rtt` was negotiated (RFC 3611 §5): while nothing is sent, the round-trip time is measured with XR. */
  receiverReferenceTime: boolean = false;
  readonly #crypto: CryptoProvider;
  readonly #timeOrigin: number;
  readonly #cname: string;
  readonly #host: StreamHost;
  readonly #router = new StreamRouter();
  readonly #rtcp: RtcpReceiver;
  readonly #sendStreams = new Set<SendStream>();
  /** By media SSRC and by RTX SSRC. */
  readonly #sendStreamBySsrc = new SsrcMap<SendStream>();
  readonly #ssrcChanges = new WeakMap<SendStream, number>();
  readonly #header = new RtpPacket();
  readonly #transmits = new Queue<MediaTransmit>();
  readonly #events = new Queue<MediaEvent>();
  readonly #timers = new TimerTable<Timer>(['report', 'nack', 'transport-feedback', 'key-frame', 'housekeeping']);
  readonly #scheduler: ReportScheduler;
  readonly #sentPackets = new SentPacketHistory();
  readonly #arrivals = new TransportFeedbackRecorder();
  /** Every SSRC that was ours. */
  readonly #issued = new Set<number>();
  /** Reports while nothing is sent. */
  #receiverSsrc: number;
  #sentRtcpAs = new Set<number>();
  #previousReportAt: Instant = -Infinity;
  #lastReportAt: Instant = -Infinity;
  #latestMediaSsrc = 0;
  #nacksSentAt: Instant = -Infinity;
  #membersBefore = 0;
  #started = false;
  #closed = false;

  constructor(options: MediaStackOptions) {
    this.#crypto = options.crypto;
    this.#timeOrigin = options.timeOrigin;
    this.#cname = options.cname ?? randomCname(options.crypto);
    this.#receiverSsrc = this.allocateSsrc();
    this.#scheduler = new ReportScheduler({ random: options.crypto, overhead: RTCP_OVERHEAD });
    this.#host = this.#createHost();
    this.#rtcp = new RtcpReceiver({
      router: this.#router,
      sendStreams: this.#sendStreamBySsrc,
      wallClock: (now) => this.#wallClock(now),
      sentPackets: this.#sentPackets,
      emit: (event) => this.#events.push(event),
      countDiscard: (reason) => this.discards.count(reason),
      isLocal: (ssrc) => ssrc === this.#receiverSsrc || this.#sendStreamBySsrc.has(ssrc),
    });
  }

  /** Of the latest RTCP measurement, in milliseconds. */
  get roundTripTime(): number | undefined {
    return this.#rtcp.roundTripTime;
  }

  /** The reason in the latest BYE, if that came at `start` or later and had one. */
  goodbyeSince(start: Instant): string | undefined {
    const { goodbye } = this.#rtcp;
    return goodbye !== undefined && goodbye.at >= start ? goodbye.reason : undefined;
  }

  /** A random SSRC that nothing on this transport uses or has used (RFC 7714 §8.4). */
  allocateSsrc(): number {
    for (;;) {
      const ssrc = randomUint32(this.#crypto);
      if (ssrc === 0 || this.#issued.has(ssrc) || this.#sendStreamBySsrc.has(ssrc) || this.#router.sources.has(ssrc)) continue;
      this.#issued.add(ssrc);
      return ssrc;
    }
  }

  /** @throws RangeError when the SSRC is in use: two senders with one SSRC would share a keystream (RFC 3711 §9.1) */
  addSendStream(options: SendStreamOptions): SendStream {
    const ssrcs = options.rtxSsrc === undefined ? [options.ssrc] : [options.ssrc, options.rtxSsrc];
    for (const ssrc of ssrcs)
      if (this.#sendStreamBySsrc.has(ssrc)) throw new RangeError(`SSRC ${ssrc} is in use; take one from allocateSsrc()`);
    if (ssrcs.includes(this.#receiverSsrc)) this.#receiverSsrc = this.allocateSsrc();
    const stream = new SendStream(this.#host, options);
    this.#sendStreams.add(stream);
    for (const ssrc of ssrcs) this.#sendStreamBySsrc.set(ssrc, stream);
    return stream;
  }

  addReceiveStream(options: ReceiveStreamOptions): ReceiveStream {
    const stream = new ReceiveStream(this.#host, options);
    this.#router.add(stream);
    return stream;
  }

  get sendStreams(): ReadonlySet<SendStream> {
    return this.#sendStreams;
  }

  get receiveStreams(): ReadonlySet<ReceiveStream> {
    return this.#router.streams;
  }

  /** Takes a decrypted packet, and its buffer with it. */
  receiveRtp(packet: Uint8Array, now: Instant): void {
    const header = this.#header;
    if (this.#closed) return this.discards.count('closed');
    if (!header.read(packet)) return this.discards.count('malformed-rtp');
    this.#start(now);
    const transportId = this.#router.transportSequenceNumberId;
    if (transportId > 0) this.#recordArrival(header, transportId, now);
    if (header.ssrc === this.#receiverSsrc || this.#sendStreamBySsrc.has(header.ssrc)) this.#resolveCollision(header.ssrc, now);
    const source = this.#router.route(header, now);
    if (typeof source === 'string') return this.discards.count(source);
    const { stream } = source;
    const codec = stream.codecFor(header.payloadType);
    if (!stream.active) return this.discards.count('inactive-receive-stream');
    if (codec === undefined) return this.discards.count('unknown-payload-type');
    this.#latestMediaSsrc = source.ssrc;
    const arrival = stream.receive(source, header, codec, now);
    if (arrival === 'dropped') return;
    if (arrival === 'gap') this.#scheduleNacks(now);
    // Not by RTX: padding in it probes for bandwidth, also before there is media.
    if (source.role === 'media' && stream.setMuted(false)) this.#events.push({ type: 'unmute', stream });
  }

  /** Takes a decrypted compound. */
  receiveRtcp(compound: Uint8Array, now: Instant): void {
    if (this.#closed) return this.discards.count('closed');
    this.#scheduler.received(compound.length);
    this.#rtcp.receive(compound, now);
  }

  /**
   * Compounds with BYE for everything that has sent, to transmit once or several times; calling again gives them again. Nothing else is sent
   * or received from now on.
   * @param reason cut to 255 bytes of UTF-8
   */
  bye(reason: string | undefined, now: Instant): Uint8Array[] {
    this.#closed = true;
    this.#timers.stopAll();
    this.#scheduler.stop();
    this.#transmits.clear();
    const ssrcs: number[] = [];
    for (const stream of this.#sendStreams) {
      if (stream.hasSent || this.#sentRtcpAs.has(stream.ssrc)) ssrcs.push(stream.ssrc);
      if (stream.hasSentRtx) ssrcs.push(stream.rtxSsrc!);
    }
    if (this.#sentRtcpAs.has(this.#receiverSsrc)) ssrcs.push(this.#receiverSsrc);
    return ssrcs.length === 0 ? [] : composeGoodbyes(this.#localSources(now), ssrcs, reason);
  }

  handleTimeout(now: Instant): void {
    if (this.#closed) return;
    if (this.#timers.expire('nack', now)) this.#sendNacks(now);
    if (this.#timers.expire('transport-feedback', now)) this.#sendTransportFeedback(now);
    if (this.#timers.expire('key-frame', now)) this.#passOnKeyFrameRequests(now);
    if (this.#timers.expire('housekeeping', now)) this.#keepHouse(now);
    if (this.#timers.expire('report', now)) this.#report(now);
  }

  nextTimeout(): Instant {
    return this.#timers.next();
  }

  pollTransmit(_now: Instant): MediaTransmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): MediaEvent | undefined {
    return this.#events.shift();
  }

  #createHost(): StreamHost {
    const roundTripTime = (): number | undefined => this.roundTripTime;
    return {
      random: this.#crypto,
      arena: new Arena(),
      transmitRtp: (packet, repeat) => this.#transmitRtp(packet, repeat),
      nextTransportSequenceNumber: (size, now) => this.#sentPackets.add(size, now),
      wallClock: (now) => this.#wallClock(now),
      get roundTripTime() {
        return roundTripTime();
      },
      countDiscard: (reason) => this.discards.count(reason),
      sending: (now) => this.#start(now),
      keyFrameRequested: (stream) => this.#events.push({ type: 'key-frame-request', stream }),
      wakeForKeyFrame: (deadline) => this.#timers.start('key-frame', Math.min(deadline, this.#timers.deadline('key-frame'))),
      sendStreamStopped: (stream, now) => this.#removeSendStream(stream, now),
      receiveTablesChanged: () => this.#router.rebuild(),
      sendKeyFrameRequest: (ssrcs, kind, now) => this.#sendKeyFrameRequest(ssrcs, kind, now),
    };
  }

  #wallClock(now: Instant): number {
    return this.#timeOrigin + now;
  }

  /** RTCP runs from the first packet on, in either direction. */
  #start(now: Instant): void {
    if (this.#started || this.#closed) return;
    this.#started = true;
    this.#scheduler.start(now, this.#membership(now));
    this.#timers.start('report', this.#scheduler.nextTimeout());
    this.#timers.start('housekeeping', now + HOUSEKEEPING_INTERVAL);
  }

  #recordArrival(header: RtpPacket, extensionId: number, now: Instant): void {
    const offset = header.extensionOffset(extensionId);
    if (offset < 0 || header.extensionLengthAt(offset) < 2) return;
    this.#arrivals.receive(readUint16(header.bytes, offset), now);
    if (!this.#timers.isRunning('transport-feedback')) this.#timers.start('transport-feedback', now + TRANSPORT_FEEDBACK_INTERVAL);
  }

  /** RFC 3550 §8.2: the other side uses an SSRC of ours. We say BYE with it and take another. */
  #resolveCollision(ssrc: number, now: Instant): void {
    if (ssrc === this.#receiverSsrc) {
      if (this.#sentRtcpAs.delete(ssrc)) this.#transmitRtcp(...composeGoodbyes([this.#receiver()], [ssrc], undefined));
      this.#receiverSsrc = this.allocateSsrc();
      return;
    }
    const stream = this.#sendStreamBySsrc.get(ssrc)!;
    const changes = this.#ssrcChanges.get(stream) ?? 0;
    if (ssrc !== stream.ssrc || changes >= MAX_SSRC_CHANGES) return;
    this.#ssrcChanges.set(stream, changes + 1);
    if (stream.hasSent) this.#transmitRtcp(...composeGoodbyes([this.#localSource(stream, now)], [ssrc], undefined));
    this.#sentRtcpAs.delete(ssrc);
    this.#sendStreamBySsrc.delete(ssrc);
    stream.changeSsrc(this.allocateSsrc());
    this.#sendStreamBySsrc.set(stream.ssrc, stream);
    this.#events.push({ type: 'ssrc-changed', stream, previous: ssrc });
  }

  #removeSendStream(stream: SendStream, now: Instant): void {
    if (!this.#sendStreams.delete(stream)) return;
    this.#sendStreamBySsrc.delete(stream.ssrc);
    if (stream.rtxSsrc !== undefined) this.#sendStreamBySsrc.delete(stream.rtxSsrc);
    const ssrcs: number[] = stream.hasSent || this.#sentRtcpAs.delete(stream.ssrc) ? [stream.ssrc] : [];
    if (stream.hasSentRtx) ssrcs.push(stream.rtxSsrc!);
    if (ssrcs.length > 0 && !this.#closed) this.#transmitRtcp(...composeGoodbyes([this.#localSource(stream, now)], ssrcs, undefined));
  }

  /** At once, unless there was one just now: losses follow each other, and each look costs time when there is least of it. */
  #scheduleNacks(now: Instant): void {
    const deadline = Math.max(now, this.#nacksSentAt + NACK_INTERVAL);
    if (deadline < this.#timers.deadline('nack')) this.#timers.start('nack', deadline);
  }

  #sendNacks(now: Instant): void {
    this.#nacksSentAt = now;
    const feedback: RtcpPacket[] = [];
    let next = NEVER;
    for (const source of this.#router.sources.values()) {
      if (source.nack === undefined || source.endedAt !== undefined || !source.stream.active) continue;
      const sequenceNumbers = source.nack.poll(now, this.roundTripTime);
      if (sequenceNumbers.length > 0) {
        source.nackCount += 1;
        feedback.push({ type: 'nack', senderSsrc: this.#reporterSsrc(), mediaSsrc: source.ssrc, sequenceNumbers });
      }
      if (source.nack.takeGaveUp() && source.stream.kind === 'video') source.stream.requestKeyFrame(now);
      next = Math.min(next, source.nack.nextTimeout());
    }
    for (const packet of feedback) this.#sendFeedback([packet], now);
    if (next !== NEVER) this.#timers.start('nack', next);
  }

  #sendTransportFeedback(now: Instant): void {
    for (const feedback of this.#arrivals.build(this.#reporterSsrc(), this.#latestMediaSsrc)) this.#sendFeedback([feedback], now);
  }

  #sendKeyFrameRequest(ssrcs: readonly number[], kind: 'pli' | 'fir', now: Instant): void {
    const senderSsrc = this.#reporterSsrc();
    if (kind === 'pli') {
      const feedback = ssrcs.map((mediaSsrc): RtcpPacket => ({ type: 'picture-loss-indication', senderSsrc, mediaSsrc }));
      this.#sendFeedback(feedback, now);
    } else this.#sendFeedback([{ type: 'full-intra-request', senderSsrc, requests: ssrcs.map((ssrc) => this.#nextFir(ssrc)) }], now);
  }

  #nextFir(ssrc: number): { ssrc: number; sequenceNumber: number } {
    return { ssrc, sequenceNumber: (this.#router.sources.get(ssrc)?.firCount ?? 0) & 0xff };
  }

  #sendFeedback(feedback: readonly RtcpPacket[], now: Instant): void {
    if (this.#closed) return;
    this.#sentRtcpAs.add(this.#reporterSsrc());
    this.#transmitRtcp(composeFeedback(this.#localSources(now)[0]!, feedback, this.reducedSize));
  }

  #passOnKeyFrameRequests(now: Instant): void {
    let next = NEVER;
    for (const stream of this.#sendStreams) {
      stream.handleTimeout(now);
      next = Math.min(next, stream.keyFrameDue);
    }
    if (next !== NEVER) this.#timers.start('key-frame', next);
  }

  #report(now: Instant): void {
    if (this.#scheduler.expire(now, this.#membership(now))) {
      const sources = this.#localSources(now);
      const compounds = composeReports({
        sources,
        blocks: this.#reportBlocks(now),
        receiverReferenceTime: this.#wantsReferenceTime(sources) ? toNtp(this.#wallClock(now)) : undefined,
        dlrr: this.#dlrr(now),
      });
      for (const source of sources) if (source.senderReport !== undefined || source === sources[0]) this.#sentRtcpAs.add(source.ssrc);
      this.#transmitRtcp(...compounds);
      this.#previousReportAt = this.#lastReportAt;
      this.#lastReportAt = now;
      const size = compounds.reduce((sum, compound) => sum + compound.length, 0);
      this.#scheduler.sent(size, now, this.#membership(now));
    }
    this.#timers.start('report', this.#scheduler.nextTimeout());
  }

  /** About the sources that sent since the last report (RFC 3550 §6.4). */
  #reportBlocks(now: Instant): ReportBlock[] {
    const blocks: ReportBlock[] = [];
    for (const source of this.#router.sources.values())
      if (source.endedAt === undefined && source.latestArrival >= this.#lastReportAt) blocks.push(source.report(now));
    return blocks;
  }

  #wantsReferenceTime(sources: readonly LocalSource[]): boolean {
    return this.receiverReferenceTime && sources.every((source) => source.senderReport === undefined);
  }

  #dlrr(now: Instant): DlrrEntry[] {
    return this.#rtcp.takeReferenceTimes().map(({ ssrc, ntp, arrivedAt }) => ({
      ssrc,
      lastReceiverReport: compactNtp(ntp),
      delaySinceLastReceiverReport: Math.round((now - arrivedAt) * 65.536),
    }));
  }

  /** Mutes what is silent, forgets what ended. */
  #keepHouse(now: Instant): void {
    const members = this.#members(now);
    if (members < this.#membersBefore) this.#scheduler.membersLeft(now, members);
    this.#membersBefore = members;
    this.#timers.start('report', this.#scheduler.nextTimeout());
    for (const source of this.#router.sources.values())
      if (source.endedAt !== undefined && now - source.endedAt > ENDED_SOURCE_TIME) this.#router.remove(source);
    for (const stream of this.#router.streams)
      if (!stream.muted && !stream.hasLiveSource(now - SILENCE)) {
        stream.setMuted(true);
        this.#events.push({ type: 'mute', stream });
      }
    this.#timers.start('housekeeping', now + HOUSEKEEPING_INTERVAL);
  }

  #members(now: Instant): number {
    let members = this.#sendStreams.size || 1;
    for (const source of this.#router.sources.values())
      if (source.endedAt === undefined && now - source.latestHeard < MEMBER_TIMEOUT) members += 1;
    return members;
  }

  /** RFC 3550 §6.3: who has sent since the report before the last one is a sender. */
  #membership(now: Instant): { members: number; senders: number; weSent: boolean } {
    const since = this.#senderSince();
    let senders = 0;
    for (const stream of this.#sendStreams) if ((stream.latestSentAt ?? -Infinity) >= since) senders += 1;
    const weSent = senders > 0;
    for (const source of this.#router.sources.values())
      if (source.endedAt === undefined && now - source.latestArrival < SILENCE) senders += 1;
    return { members: this.#members(now), senders, weSent };
  }

  #senderSince(): Instant {
    return this.#previousReportAt;
  }

  /** Ours: senders first. Never empty. */
  #localSources(now: Instant): LocalSource[] {
    const sources = [...this.#sendStreams].map((stream) => this.#localSource(stream, now));
    const senders = sources.filter((source) => source.senderReport !== undefined);
    if (senders.length > 0) return [...senders, ...sources.filter((source) => source.senderReport === undefined)];
    return [this.#receiver(), ...sources];
  }

  #localSource(stream: SendStream, now: Instant): LocalSource {
    const senderReport = stream.senderReport(now, this.#senderSince());
    return { ssrc: stream.ssrc, cname: stream.cname, mid: stream.mid, rid: stream.rid, senderReport };
  }

  #receiver(): LocalSource {
    const [first] = this.#sendStreams;
    return { ssrc: this.#receiverSsrc, cname: first?.cname ?? this.#cname, mid: undefined, rid: undefined, senderReport: undefined };
  }

  /** Who feedback comes from. */
  #reporterSsrc(): number {
    const since = this.#senderSince();
    for (const stream of this.#sendStreams) if (stream.latestSentAt !== undefined && stream.latestSentAt >= since) return stream.ssrc;
    return this.#receiverSsrc;
  }

  #transmitRtp(packet: Uint8Array, repeat: boolean): void {
    if (this.#closed) this.discards.count('closed');
    else this.#transmits.push({ kind: 'rtp', packet, repeat });
  }

  #transmitRtcp(...compounds: readonly Uint8Array[]): void {
    for (const packet of compounds) this.#transmits.push({ kind: 'rtcp', packet, repeat: false });
  }
}

/** 96 random bits (RFC 7022 §4.2), as text. */
function randomCname(crypto: CryptoProvider): string {
  return Array.from(crypto.randomBytes(12), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
