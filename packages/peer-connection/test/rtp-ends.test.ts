import { expect, test } from '@jest/globals';
import { RtpSink, RtpSource } from '../src/index.ts';
import { PeerPair } from './peer-pair.ts';

/** An RTP packet of payload type 96 with this sequence number. */
function packet(sequenceNumber: number): Uint8Array {
  return Uint8Array.of(0x80, 96, sequenceNumber >> 8, sequenceNumber, 0, 0, 0, 0, 0, 0, 0, 1, 7, 7);
}

async function connected(): Promise<{ pair: PeerPair; source: RtpSource; sink: RtpSink }> {
  const pair = new PeerPair();
  const source = new RtpSource('audio');
  pair.a.addTrack(source.track);
  await pair.connect();
  return { pair, source, sink: new RtpSink(pair.b.getReceivers()[0]!.track) };
}

test('packets go in through a stream and come out of one; it ends with the connection', async () => {
  const { pair, source, sink } = await connected();
  const writer = source.writable.getWriter();
  const reader = sink.readable.getReader();
  await pair.run(writer.write(packet(1)));
  const { value, done } = await pair.run(reader.read());
  expect([value?.slice(-2), done]).toEqual([Uint8Array.of(7, 7), false]);
  pair.b.close();
  expect(await pair.run(reader.read())).toEqual({ value: undefined, done: true });
});

test('while nobody reads, 512 packets wait, and those that come then are counted', async () => {
  const { pair, source, sink } = await connected();
  void sink.readable;
  for (let i = 0; i < 520; i++) source.write(packet(i));
  expect(await pair.until(() => sink.dropped === 8, 5000)).toBe(true);
  sink.close();
  source.write(packet(520));
  await pair.network.run(100);
  expect(sink.dropped).toBe(8);
});
