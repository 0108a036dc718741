import { concatBytes, fromHex } from '@petrel/bytes';
import {
  createDepacketizer,
  createPacketizer,
  type Depacketizer,
  FrameReceiver,
  MAX_FRAME_LENGTH,
  parseTemporalUnit,
  readAnnexB,
  readIvf,
  readOggOpus,
  splitNalUnits,
  writeIvf,
  writeOggOpus,
} from '@petrel/media';
import { serializeRtpPacket } from '@petrel/rtp';

const VIDEO = ['video/VP8', 'video/VP9', 'video/H264', 'video/AV1'];
const AUDIO = ['audio/opus', 'audio/PCMU'];

/** Payloads with a byte before each that says its length, and another with the marker, the loss before it, and how far time goes on. */
function feed(depacketizer: Depacketizer, input: Uint8Array): void {
  let timestamp = 0;
  for (let offset = 0; offset + 2 <= input.length; ) {
    const flags = input[offset + 1]!;
    const payload = input.subarray(offset + 2, offset + 2 + input[offset]!);
    timestamp += (flags >> 2) & 3;
    offset += 2 + payload.length;
    for (const { data } of depacketizer.depacketize({ payload, timestamp, marker: (flags & 1) !== 0 }, (flags >> 1) & 1))
      if (data.length === 0 || data.length > MAX_FRAME_LENGTH) throw new Error('a frame that is none');
  }
}

function target(mimeType: string): (input: Uint8Array) => void {
  return (input) => feed(createDepacketizer(mimeType)!, input);
}

/** Files may be refused, with an error that says so. */
function refusable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith('not ')) return undefined;
    throw error;
  }
}

export const targets: Record<string, (input: Uint8Array) => void> = {
  ...Object.fromEntries([...VIDEO, ...AUDIO].map((mimeType) => [mimeType, target(mimeType)])),
  /** Packets cut out of the input, through the jitter buffer, by payload types of all codecs. */
  receiver(input) {
    const receiver = new FrameReceiver({ depacketizer: (payloadType) => createDepacketizer(VIDEO[payloadType & 3]!), onframe: () => {} });
    for (let offset = 0, now = 0; offset < input.length; offset += 1 + input[offset]!, now += input[offset] ?? 0)
      receiver.receive(input.subarray(offset + 1, offset + 1 + input[offset]!), now);
    receiver.handleTimeout(Infinity);
  },
  files(input) {
    const ivf = refusable(() => readIvf(input));
    if (ivf !== undefined && Number.isInteger(ivf.unitsPerSecond) && /^[ -~]{4}$/.test(ivf.fourCc)) readIvf(writeIvf(ivf));
    const ogg = refusable(() => readOggOpus(input));
    if (ogg !== undefined) readOggOpus(writeOggOpus(ogg));
    for (const { data } of readAnnexB(input)) if (splitNalUnits(data).length === 0) throw new Error('an access unit of nothing');
    parseTemporalUnit(input);
  },
};

/** One packet, as {@link feed} reads it. */
const packet = (payload: Uint8Array, flags: number): Uint8Array => concatBytes(Uint8Array.of(payload.length, flags), payload);

function packets(mimeType: string, frame: Uint8Array): Uint8Array {
  const payloads = createPacketizer(mimeType).packetize({ data: frame, timestamp: 0, keyFrame: true }, 40);
  return concatBytes(...payloads.map((payload, index) => packet(payload, index === payloads.length - 1 ? 5 : 0)));
}

const noise = Uint8Array.from({ length: 90 }, (_, index) => (index * 37) & 0xff);
const unit = (header: number): Uint8Array =>
  concatBytes(
    Uint8Array.of(0, 0, 0, 1, header),
    noise.map((byte) => byte | 1),
  );
const rtp = (sequenceNumber: number): Uint8Array =>
  serializeRtpPacket({ payloadType: 96 + (sequenceNumber & 3), sequenceNumber, timestamp: 0, ssrc: 1, marker: true, payload: noise });

export const seeds: Uint8Array[] = [
  packets('video/VP8', noise),
  packets('video/VP9', noise),
  packets('video/H264', concatBytes(unit(0x67), unit(0x68), unit(0x65))),
  packets('video/AV1', concatBytes(fromHex('0a010032'), Uint8Array.of(noise.length), noise)),
  packets('audio/opus', noise),
  packet(fromHex('78000267aa000268bb'), 1),
  packet(fromHex('aa11000938014000f0028001e00244044033'), 1),
  packet(fromHex('b0f0926755e1aa'), 1),
  concatBytes(...[1, 2, 4, 3].map((sequenceNumber) => concatBytes(Uint8Array.of(12 + noise.length), rtp(sequenceNumber)))),
  writeIvf({ fourCc: 'VP80', width: 2, height: 2, unitsPerSecond: 30, frames: [{ data: noise, time: 0 }] }),
  writeOggOpus({ channels: 1, preSkip: 312, packets: [noise, noise] }),
];
