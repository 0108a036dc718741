/** What the transport stack makes of media that it has not agreed to: before the keys, without protection, forged, in floods, for nobody. */
import { describe, expect, test } from '@jest/globals';
import { serializeRtpPacket, serializeRtcp } from '@petrel/rtp';
import { RtpSink, RtpSource } from '../src/index.ts';
import type { StackEvent } from '../src/transport-stack.ts';
import { DriverPair, type DriverEnd } from './driver-pair.ts';
import { PeerPair } from './peer-pair.ts';

const OPUS = { payloadType: 111, mimeType: 'audio/opus', clockRate: 48_000, channels: 2 };

/** A plain packet; as SRTP it has a tag of zeros. */
function rtp(sequenceNumber: number, size = 100): Uint8Array {
  return serializeRtpPacket({
    payloadType: 111,
    sequenceNumber: sequenceNumber & 0xffff,
    timestamp: sequenceNumber,
    ssrc: 0x1234,
    payload: new Uint8Array(size),
  });
}

/** Counts what the end's receiver is given. */
function listen(end: DriverEnd): { delivered: number } {
  const count = { delivered: 0 };
  end.driver.input(({ media }) =>
    media.addReceiveStream({ mid: '0', kind: 'audio', codecs: [OPUS], headerExtensions: [], onPacket: () => (count.delivered += 1) }),
  );
  return count;
}

const dtlsConnected = (event: StackEvent): boolean => event.layer === 'dtls' && event.state === 'connected';

describe('R09, RFC 8827 §6.5: no media without the keys of a verified peer', () => {
  test('RTP and RTCP that come before DTLS is complete are dropped, and none of it is kept', async () => {
    const pair = new DriverPair();
    const { network, a, b } = pair;
    const count = listen(b);
    // b expects another fingerprint than a has: DTLS does not complete.
    a.fingerprint = { algorithm: 'sha-256', value: b.fingerprint.value };
    a.start(b, 'server');
    b.start(a, 'client');
    expect(await network.runUntil(() => a.driver.stack.ice.selectedPair !== undefined, 5000)).toBe(true);
    for (let i = 0; i < 200; i++) a.driver.input(({ ice }, now) => ice.send(rtp(i), now));
    a.driver.input(({ ice }, now) => ice.send(serializeRtcp([{ type: 'goodbye', ssrcs: [1], reason: 'plain' }]), now));
    await network.run(5000);
    expect([b.has(dtlsConnected), count.delivered]).toEqual([false, 0]);
    expect(b.driver.stack.discards.of('media-without-keys')).toBe(201);
    expect(b.driver.stack.media.goodbyeSince(0)).toBeUndefined();
  });

  test('what came too early is not delivered later; plain RTP and RTCP of a connected peer are dropped; what is sent is never plain', async () => {
    const pair = new DriverPair();
    const { network, a, b } = pair;
    const count = listen(b);
    const connected = pair.connect();
    await network.runUntil(() => a.driver.stack.ice.selectedPair !== undefined && !a.has(dtlsConnected), 5000);
    a.driver.input(({ ice }, now) => ice.send(rtp(1), now));
    const unsent = a.driver.stack.discards.of('unsent-media');
    const stream = a.driver.input(({ media }) =>
      media.addSendStream({ mid: '0', kind: 'audio', ssrc: media.allocateSsrc(), cname: 'a', codecs: [OPUS], headerExtensions: [] }),
    );
    a.driver.input((_stack, now) => stream.send(rtp(2), now));
    expect(a.driver.stack.discards.of('unsent-media')).toBe(unsent + 1);
    expect(await connected).toBe(true);
    expect(count.delivered).toBe(0);
    a.driver.input(({ ice }, now) => ice.send(rtp(3), now));
    a.driver.input(({ ice }, now) => ice.send(serializeRtcp([{ type: 'goodbye', ssrcs: [1], reason: 'plain' }]), now));
    await network.run(100);
    const { discards } = b.driver.stack;
    expect([count.delivered, discards.of('srtp-rejected'), discards.of('srtcp-rejected')]).toEqual([0, 1, 1]);
    a.driver.input((_stack, now) => stream.send(rtp(4), now));
    await network.run(100);
    expect(count.delivered).toBe(1);
  });
});

test('F04 20,000 forged SRTP packets and 20,000 records of bad SCTP in a second: dropped, and the connection lives', async () => {
  const pair = new DriverPair();
  expect(await pair.connect()).toBe(true);
  const { network, a, b } = pair;
  const count = listen(b);
  let received = '';
  const stream = a.driver.input(({ media }) =>
    media.addSendStream({ mid: '0', kind: 'audio', ssrc: media.allocateSsrc(), cname: 'a', codecs: [OPUS], headerExtensions: [] }),
  );
  const channel = a.driver.input(({ channels }, now) => channels.create({ label: 'alive' }, now));
  // An authenticated peer's records with garbage for SCTP: verification tags and checksums that are nobody's.
  const garbage = new Uint8Array(40).fill(0x5a);
  for (let millisecond = 0; millisecond < 1000; millisecond++) {
    a.driver.input(({ ice, dtls }, now) => {
      for (let i = 0; i < 20; i++) {
        ice.send(rtp(20 * millisecond + i), now);
        dtls!.send(garbage);
      }
    });
    await network.run(1);
  }
  await network.run(100);
  expect(b.driver.stack.discards.of('srtp-rejected')).toBe(20_000);
  expect(b.driver.stack.sctp!.discards.of('bad-checksum')).toBe(20_000);
  a.driver.input(({ channels }, now) => channels.send(channel, 'still here', now));
  a.driver.input((_stack, now) => stream.send(rtp(1), now));
  await network.run(1000);
  for (const event of b.events) if (event.layer === 'channel' && event.event.type === 'message') received = String(event.event.data);
  expect([received, count.delivered, b.driver.stack.dtls!.state, b.driver.stack.ice.state]).toEqual([
    'still here',
    1,
    'connected',
    'connected',
  ]);
}, 20_000);

describe('W02: the direction that was negotiated', () => {
  test('an offer of sendrecv without a track of ours: no media leaves, and what was not offered is not delivered', async () => {
    const pair = new PeerPair();
    const { a, b } = pair;
    const [sourceOfA, sourceOfB] = [new RtpSource('audio'), new RtpSource('audio')];
    a.addTrack(sourceOfA.track);
    let toA = 0;
    let toB = 0;
    a.ontrack = ({ track }) => (new RtpSink(track).onpacket = () => (toA += 1));
    b.ontrack = ({ track }) => (new RtpSink(track).onpacket = () => (toB += 1));
    await pair.connect();
    const [transceiver] = b.getTransceivers();
    expect([a.getTransceivers()[0]!.direction, transceiver!.currentDirection]).toEqual(['sendrecv', 'recvonly']);
    // A track without negotiation goes nowhere: the direction is what was answered.
    await pair.run(transceiver!.sender.replaceTrack(sourceOfB.track));
    for (let i = 0; i < 20; i++) {
      sourceOfA.write(rtp(i));
      sourceOfB.write(rtp(i));
      await pair.network.run(20);
    }
    expect([toA, toB]).toEqual([0, 20]);
    // After the peer went inactive it may go on sending: nothing arrives.
    a.getTransceivers()[0]!.direction = 'inactive';
    await pair.negotiate();
    for (let i = 20; i < 40; i++) {
      sourceOfA.write(rtp(i));
      await pair.network.run(20);
    }
    expect([toB, transceiver!.currentDirection]).toEqual([20, 'inactive']);
  });

  test('a peer that sends in a section where it said that it would not, or with a codec that was not negotiated, is not heard', async () => {
    const pair = new DriverPair();
    expect(await pair.connect()).toBe(true);
    const { network, a, b } = pair;
    let delivered = 0;
    b.driver.input(({ media }) =>
      media.addReceiveStream({
        mid: '0',
        kind: 'audio',
        codecs: [OPUS],
        headerExtensions: [],
        active: false,
        onPacket: () => (delivered += 1),
      }),
    );
    for (const payloadType of [111, 112]) {
      const codecs = [{ ...OPUS, payloadType }];
      const stream = a.driver.input(({ media }) =>
        media.addSendStream({ mid: '0', kind: 'audio', ssrc: media.allocateSsrc(), cname: 'a', codecs, headerExtensions: [] }),
      );
      a.driver.input((_stack, now) => stream.send(rtp(1), now));
    }
    await network.run(100);
    const { discards } = b.driver.stack.media;
    expect([delivered, discards.of('inactive-receive-stream'), discards.of('unroutable-rtp')]).toEqual([0, 1, 1]);
  });
});
