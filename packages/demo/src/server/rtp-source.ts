import { createSocket, type Socket } from 'node:dgram';
import type { Track } from '../feed.ts';
import type { VideoCodec } from './options.ts';
import { type PacketListener, type Source, SourceError } from './source.ts';

export interface RtpPorts {
  readonly video: number;
  readonly audio: number;
}

/** Takes RTP from anyone on this machine: two UDP ports on the loopback interface. */
export class RtpPortSource implements Source {
  readonly tracks: readonly Track[];
  readonly #codec: VideoCodec;
  readonly #ports: RtpPorts;
  readonly #sockets: Socket[] = [];

  constructor(codec: VideoCodec, ports: RtpPorts) {
    this.#codec = codec;
    this.#ports = ports;
    this.tracks = rtpTracks(codec);
  }

  get description(): string {
    const { video, audio } = this.#ports;
    return [
      `RTP from 127.0.0.1: ${this.#codec.toUpperCase()} on port ${video}, Opus on port ${audio}. For example, with ffmpeg:\n`,
      `  ${['ffmpeg', ...ffmpegArguments(this.#codec, this.#ports)].map(quote).join(' ')}\n`,
      'or with GStreamer:\n',
      `  ${gstreamerCommand(this.#codec, this.#ports)}\n`,
    ].join('\n');
  }

  async start(onPacket: PacketListener): Promise<void> {
    await Promise.all([this.listen('video', this.#ports.video, onPacket), this.listen('audio', this.#ports.audio, onPacket)]);
  }

  /** @returns the port, also when 0 was asked for. */
  async listen(kind: Track['kind'], port: number, onPacket: PacketListener): Promise<number> {
    const socket = createSocket('udp4');
    this.#sockets.push(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (error) => reject(new SourceError(`cannot listen for ${kind} on UDP port ${port}: ${error.message}`)));
      socket.bind(port, '127.0.0.1', resolve);
    });
    socket.on('message', (packet) => isRtp(packet) && onPacket(kind, packet));
    return socket.address().port;
  }

  requestKeyFrame(): void {}

  stop(): void {
    for (const socket of this.#sockets.splice(0)) socket.close();
  }
}

export function rtpTracks(codec: VideoCodec): readonly Track[] {
  return [
    { kind: 'video', mimeType: codec === 'vp8' ? 'video/VP8' : 'video/H264' },
    { kind: 'audio', mimeType: 'audio/opus' },
  ];
}

/** Real time, a key frame a second, packets that fit into one datagram after SRTP and UDP have added theirs. */
export function ffmpegArguments(codec: VideoCodec, ports: RtpPorts): readonly string[] {
  const encoder =
    codec === 'vp8'
      ? 'libvpx -deadline realtime -cpu-used 8 -error-resilient 1'
      : 'libx264 -preset veryfast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -bsf:v dump_extra';
  const clock =
    "drawtext=text='%{localtime\\:%H\\\\\\:%M\\\\\\:%S}':fontsize=64:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=12:x=(w-tw)/2:y=(h-th)/2";
  return [
    ...'-hide_banner -loglevel error -nostdin'.split(' '),
    ...'-re -f lavfi -i testsrc2=size=640x360:rate=30 -re -f lavfi -i sine=frequency=440:beep_factor=4:sample_rate=48000'.split(' '),
    '-map',
    '0:v',
    '-vf',
    clock,
    ...`-c:v ${encoder} -g 30 -b:v 1M -maxrate 1M -bufsize 500k -f rtp rtp://127.0.0.1:${ports.video}?pkt_size=1200`.split(' '),
    ...`-map 1:a -af volume=0.2 -c:a libopus -b:a 48k -ac 2 -f rtp rtp://127.0.0.1:${ports.audio}?pkt_size=1200`.split(' '),
  ];
}

export function gstreamerCommand(codec: VideoCodec, ports: RtpPorts): string {
  const encoder =
    codec === 'vp8'
      ? 'vp8enc deadline=1 keyframe-max-dist=30 error-resilient=default ! rtpvp8pay mtu=1200'
      : 'x264enc tune=zerolatency speed-preset=veryfast key-int-max=30 ! video/x-h264,profile=constrained-baseline ! rtph264pay mtu=1200 config-interval=-1';
  return [
    'gst-launch-1.0',
    `videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1 ! timeoverlay ! ${encoder} ! udpsink host=127.0.0.1 port=${ports.video}`,
    `audiotestsrc is-live=true wave=ticks ! opusenc ! rtpopuspay ! udpsink host=127.0.0.1 port=${ports.audio}`,
  ].join(' ');
}

/** RFC 3550 §5.1: version 2. Not RTCP, which shares the port with RTP sometimes (RFC 5761 §4). */
function isRtp(packet: Uint8Array): boolean {
  const [first = 0, second = 0] = packet;
  return packet.length >= 12 && first >> 6 === 2 && !(second >= 192 && second <= 223);
}

function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
