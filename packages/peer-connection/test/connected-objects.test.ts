import { describe, expect, test } from '@jest/globals';
import { MediaStream, type RTCDataChannel, type RTCDTMFToneChangeEvent, type RTCStats, RtpSink, RtpSource } from '../src/index.ts';
import { serializeRtpPacket } from '@petrel/rtp';
import { PeerPair } from './peer-pair.ts';

/** An open channel and its counterpart. */
async function openChannels(pair: PeerPair): Promise<{ near: RTCDataChannel; far: RTCDataChannel }> {
  const near = pair.a.createDataChannel('chat');
  let far: RTCDataChannel | undefined;
  pair.b.ondatachannel = ({ channel }) => {
    far = channel;
  };
  await pair.connect();
  await pair.until(() => near.readyState === 'open' && far?.readyState === 'open');
  return { near, far: far! };
}

async function stats(pair: PeerPair, type: string, of = pair.a): Promise<RTCStats[]> {
  return [...(await pair.run(of.getStats())).values()].filter((entry) => entry.type === type);
}

describe('W3C WebRTC §6.2: data channels of connected peers', () => {
  test('each message is an event of its own: a handler that is replaced in between gets the next one', async () => {
    const pair = new PeerPair();
    const { near, far } = await openChannels(pair);
    const received: string[] = [];
    const receive = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) received.push(await new Promise((resolve) => (far.onmessage = ({ data }) => resolve(data))));
    };
    for (const text of ['one', 'two', 'three']) near.send(text);
    await pair.run(receive());
    expect(received).toEqual(['one', 'two', 'three']);
  });

  test('bufferedAmount is back at 0 before the message has arrived', async () => {
    const pair = new PeerPair();
    const { near, far } = await openChannels(pair);
    let seen = -1;
    far.onmessage = () => (seen = near.bufferedAmount);
    near.send('hello');
    expect(near.bufferedAmount).toBe(5);
    await pair.until(() => seen >= 0);
    expect(seen).toBe(0);
  });

  test('a Blob keeps its place among other messages', async () => {
    const pair = new PeerPair();
    const { near, far } = await openChannels(pair);
    const sizes: number[] = [];
    far.onmessage = ({ data }) => sizes.push(data.byteLength);
    near.send(new Blob(['1234']));
    near.send(new ArrayBuffer(8));
    await pair.until(() => sizes.length === 2);
    expect(sizes).toEqual([4, 8]);
  });

  test('streams: what is piped in comes out, whole and in order, however slowly it is read', async () => {
    const pair = new PeerPair();
    const { near, far } = await openChannels(pair);
    const reader = far.readable.getReader();
    const sizes = Array.from({ length: 300 }, (_, index) => (index * 997) % 20_000);
    const write = async (): Promise<void> => {
      const writer = near.writable.getWriter();
      for (const size of sizes) await writer.write(new Uint8Array(size));
      await writer.close();
    };
    const received: number[] = [];
    const read = async (): Promise<void> => {
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        received.push(chunk.value.length);
        if (received.length % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await pair.run(Promise.all([write(), read()]));
    expect(received).toEqual(sizes);
    expect([near.readyState, far.readyState]).toEqual(['closed', 'closed']);
  });

  test('the SCTP transport exists from the descriptions on, and its end is an event', async () => {
    const pair = new PeerPair();
    pair.a.createDataChannel('x');
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    expect([pair.a.sctp?.state, pair.b.sctp?.state, pair.a.sctp?.maxMessageSize]).toEqual(['connecting', 'connecting', null]);
    await pair.run(pair.b.setLocalDescription());
    await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
    await pair.until(() => pair.a.sctp?.state === 'connected');
    let states = 0;
    pair.a.sctp!.onstatechange = () => states++;
    pair.a.close();
    expect(pair.a.sctp!.state).toBe('closed');
    await pair.until(() => states > 0);
    expect(states).toBe(1);
  });
});

describe('W3C WebRTC §7: DTMF', () => {
  test('RFC 4733: tones take the place of audio, as events of the negotiated payload type, and audio goes on afterwards', async () => {
    const pair = new PeerPair();
    const source = new RtpSource('audio');
    const sender = pair.a.addTrack(source.track);
    await pair.connect();
    const packets: Uint8Array[] = [];
    new RtpSink(pair.b.getReceivers()[0]!.track).onpacket = (packet) => packets.push(packet);
    const tones: string[] = [];
    sender.dtmf!.ontonechange = ({ tone }: RTCDTMFToneChangeEvent) => tones.push(tone);
    let spoken = 0;
    const speak = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i++) {
        source.write(audioPacket(spoken++));
        await pair.until(() => false, 20);
      }
    };
    await speak(3);
    sender.dtmf!.insertDTMF('5', 100, 50);
    await speak(15);
    expect(tones).toEqual(['5', '']);
    const events = packets.map(({ length }, index) => ({ index, length })).filter(({ index }) => payloadType(packets[index]!) === 110);
    // An update, and the end three times.
    expect(events).toHaveLength(4);
    const timestamps = new Set(events.map(({ index }) => new DataView(packets[index]!.buffer, packets[index]!.byteOffset).getUint32(4)));
    expect(timestamps.size).toBe(1);
    expect(payloadType(packets.at(-1)!)).toBe(111);
    const numbers = packets.map(sequenceNumber).toSorted((a, b) => a - b);
    expect(numbers).toEqual(numbers.map((_, index) => numbers[0]! + index));
  });
});

describe('RFC 8285: header extensions of the application', () => {
  test.each([
    ['that are negotiated go on with the packet', 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', 0.0316],
    ['that are not are removed', 'urn:example:unknown', undefined],
  ])('%s', async (_, uri, level) => {
    const pair = new PeerPair();
    const source = new RtpSource('audio', { headerExtensions: [{ id: 7, uri }] });
    pair.a.addTrack(source.track);
    await pair.connect();
    const [receiver] = pair.b.getReceivers();
    // One byte: -30 dBov (RFC 6464 §3).
    const packet = Uint8Array.of(0x90, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x70, 30, 0, 0, 1, 2, 3);
    source.write(packet);
    await pair.until(() => receiver!.getSynchronizationSources().length > 0);
    const [{ audioLevel } = {}] = receiver!.getSynchronizationSources();
    if (level === undefined) expect(audioLevel).toBeUndefined();
    else expect(audioLevel).toBeCloseTo(level, 3);
  });
});

describe('webrtc-stats: a connection', () => {
  test('messages, packets and the transport are counted', async () => {
    const pair = new PeerPair();
    const source = new RtpSource('video');
    pair.a.addTrack(source.track);
    const { near, far } = await openChannels(pair);
    let received = 0;
    far.onmessage = () => received++;
    near.send('12345');
    for (let i = 0; i < 5; i++) {
      source.write(audioPacket(i));
      await pair.until(() => false, 20);
    }
    await pair.until(() => received === 1);
    expect(await stats(pair, 'data-channel')).toEqual([expect.objectContaining({ label: 'chat', messagesSent: 1, bytesSent: 5 })]);
    expect(await stats(pair, 'data-channel', pair.b)).toEqual([expect.objectContaining({ messagesReceived: 1, bytesReceived: 5 })]);
    expect(await stats(pair, 'outbound-rtp')).toEqual([expect.objectContaining({ packetsSent: 5, kind: 'video', mid: '0' })]);
    expect(await stats(pair, 'inbound-rtp', pair.b)).toEqual([expect.objectContaining({ packetsReceived: 5, kind: 'video' })]);
    const [transport] = await stats(pair, 'transport');
    expect(transport).toMatchObject({ dtlsState: 'connected', iceRole: 'controlling', dtlsRole: 'server', tlsVersion: 'FEFD' });
    const [selected] = (await stats(pair, 'candidate-pair')).filter(({ id }) => id === transport!['selectedCandidatePairId']);
    expect(selected).toMatchObject({ nominated: true, state: 'succeeded' });
    expect(await stats(pair, 'peer-connection')).toEqual([expect.objectContaining({ dataChannelsOpened: 1, dataChannelsClosed: 0 })]);
  });

  test('getStats of a sender, of a track that belongs to nobody, and of a closed connection', async () => {
    const pair = new PeerPair();
    const source = new RtpSource('video');
    const sender = pair.a.addTrack(source.track);
    await pair.connect();
    const types = [...(await pair.run(sender.getStats())).values()].map(({ type }) => type);
    expect(types).toContain('outbound-rtp');
    expect(types).not.toContain('peer-connection');
    await expect(pair.run(pair.a.getStats(new RtpSource('audio').track))).rejects.toMatchObject({ name: 'InvalidAccessError' });
    pair.a.close();
    expect(await stats(pair, 'peer-connection')).toHaveLength(1);
  });
});

describe('RFC 3264 §5.1: media that is asked for may come before the answer does', () => {
  test('over a transport that is connected; not after a rollback', async () => {
    const pair = new PeerPair();
    pair.a.addTransceiver('video', { direction: 'sendonly' });
    await pair.connect();
    const { receiver } = pair.a.addTransceiver('video', { direction: 'recvonly' });
    let received = 0;
    new RtpSink(receiver.track).onpacket = () => received++;
    await pair.run(pair.a.setLocalDescription());
    await pair.run(pair.b.setRemoteDescription(pair.a.localDescription!));
    const source = new RtpSource('video');
    const [, transceiver] = pair.b.getTransceivers();
    await pair.run(transceiver!.sender.replaceTrack(source.track));
    transceiver!.direction = 'sendonly';
    await pair.run(pair.b.setLocalDescription());
    const send = async (index: number): Promise<number> => {
      source.write(audioPacket(index));
      await pair.until(() => false, 50);
      return received;
    };
    expect(pair.a.signalingState).toBe('have-local-offer');
    expect(await send(1)).toBe(1);
    await pair.run(pair.a.setLocalDescription({ type: 'rollback' }));
    expect(await send(2)).toBe(1);
  });
});

describe('RFC 8830 §2: a track of a stream is in one section only', () => {
  test('a track that is sent twice has two names; an offer with one name twice is refused', async () => {
    const pair = new PeerPair();
    const { track } = new RtpSource('video');
    const streams = [new MediaStream()];
    pair.a.addTransceiver(track, { streams });
    pair.a.addTransceiver(track, { streams });
    await pair.negotiate();
    expect(pair.b.getTransceivers()).toHaveLength(2);
    const { sdp } = await pair.run(pair.a.createOffer());
    const [first, second] = Array.from(sdp!.matchAll(/a=msid:\S+ (\S+)/g), ([, name]) => name!);
    const twice = sdp!.replaceAll(second!, first!);
    const refused = pair.run(pair.b.setRemoteDescription({ type: 'offer', sdp: twice }));
    await expect(refused).rejects.toMatchObject({ name: 'OperationError' });
  });
});

describe('RFC 8829 §4.1.18: another transport policy', () => {
  test('has other credentials in the next offer, gathers again, and a restart finds a path again', async () => {
    const pair = new PeerPair();
    const { near, far } = await openChannels(pair);
    const before = ufrag(pair.a.localDescription!.sdp);
    pair.a.setConfiguration({ ...pair.a.getConfiguration(), iceTransportPolicy: 'relay' });
    pair.a.setConfiguration({ ...pair.a.getConfiguration(), iceTransportPolicy: 'all' });
    const states: string[] = [];
    pair.a.onicegatheringstatechange = () => states.push(pair.a.iceGatheringState);
    await pair.negotiate();
    expect(ufrag(pair.a.localDescription!.sdp)).not.toBe(before);
    await pair.until(() => states.length === 2);
    expect(states).toEqual(['gathering', 'complete']);
    let received = '';
    far.onmessage = ({ data }) => (received = data);
    near.send('still here');
    await pair.until(() => received !== '');
    expect(received).toBe('still here');
  });
});

function ufrag(sdp: string): string | undefined {
  return /a=ice-ufrag:(.*)/.exec(sdp)?.[1];
}

function audioPacket(index: number): Uint8Array {
  const packet = new Uint8Array(20);
  const view = new DataView(packet.buffer);
  packet[0] = 0x80;
  view.setUint16(2, index);
  view.setUint32(4, index * 960);
  view.setUint32(8, 7);
  return packet;
}

function payloadType(packet: Uint8Array): number {
  return packet[1]! & 0x7f;
}

function sequenceNumber(packet: Uint8Array): number {
  return (packet[2]! << 8) | packet[3]!;
}

describe('RFC 3611 §5.2: the round-trip time of who only receives', () => {
  test('both offer and answer have rcvr-rtt: XR gives it; without it in the answer there is none', async () => {
    const measured: unknown[] = [];
    for (const negotiated of [true, false]) {
      const pair = new PeerPair();
      const source = new RtpSource('audio');
      pair.a.addTrack(source.track);
      if (negotiated) await pair.connect();
      else {
        await pair.run(pair.a.setLocalDescription());
        const sdp = pair.a.localDescription!.sdp.replace(/a=rtcp-xr:.*\r\n/, '');
        await pair.run(pair.b.setRemoteDescription({ type: 'offer', sdp }));
        await pair.run(pair.b.setLocalDescription());
        expect(pair.b.localDescription!.sdp).not.toContain('rtcp-xr');
        await pair.run(pair.a.setRemoteDescription(pair.b.localDescription!));
        await pair.until(() => pair.a.connectionState === 'connected' && pair.b.connectionState === 'connected');
      }
      for (let i = 0; i < 200; i++) {
        source.write(serializeRtpPacket({ payloadType: 111, sequenceNumber: i, timestamp: i * 960, ssrc: 1, payload: new Uint8Array(50) }));
        await pair.network.run(100);
      }
      const [remote] = await stats(pair, 'remote-outbound-rtp', pair.b);
      measured.push((remote as unknown as { roundTripTime?: number }).roundTripTime?.toFixed(3));
    }
    expect(measured).toEqual(['0.020', undefined]);
  });
});
