import { describe, expect, test } from '@jest/globals';
import { nodeCrypto } from '@petrel/crypto/node';
import type { Candidate, CandidatePairStats } from '@petrel/ice';
import { testCertificate } from '@petrel/testing';
import type { InboundRtpCounters, OutboundRtpCounters } from '../src/media/rtp-stats.ts';
import type { ReceiveStream } from '../src/media/receive-stream.ts';
import type { SendStream } from '../src/media/send-stream.ts';
import { createRTCDataChannel } from '../src/rtc-data-channel.ts';
import { createRTCDtlsTransport } from '../src/rtc-dtls-transport.ts';
import { RTCIceCandidate } from '../src/rtc-ice-candidate.ts';
import { createRTCIceTransport, iceTransportSlots, type RTCIceTransport } from '../src/rtc-ice-transport.ts';
import { RtpSource } from '../src/rtp-source.ts';
import { type ConnectionStatsSource, connectionStats, selectReceiverStats, selectSenderStats } from '../src/stats/collect-stats.ts';
import type { ReceiverStatsSource, SenderStatsSource } from '../src/stats/rtp-stats.ts';
import type { RTCStats } from '../src/stats/rtc-stats-report.ts';
import type { TransportStatsSource } from '../src/stats/transport-stats.ts';
import type { TransportStack } from '../src/transport-stack.ts';

const crypto = nodeCrypto();
const TIME_ORIGIN = 1_700_000_000_000;

const local: Candidate = { foundation: '1', component: 1, protocol: 'udp', priority: 100, address: '192.0.2.1', port: 1000, type: 'host' };
const remote: Candidate = { ...local, address: '192.0.2.2', port: 2000, type: 'prflx', usernameFragment: 'frag' };
const pair: CandidatePairStats = {
  id: 7,
  local,
  remote,
  state: 'succeeded',
  nominated: true,
  selected: true,
  priority: 1n,
  packetsSent: 1,
  packetsReceived: 2,
  bytesSent: 10,
  bytesReceived: 20,
  lastPacketSentAt: 5,
  lastPacketReceivedAt: undefined,
  totalRoundTripTime: 0.5,
  currentRoundTripTime: 0.25,
  requestsReceived: 0,
  requestsSent: 1,
  responsesReceived: 1,
  responsesSent: 0,
  consentRequestsSent: 0,
  packetsDiscardedOnSend: 0,
  bytesDiscardedOnSend: 0,
};

function transport(): TransportStatsSource & { readonly ice: RTCIceTransport } {
  const ice = createRTCIceTransport();
  const stack = {
    ice: {
      role: 'controlled',
      localParameters: { usernameFragment: 'mine', password: 'secret' },
      stats: { pairs: [pair], localCandidates: [local], remoteCandidates: [], selectedPairChanges: 1 },
    },
    dtls: { role: 'client', cipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', peerCertificates: testCertificate(crypto, 1).derChain },
    srtpProfile: 'AEAD_AES_128_GCM',
  } as unknown as TransportStack;
  return {
    id: 'T0',
    transport: createRTCDtlsTransport(ice),
    stack,
    certificate: testCertificate(crypto, 0),
    dtlsRole: 'client',
    crypto,
    ice,
  };
}

const codecs = [{ payloadType: 96, mimeType: 'video/VP8', clockRate: 90_000, sdpFmtpLine: 'max-fr=30' }];

function sender(remoteInbound?: OutboundRtpCounters['remoteInbound']): SenderStatsSource {
  const stats = {
    ssrc: 1,
    kind: 'video',
    mid: '0',
    rid: undefined,
    rtxSsrc: 2,
    active: true,
    payloadType: 96,
    mimeType: 'video/VP8',
    packetsSent: 3,
    bytesSent: 300,
    headerBytesSent: 36,
    markersSent: 2,
    retransmittedPacketsSent: 0,
    retransmittedBytesSent: 0,
    nackCount: 0,
    pliCount: 1,
    firCount: 0,
    remoteInbound,
  } as OutboundRtpCounters;
  const track = new RtpSource('video').track;
  return { kind: 'video', mid: '0', transportId: 'T0', codecs, track, streams: [{ stats } as SendStream] };
}

function receiver(packetsReceived: number): ReceiverStatsSource {
  const stats = {
    ssrc: 9,
    kind: 'video',
    mid: '0',
    rid: undefined,
    payloadType: 96,
    mimeType: 'video/VP8',
    packetsReceived,
    packetsLost: 0,
    jitter: 0,
    bytesReceived: 1,
    headerBytesReceived: 1,
    markersReceived: 1,
    lastPacketReceivedTimestamp: 90,
    retransmittedPacketsReceived: 0,
    retransmittedBytesReceived: 0,
    rtxSsrc: undefined,
    packetsDiscarded: 0,
    nackCount: 0,
    pliCount: 0,
    firCount: 0,
    remoteOutbound: {
      ssrc: 9,
      kind: 'video',
      packetsSent: 5,
      bytesSent: 50,
      remoteTimestamp: 1,
      reportsSent: 1,
      roundTripTime: undefined,
      totalRoundTripTime: 0,
      roundTripTimeMeasurements: 0,
      timestamp: 80,
    },
  } as InboundRtpCounters;
  const track = new RtpSource('video').track;
  const stream = { stats: [stats], options: { rtxPairs: [{ ssrc: 9, rtxSsrc: 10 }] } } as unknown as ReceiveStream;
  return { kind: 'video', mid: '0', transportId: 'T0', codecs, track, stream };
}

function source(changes: Partial<ConnectionStatsSource> = {}): ConnectionStatsSource {
  const empty = { transports: [], senders: [], receivers: [], dataChannels: [], dataChannelsOpened: 0, dataChannelsClosed: 0 };
  return { now: 100, timeOrigin: TIME_ORIGIN, ...empty, ...changes };
}

const ofType = (stats: readonly RTCStats[], type: string): RTCStats[] => stats.filter((entry) => entry.type === type);

describe('webrtc-stats', () => {
  test('§8.12: an empty connection has peer-connection, with a wall-clock timestamp', () => {
    expect(connectionStats(source())).toEqual([
      { id: 'P', type: 'peer-connection', timestamp: TIME_ORIGIN + 100, dataChannelsOpened: 0, dataChannelsClosed: 0 },
    ]);
  });

  test('every id that is referred to exists, and no id twice', () => {
    const stats = connectionStats(source({ transports: [transport()], senders: [sender()], receivers: [receiver(4)] }));
    const ids = stats.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const entry of stats) for (const [member, value] of Object.entries(entry)) if (member.endsWith('Id')) expect(ids).toContain(value);
    expect(stats.flatMap((entry) => Object.values(entry))).not.toContain(undefined);
  });

  test('§8.19: a transport sums up its pairs, and names what was negotiated', () => {
    const [entry] = ofType(connectionStats(source({ transports: [transport()] })), 'transport');
    expect(entry).toMatchObject({
      packetsSent: 1,
      packetsReceived: 2,
      bytesSent: 10,
      bytesReceived: 20,
      iceRole: 'controlled',
      dtlsState: 'new',
      iceState: 'new',
      dtlsRole: 'client',
      tlsVersion: 'FEFD',
      dtlsCipher: 'TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256',
      srtpCipher: 'SRTP_AEAD_AES_128_GCM',
      selectedCandidatePairChanges: 1,
      iceLocalUsernameFragment: 'mine',
    });
    expect(JSON.stringify(entry)).not.toContain('secret');
  });

  test('§8.22: times of a pair are wall-clock times, absent before the first packet', () => {
    const [entry] = ofType(connectionStats(source({ transports: [transport()] })), 'candidate-pair');
    expect(entry).toMatchObject({ lastPacketSentTimestamp: TIME_ORIGIN + 5, currentRoundTripTime: 0.25, nominated: true });
    expect(entry).not.toHaveProperty('lastPacketReceivedTimestamp');
  });

  test('§8.21: a peer-reflexive candidate shows neither address nor ufrag before signalling has', () => {
    const own = transport();
    const shown = (): RTCStats => ofType(connectionStats(source({ transports: [own] })), 'remote-candidate')[0]!;
    expect(shown()).toMatchObject({ address: null, candidateType: 'prflx', port: 2000 });
    expect(shown()).not.toHaveProperty('usernameFragment');
    const slots = iceTransportSlots(own.ice);
    slots.remoteCandidates.push(new RTCIceCandidate({ candidate: 'candidate:1 1 udp 1 192.0.2.2 1 typ host', sdpMid: '' }));
    slots.remoteParameters = { usernameFragment: 'frag', password: 'secret' };
    expect(shown()).toMatchObject({ address: '192.0.2.2', usernameFragment: 'frag' });
  });

  test('§8.23: certificates of both sides', () => {
    const certificates = ofType(connectionStats(source({ transports: [transport()] })), 'certificate');
    expect(certificates).toHaveLength(2);
    expect(certificates[0]).toMatchObject({ fingerprintAlgorithm: 'sha-256', base64Certificate: expect.stringMatching(/^MII/) });
    expect(certificates[0]).not.toHaveProperty('issuerCertificateId');
  });

  test('§8.3: inbound-rtp exists from the first packet on', () => {
    const counts = [0, 1].map((packets) => ofType(connectionStats(source({ receivers: [receiver(packets)] })), 'inbound-rtp').length);
    expect(counts).toEqual([0, 1]);
  });

  test('§8.4: inbound-rtp names the repairing stream as soon as it is announced, and knows that there is no FEC', () => {
    const [inbound] = ofType(connectionStats(source({ receivers: [receiver(1)] })), 'inbound-rtp');
    expect(inbound).toMatchObject({ rtxSsrc: 10, framesReceived: 1, fecPacketsReceived: 0, fecPacketsDiscarded: 0 });
  });

  test('§8.5, §8.7: remote objects carry the time of the report, and refer to the local ones', () => {
    const remoteInbound: OutboundRtpCounters['remoteInbound'] = {
      ssrc: 1,
      kind: 'video',
      packetsReceived: 3,
      packetsLost: 0,
      jitter: 0.01,
      fractionLost: 0,
      roundTripTime: 0.02,
      totalRoundTripTime: 0.02,
      roundTripTimeMeasurements: 1,
      timestamp: 60,
    };
    const stats = connectionStats(source({ senders: [sender(remoteInbound)], receivers: [receiver(1)] }));
    const [outbound] = ofType(stats, 'outbound-rtp');
    expect(outbound).toMatchObject({ framesSent: 2, pliCount: 1, encodingIndex: 0 });
    expect(ofType(stats, 'remote-inbound-rtp')).toEqual([
      expect.objectContaining({ timestamp: TIME_ORIGIN + 60, localId: outbound!.id, roundTripTime: 0.02, ssrc: 1 }),
    ]);
    expect(ofType(stats, 'remote-outbound-rtp')).toEqual([expect.objectContaining({ timestamp: TIME_ORIGIN + 80, packetsSent: 5 })]);
  });

  test('§8.11: a data channel, counted by messages and bytes', () => {
    const limits = { maxMessageSize: 1, maxBufferSize: 1 };
    const channel = createRTCDataChannel({
      label: 'l',
      protocol: 'p',
      ordered: true,
      negotiated: true,
      id: 3,
      statsId: 1,
      limits: () => limits,
      queueTask: () => {},
    });
    const [entry] = ofType(connectionStats(source({ dataChannels: [channel] })), 'data-channel');
    expect(entry).toMatchObject({
      label: 'l',
      protocol: 'p',
      dataChannelIdentifier: 3,
      state: 'connecting',
      messagesSent: 0,
      bytesReceived: 0,
    });
  });
});

function types(stats: readonly RTCStats[]): string[] {
  return [...new Set(stats.map(({ type }) => type))].toSorted();
}

describe('W3C WebRTC §8.5: the stats selection algorithm', () => {
  const [own, other, receiving] = [sender(), sender(), receiver(1)];
  const all = source({ transports: [transport()], senders: [own, other], receivers: [receiving] });

  test('a sender selects its outbound-rtp and what that refers to', () => {
    const stats = selectSenderStats(all, own);
    expect(ofType(stats, 'media-source')).toEqual([expect.objectContaining({ trackIdentifier: own.track!.id })]);
    expect(types(stats)).toEqual([
      'candidate-pair',
      'certificate',
      'codec',
      'local-candidate',
      'media-source',
      'outbound-rtp',
      'remote-candidate',
      'transport',
    ]);
  });

  test('a receiver selects its inbound-rtp and what that refers to', () => {
    expect(types(selectReceiverStats(all, receiving))).toEqual([
      'candidate-pair',
      'certificate',
      'codec',
      'inbound-rtp',
      'local-candidate',
      'remote-candidate',
      'remote-outbound-rtp',
      'transport',
    ]);
  });
});
