/** One transport of a connection: the driver of its stack, its W3C objects, and the streams of the media stack that belong to senders and receivers. */
import type { Fingerprint } from '@petrel/crypto';
import type { DtlsRole } from '@petrel/dtls';
import { type IceParameters, type IceRole, type IceServer, newIceParameters } from '@petrel/ice';
import { ConcealedAddresses } from './concealed-addresses.ts';
import type { Configuration } from './configuration.ts';
import { type Instant, NEVER } from '@petrel/sans-io';
import { ConnectionDriver } from './connection-driver.ts';
import type { TransportState } from './connection-state.ts';
import type { ReceiveStream } from './media/receive-stream.ts';
import type { SendStream } from './media/send-stream.ts';
import type { PeerConnectionSlots } from './peer-connection-slots.ts';
import { certificateSlots } from './rtc-certificate.ts';
import { createRTCDtlsTransport, dtlsTransportSlots, type RTCDtlsTransport } from './rtc-dtls-transport.ts';
import { createRTCIceTransport, iceTransportSlots, type RTCIceTransport } from './rtc-ice-transport.ts';
import type { ReceiverSlots } from './rtc-rtp-receiver.ts';
import type { SenderSlots } from './rtc-rtp-sender.ts';
import { openConnections } from './open-connections.ts';
import type { CloseOptions, CloseReport } from './shutdown-sequencer.ts';
import type { GatheringOptions } from './transport-sockets.ts';
import type { StackEvent, TransportConfiguration } from './transport-stack.ts';

export class PeerTransport {
  readonly driver: ConnectionDriver;
  readonly ice: RTCIceTransport = createRTCIceTransport();
  readonly dtls: RTCDtlsTransport = createRTCDtlsTransport(this.ice);
  /** For statistics. */
  readonly id: string;
  readonly senders: Map<SendStream, SenderSlots> = new Map();
  readonly receivers: Map<ReceiveStream, ReceiverSlots> = new Map();
  /** The section that candidates are announced for: the tagged one of a BUNDLE group. */
  mid: string;
  /** Who begins DTLS, once that is negotiated. */
  dtlsRole: DtlsRole | undefined;
  isClosed = false;
  /** When either side last began with other ICE credentials, or the peer with another certificate. */
  identityChangedAt: Instant = -NEVER;
  readonly #connection: PeerConnectionSlots;
  readonly #onEvent: (transport: PeerTransport, event: StackEvent) => void;
  /** Of a transport in the candidate pool: what happens there is told when it is used. */
  #held: StackEvent[] | undefined;
  #next: IceParameters | undefined;
  #isGathering = false;
  #remote: IceParameters | undefined;
  #fingerprints: readonly Fingerprint[] | undefined;

  /** The connection has its certificate. */
  constructor(connection: PeerConnectionSlots, mid: string, role: IceRole, onEvent: (transport: PeerTransport, event: StackEvent) => void) {
    this.#connection = connection;
    this.id = `T${++connection.transportCount}`;
    this.mid = mid;
    const { runtime, configuration, iceServers, checkLists } = connection;
    const concealed = configuration.hideHostAddresses === true ? new ConcealedAddresses(runtime) : undefined;
    this.driver = new ConnectionDriver({
      runtime,
      configuration: {
        crypto: runtime.crypto,
        timeOrigin: runtime.timeOrigin,
        certificate: certificateSlots(connection.certificate!).certificate,
        ice: {
          ...iceOptions(configuration, iceServers, role),
          checkLists,
          ...(concealed && { concealAddress: (address) => concealed.nameOf(address) }),
        },
      },
      gathering: { ...gatheringOptions(configuration, iceServers), ...(concealed && { concealed }) },
      onEvent: (event) => this.#deliver(event),
    });
    this.#onEvent = onEvent;
    this.driver.stack.tap = connection.tap;
    if (connection.closeIsAwaited) this.driver.awaitClose();
    connection.allTransports.add(this);
  }

  /** For the candidate pool: nobody hears of it before the transport is in a local description, and it does not keep the process alive. */
  gatherInAdvance(): void {
    this.#held = [];
    this.#isGathering = true;
    this.driver.keepProcessAlive(false);
    this.driver.gather(this.#connection.iceServers);
  }

  #deliver(event: StackEvent): void {
    if (this.#held === undefined) this.#onEvent(this, event);
    else this.#held.push(event);
  }

  /** In order: what happens while the held events are being told comes after them. */
  #release(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.driver.keepProcessAlive(true);
    const tellNext = (): void => {
      const event = held.shift();
      if (event === undefined) this.#held = undefined;
      else {
        this.#onEvent(this, event);
        this.#connection.runtime.queueTask(tellNext);
      }
    };
    this.#connection.runtime.queueTask(tellNext);
  }

  /** The credentials in force, or those of the restart that is being offered. */
  localParameters(restart: boolean): IceParameters {
    if (!restart) return this.driver.stack.ice.localParameters;
    this.#next ??= newIceParameters(this.#connection.runtime.crypto, false);
    return this.#next;
  }

  /** Whether it was in a local description that was set. */
  get isApplied(): boolean {
    return iceTransportSlots(this.ice).localParameters !== undefined;
  }

  get remoteParameters(): IceParameters | undefined {
    return this.#remote;
  }

  /** A local description with this transport was applied: gathering begins, again when the credentials are new ones. */
  applyLocal(usernameFragment: string): void {
    const { ice } = this.driver.stack;
    if (this.#next?.usernameFragment === usernameFragment) {
      const parameters = this.#next;
      this.#next = undefined;
      this.#noteChange();
      const { iceServers, configuration, gatheringCompletion } = this.#connection;
      gatheringCompletion.begin();
      this.driver.dropVanishedSockets();
      this.driver.input((stack, now) => {
        stack.ice.setServers(iceServers, now);
        stack.ice.setTransportPolicy(configuration.iceTransportPolicy);
        stack.ice.restart(now, parameters);
      });
      iceTransportSlots(this.ice).localCandidates = [];
      this.#isGathering = false;
    }
    const { usernameFragment: fragment, password } = ice.localParameters;
    iceTransportSlots(this.ice).localParameters = { usernameFragment: fragment, password };
    this.#release();
    if (this.#isGathering) return;
    this.#isGathering = true;
    openConnections.add(this.#connection.object);
    this.driver.gather(this.#connection.iceServers);
  }

  /** The peer's credentials, once both descriptions are there. New ones are a restart of the peer's. */
  applyRemote(parameters: IceParameters): void {
    if (this.#remote?.usernameFragment === parameters.usernameFragment && this.#remote.password === parameters.password) return;
    if (this.#remote !== undefined) this.#noteChange();
    this.#remote = parameters;
    const { usernameFragment, password } = parameters;
    const slots = iceTransportSlots(this.ice);
    slots.remoteParameters = { usernameFragment, password };
    slots.remoteCandidates = [];
    this.driver.input((stack, now) => stack.ice.setRemoteParameters(parameters, now));
  }

  /** The role is given once, by the first answer (W3C WebRTC §4.4.1.5). */
  setRole(role: IceRole): void {
    const slots = iceTransportSlots(this.ice);
    if (slots.role !== 'unknown') return;
    slots.role = role;
    this.driver.input((stack, now) => stack.ice.setRole(role, now));
  }

  /** DTLS may begin, or begins again because the peer's certificate is another one. The role stays for the life of the association (RFC 8842 §5). */
  startDtls(negotiatedRole: DtlsRole, fingerprints: readonly Fingerprint[]): void {
    const isSamePeer = this.#fingerprints !== undefined && sameFingerprints(this.#fingerprints, fingerprints);
    if (this.#fingerprints !== undefined && !isSamePeer) this.#noteChange();
    if (!isSamePeer) this.dtlsRole = negotiatedRole;
    const role = this.dtlsRole ?? negotiatedRole;
    this.#fingerprints = fingerprints;
    this.driver.input((stack, now) => stack.startDtls({ role, fingerprints }, now));
  }

  #noteChange(): void {
    this.identityChangedAt = this.#connection.runtime.now();
  }

  get state(): TransportState {
    const { state, gatheringState } = iceTransportSlots(this.ice);
    return { ice: state, gathering: gatheringState, dtls: dtlsTransportSlots(this.dtls).state };
  }

  /** A transport that a BUNDLE group has made superfluous, or whose sections were rejected: closed in a task, with events. */
  discard(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    void this.driver.close();
    this.#connection.runtime.queueTask(() => {
      this.#setClosed();
      this.dtls.dispatchEvent(new Event('statechange'));
      this.ice.dispatchEvent(new Event('statechange'));
    });
  }

  /** States change now and without events. */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    this.isClosed = true;
    const closed = this.driver.close(options);
    this.#setClosed();
    return closed;
  }

  #setClosed(): void {
    dtlsTransportSlots(this.dtls).state = 'closed';
    iceTransportSlots(this.ice).state = 'closed';
  }
}

export function sameFingerprints(some: readonly Fingerprint[], others: readonly Fingerprint[]): boolean {
  return textOf(some) === textOf(others);
}

function textOf(fingerprints: readonly Fingerprint[]): string {
  return fingerprints
    .map(({ algorithm, value }) => `${algorithm} ${value}`)
    .toSorted()
    .join();
}

function iceOptions(configuration: Configuration, servers: readonly IceServer[], role: IceRole): TransportConfiguration['ice'] {
  const { iceTransportPolicy: transportPolicy, iceTcp } = configuration;
  return { role, servers, transportPolicy, tcpActive: iceTcp === 'active' || iceTcp === 'both' };
}

function gatheringOptions(configuration: Configuration, servers: readonly IceServer[]): GatheringOptions {
  const { portRange, interfaceFilter, announcedAddress, udpMux, tcpMux, iceTcp, certificateAuthorities } = configuration;
  return {
    tcpPassive: iceTcp === 'passive' || iceTcp === 'both',
    needsRelaySockets: servers.some(({ url }) => url.scheme === 'turn' && url.transport === 'udp'),
    ...(portRange && { portRange }),
    ...(interfaceFilter && { interfaceFilter }),
    ...(announcedAddress !== undefined && { announcedAddress }),
    ...(udpMux && { udpMux }),
    ...(tcpMux && { tcpMux }),
    ...(certificateAuthorities && { certificateAuthorities }),
  };
}
