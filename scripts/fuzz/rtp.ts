import { fromHex } from '@petrel/bytes';
import { nodeCrypto } from '@petrel/crypto/node';
import {
  parseExtensions,
  parseRed,
  parseRtcp,
  RtpPacket,
  type RtcpPacket,
  serializeRtcp,
  serializeRtpPacket,
  unwrapRetransmission,
} from '@petrel/rtp';
import { MediaStack } from '../../packages/peer-connection/src/media-stack.ts';

const codecs = [
  { payloadType: 96, mimeType: 'video/VP8', clockRate: 90_000, rtcpFeedback: ['nack', 'nack pli'] },
  { payloadType: 97, mimeType: 'video/rtx', clockRate: 90_000, apt: 96 },
  { payloadType: 63, mimeType: 'audio/red', clockRate: 90_000 },
];
const headerExtensions = [
  { id: 1, uri: 'urn:ietf:params:rtp-hdrext:sdes:mid' },
  { id: 2, uri: 'http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01' },
];
const stack = new MediaStack({ crypto: nodeCrypto(), timeOrigin: 0 });
stack.addReceiveStream({ mid: '0', kind: 'video', codecs, headerExtensions, onPacket: () => {} });
const sending = stack.addSendStream({ mid: '0', kind: 'video', ssrc: 2, rtxSsrc: 3, cname: 'c', codecs, headerExtensions });
let now = 0;

/** Every input is authentic here, so it may do what the peer may do: what is kept stays bounded all the same. */
function drain(): void {
  now += 1;
  if (stack.nextTimeout() <= now) stack.handleTimeout(now);
  let packets = 0;
  for (let out = stack.pollTransmit(now); out; out = stack.pollTransmit(now)) packets += 1;
  if (packets > 1000) throw new Error(`${packets} packets in answer to one`);
  while (stack.pollEvent() !== undefined);
  const sources = [...stack.receiveStreams].reduce((sum, stream) => sum + stream.stats.length, 0);
  if (sources > 64) throw new Error(`${sources} sources`);
}

export const targets: Record<string, (input: Uint8Array) => void> = {
  packet(input) {
    const packet = RtpPacket.parse(input);
    if (packet === undefined) return;
    if (packet.payloadStart > packet.payloadEnd || packet.payloadEnd > input.length)
      throw new Error('the payload is outside of the packet');
    for (let index = 0; index < packet.csrcCount; index++) packet.csrc(index);
    const red = parseRed(packet.payload);
    if (red && red.redundant.reduce((sum, { data }) => sum + data.length, red.data.length) > packet.payloadLength)
      throw new Error('more in RED than in the payload');
    unwrapRetransmission(packet, 1, 2);
  },
  extensions(input) {
    for (const profile of [0xbede, 0x1000, 0x100f, (input[0]! << 8) | input[1]!])
      for (const { id, data } of parseExtensions(input, profile, 0, input.length))
        if (id === 0 || data.byteOffset + data.length > input.byteOffset + input.length) throw new Error('an element that is none');
  },
  stackRtp(input) {
    stack.receiveRtp(input, now);
    drain();
  },
  stackRtcp(input) {
    sending.send(
      serializeRtpPacket({ payloadType: 1, sequenceNumber: now & 0xffff, timestamp: now, ssrc: 9, payload: input.subarray(0, 500) }),
      now,
    );
    stack.receiveRtcp(input, now);
    drain();
  },
  /** What is understood is written and read again the same. */
  rtcp(input) {
    const { packets } = parseRtcp(input);
    const writable = packets.filter((packet) => packet.type !== 'transport-feedback' && packet.type !== 'extended-report');
    const again = parseRtcp(serializeRtcp(writable));
    if (again.malformed > 0 || again.packets.length !== writable.length) throw new Error('what was written is not what was read');
  },
};

const block = {
  ssrc: 1,
  fractionLost: 2,
  packetsLost: 3,
  extendedHighestSequenceNumber: 4,
  jitter: 5,
  lastSenderReport: 6,
  delaySinceLastSenderReport: 7,
};
const packets: readonly RtcpPacket[] = [
  {
    type: 'sender-report',
    ssrc: 1,
    ntp: { seconds: 2, fraction: 3 },
    rtpTimestamp: 4,
    packetCount: 5,
    octetCount: 6,
    reports: [block, block],
  },
  { type: 'receiver-report', ssrc: 1, reports: [block] },
  { type: 'source-description', chunks: [{ ssrc: 1, items: [{ type: 1, text: 'cname' }] }] },
  { type: 'nack', senderSsrc: 1, mediaSsrc: 2, sequenceNumbers: [1, 2, 30, 65535] },
  { type: 'picture-loss-indication', senderSsrc: 1, mediaSsrc: 2 },
  { type: 'full-intra-request', senderSsrc: 1, requests: [{ ssrc: 2, sequenceNumber: 3 }] },
  { type: 'receiver-estimated-maximum-bitrate', senderSsrc: 1, bitrate: 1e6, ssrcs: [1, 2] },
  {
    type: 'transport-feedback',
    senderSsrc: 1,
    mediaSsrc: 2,
    baseSequenceNumber: 3,
    referenceTime: 4,
    feedbackCount: 5,
    arrivals: Int32Array.of(0, 1, -0x8000_0000, 900, 901),
  },
  {
    type: 'extended-report',
    ssrc: 1,
    receiverReferenceTime: { seconds: 1, fraction: 2 },
    dlrr: [{ ssrc: 1, lastReceiverReport: 2, delaySinceLastReceiverReport: 3 }],
  },
  { type: 'goodbye', ssrcs: [1, 2], reason: 'reason' },
];
const payload = Uint8Array.of(0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2, 3, 4, 5);
const fields = { payloadType: 96, sequenceNumber: 1, timestamp: 2, ssrc: 3, payload };
const extensions = [1, 2].map((id) => ({ id, data: Uint8Array.of(1, 2, 3) }));
export const seeds: Uint8Array[] = [
  serializeRtpPacket(fields),
  serializeRtpPacket({ ...fields, csrcs: [1, 2], extensions, padding: 4 }),
  serializeRtpPacket({ ...fields, extensions: [...extensions, { id: 200, data: new Uint8Array(40) }] }),
  fromHex('10aa21bbcc000033dddddddd'),
  fromHex('01000201aa000304dddddddd'),
  ...packets.map((packet) => serializeRtcp([packet])),
  serializeRtcp(packets),
  ...[96, 97, 63].map((payloadType) =>
    serializeRtpPacket({
      ...fields,
      payloadType,
      extensions: [
        { id: 1, data: Uint8Array.of(0x30) },
        { id: 2, data: Uint8Array.of(0, 1) },
      ],
    }),
  ),
];
