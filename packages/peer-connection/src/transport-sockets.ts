/**
 * The sockets of one transport: UDP on every interface or behind a mux, TCP for passive candidates (RFC 6544), streams to TURN servers and peers.
 * Ids are what the ICE agent knows them by; what they bring goes to the driver.
 */
import type { IceAgent, IceEvent, IceTransmit, LocalSocket } from '@petrel/ice';
import { type Instant, NEVER } from '@petrel/sans-io';
import type { ConcealedAddresses } from './concealed-addresses.ts';
import { announce, type AnnouncedAddress, chosenInterfaces } from './mux/mux-options.ts';
import { joinTcpMux, type TcpMux, type TcpMuxMembership } from './mux/tcp-mux.ts';
import { joinUdpMux, type UdpMux, type UdpMuxMembership } from './mux/udp-mux.ts';
import type { NetworkInterface, Runtime, StreamHandler, StreamSocket, TcpListener, UdpSocket } from './runtime.ts';

export interface GatheringOptions {
  /** Which interfaces get host candidates; default: all that are not internal, or else the internal ones. */
  readonly interfaceFilter?: (networkInterface: NetworkInterface) => boolean;
  readonly portRange?: { readonly min: number; readonly max: number };
  readonly announcedAddress?: AnnouncedAddress;
  /** UDP host candidates are the mux's. */
  readonly udpMux?: UdpMux;
  readonly tcpMux?: TcpMux;
  /** Whether to listen for the peer's TCP connections, without a mux. */
  readonly tcpPassive?: boolean;
  /** Whether there are TURN servers that are asked over UDP: they need a socket that is not shared. */
  readonly needsRelaySockets?: boolean;
  /** The agent's, to be closed with the sockets. */
  readonly concealed?: ConcealedAddresses;
  /** PEM, in place of the runtime's own. */
  readonly certificateAuthorities?: readonly string[];
}

/** What the sockets need from the driver. */
export interface SocketsContext {
  readonly runtime: Runtime;
  readonly ice: IceAgent;
  readonly isClosing: boolean;
  /** Tells the agent, and lets it send. */
  change(change: (now: Instant) => void): void;
  onDatagram(socket: number, data: Uint8Array, address: string, port: number): void;
  onStreamData(stream: number, data: Uint8Array): void;
  /** An address could not be bound. */
  onBindFailure(address: string, error: unknown): void;
}

type OpenStreamEvent = Extract<IceEvent, { type: 'open-stream' }>;
/** `server`: asked for by the agent, to reach a TURN server from. */
type Purpose = 'udp' | 'tcp' | 'relays' | 'server';

interface OwnSocket {
  readonly purpose: Purpose;
  readonly socket: UdpSocket | TcpListener;
  send?(data: Uint8Array, address: string, port: number): void;
}

/** Looking at the interfaces costs a tenth of a millisecond. */
const LOOK_INTERVAL = 900;

export class TransportSockets {
  readonly #context: SocketsContext;
  readonly #options: GatheringOptions;
  readonly #own = new Map<number, OwnSocket>();
  readonly #shared = new Map<number, (data: Uint8Array, address: string, port: number) => void>();
  readonly #streams = new Map<number, StreamSocket>();
  /** `udp 192.0.2.1`: those that are being bound. */
  readonly #opening = new Set<string>();
  readonly #abort = new AbortController();
  #udpMembership: UdpMuxMembership | undefined;
  #tcpMembership: TcpMuxMembership | undefined;
  #nextId = 1;
  #isReferenced = true;
  /** When {@link noticeVanished} looked at the interfaces. */
  #lookedAt: Instant = -NEVER;

  constructor(options: GatheringOptions, context: SocketsContext) {
    this.#options = options;
    this.#context = context;
  }

  /** Opens what there is not yet, drops what has gone, and tells the agent of both. */
  async open(): Promise<void> {
    const { udpMux, tcpMux, tcpPassive = false, needsRelaySockets = false } = this.#options;
    const fragment = this.#context.ice.localParameters.usernameFragment;
    if (udpMux !== undefined) this.#joinUdp(udpMux).addFragment(fragment);
    if (tcpMux !== undefined) this.#joinTcp(tcpMux).addFragment(fragment);
    this.dropVanished();
    const purposes: Purpose[] = udpMux === undefined ? ['udp'] : needsRelaySockets ? ['relays'] : [];
    if (tcpPassive && tcpMux === undefined) purposes.push('tcp');
    const interfaces = chosenInterfaces(this.#context.runtime, this.#options.interfaceFilter);
    await Promise.all(purposes.flatMap((purpose) => interfaces.map((networkInterface) => this.#bind(purpose, networkInterface))));
  }

  /** Interfaces come and go; what the system has no more is of no use (an ICE restart is the time to notice). */
  dropVanished(): void {
    for (const [id, { socket }] of this.#vanished()) {
      this.#own.delete(id);
      socket.close();
      this.#context.change((now) => this.#context.ice.removeSocket(id, now));
    }
  }

  /**
   * Datagrams do not get out, or nothing comes back. An interface that is not there may come back, with the same address: its sockets stay until the
   * next ICE restart.
   */
  noticeVanished(): void {
    const { runtime, ice, change } = this.#context;
    if (this.#context.isClosing || runtime.now() < this.#lookedAt + LOOK_INTERVAL) return;
    this.#lookedAt = runtime.now();
    for (const [id] of this.#vanished()) change((now) => ice.interfaceLost(id, now));
  }

  #vanished(): [number, OwnSocket][] {
    if (this.#own.size === 0) return [];
    const present = new Set(this.#context.runtime.networkInterfaces().map(({ address }) => address));
    return [...this.#own].filter(([, { socket }]) => !present.has(socket.address));
  }

  /** A datagram to a peer or server, or bytes to a stream. */
  send({ socket, data, address, port }: IceTransmit): void {
    const udp = this.#own.get(socket);
    if (udp?.send !== undefined) return udp.send(data, address, port);
    const shared = this.#shared.get(socket);
    if (shared === undefined) this.#streams.get(socket)?.write(data);
    else shared(data, address, port);
  }

  /** Whether the operating system has all that was sent. */
  get areIdle(): boolean {
    if (this.#shared.size > 0 || this.#streams.size > 0) return false; // there it is not known
    for (const { socket, send } of this.#own.values()) if (send !== undefined && !('isIdle' in socket && socket.isIdle)) return false;
    return true;
  }

  setReferenced(referenced: boolean): void {
    this.#isReferenced = referenced;
    for (const { socket } of this.#own.values()) if ('setReferenced' in socket) socket.setReferenced(referenced);
    for (const stream of this.#streams.values()) stream.setReferenced(referenced);
  }

  /** Closes everything, and gives up what was being opened. */
  close(): void {
    this.#abort.abort();
    this.#udpMembership?.leave();
    this.#tcpMembership?.leave();
    this.#options.concealed?.close();
    for (const { socket } of this.#own.values()) socket.close();
    for (const stream of this.#streams.values()) stream.close();
    this.#own.clear();
    this.#shared.clear();
    this.#streams.clear();
  }

  /** What is open, by name. */
  list(): string[] {
    const names = Array.from(this.#own.values(), ({ purpose, socket: { address, port } }) =>
      purpose === 'tcp' ? `tcp listener ${address}:${port}` : `udp ${address}:${port}`,
    );
    for (const { localAddress, localPort } of this.#streams.values()) names.push(`tcp ${localAddress}:${localPort}`);
    return names;
  }

  // Sockets of its own -------------------------------------------------------------------------------------------------

  async #bind(purpose: Purpose, { address, name }: NetworkInterface): Promise<void> {
    const key = `${purpose} ${address}`;
    const isBound = Array.from(this.#own.values()).some((own) => own.purpose === purpose && own.socket.address === address);
    if (isBound || this.#opening.has(key)) return;
    this.#opening.add(key);
    const id = this.#newId();
    try {
      const own = purpose === 'tcp' ? await this.#listen(id, address) : await this.#bindUdp(id, purpose, address);
      if (this.#keep(id, own)) this.#addSocket(id, purpose, { address, port: own.socket.port, networkInterface: name });
    } catch (error) {
      // An interface that went away, or without a free port: the others serve (RFC 8445 §5.1.1.1).
      if (!this.#context.isClosing) this.#context.onBindFailure(address, error);
    } finally {
      this.#opening.delete(key);
    }
  }

  /** One more port on an address. */
  async openSocket({ id, address }: { readonly id: number; readonly address: string }): Promise<void> {
    const { ice } = this.#context;
    try {
      const own = await this.#bindUdp(id, 'server', address);
      if (this.#keep(id, own)) this.#tellAgent(id, { protocol: 'udp', address, port: own.socket.port });
    } catch {
      if (!this.#context.isClosing) this.#context.change((now) => ice.removeSocket(id, now));
    }
  }

  /** @returns false when the connection has begun to close meanwhile: the socket is closed */
  #keep(id: number, own: OwnSocket): boolean {
    if (this.#context.isClosing) {
      own.socket.close();
      return false;
    }
    this.#own.set(id, own);
    if ('setReferenced' in own.socket) own.socket.setReferenced(this.#isReferenced);
    return true;
  }

  closeSocket(id: number): void {
    this.#own.get(id)?.socket.close();
    this.#own.delete(id);
  }

  async #bindUdp(id: number, purpose: Purpose, address: string): Promise<OwnSocket> {
    const { runtime } = this.#context;
    const portRange = this.#options.portRange && { portRange: this.#options.portRange };
    const onUnreachable = (): void => this.noticeVanished();
    const socket = await runtime.bindUdp({ address, ...portRange, onUnreachable }, (data, remoteAddress, remotePort) =>
      this.#context.onDatagram(id, data, remoteAddress, remotePort),
    );
    return { purpose, socket, send: (data, remoteAddress, remotePort) => socket.send(data, remoteAddress, remotePort) };
  }

  async #listen(id: number, address: string): Promise<OwnSocket> {
    const { runtime } = this.#context;
    const portRange = this.#options.portRange && { portRange: this.#options.portRange };
    const socket = await runtime.listenTcp({ address, ...portRange }, (stream, attach) => attach(this.#accept(id, stream)));
    return { purpose: 'tcp', socket };
  }

  #addSocket(
    id: number,
    purpose: Purpose,
    { address, port, networkInterface }: { address: string; port: number; networkInterface: string },
  ): void {
    const protocol = purpose === 'tcp' ? 'tcp' : 'udp';
    const announced = announce(this.#options.announcedAddress, { protocol, address, port, networkInterface });
    const use = purpose === 'relays' ? { use: 'relays' as const } : undefined;
    this.#tellAgent(id, { protocol, address, port, networkInterface, ...announced, ...use });
  }

  #tellAgent(id: number, socket: LocalSocket): void {
    this.#context.change((now) => this.#context.ice.addSocket(id, socket, now));
  }

  #newId(): number {
    return this.#nextId++;
  }

  // Shared sockets -----------------------------------------------------------------------------------------------------

  #joinUdp(mux: UdpMux): UdpMuxMembership {
    if (this.#udpMembership !== undefined) return this.#udpMembership;
    const ids: number[] = [];
    const { ice } = this.#context;
    const membership = joinUdpMux(mux, {
      receive: (index, data, address, port) => {
        this.#context.onDatagram(ids[index]!, data, address, port);
        return ice.standing(ids[index]!, address, port);
      },
      onMuxClosed: () => this.#removeShared(ids),
    });
    this.#udpMembership = membership;
    for (const [index, socket] of membership.sockets.entries()) {
      const id = this.#newId();
      ids.push(id);
      this.#shared.set(id, (data, address, port) => membership.send(index, data, address, port));
      this.#tellAgent(id, { protocol: 'udp', ...socket, use: 'direct' });
    }
    return membership;
  }

  #joinTcp(mux: TcpMux): TcpMuxMembership {
    if (this.#tcpMembership !== undefined) return this.#tcpMembership;
    const ids: number[] = [];
    const membership = joinTcpMux(mux, {
      accept: (index, stream) => this.#accept(ids[index]!, stream),
      onMuxClosed: () => this.#removeShared(ids),
    });
    this.#tcpMembership = membership;
    for (const socket of membership.sockets) {
      const id = this.#newId();
      ids.push(id);
      this.#tellAgent(id, { protocol: 'tcp', ...socket });
    }
    return membership;
  }

  #removeShared(ids: readonly number[]): void {
    for (const id of ids) this.#shared.delete(id);
    if (this.#context.isClosing) return;
    this.#context.change((now) => {
      for (const id of ids) this.#context.ice.removeSocket(id, now);
    });
  }

  // Streams ------------------------------------------------------------------------------------------------------------

  /** A peer has connected to a passive candidate. */
  #accept(listener: number, stream: StreamSocket): StreamHandler {
    const id = this.#newId();
    this.#streams.set(id, stream);
    stream.setReferenced(this.#isReferenced);
    const { remoteAddress, remotePort } = stream;
    if (this.#context.isClosing) this.closeStream(id);
    else this.#context.change((now) => this.#context.ice.streamAccepted(id, listener, remoteAddress, remotePort, now));
    return this.#handlerOf(id);
  }

  async connect({ id, protocol, address, port, localAddress, servername }: OpenStreamEvent): Promise<void> {
    const { ice, runtime } = this.#context;
    const { certificateAuthorities } = this.#options;
    const tls = { servername: servername ?? address, ...(certificateAuthorities && { certificateAuthorities }) };
    const options = {
      address,
      port,
      signal: this.#abort.signal,
      ...(localAddress && { localAddress }),
      ...(protocol === 'tls' && { tls }),
    };
    try {
      const stream = await runtime.connectStream(options, this.#handlerOf(id));
      if (this.#context.isClosing) return stream.close();
      this.#streams.set(id, stream);
      this.#context.change((now) => ice.streamOpened(id, stream.localAddress, stream.localPort, now));
    } catch {
      if (!this.#context.isClosing) this.#context.change((now) => ice.streamClosed(id, now));
    }
  }

  closeStream(id: number): void {
    this.#streams.get(id)?.close();
    this.#streams.delete(id);
  }

  #handlerOf(id: number): StreamHandler {
    return {
      onData: (data) => {
        if (this.#streams.has(id)) this.#context.onStreamData(id, data);
      },
      onClose: () => {
        if (!this.#streams.delete(id) || this.#context.isClosing) return;
        this.#context.change((now) => this.#context.ice.streamClosed(id, now));
      },
    };
  }
}
