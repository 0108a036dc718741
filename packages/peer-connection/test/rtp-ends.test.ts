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

test('what onpacket throws is thrown in a task of its own: the datagram is dealt with, and the next one', async () => {
  const { pair, source, sink } = await connected();
  const other = new RtpSink(sink.track);
  const events: string[] = [];
  sink.track.onunmute = () => events.push('unmute');
  let received = 0;
  sink.onpacket = () => {
    received += 1;
    throw new Error(`listener ${received}`);
  };
  other.onpacket = () => events.push('packet');
  const thrown: string[] = [];
  for (let i = 0; i < 3; i++) {
    source.write(packet(i));
    // The simulated runtime lets out what a task throws.
    await pair.network.run(50).catch((error: Error) => thrown.push(error.message));
    await pair.network.run(50);
  }
  expect(thrown).toEqual(['listener 1', 'listener 2', 'listener 3']);
  expect(events).toEqual(['packet', 'unmute', 'packet', 'packet']);
});
