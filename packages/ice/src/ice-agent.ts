/** An ICE agent for one component (RFC 8445, RFC 8838, RFC 7675) without I/O: the driver owns the sockets. */
import { type Core, type Instant, NEVER, Queue } from '@petrel/sans-io';
import type { Candidate } from './candidate.ts';
import type {
  IceAgentOptions,
  IceEvent,
  IceGatheringState,
  IceParameters,
  IceRole,
  IceServer,
  IceStats,
  IceTransmit,
  IceTransportState,
  LocalSocket,
} from './ice-types.ts';

export class IceAgent implements Core<IceTransmit, IceEvent> {
  readonly #transmits = new Queue<IceTransmit>();
  readonly #events = new Queue<IceEvent>();
  readonly #role: IceRole;

  constructor(options: IceAgentOptions) {
    this.#role = options.role;
  }

  get role(): IceRole {
    return this.#role;
  }

  get state(): IceTransportState {
    return 'new';
  }

  get gatheringState(): IceGatheringState {
    return 'new';
  }

  get localParameters(): IceParameters {
    return { usernameFragment: '', password: '' };
  }

  get selectedPair(): { readonly local: Candidate; readonly remote: Candidate } | undefined {
    return undefined;
  }

  /** Of the selected pair, in milliseconds. */
  get roundTripTime(): number | undefined {
    return undefined;
  }

  get stats(): IceStats {
    return { pairs: [], localCandidates: [], remoteCandidates: [], selectedPairChanges: 0 };
  }

  /** What the session description says about the role; a role that a conflict has changed is left alone unless this differs from the last call. */
  setRole(_role: IceRole, _now: Instant): void {}

  /** The peer's credentials: checks begin. Other ones than before are an ICE restart of the peer. */
  setRemoteParameters(_parameters: IceParameters, _now: Instant): void {}

  /** New local credentials and a new gathering over the same sockets; the selected pair serves until a new one is selected (RFC 8445 §9). */
  restart(_now: Instant): void {}

  /** Servers for the next gathering. */
  setServers(_servers: readonly IceServer[], _now: Instant): void {}

  /** The result of resolving a server's host name: IP literals, none when there are none. */
  resolveServer(_host: string, _addresses: readonly string[], _now: Instant): void {}

  /** A bound UDP socket or a listening TCP socket: candidates are gathered from it. An id that is known already is ignored. */
  addSocket(_id: number, _socket: LocalSocket, _now: Instant): void {}

  /** The interface has gone, or the socket has failed. */
  removeSocket(_id: number, _now: Instant): void {}

  /** There are no more sockets in this gathering: it is complete once the servers have answered. */
  endOfSockets(_now: Instant): void {}

  /** @returns false when the candidate is of no use: no literal address, an impossible one, another component, too many */
  addRemoteCandidate(_candidate: Candidate, _now: Instant): boolean {
    return false;
  }

  endOfRemoteCandidates(_now: Instant): void {}

  /**
   * A datagram. STUN and TURN end here.
   * @returns payload for the layer above, if it came over an authenticated 5-tuple
   */
  receive(_socket: number, _data: Uint8Array, _address: string, _port: number, _now: Instant): Uint8Array | undefined {
    return undefined;
  }

  /** Sends over the selected pair, or before there is one over the best valid pair. @returns false when there is none, or no consent */
  send(_payload: Uint8Array, _now: Instant): boolean {
    return false;
  }

  /** The stream that an `open-stream` event asked for is open. */
  streamOpened(_id: number, _localAddress: string, _localPort: number, _now: Instant): void {}

  /** A listening socket has accepted a connection; `id` is the driver's, unique among sockets and streams. */
  streamAccepted(_id: number, _listener: number, _remoteAddress: string, _remotePort: number, _now: Instant): void {}

  /** Bytes of a stream. @returns the payloads in them */
  streamData(_id: number, _bytes: Uint8Array, _now: Instant): readonly Uint8Array[] {
    return [];
  }

  /** The stream has ended, or could not be opened. */
  streamClosed(_id: number, _now: Instant): void {}

  /** Stops everything. Releases of TURN allocations are queued as transmits. */
  close(_now: Instant): void {}

  handleTimeout(_now: Instant): void {}

  nextTimeout(): Instant {
    return NEVER;
  }

  pollTransmit(_now: Instant): IceTransmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): IceEvent | undefined {
    return this.#events.shift();
  }
}
