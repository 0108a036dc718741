import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OpusPacketizer, type Packetizer, readIvf, readOggOpus, Vp8Packetizer } from '@petrel/media';
import { serializeRtpPacket } from '@petrel/rtp';
import { RtpSource } from 'petrel';

const CLIP = join(__dirname, '../../demo/media');
const FRAME_TIME = 1000 / 30;
const AUDIO_TIME = 20;
const MAX_PAYLOAD = 1100;

/** The demo's clip as two tracks, played from its beginning in a loop until `stop()`. */
export class TestMedia {
  readonly video: RtpSource = new RtpSource('video', { mimeType: 'video/VP8' });
  readonly audio: RtpSource = new RtpSource('audio', { mimeType: 'audio/opus' });
  keyFrameRequests = 0;
  readonly #timers: NodeJS.Timeout[];
  #frame = 0;

  constructor() {
    const frames = readIvf(readFileSync(join(CLIP, 'clip.ivf'))).frames.map(({ data }) => data);
    const packets = readOggOpus(readFileSync(join(CLIP, 'clip.ogg'))).packets;
    const video = new Stream(this.video, new Vp8Packetizer(0), 3000);
    const audio = new Stream(this.audio, new OpusPacketizer(), 960);
    this.video.onkeyframerequest = () => {
      this.keyFrameRequests++;
      this.#frame = Math.ceil(this.#frame / 30) * 30;
    };
    let packet = 0;
    this.#timers = [
      setInterval(() => video.send(frames[this.#frame++ % frames.length]!), FRAME_TIME),
      setInterval(() => audio.send(packets[packet++ % 500]!), AUDIO_TIME),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }
}

class Stream {
  readonly #source: RtpSource;
  readonly #packetizer: Packetizer;
  readonly #step: number;
  #timestamp = 0;
  #sequenceNumber = 0;

  constructor(source: RtpSource, packetizer: Packetizer, step: number) {
    this.#source = source;
    this.#packetizer = packetizer;
    this.#step = step;
  }

  send(data: Uint8Array): void {
    const payloads = this.#packetizer.packetize({ data, timestamp: this.#timestamp, keyFrame: false }, MAX_PAYLOAD);
    payloads.forEach((payload, index) => {
      const marker = this.#step === 3000 && index === payloads.length - 1;
      const sequenceNumber = this.#sequenceNumber++ & 0xffff;
      this.#source.write(serializeRtpPacket({ payloadType: 96, sequenceNumber, timestamp: this.#timestamp, ssrc: 0, marker, payload }));
    });
    this.#timestamp = (this.#timestamp + this.#step) >>> 0;
  }
}
