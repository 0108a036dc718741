/** What incoming RTCP means for the streams (RFC 3550 §6.3, RFC 4585 §6, RFC 8843 §9.2). */
import {
  compactNtp,
  type ExtendedReport,
  type Goodbye,
  type NtpTime,
  parseRtcp,
  type ReportBlock,
  roundTripTime,
  type RtcpPacket,
  SDES_ITEM,
  type SourceDescription,
  toNtp,
} from '@petrel/rtp';
import type { Instant } from '@petrel/sans-io';
import type { MediaEvent } from '../media-stack.ts';
import type { SsrcMap } from './ssrc-map.ts';
import type { SendStream } from './send-stream.ts';
import type { SentPacketHistory } from './sent-packet-history.ts';
import type { MediaDiscard } from './stream-host.ts';
import type { StreamRouter } from './stream-router.ts';

/** Receivers whose reference time waits for an answer (RFC 3611 §4.5). */
const MAX_REFERENCE_TIMES = 31;

export interface RtcpReceiverOptions {
  readonly router: StreamRouter;
  readonly sendStreams: Pick<SsrcMap<SendStream>, 'get' | 'has'>;
  readonly wallClock: (now: Instant) => number;
  readonly sentPackets: SentPacketHistory;
  readonly emit: (event: MediaEvent) => void;
  readonly countDiscard: (reason: MediaDiscard) => void;
  /** Whether an SSRC is one of ours. */
  readonly isLocal: (ssrc: number) => boolean;
}

export interface ReferenceTime {
  readonly ssrc: number;
  readonly ntp: NtpTime;
  readonly arrivedAt: Instant;
}

export class RtcpReceiver {
  readonly #options: RtcpReceiverOptions;
  /** Milliseconds. */
  roundTripTime: number | undefined;
  /** The latest BYE with a reason. */
  goodbye: { readonly reason: string; readonly at: Instant } | undefined;
  readonly #referenceTimes = new Map<number, ReferenceTime>();

  constructor(options: RtcpReceiverOptions) {
    this.#options = options;
  }

  receive(compound: Uint8Array, now: Instant): void {
    const { packets, malformed, unknown } = parseRtcp(compound);
    for (let i = 0; i < malformed; i++) this.#options.countDiscard('malformed-rtcp');
    for (let i = 0; i < unknown; i++) this.#options.countDiscard('unknown-rtcp');
    // RFC 8843 §9.2: mappings from SDES first, as the packets before it may need them.
    for (const packet of packets) if (packet.type === 'source-description') this.#receiveDescription(packet);
    for (const packet of packets) this.#receivePacket(packet, now);
  }

  /** Reference times that wait for DLRR; each is answered once. */
  takeReferenceTimes(): ReferenceTime[] {
    const waiting = [...this.#referenceTimes.values()];
    this.#referenceTimes.clear();
    return waiting;
  }

  #receivePacket(packet: RtcpPacket, now: Instant): void {
    const { router, sendStreams, sentPackets, emit } = this.#options;
    switch (packet.type) {
      case 'sender-report':
        router.sources.get(packet.ssrc)?.receiveSenderReport(packet, now);
        return this.#receiveBlocks(packet.reports, now);
      case 'receiver-report':
        return this.#receiveBlocks(packet.reports, now);
      case 'source-description':
        return;
      case 'goodbye':
        return this.#receiveGoodbye(packet, now);
      case 'nack':
        return this.#mediaStream(packet.mediaSsrc)?.receiveNack(packet.sequenceNumbers, now);
      case 'picture-loss-indication':
        return this.#mediaStream(packet.mediaSsrc)?.receivePictureLossIndication(now);
      case 'full-intra-request':
        for (const { ssrc, sequenceNumber } of packet.requests)
          this.#mediaStream(ssrc)?.receiveFullIntraRequest(packet.senderSsrc, sequenceNumber, now);
        return;
      case 'receiver-estimated-maximum-bitrate': {
        const ssrcs = packet.ssrcs.filter((ssrc) => sendStreams.has(ssrc));
        if (ssrcs.length > 0) emit({ type: 'bitrate-estimate', bitrate: packet.bitrate, ssrcs });
        return;
      }
      case 'transport-feedback': {
        const matched = sentPackets.match(packet);
        if (matched.length > 0) emit({ type: 'transport-feedback', packets: matched });
        return;
      }
      case 'extended-report':
        return this.#receiveExtended(packet, now);
    }
  }

  /** Feedback is about media; an RTX stream has no key frames and is not repaired itself. */
  #mediaStream(ssrc: number): SendStream | undefined {
    const stream = this.#options.sendStreams.get(ssrc);
    return stream?.ssrc === ssrc ? stream : undefined;
  }

  #receiveBlocks(blocks: readonly ReportBlock[], now: Instant): void {
    for (const block of blocks) {
      const measured = this.#mediaStream(block.ssrc)?.receiveReport(block, now);
      if (measured !== undefined) this.roundTripTime = measured;
    }
  }

  #receiveDescription({ chunks }: SourceDescription): void {
    for (const { ssrc, items } of chunks) {
      const mid = items.find((item) => item.type === SDES_ITEM.mid);
      if (mid !== undefined && !this.#options.isLocal(ssrc)) this.#options.router.describe(ssrc, mid.text);
    }
  }

  /** Ends the sources that are known; a stream without any is muted. It never ends more than that. */
  #receiveGoodbye({ ssrcs, reason }: Goodbye, now: Instant): void {
    if (reason) this.goodbye = { reason, at: now };
    for (const ssrc of ssrcs) {
      const source = this.#options.router.sources.get(ssrc);
      if (source === undefined || source.endedAt !== undefined) continue;
      source.endedAt = now;
      if (source.role === 'media' && source.pair !== undefined) source.pair.endedAt = now;
      source.nack?.clear();
      const { stream } = source;
      if (!stream.hasLiveSource(-Infinity) && stream.setMuted(true)) this.#options.emit({ type: 'mute', stream });
    }
  }

  #receiveExtended({ ssrc, receiverReferenceTime, dlrr = [] }: ExtendedReport, now: Instant): void {
    if (receiverReferenceTime && (this.#referenceTimes.size < MAX_REFERENCE_TIMES || this.#referenceTimes.has(ssrc)))
      this.#referenceTimes.set(ssrc, { ssrc, ntp: receiverReferenceTime, arrivedAt: now });
    const arrival = compactNtp(toNtp(this.#options.wallClock(now)));
    for (const entry of dlrr) {
      if (!this.#options.isLocal(entry.ssrc)) continue;
      const measured = roundTripTime(arrival, entry.lastReceiverReport, entry.delaySinceLastReceiverReport);
      if (measured === undefined) continue;
      this.roundTripTime = measured;
      this.#options.router.sources.get(ssrc)?.receiveRoundTripTime(measured);
    }
  }
}
