/**
 * An ICE agent for one component (RFC 8445, RFC 8838, RFC 7675) without I/O: the driver owns the sockets. This file is the surface; a session
 * (session.ts) has what happens between two pairs of credentials, the gatherer (gathering.ts) where packets can leave.
 */
import { type Core, Discards, type Instant, NEVER, Queue } from '@petrel/sans-io';
import { canonicalIpAddress, isStunMessage, type StunDiscard } from '@petrel/stun';
import type { Base } from './base.ts';
import { type Candidate, isUsableCandidate } from './candidate.ts';
import { CheckListSet } from './check-list-set.ts';
import { UNANSWERED } from './consent.ts';
import { Gatherer, type GatheringContext } from './gathering.ts';
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
import { newIceParameters } from './ice-parameters.ts';
import { type IncomingContext, IncomingStun } from './incoming-stun.ts';
import { PayloadPaths } from './payload-paths.ts';
import { IceSession, type SessionContext, type SessionDiscard } from './session.ts';
import { SeenRequests } from './seen-requests.ts';
import { SelectedPath } from './selected-path.ts';
import { Sessions } from './sessions.ts';
import { TcpStreams } from './tcp-streams.ts';
import { transportState } from './transport-state.ts';

/** Why a datagram was dropped; `no-path`: data that could not be sent. */
export type IceDiscard =
  | StunDiscard
  | SessionDiscard
  | 'unknown-socket'
  | 'unvalidated-path'
  | 'policy'
  | 'unusable-candidate'
  | 'no-path'
  | 'ended';

const MIN_PACING = 5;

/**
 * @example
 * const agent = new IceAgent({ crypto, role: 'controlling' });
 * agent.addSocket(1, { protocol: 'udp', address: '192.0.2.1', port: 50_000 }, now);
 * agent.endOfSockets(now);
 * agent.setRemoteParameters({ usernameFragment, password }, now);
 * agent.addRemoteCandidate(parseCandidate(line)!, now);
 * // after every input: pollTransmit() to the sockets, pollEvent(), and a timer for nextTimeout()
 */
export class IceAgent implements Core<IceTransmit, IceEvent> {
  readonly discards: Discards<IceDiscard> = new Discards();
  /** A copy that the parts of the agent share. */
  readonly #options: IceAgentOptions & { readonly checkLists: CheckListSet; transportPolicy?: 'all' | 'relay' };
  readonly #transmits = new Queue<IceTransmit>();
  readonly #events = new Queue<IceEvent>();
  readonly #gatherer: Gatherer;
  readonly #incoming: IncomingStun;
  readonly #streams: TcpStreams;
  #role: IceRole;
  #declaredRole: IceRole;
  #state: IceTransportState = 'new';
  readonly #sessions: Sessions;
  readonly #payloads: PayloadPaths;
  readonly #path = new SelectedPath((base, address, port, data, now) => this.#transmit(base, address, port, data, now));
  #deadline: Instant = NEVER;
  #sessionDeadline: Instant = NEVER;
  #stale = true;

  constructor(options: IceAgentOptions) {
    this.#options = { ...options, checkLists: options.checkLists ?? new CheckListSet() };
    this.#role = this.#declaredRole = options.role;
    const context = this.#sessionContext();
    this.#incoming = new IncomingStun(this.#incomingContext(), this.discards as Discards<StunDiscard>);
    const onDiscard = (reason: SessionDiscard): void => this.discards.count(reason);
    this.#sessions = new Sessions(
      (local) => new IceSession(context, local, onDiscard),
      newIceParameters(options.crypto, options.lite === true),
    );
    this.#payloads = new PayloadPaths(this.#sessions);
    this.#gatherer = new Gatherer(this.#options, this.#gatheringContext());
    this.#streams = new TcpStreams({
      newStreamId: () => this.#gatherer.newStreamId(),
      event: (event) => this.#events.push(event),
      transmit: (transmit) => this.#transmits.push(transmit),
    });
  }

  /** The session in force. */
  get #session(): IceSession {
    return this.#sessions.current;
  }

  // State --------------------------------------------------------------------------------------------------------------

  get role(): IceRole {
    return this.#role;
  }

  get state(): IceTransportState {
    return this.#state;
  }

  get gatheringState(): IceGatheringState {
    return this.#gatherer.state;
  }

  get localParameters(): IceParameters {
    return this.#session.local;
  }

  get remoteParameters(): IceParameters | undefined {
    return this.#session.remote;
  }

  /** The pair that data is sent over. */
  get selectedPair(): { readonly local: Candidate; readonly remote: Candidate } | undefined {
    return this.#path.candidates;
  }

  /** Of the selected pair, in milliseconds. */
  get roundTripTime(): number | undefined {
    return this.#path.pair?.roundTripTime;
  }

  get stats(): IceStats {
    const { all, current } = this.#sessions;
    return {
      pairs: all.flatMap(({ list }) => list.pairs.map((pair) => pair.stats(pair === this.#path.pair))),
      localCandidates: this.#gatherer.candidates.all,
      remoteCandidates: [...Array.from(current.remotes, ({ candidate }) => candidate), ...current.earlyCandidates],
      selectedPairChanges: this.#path.changes,
    };
  }

  /** After `close`: whether the servers have confirmed that they released our allocations, or had their time for it. */
  get released(): boolean {
    return this.#gatherer.released;
  }

  // Inputs of the application ------------------------------------------------------------------------------------------

  /** What the session description says about the role; a role that a conflict has changed is left alone unless this differs from the last call. */
  setRole(role: IceRole, now: Instant): void {
    if (role === this.#declaredRole) return;
    this.#declaredRole = role;
    this.#changeRole(role);
    this.#update(now);
  }

  /** The peer's credentials: checks begin. Other ones than before are an ICE restart of the peer. */
  setRemoteParameters(parameters: IceParameters, now: Instant): void {
    const { remote } = this.#session;
    if (this.#state === 'closed') return;
    if (remote?.usernameFragment === parameters.usernameFragment && remote.password === parameters.password) return;
    if (remote !== undefined) this.#sessions.replace(this.#session.local, this.#path.pair);
    // A lite agent can only be controlled (RFC 8445 §6.1.1).
    if (parameters.lite === true && this.#options.lite !== true && this.#role === 'controlled') this.#changeRole('controlling');
    this.#session.setRemote(parameters, now);
    this.#update(now);
  }

  /** New local credentials (those that a description announced already, if given) and a new gathering over the same sockets; the selected pair serves until a new one is selected (RFC 8445 §9). */
  restart(now: Instant, parameters: IceParameters = newIceParameters(this.#options.crypto, this.#options.lite === true)): void {
    if (this.#state === 'closed') return;
    this.#sessions.replace(parameters, this.#path.pair);
    this.#gatherer.restart(now);
    this.#update(now);
  }

  /** Servers for the next gathering. */
  setServers(servers: readonly IceServer[], _now: Instant): void {
    this.#gatherer.setServers(servers);
  }

  /** For the next gathering; call it before {@link restart}. */
  setTransportPolicy(policy: 'all' | 'relay'): void {
    this.#options.transportPolicy = policy;
  }

  /** The result of resolving a server's host name: IP literals, none when there are none. */
  resolveServer(host: string, addresses: readonly string[], now: Instant): void {
    this.#gatherer.resolveServer(host, addresses, now);
    this.#update(now);
  }

  /** A bound UDP socket or a listening TCP socket: candidates are gathered from it. An id that is known already is ignored. */
  addSocket(id: number, socket: LocalSocket, now: Instant): void {
    this.#gatherer.addSocket(id, socket, now);
    this.#update(now);
  }

  /** The interface has gone, or the socket has failed; or one that was asked for could not be opened. */
  removeSocket(id: number, now: Instant): void {
    this.#gatherer.removeSocket(id, now);
    this.#update(now);
  }

  /**
   * The interface of a socket is not there. If data goes over it, all pairs are checked, and the first one that answers over another interface is
   * used. The socket stays, because interfaces come back.
   */
  interfaceLost(id: number, now: Instant): void {
    const base = this.#gatherer.ofSocket(id);
    if (base === undefined || this.#state === 'closed') return;
    this.#sessions.avoid(base.address, now);
    this.#update(now);
  }

  /** There are no more sockets in this gathering: it is complete once the servers have answered. */
  endOfSockets(now: Instant): void {
    this.#gatherer.endOfSockets(now);
    this.#update(now);
  }

  /** @returns false when the candidate is of no use: no literal address, an impossible one, another component, too many */
  addRemoteCandidate(candidate: Candidate, now: Instant): boolean {
    if (!isUsableCandidate(candidate) || !this.#belongsToSession(candidate) || !this.#session.addRemoteCandidate(candidate, now)) {
      this.discards.count('unusable-candidate');
      return false;
    }
    this.#update(now);
    return true;
  }

  endOfRemoteCandidates(now: Instant): void {
    this.#session.endOfCandidates = true;
    this.#update(now);
  }

  /** Sends over the selected pair, or before there is one over the best valid pair. @returns false when there is none, or no consent */
  send(payload: Uint8Array, now: Instant): boolean {
    const { pair } = this.#path;
    if (pair === undefined) this.discards.count('no-path');
    else if (now - pair.lastPacketSentAt >= UNANSWERED) this.#expectAnswer(now);
    return this.#path.send(payload, now);
  }

  /** An idle connection has no timer for it. */
  #expectAnswer(now: Instant): void {
    this.#sessionDeadline = Math.min(this.#sessionDeadline, now + UNANSWERED);
    this.#stale = true;
  }

  /** Asks at once whether the peer still consents, instead of within the next seconds (RFC 7675 §5.1 allows it at any time). */
  checkConsent(now: Instant): void {
    this.#session.checkConsent(now);
    this.#update(now);
  }

  /** The connection closes: checks of the peer get no answer any more, {@link send} and {@link receive} still work. */
  silence(): void {
    this.#incoming.closing = 'silent';
  }

  /** The peer knows that the connection is over: its checks get an authenticated 403 (RFC 7675 §5.2). */
  refuseChecks(): void {
    this.#incoming.closing = 'refusing';
  }

  /** How many checks have been refused. */
  get refusals(): number {
    return this.#incoming.refusals;
  }

  /** Whether a datagram comes from where the selected pair sends to. */
  isSelectedPath(socket: number, address: string, port: number): boolean {
    return this.#path.isFrom(socket, canonicalIpAddress(stripZone(address)) ?? address, port);
  }

  /**
   * What is known of the other end of a 5-tuple, for those who share one port among agents. `valid`: it has answered a check of ours, which only the
   * peer can. `authentic`: a check of the peer's has come from there, which may be a copy.
   */
  standing(socket: number, address: string, port: number): 'valid' | 'authentic' | undefined {
    const base = this.#gatherer.ofSocket(socket);
    const canonical = canonicalIpAddress(stripZone(address));
    if (base === undefined || canonical === undefined) return undefined;
    if (this.#sessions.findAuthenticated(base, canonical, port)?.valid === true) return 'valid';
    return this.#sessions.hasHeardFrom(base, canonical, port) ? 'authentic' : undefined;
  }

  /** Stops everything. Releases of TURN allocations are queued as transmits, and repeated while `handleTimeout` is called. */
  close(now: Instant): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#path.change(undefined, now);
    this.#sessions.close();
    this.#payloads.close();
    this.#streams.closeAll();
    this.#gatherer.close(now);
    this.#events.push({ type: 'state', state: 'closed' });
    this.#stale = true;
  }

  // Inputs of the network ----------------------------------------------------------------------------------------------

  /**
   * A datagram. STUN and TURN end here.
   * @returns payload for the layer above, if it came from where the peer has authenticated itself; see {@link pollPayload}
   */
  receive(socket: number, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined {
    const base = this.#gatherer.ofSocket(socket);
    if (base === undefined) return this.#receiveFromServer(socket, data, address, port, now);
    const payload = isPayload(data);
    if (payload && this.#payloads.acceptRecent(base, data, address, port, now)) return this.#accepted(data, now);
    const canonical = canonicalIpAddress(stripZone(address));
    if (canonical === undefined) return this.#drop('unknown-socket');
    if (payload) return this.#receivePayload(base, data, canonical, port, now);
    return this.#receiveControl(base, data, canonical, port, now);
  }

  /** The stream that an `open-stream` event asked for is open. */
  streamOpened(id: number, _localAddress: string, _localPort: number, now: Instant): void {
    const stream = this.#streams.find(id);
    if (stream !== undefined) {
      stream.open = true;
      const pair = this.#session.list.find(stream.base.id, stream.address, stream.port);
      if (pair !== undefined && pair.state !== 'failed') this.#session.list.trigger(pair);
    } else this.#gatherer.streamOpened(id, now);
    this.#update(now);
  }

  /** A listening socket has accepted a connection; `id` is the driver's, unique among sockets and streams. */
  streamAccepted(id: number, listener: number, remoteAddress: string, remotePort: number, now: Instant): void {
    const base = this.#gatherer.ofSocket(listener);
    const address = canonicalIpAddress(stripZone(remoteAddress));
    const usable = base?.kind === 'tcp-passive' && address !== undefined && this.#state !== 'closed' && this.#session.outcome === undefined;
    if (!usable || !this.#streams.accepted(id, base, address, remotePort, now)) this.#events.push({ type: 'close-stream', id });
    this.#stale = true;
  }

  /** Bytes of a stream. @returns the payloads in them */
  streamData(id: number, bytes: Uint8Array, now: Instant): readonly Uint8Array[] {
    const stream = this.#streams.find(id);
    if (stream === undefined) {
      const payloads = this.#gatherer.streamData(id, bytes, now);
      if (payloads === undefined) this.discards.count('unknown-socket');
      this.#update(now);
      return payloads ?? [];
    }
    const payloads: Uint8Array[] = [];
    stream.frames.push(bytes);
    for (let whole = stream.frames.next(); whole !== undefined; whole = stream.frames.next()) {
      const payload = this.#receiveFrom(stream.base, whole.subarray(2), stream.address, stream.port, now);
      if (payload !== undefined) payloads.push(payload);
    }
    return payloads;
  }

  /** The stream has ended, or could not be opened. That is no revocation of consent (RFC 7675 §5.2). */
  streamClosed(id: number, now: Instant): void {
    const stream = this.#streams.find(id);
    if (stream !== undefined) this.#streams.ended(stream);
    else this.#gatherer.streamClosed(id, now);
    this.#update(now);
  }

  // Core ---------------------------------------------------------------------------------------------------------------

  handleTimeout(now: Instant): void {
    this.#gatherer.handleTimeout(now);
    this.#streams.handleTimeout(now);
    if (this.#state === 'closed') this.#stale = true;
    else this.#update(now);
  }

  nextTimeout(): Instant {
    if (this.#stale) {
      this.#stale = false;
      this.#deadline = Math.min(this.#sessionDeadline, this.#gatherer.nextTimeout(), this.#streams.nextTimeout());
      if (this.#state === 'closed') this.#deadline = this.#gatherer.nextTimeout();
    }
    return this.#deadline;
  }

  /** Payload that had come too early: before the peer's credentials, or before it was clear who sent it. To be asked for after every input. */
  pollPayload(now: Instant): Uint8Array | undefined {
    return this.#payloads.takeEarly(now);
  }

  pollTransmit(_now: Instant): IceTransmit | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): IceEvent | undefined {
    return this.#events.shift();
  }

  // Receiving ----------------------------------------------------------------------------------------------------------

  #receiveControl(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined {
    const fromServer = this.#gatherer.receive(base, data, address, port, now);
    return fromServer === undefined ? this.#receiveFrom(base, data, address, port, now) : this.#relayed(fromServer, now);
  }

  /** Over a socket that nothing else than a TURN server is reached from. */
  #receiveFromServer(socket: number, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined {
    const canonical = canonicalIpAddress(stripZone(address)) ?? '';
    const fromServer = this.#gatherer.receiveOverOwnSocket(socket, data, canonical, port, now);
    return fromServer === undefined ? this.#drop('unknown-socket') : this.#relayed(fromServer, now);
  }

  #relayed(fromServer: Uint8Array | 'consumed', now: Instant): Uint8Array | undefined {
    this.#stale = true;
    if (fromServer !== 'consumed') return fromServer;
    this.#update(now);
    return undefined;
  }

  /** A datagram of the peer's: directly, out of a TCP frame, or through a relay. */
  #receiveFrom(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined {
    if (!isStunMessage(data)) return isPayload(data) ? this.#receivePayload(base, data, address, port, now) : this.#drop('not-stun');
    if (this.#options.transportPolicy === 'relay' && base.kind !== 'relay') return this.#drop('policy');
    if (this.#state === 'closed' || this.#sessions.live.length === 0) return this.#drop('ended');
    if (this.#incoming.receive(base, data, { address, port }, now)) this.#update(now);
    return undefined;
  }

  #receivePayload(base: Base, data: Uint8Array, address: string, port: number, now: Instant): Uint8Array | undefined {
    const accepted = this.#state !== 'closed' && this.#payloads.accept(base, data, address, port, now);
    if (accepted === true) return this.#accepted(data, now);
    return accepted === 'held' ? undefined : this.#drop('unvalidated-path');
  }

  #accepted(data: Uint8Array, now: Instant): Uint8Array {
    if (this.#state === 'disconnected') this.#update(now);
    return data;
  }

  #drop(reason: IceDiscard): undefined {
    this.discards.count(reason);
    return undefined;
  }

  // Sending ------------------------------------------------------------------------------------------------------------

  #transmit(base: Base, address: string, port: number, data: Uint8Array, now: Instant): boolean {
    switch (base.kind) {
      case 'udp':
        this.#transmits.push({ socket: base.socket, data, address, port });
        return true;
      case 'relay':
        this.#stale = true;
        return base.relay!.send(address, port, data, now);
      case 'tcp-active':
      case 'tcp-passive':
        return this.#streams.transmit(base, address, port, data, now);
    }
  }

  // Sessions -----------------------------------------------------------------------------------------------------------

  #changeRole(role: IceRole): void {
    if (role === this.#role) return;
    this.#role = role;
    this.#events.push({ type: 'role', role });
    this.#sessions.roleChanged();
  }

  /** The peer has won a role conflict (RFC 8445 §7.2.5.1). */
  #yieldRole(role: IceRole): void {
    if (role !== this.#role) this.#options.checkLists.changeTieBreaker();
    this.#changeRole(role);
  }

  #belongsToSession({ usernameFragment }: Candidate): boolean {
    const { remote } = this.#session;
    return usernameFragment === undefined || remote === undefined || remote.usernameFragment === usernameFragment;
  }

  /** Everything that a change may lead to: checks, nominations, another path, another state. */
  #update(now: Instant): void {
    if (this.#state === 'closed') return;
    this.#payloads.forget();
    this.#sessionDeadline = this.#sessions.advance(now);
    this.#updatePath(now);
    this.#updateState(now);
    this.#stale = true;
  }

  #updatePath(now: Instant): void {
    if (this.#path.change(this.#sessions.path(now), now)) this.#events.push({ type: 'selected-pair', ...this.#path.candidates! });
  }

  #updateState(now: Instant): void {
    const { state, until } = transportState(this.#state, this.#session, this.#path.pair, this.#gatherer.state === 'complete', now);
    this.#sessionDeadline = Math.min(this.#sessionDeadline, until);
    if (state === this.#state) return;
    const { outcome } = this.#session;
    if (state === 'failed' && (outcome === 'consent-expired' || outcome === 'consent-revoked')) this.#events.push({ type: outcome });
    this.#state = state;
    this.#events.push({ type: 'state', state });
    if (state === 'failed') this.#streams.closeAll();
  }

  // Contexts -----------------------------------------------------------------------------------------------------------

  #sessionContext(): SessionContext {
    const { crypto, checkLists, lite = false, pacing = 50, maxPairs = 100, maxPeerReflexive = 32 } = this.#options;
    const roleOf = (): IceRole => this.#role;
    let pairs = 0;
    return {
      crypto,
      lite,
      maxPairs,
      maxPeerReflexive,
      checkLists,
      seenRequests: new SeenRequests(),
      pacing: Math.max(MIN_PACING, pacing),
      get role() {
        return roleOf();
      },
      get tieBreaker() {
        return checkLists.tieBreaker(crypto);
      },
      newPairId: () => ++pairs,
      yieldRole: (role) => this.#yieldRole(role),
      changeRole: (role) => this.#changeRole(role),
      bases: () => this.#gatherer.bases(),
      transmit: (base, address, port, data, now) => this.#transmit(base, address, port, data, now),
      silence: () => this.#events.push({ type: 'silence' }),
      permit: (base, address, now) => base.relay?.permit(address, now),
      localCandidate: (base, mapped) => this.#gatherer.candidates.at(base, mapped),
    };
  }

  #incomingContext(): IncomingContext {
    return {
      sessions: () => this.#sessions.live,
      transmit: (base, address, port, data, now) => this.#transmit(base, address, port, data, now),
      authenticated: (base, source) => this.#streams.authenticate(base, source),
    };
  }

  #gatheringContext(): GatheringContext {
    const fragment = (): string => this.#session.local.usernameFragment;
    const waits = (): boolean => this.#path.pair === undefined && this.#state !== 'failed' && this.#state !== 'closed';
    return {
      get usernameFragment() {
        return fragment();
      },
      get waitsForPeer() {
        return waits();
      },
      transmit: (transmit) => this.#transmits.push(transmit),
      event: (event) => this.#events.push(event),
      baseAdded: (base, now) => this.#session.addBase(base, now),
      baseRemoved: (base, now) => this.#removeBase(base, now),
      relayed: (base, data, address, port, now) => this.#receiveFrom(base, data, address, port, now),
    };
  }

  #removeBase(base: Base, now: Instant): void {
    this.#streams.closeAll(base);
    this.#sessions.removeBase(base);
    this.#payloads.removeBase(base);
    this.#updatePath(now);
  }
}

/** STUN and TURN's channels start with other bytes (RFC 7983 §7); so does nothing at all. */
function isPayload(data: Uint8Array): boolean {
  const first = data.length > 0 ? data[0]! : 0;
  return first >= 4 && (first < 64 || first > 79);
}

function stripZone(address: string): string {
  const zone = address.indexOf('%');
  return zone === -1 ? address : address.slice(0, zone);
}
