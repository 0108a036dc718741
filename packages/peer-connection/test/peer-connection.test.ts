import { describe, expect, test } from '@jest/globals';
import { type RTCDataChannel, type RTCDataChannelEvent, RtpSink, RtpSource } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

/** A whole RTP packet with a marker; the rewriting is the stack's. */
function rtpPacket(sequenceNumber: number, timestamp: number, payload: readonly number[]): Uint8Array {
  const packet = new Uint8Array(12 + payload.length);
  const view = new DataView(packet.buffer);
  packet[0] = 0x80;
  packet[1] = 0x80 | 96;
  view.setUint16(2, sequenceNumber);
  view.setUint32(4, timestamp);
  view.setUint32(8, 0x1234);
  packet.set(payload, 12);
  return packet;
}

describe('two connections on a simulated network', () => {
  test.each(['a', 'b'] as const)('a data channel, when %s offers', async (offerer) => {
    const pair = new PeerPair();
    const [from, to] = offerer === 'a' ? [pair.a, pair.b] : [pair.b, pair.a];
    const received: string[] = [];
    to.ondatachannel = ({ channel }: RTCDataChannelEvent) => {
      channel.onmessage = ({ data }) => channel.send(`${data}!`);
    };
    const channel = from.createDataChannel('chat');
    channel.onopen = () => channel.send('hello');
    channel.onmessage = ({ data }) => received.push(data);
    await pair.connect(from);
    await pair.until(() => received.length > 0);
    expect(received).toEqual(['hello!']);
    expect(from.sctp?.state).toBe('connected');
    expect(from.connectionState).toBe('connected');
    expect(to.connectionState).toBe('connected');
  });
});

export { RtpSink, RtpSource, rtpPacket, type RTCDataChannel };
