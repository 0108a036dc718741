import { describe, expect, test } from '@jest/globals';
import { type RTCDataChannelEvent, type RTCPeerConnection, RtpSink, RtpSource, type RTCTrackEvent } from '../src/index.ts';
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

/** The payload behind an RTP header with its extension. */
function payloadOf(packet: Uint8Array): number[] {
  const extension = (packet[0]! & 0x10) === 0 ? 0 : 4 + 4 * ((packet[14]! << 8) | packet[15]!);
  return [...packet.subarray(12 + extension)];
}

/** Sends 50 packets, 20 ms apart, and collects what comes out at the other side. */
async function sendPackets(pair: PeerPair, source: RtpSource, to: RTCPeerConnection, step: number): Promise<number[][]> {
  const received: number[][] = [];
  const { track } = to.getReceivers().find((receiver) => receiver.track.kind === source.track.kind)!;
  const sink = new RtpSink(track);
  sink.onpacket = (packet) => received.push(payloadOf(packet));
  for (let index = 0; index < 50; index++) {
    source.write(rtpPacket(index, index * step, [0x90, 0x80, index]));
    await pair.until(() => false, 20);
  }
  await pair.until(() => received.length >= 50, 1000);
  sink.close();
  return received;
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

  test.each(['balanced', 'max-bundle', 'max-compat'] as const)(
    'audio, video and data both ways in one BUNDLE group, policy %s',
    async (bundlePolicy) => {
      const pair = new PeerPair({ a: { bundlePolicy }, b: { bundlePolicy } });
      const sources = { a: [new RtpSource('audio'), new RtpSource('video')], b: [new RtpSource('audio'), new RtpSource('video')] };
      for (const source of sources.a) pair.a.addTrack(source.track);
      for (const source of sources.b) pair.b.addTrack(source.track);
      pair.a.createDataChannel('data');
      const tracks: string[] = [];
      pair.b.ontrack = ({ track, transceiver }: RTCTrackEvent) => tracks.push(`${transceiver.mid} ${track.kind} ${track.muted}`);
      await pair.connect();
      expect(tracks).toEqual(['0 audio true', '1 video true']);
      expect(new Set(pair.a.getSenders().map(({ transport }) => transport)).size).toBe(1);
      expect(pair.a.sctp?.transport).toBe(pair.a.getSenders()[0]!.transport);
      expect(pair.a.getTransceivers().map(({ currentDirection }) => currentDirection)).toEqual(['sendrecv', 'sendrecv']);
      const expected = Array.from({ length: 50 }, (_, index) => [0x90, 0x80, index]);
      for (const [from, to] of [
        ['a', 'b'],
        ['b', 'a'],
      ] as const) {
        expect(await sendPackets(pair, sources[from][0]!, pair[to], 960)).toEqual(expected);
        expect(await sendPackets(pair, sources[from][1]!, pair[to], 1800)).toEqual(expected);
        expect(pair[to].getReceivers().map(({ track }) => track.muted)).toEqual([false, false]);
      }
    },
  );

  test('closing ends the other side’s channel and transport', async () => {
    const pair = new PeerPair();
    let closed = false;
    pair.b.ondatachannel = ({ channel }: RTCDataChannelEvent) => {
      channel.onclose = () => {
        closed = true;
      };
    };
    const channel = pair.a.createDataChannel('x');
    await pair.connect();
    await pair.until(() => channel.readyState === 'open');
    pair.a.close({ reason: 'enough' });
    const report = await pair.run(pair.a.closed);
    expect(report).toMatchObject({ by: 'local', reason: 'enough', heard: 'close_notify' });
    expect(closed).toBe(true);
    expect(pair.events).toContain('b remoteclose');
    expect(pair.b.sctp?.transport.state).toBe('closed');
    pair.b.close();
    expect(await pair.run(pair.b.closed)).toMatchObject({ by: 'remote' });
    await pair.until(() => pair.network.openHandles().length === 0);
    expect(pair.network.openHandles()).toEqual([]);
  });
});

test('a received track is sent on with its codec, whatever the peer prefers', async () => {
  const first = new PeerPair();
  const second = new PeerPair({ seed: 2 });
  const source = new RtpSource('video', { mimeType: 'video/VP9' });
  first.a.addTrack(source.track);
  await first.connect();
  const { track } = first.b.getReceivers()[0]!;
  const sender = second.a.addTrack(track);
  await second.connect();
  expect(sender.getParameters().codecs[0]?.mimeType).toBe('video/VP8');
  const received: Uint8Array[] = [];
  const sink = new RtpSink(second.b.getReceivers()[0]!.track);
  sink.onpacket = (packet) => received.push(packet);
  for (let index = 0; index < 20; index++) {
    source.write(rtpPacket(index, index * 3000, [0x80, index]));
    await first.until(() => false, 20);
    await second.until(() => false, 20);
  }
  const vp9 = sender.getParameters().codecs.find(({ mimeType }) => mimeType === 'video/VP9')!.payloadType;
  expect(received.length).toBeGreaterThan(10);
  expect(new Set(received.map((packet) => packet[1]! & 0x7f))).toEqual(new Set([vp9]));
});
