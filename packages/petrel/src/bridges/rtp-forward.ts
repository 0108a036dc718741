/** A track as plain RTP to another program, ffmpeg or GStreamer for example, with the description that it needs. */
import type { Socket } from 'node:dgram';
import { createPacketizer, type MediaKind } from '@petrel/media';
import { MediaStreamTrack, type RTCRtpReceiver, RtpSink } from '@petrel/peer-connection';
import { parseRtcp, RtpPacket } from '@petrel/rtp';
import { Discards } from '@petrel/sans-io';
import { gstreamerReceiver } from './gstreamer.ts';
import { isRtcp, openRtpPort } from './rtp-port.ts';

/** The argument of {@link rtpForward}. */
export interface RtpForwardOptions {
  /** A receiver, whose negotiated codec is taken; or a track, with `mimeType`. */
  readonly source: RTCRtpReceiver | MediaStreamTrack;
  /** UDP, of the program that takes the packets. An even number: ffmpeg listens at the next one too. */
  readonly port: number;
  /** `127.0.0.1` unless given. A numeric address. */
  readonly host?: string;
  /** What is to be sent, `video/VP8` for example. The codec that was negotiated first unless given. */
  readonly mimeType?: string;
  /** The receiver's, or 96, unless given. */
  readonly payloadType?: number;
  /** The codec's parameters, as in `a=fmtp`; the negotiated ones unless given. */
  readonly parameters?: string;
}

/** `other-codec`: its payload type is not the one of the description. */
export type RtpForwardDiscard = 'malformed-packet' | 'other-codec';

interface Format {
  readonly kind: MediaKind;
  readonly mimeType: string;
  readonly clockRate: number;
  /** In what is sent. */
  readonly payloadType: number;
  /** In what comes; undefined when any will do. */
  readonly incomingPayloadType: number | undefined;
  readonly channels: number;
  readonly parameters: string;
}

/** RFC 3551 table 4. */
const STATIC_PAYLOAD_TYPES: Readonly<Record<string, number>> = { 'audio/pcmu': 0, 'audio/pcma': 8, 'audio/g722': 9 };
const DYNAMIC_PAYLOAD_TYPE = 96;

/**
 * Sends the packets of a track over UDP, and asks for a key frame to begin with.
 * @throws TypeError when nothing says what the track contains
 *
 * @example
 * pc.ontrack = async ({ receiver }) => {
 *   const forward = await rtpForward({ source: receiver, port: 5004 });
 *   await writeFile('stream.sdp', forward.sdp); // ffmpeg -protocol_whitelist file,rtp,udp -i stream.sdp …
 * };
 */
export async function rtpForward(options: RtpForwardOptions): Promise<RtpForward> {
  const format = formatOf(options);
  const host = options.host ?? '127.0.0.1';
  const socket = await openRtpPort(0, host.includes(':') ? '::' : '0.0.0.0');
  return new RtpForward(socket, options.source, format, host, options.port);
}

/** Made by {@link rtpForward}. */
export class RtpForward {
  readonly discards: Discards<RtpForwardDiscard> = new Discards();
  readonly #socket: Socket;
  readonly #sink: RtpSink;
  readonly #format: Format;
  readonly #host: string;
  readonly #port: number;
  readonly #header = new RtpPacket();
  #packetsSent = 0;
  #closed = false;

  constructor(socket: Socket, source: RTCRtpReceiver | MediaStreamTrack, format: Format, host: string, port: number) {
    this.#socket = socket;
    this.#format = format;
    this.#host = host;
    this.#port = port;
    this.#sink = new RtpSink(source instanceof MediaStreamTrack ? source : source.track);
    this.#sink.onpacket = (packet) => this.#send(packet);
    this.#sink.track.addEventListener('ended', () => this.close());
    socket.on('message', (packet) => this.#receive(packet));
    this.requestKeyFrame();
  }

  /** For ffmpeg (`-protocol_whitelist file,rtp,udp -i stream.sdp`), GStreamer (`sdpsrc`), VLC and others. */
  get sdp(): string {
    return sessionDescription(this.#format, this.#host, this.#port);
  }

  /** A command that shows or plays it. */
  get gstreamerCommand(): string {
    return gstreamerReceiver({ ...this.#format, port: this.#port });
  }

  get packetsSent(): number {
    return this.#packetsSent;
  }

  /** For a program that has just begun to read. A PLI that it sends to our port does the same. */
  requestKeyFrame(): void {
    if (this.#format.kind === 'video') this.#sink.requestKeyFrame();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sink.close();
    this.#socket.removeAllListeners('message');
    this.#socket.close();
  }

  #send(packet: Uint8Array): void {
    if (!this.#header.read(packet)) return this.discards.count('malformed-packet');
    const { payloadType, incomingPayloadType } = this.#format;
    const incoming = this.#header.payloadType;
    if (incomingPayloadType !== undefined && incoming !== incomingPayloadType) return this.discards.count('other-codec');
    this.#packetsSent += 1;
    this.#socket.send(incoming === payloadType ? packet : withPayloadType(packet, payloadType), this.#port, this.#host);
  }

  #receive(packet: Uint8Array): void {
    if (!isRtcp(packet)) return;
    if (parseRtcp(packet).packets.some(({ type }) => type === 'picture-loss-indication' || type === 'full-intra-request'))
      this.requestKeyFrame();
  }
}

/** Packets are shared: others may be sending the same bytes. */
function withPayloadType(packet: Uint8Array, payloadType: number): Uint8Array {
  const copy = Uint8Array.from(packet);
  copy[1] = (copy[1]! & 0x80) | payloadType;
  return copy;
}

function formatOf({ source, mimeType, payloadType, parameters }: RtpForwardOptions): Format {
  const codecs = source instanceof MediaStreamTrack ? [] : source.getParameters().codecs;
  const codec = codecs.find((each) => mimeType === undefined || each.mimeType.toLowerCase() === mimeType.toLowerCase());
  const name = mimeType ?? codec?.mimeType;
  if (name === undefined) throw new TypeError('mimeType is missing: nothing has been negotiated that says what the track contains');
  const { kind, clockRate } = createPacketizer(name);
  return {
    kind,
    mimeType: name,
    clockRate,
    payloadType: payloadType ?? codec?.payloadType ?? STATIC_PAYLOAD_TYPES[name.toLowerCase()] ?? DYNAMIC_PAYLOAD_TYPE,
    incomingPayloadType: codec?.payloadType,
    channels: codec?.channels ?? (name.toLowerCase() === 'audio/opus' ? 2 : 1),
    parameters: parameters ?? codec?.sdpFmtpLine ?? defaultParameters(name),
  };
}

function defaultParameters(mimeType: string): string {
  return mimeType.toLowerCase() === 'video/h264' ? 'packetization-mode=1' : '';
}

/** RFC 8866. Times of zero: it has no end. */
function sessionDescription({ kind, mimeType, clockRate, payloadType, channels, parameters }: Format, host: string, port: number): string {
  const address = `IN IP${host.includes(':') ? 6 : 4} ${host}`;
  const encoding = `${mimeType.split('/')[1]}/${clockRate}${channels > 1 ? `/${channels}` : ''}`;
  const lines = [
    'v=0',
    `o=- 0 0 ${address}`,
    's=petrel',
    `c=${address}`,
    't=0 0',
    `m=${kind} ${port} RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${encoding}`,
    ...(parameters === '' ? [] : [`a=fmtp:${payloadType} ${parameters}`]),
  ];
  return `${lines.join('\r\n')}\r\n`;
}
