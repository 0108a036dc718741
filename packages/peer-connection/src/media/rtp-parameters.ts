/** What a session description negotiated for the RTP streams of one media section, in the form that the media stack takes. */
export type MediaKind = 'audio' | 'video';

/** A payload type and what it means (`a=rtpmap`, `a=fmtp`, `a=rtcp-fb`). RTX and RED are codecs too. */
export interface RtpCodec {
  readonly payloadType: number;
  /** `video/VP8`, `audio/opus`, `video/rtx`, `audio/red`, …; compared without regard to case. */
  readonly mimeType: string;
  readonly clockRate: number;
  readonly channels?: number;
  /** RTX only (RFC 4588 §8.6): the payload type that it repairs. */
  readonly apt?: number;
  /** The rest of `a=rtcp-fb:<pt>`: `nack`, `nack pli`, `ccm fir`, `goog-remb`, `transport-cc`. */
  readonly rtcpFeedback?: readonly string[];
}

/** `a=extmap`. */
export interface RtpHeaderExtension {
  readonly id: number;
  readonly uri: string;
}

export interface SendStreamOptions {
  /** Absent when the section has no `a=mid`; then no MID is sent. */
  readonly mid?: string;
  readonly kind: MediaKind;
  /** From {@link MediaStack.allocateSsrc}, so that no two streams of a transport share one (RFC 3711 §9.1). */
  readonly ssrc: number;
  /** Present when retransmissions go in a stream of their own (RFC 4588). */
  readonly rtxSsrc?: number;
  /** Canonical name of RTCP SDES: the same for all streams of a peer connection (RFC 8834 §4.9). */
  readonly cname: string;
  /** Negotiated codecs in order of preference: the first that is neither RTX nor RED is sent, unless {@link payloadType} says otherwise. */
  readonly codecs: readonly RtpCodec[];
  readonly headerExtensions: readonly RtpHeaderExtension[];
  /** The payload type that outgoing packets get. */
  readonly payloadType?: number;
  /** Restriction identifier (RFC 8851), for one of several encodings. */
  readonly rid?: string;
  /** False: packets are dropped (direction is not sending, or encoding is not active). True unless given. */
  readonly active?: boolean;
  /**
   * The header extensions of the packets that the application writes. Elements with a URI that is negotiated here go on under
   * the negotiated id; all others are removed.
   */
  readonly sourceHeaderExtensions?: readonly RtpHeaderExtension[];
  /** With a negotiated `audio/red`: how many earlier payloads each packet repeats (RFC 2198). 0 unless given. */
  readonly redundancy?: number;
}

/** What may change when a description is applied again. What is absent stays. */
export type SendStreamChanges = Partial<
  Pick<
    SendStreamOptions,
    'mid' | 'rtxSsrc' | 'codecs' | 'headerExtensions' | 'payloadType' | 'active' | 'sourceHeaderExtensions' | 'redundancy'
  >
>;

export interface ReceiveStreamOptions {
  readonly mid?: string;
  readonly kind: MediaKind;
  /** Codecs that we offered or answered to receive, RTX and RED among them. */
  readonly codecs: readonly RtpCodec[];
  readonly headerExtensions: readonly RtpHeaderExtension[];
  /** Announced with `a=ssrc`. */
  readonly ssrcs?: readonly number[];
  /** Announced with `a=ssrc-group:FID`. */
  readonly rtxPairs?: readonly { readonly ssrc: number; readonly rtxSsrc: number }[];
  /** False: packets are dropped (direction is not receiving). True unless given. */
  readonly active?: boolean;
  /** Called with each packet, in order of arrival. */
  readonly onPacket: PacketHandler;
}

export type ReceiveStreamChanges = Partial<Omit<ReceiveStreamOptions, 'kind' | 'onPacket'>>;

/**
 * `packet` is the receiver's, complete with its RTP header. `info` is reused for the next packet: copy what is to be kept.
 */
export type PacketHandler = (packet: Uint8Array, info: PacketInfo) => void;

export interface PacketInfo {
  readonly ssrc: number;
  readonly rid: string | undefined;
  readonly codec: RtpCodec;
  /** Without gaps at the wrap of the 16 bits; a number that grows from the stream's first packet on. */
  readonly extendedSequenceNumber: number;
  readonly timestamp: number;
  readonly marker: boolean;
  /** Length of the RTP header with its extensions, and where the payload ends (padding follows). */
  readonly payloadStart: number;
  readonly payloadEnd: number;
  /** When it arrived, as an Instant. */
  readonly arrival: number;
  /** Came by RTX or RED, later than packets that follow it. */
  readonly recovered: boolean;
}
