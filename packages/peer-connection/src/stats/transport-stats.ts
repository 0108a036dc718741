/** Statistics of one transport: transport, candidate-pair, local-candidate, remote-candidate, certificate (webrtc-stats §8.19 to §8.23). */
import type { Certificate, CryptoProvider } from '@petrel/crypto';
import { fingerprint } from '@petrel/crypto';
import type { DtlsRole } from '@petrel/dtls';
import type { Candidate, CandidatePairStats } from '@petrel/ice';
import type { RTCDtlsTransport } from '../rtc-dtls-transport.ts';
import type { TransportStack } from '../transport-stack.ts';
import type { RTCStats } from './rtc-stats-report.ts';
import type { StatsTime } from './stats-time.ts';

export interface TransportStatsSource {
  /** The id of the transport's statistics, which those of its streams refer to. */
  readonly id: string;
  readonly transport: RTCDtlsTransport;
  readonly stack: TransportStack;
  readonly certificate: Certificate;
  /** Known before the handshake. */
  readonly dtlsRole: DtlsRole | undefined;
  readonly crypto: CryptoProvider;
}

/** Everything about one transport. */
export function transportStats(source: TransportStatsSource, time: StatsTime): RTCStats[] {
  const { stack, id } = source;
  const { pairs, localCandidates, remoteCandidates } = stack.ice.stats;
  const candidates = new CandidateIds(id);
  const certificates = certificateStats(source, time);
  // Candidates that only a pair knows (learned from checks) are listed as well.
  const locals = unique([...localCandidates, ...pairs.map(({ local }) => local)], candidates.local);
  const remotes = unique([...remoteCandidates, ...pairs.map(({ remote }) => remote)], candidates.remote);
  return [
    transportEntry(source, time, certificates),
    ...certificates.local,
    ...certificates.remote,
    ...pairs.map((pair) => pairEntry(id, pair, candidates, time)),
    ...locals.map((candidate) => candidateEntry('local-candidate', candidates.local(candidate), id, candidate, time)),
    ...remotes.map((candidate) => remoteEntry(source, candidates.remote(candidate), candidate, time)),
  ];
}

class CandidateIds {
  readonly local: (candidate: Candidate) => string;
  readonly remote: (candidate: Candidate) => string;

  constructor(transportId: string) {
    const id =
      (side: string) =>
      ({ protocol, address, port, type, tcpType, foundation }: Candidate): string =>
        `${transportId}${side}:${foundation}:${protocol}${tcpType ?? ''}:${address}:${port}:${type}`;
    this.local = id('L');
    this.remote = id('R');
  }
}

const pairId = (transportId: string, pair: CandidatePairStats): string => `${transportId}P${pair.id}`;

function transportEntry(source: TransportStatsSource, time: StatsTime, certificates: Certificates): RTCStats {
  const { id, stack, transport } = source;
  const { pairs, selectedPairChanges } = stack.ice.stats;
  const selected = pairs.find((pair) => pair.selected);
  const sum = (of: (pair: CandidatePairStats) => number): number => pairs.reduce((total, pair) => total + of(pair), 0);
  const { dtls, srtpProfile } = stack;
  return {
    ...time.entry(id, 'transport'),
    packetsSent: sum((pair) => pair.packetsSent),
    packetsReceived: sum((pair) => pair.packetsReceived),
    bytesSent: sum((pair) => pair.bytesSent),
    bytesReceived: sum((pair) => pair.bytesReceived),
    // The agent has one before the answer confirms it.
    iceRole: stack.ice.role,
    iceLocalUsernameFragment: stack.ice.localParameters.usernameFragment,
    dtlsState: transport.state,
    iceState: transport.iceTransport.state,
    ...(selected === undefined ? {} : { selectedCandidatePairId: pairId(id, selected) }),
    ...(certificates.local[0] === undefined ? {} : { localCertificateId: certificates.local[0].id }),
    ...(certificates.remote[0] === undefined ? {} : { remoteCertificateId: certificates.remote[0].id }),
    dtlsRole: source.dtlsRole ?? 'unknown',
    ...(dtls?.cipherSuite === undefined ? {} : { tlsVersion: DTLS_1_2, dtlsCipher: dtls.cipherSuite }),
    ...(srtpProfile === undefined ? {} : { srtpCipher: SRTP_NAMES[srtpProfile] }),
    selectedCandidatePairChanges: selectedPairChanges,
    // Feedback of RFC 8888 is not used.
    ccfbMessagesSent: 0,
    ccfbMessagesReceived: 0,
  };
}

/** The version field of a DTLS 1.2 record, in hexadecimal (webrtc-stats §8.19). */
const DTLS_1_2 = 'FEFD';

/** Names of the IANA registry "DTLS-SRTP Protection Profiles" (RFC 5764 §4.1.2, RFC 7714 §14.2). */
const SRTP_NAMES = {
  AES_CM_128_HMAC_SHA1_80: 'SRTP_AES128_CM_HMAC_SHA1_80',
  AES_CM_128_HMAC_SHA1_32: 'SRTP_AES128_CM_HMAC_SHA1_32',
  AEAD_AES_128_GCM: 'SRTP_AEAD_AES_128_GCM',
  AEAD_AES_256_GCM: 'SRTP_AEAD_AES_256_GCM',
} as const;

function pairEntry(transportId: string, pair: CandidatePairStats, candidates: CandidateIds, time: StatsTime): RTCStats {
  const { lastPacketSentAt, lastPacketReceivedAt, currentRoundTripTime } = pair;
  return {
    ...time.entry(pairId(transportId, pair), 'candidate-pair'),
    transportId,
    localCandidateId: candidates.local(pair.local),
    remoteCandidateId: candidates.remote(pair.remote),
    state: pair.state,
    nominated: pair.nominated,
    packetsSent: pair.packetsSent,
    packetsReceived: pair.packetsReceived,
    bytesSent: pair.bytesSent,
    bytesReceived: pair.bytesReceived,
    ...(lastPacketSentAt === undefined ? {} : { lastPacketSentTimestamp: time.at(lastPacketSentAt) }),
    ...(lastPacketReceivedAt === undefined ? {} : { lastPacketReceivedTimestamp: time.at(lastPacketReceivedAt) }),
    totalRoundTripTime: pair.totalRoundTripTime,
    ...(currentRoundTripTime === undefined ? {} : { currentRoundTripTime }),
    requestsReceived: pair.requestsReceived,
    requestsSent: pair.requestsSent,
    responsesReceived: pair.responsesReceived,
    responsesSent: pair.responsesSent,
    consentRequestsSent: pair.consentRequestsSent,
    packetsDiscardedOnSend: pair.packetsDiscardedOnSend,
    bytesDiscardedOnSend: pair.bytesDiscardedOnSend,
  };
}

/** Members that a candidate does not have are absent. */
function candidateEntry(type: string, id: string, transportId: string, candidate: Candidate, time: StatsTime): RTCStats {
  const { address, port, protocol, type: candidateType, priority, foundation } = candidate;
  const { url, relayProtocol, relatedAddress, relatedPort, usernameFragment, tcpType } = candidate;
  const optional = { url, relayProtocol, relatedAddress, relatedPort, usernameFragment, tcpType };
  return {
    ...time.entry(id, type),
    transportId,
    address,
    port,
    protocol,
    candidateType,
    priority,
    foundation,
    ...Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)),
  };
}

/** webrtc-stats §8.21: what the peer has not told by signalling is not shown: the address of a peer-reflexive candidate, its ufrag. */
function remoteEntry({ id: transportId, transport }: TransportStatsSource, id: string, candidate: Candidate, time: StatsTime): RTCStats {
  const entry = candidateEntry('remote-candidate', id, transportId, candidate, time);
  if (candidate.type !== 'prflx') return entry;
  const signalled = transport.iceTransport.getRemoteCandidates();
  if (!signalled.some(({ address }) => address === candidate.address)) entry['address'] = null;
  const usernameFragment = transport.iceTransport.getRemoteParameters()?.usernameFragment;
  if (usernameFragment === undefined) delete entry['usernameFragment'];
  else entry['usernameFragment'] = usernameFragment;
  return entry;
}

interface Certificates {
  readonly local: RTCStats[];
  readonly remote: RTCStats[];
}

function certificateStats(source: TransportStatsSource, time: StatsTime): Certificates {
  const chain = (ders: readonly Uint8Array[]): RTCStats[] => {
    const ids = ders.map((der) => fingerprint(source.crypto, 'sha-256', der));
    return ders.map((der, index) => ({
      ...time.entry(`C${ids[index]!.value}`, 'certificate'),
      fingerprint: ids[index]!.value,
      fingerprintAlgorithm: ids[index]!.algorithm,
      base64Certificate: btoa(Array.from(der, (byte) => String.fromCharCode(byte)).join('')),
      ...(ids[index + 1] === undefined ? {} : { issuerCertificateId: `C${ids[index + 1]!.value}` }),
    }));
  };
  const remote = source.stack.dtls?.peerCertificates ?? [];
  return { local: chain(source.certificate.derChain), remote: chain(remote) };
}

/** The first candidate of each id. */
function unique(candidates: readonly Candidate[], id: (candidate: Candidate) => string): Candidate[] {
  const byId = new Map<string, Candidate>();
  for (const candidate of candidates) if (!byId.has(id(candidate))) byId.set(id(candidate), candidate);
  return [...byId.values()];
}
