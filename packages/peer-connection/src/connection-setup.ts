/** The constructor's algorithm and the configuration (W3C WebRTC §4.4.1.1, §4.4.1.6). */
import { CheckListSet } from '@petrel/ice';
import { randomText } from '@petrel/sans-io';
import { checkModification, type Configuration, parseIceServers } from './configuration.ts';
import { DataChannelRegistry } from './data-channel-registry.ts';
import { fillPool, refillPool } from './candidate-pool.ts';
import { runtimeOrDefault } from './default-runtime.ts';
import { exception } from './errors.ts';
import { GatheringCompletion } from './gathering-completion.ts';
import { iceCredentials } from './jsep/description.ts';
import { updateNegotiationNeeded } from './jsep/negotiation-needed.ts';
import { OperationsChain } from './operations-chain.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { randomUuid } from './random-uuid.ts';
import { type AlgorithmIdentifier, generateRTCCertificate, type RTCCertificate } from './rtc-certificate.ts';
import type { RTCPeerConnection } from './rtc-peer-connection.ts';
import type { Runtime } from './runtime.ts';
import type { CloseReport } from './shutdown-sequencer.ts';

/** `RTCPeerConnection.generateCertificate`. */
export function generateFor(algorithm: AlgorithmIdentifier): Promise<RTCCertificate> {
  const runtime = runtimeOrDefault(undefined);
  return generateRTCCertificate(runtime.crypto, algorithm, runtime.timeOrigin + runtime.now());
}

export interface CreatedSlots {
  readonly slots: PeerConnectionSlots;
  readonly closed: Promise<CloseReport>;
}

export function createSlots(object: RTCPeerConnection, configuration: Configuration, given: Runtime | undefined): CreatedSlots {
  const runtime = runtimeOrDefault(given);
  // 5. Certificates that have not expired.
  const today = runtime.timeOrigin + runtime.now();
  if (configuration.certificates.some(({ expires }) => expires < today))
    throw exception('InvalidAccessError', 'a certificate has expired: generate or import another one');
  if (configuration.rtcpMuxPolicy !== 'require')
    throw exception('NotSupportedError', "RTCP is always multiplexed: rtcpMuxPolicy is 'require'");
  const iceServers = parseIceServers(configuration.iceServers);
  let resolveClosed!: (report: CloseReport) => void;
  const closed = new Promise<CloseReport>((resolve) => (resolveClosed = resolve));
  const { crypto } = runtime;
  const slots: PeerConnectionSlots = {
    object,
    runtime,
    configuration,
    iceServers,
    isClosed: false,
    closeIsAwaited: false,
    negotiationNeeded: false,
    sctp: null,
    lastStableStateSctp: null,
    // The next two need the slots.
    channels: undefined as unknown as DataChannelRegistry,
    operations: new OperationsChain(
      () => slots.isClosed,
      () => onEmptyChain(slots),
    ),
    updateNegotiationNeededFlagOnEmptyChain: false,
    lastCreatedOffer: undefined,
    lastCreatedAnswer: undefined,
    earlyCandidates: [],
    signalingState: 'stable',
    iceConnectionState: 'new',
    iceGatheringState: 'new',
    connectionState: 'new',
    pendingLocalDescription: null,
    currentLocalDescription: null,
    pendingRemoteDescription: null,
    currentRemoteDescription: null,
    localIceCredentialsToReplace: new Set(),
    transceivers: [],
    certificate: configuration.certificates[0],
    certificateReady: undefined as unknown as Promise<void>,
    cname: randomText(crypto, 16),
    sessionId: randomSessionId(crypto.randomBytes(8)),
    sessionVersion: 1,
    checkLists: new CheckListSet(),
    transports: new Map(),
    allTransports: new Set(),
    pool: [],
    remoteStreams: new Map(),
    defaultStreamId: randomUuid(crypto),
    usedSsrcs: new Set(),
    transportCount: 0,
    hasSetLocalDescription: false,
    tap: undefined,
    gatheringCompletion: new GatheringCompletion(),
    resolveClosed,
  };
  const certificateReady = prepareCertificate(slots);
  // Who needs the certificate hears of a failure; a connection that never negotiates does not.
  certificateReady.then(
    () => fillPool(slots),
    () => {},
  );
  return { slots: Object.assign(slots, { channels: new DataChannelRegistry(slots), certificateReady }), closed };
}

/** 5. Or else one is generated, while the application goes on. */
async function prepareCertificate(slots: PeerConnectionSlots): Promise<void> {
  if (slots.certificate !== undefined) return;
  const { runtime } = slots;
  const now = runtime.timeOrigin + runtime.now();
  slots.certificate = await generateRTCCertificate(runtime.crypto, { name: 'ECDSA', namedCurve: 'P-256' }, now);
}

/** §4.4.1.2, the last steps. */
function onEmptyChain(slots: PeerConnectionSlots): void {
  if (!slots.updateNegotiationNeededFlagOnEmptyChain) return;
  slots.updateNegotiationNeededFlagOnEmptyChain = false;
  updateNegotiationNeeded(slots);
}

/** RFC 8829 §5.2.1: 63 random bits. */
function randomSessionId(bytes: Uint8Array): string {
  const value = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  return String(value & 0x7fff_ffff_ffff_ffffn);
}

/** "Set the configuration" of a connection that has one. @throws InvalidModificationError, SyntaxError, InvalidAccessError */
export function setConfiguration(slots: PeerConnectionSlots, configuration: Configuration): void {
  checkModification(configuration, slots.configuration, slots.hasSetLocalDescription);
  slots.iceServers = parseIceServers(configuration.iceServers);
  const before = slots.configuration;
  slots.configuration = configuration;
  // RFC 8829 §4.1.18: another policy needs another gathering, with the next offer.
  if (configuration.iceTransportPolicy !== before.iceTransportPolicy) replaceIceCredentials(slots);
  const gathersOtherwise = configuration.iceTransportPolicy !== before.iceTransportPolicy || !sameServers(configuration, before);
  if (gathersOtherwise) refillPool(slots);
  else if (configuration.iceCandidatePoolSize !== before.iceCandidatePoolSize && slots.certificate !== undefined) fillPool(slots);
}

function sameServers(one: Configuration, other: Configuration): boolean {
  return JSON.stringify(one.iceServers) === JSON.stringify(other.iceServers);
}

/** What `restartIce()` does: the next offer has other credentials. */
export function replaceIceCredentials(slots: PeerConnectionSlots): void {
  const { currentLocalDescription, pendingLocalDescription } = slots;
  slots.localIceCredentialsToReplace = new Set([...iceCredentials(currentLocalDescription), ...iceCredentials(pendingLocalDescription)]);
}
