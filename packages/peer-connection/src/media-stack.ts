import type { CryptoProvider } from '@petrel/crypto';
import { type Core, Discards, type Instant, NEVER, randomUint32 } from '@petrel/sans-io';
import type { ReceiveStream } from './media/receive-stream.ts';
import type { ReceiveStreamOptions, SendStreamOptions } from './media/rtp-parameters.ts';
import type { SendStream } from './media/send-stream.ts';

export interface MediaTransmit {
  readonly kind: 'rtp' | 'rtcp';
  /** Plain; it must not be changed (it may be kept for retransmission). */
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

export interface SentPacketFeedback {
  readonly sequenceNumber: number;
  readonly size: number;
  readonly sentAt: Instant;
  /** On the receiver's clock, in milliseconds with an arbitrary origin; undefined: lost. */
  readonly receivedAt: number | undefined;
}

export type MediaDiscard = 'malformed-rtp';

export interface MediaStackOptions {
  readonly crypto: CryptoProvider;
  /** Milliseconds since the Unix epoch at Instant 0, for the NTP timestamps of sender reports. */
  readonly timeOrigin: number;
}

/** RTP and RTCP of one transport (BUNDLE group), unencrypted: SRTP is the caller's. */
export class MediaStack implements Core<MediaTransmit, MediaEvent> {
  readonly discards: Discards<MediaDiscard> = new Discards();
  /** `a=rtcp-rsize` was negotiated (RFC 5506): feedback needs no compound around it. */
  reducedSize: boolean = false;
  readonly #crypto: CryptoProvider;

  constructor(options: MediaStackOptions) {
    this.#crypto = options.crypto;
  }

  /** Of the latest RTCP measurement, in milliseconds. */
  get roundTripTime(): number | undefined {
    return undefined;
  }

  /** A random SSRC that nothing on this transport uses. */
  allocateSsrc(): number {
    return randomUint32(this.#crypto);
  }

  /** @throws RangeError when the SSRC is in use */
  addSendStream(options: SendStreamOptions): SendStream {
    void options;
    throw new Error('not yet');
  }

  addReceiveStream(options: ReceiveStreamOptions): ReceiveStream {
    void options;
    throw new Error('not yet');
  }

  receiveRtp(packet: Uint8Array, now: Instant): void {
    void packet;
    void now;
  }

  receiveRtcp(compound: Uint8Array, now: Instant): void {
    void compound;
    void now;
  }

  /** Compounds with BYE for everything that has sent, to transmit once or several times. Nothing else is sent afterwards. */
  bye(reason: string | undefined, now: Instant): Uint8Array[] {
    void reason;
    void now;
    return [];
  }

  handleTimeout(now: Instant): void {
    void now;
  }

  nextTimeout(): Instant {
    return NEVER;
  }

  pollTransmit(now: Instant): MediaTransmit | undefined {
    void now;
    return undefined;
  }

  pollEvent(): MediaEvent | undefined {
    return undefined;
  }
}
