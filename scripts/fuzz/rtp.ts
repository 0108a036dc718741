import { fromHex } from '@petrel/bytes';
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
];
