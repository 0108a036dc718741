import { IceAgent, type IceAgentOptions, type IceEvent, type IceServer } from '@petrel/ice';
import type { SimulatedHost } from '@petrel/testing';
import { parseIceServerUrl } from '@petrel/turn';

/** Of the simulated host's runtime, what a peer uses. */
type Runtime = SimulatedHost['runtime'];
type Stream = Awaited<ReturnType<Runtime['connectStream']>>;
type Socket = Awaited<ReturnType<Runtime['bindUdp']>>;

export function iceServer(text: string, credentials: { username?: string; credential?: string } = {}): IceServer {
  return { url: parseIceServerUrl(text), text, ...credentials };
}

/** An agent on a simulated host, with sockets, streams and timers of its runtime. */
export class SimulatedPeer {
  readonly agent: IceAgent;
  readonly runtime: Runtime;
  readonly events: IceEvent[] = [];
  readonly payloads: Uint8Array[] = [];
  readonly streams: Map<number, Stream> = new Map();
  readonly sockets: Map<number, Socket> = new Map();
  /** Of its UDP sockets. */
  portRange: { min: number; max: number } | undefined;
  #timer: { cancel(): void } | undefined;
  #accepted = 1000;

  constructor(host: SimulatedHost, options: Partial<IceAgentOptions> & Pick<IceAgentOptions, 'role'>) {
    this.runtime = host.runtime;
    this.agent = new IceAgent({ crypto: host.runtime.crypto, ...options });
  }

  get connected(): boolean {
    return this.agent.state === 'connected' || this.agent.state === 'completed';
  }

  candidates(): string[] {
    return this.events.flatMap((event) => {
      if (event.type !== 'candidate') return [];
      const { type, protocol, tcpType, relayProtocol, address } = event.candidate;
      return [[type, relayProtocol ?? tcpType ?? protocol, address].join(' ')];
    });
  }

  /** Credentials and complete candidate lists. */
  static signal(a: SimulatedPeer, b: SimulatedPeer): void {
    for (const [peer, other] of [
      [a, b],
      [b, a],
    ] as const) {
      peer.input((agent, now) => agent.setRemoteParameters(other.agent.localParameters, now));
      for (const candidate of other.agent.stats.localCandidates) peer.input((agent, now) => void agent.addRemoteCandidate(candidate, now));
      peer.input((agent, now) => agent.endOfRemoteCandidates(now));
    }
  }

  input<T>(change: (agent: IceAgent, now: number) => T): T {
    const result = change(this.agent, this.runtime.now());
    this.flush();
    return result;
  }

  /** Binds a socket to every address, and ends the gathering of sockets. */
  async gather(addresses: readonly string[], tcpPort?: number): Promise<void> {
    for (const [index, address] of addresses.entries()) {
      await this.#bind(index + 1, address);
      if (tcpPort !== undefined) await this.#listen(100 + index, address, tcpPort);
    }
    this.input((agent, now) => agent.endOfSockets(now));
  }

  async #bind(id: number, address: string): Promise<void> {
    try {
      const portRange = this.portRange === undefined ? {} : { portRange: this.portRange };
      const socket = await this.runtime.bindUdp({ address, ...portRange }, (data, remoteAddress, remotePort) => {
        const payload = this.input((agent, now) => agent.receive(id, data, remoteAddress, remotePort, now));
        if (payload !== undefined) this.payloads.push(payload);
      });
      this.sockets.set(id, socket);
      this.input((agent, now) => agent.addSocket(id, { protocol: 'udp', address, port: socket.port }, now));
    } catch {
      this.input((agent, now) => agent.removeSocket(id, now));
    }
  }

  async #listen(id: number, address: string, port: number): Promise<void> {
    await this.runtime.listenTcp({ address, port }, (stream, attach) => {
      const accepted = this.#accepted++;
      this.streams.set(accepted, stream);
      attach({ onData: (data) => this.#onStreamData(accepted, data), onClose: () => this.#onStreamClosed(accepted) });
      this.input((agent, now) => agent.streamAccepted(accepted, id, stream.remoteAddress, stream.remotePort, now));
    });
    this.input((agent, now) => agent.addSocket(id, { protocol: 'tcp', address, port }, now));
  }

  send(text: string): boolean {
    return this.input((agent, now) => agent.send(new TextEncoder().encode(`~${text}`), now));
  }

  texts(): string[] {
    return this.payloads.splice(0).map((payload) => new TextDecoder().decode(payload.subarray(1)));
  }

  flush(): void {
    const { agent, runtime } = this;
    for (let transmit = agent.pollTransmit(runtime.now()); transmit; transmit = agent.pollTransmit(runtime.now())) {
      const { socket, data, address, port } = transmit;
      if (this.streams.has(socket)) this.streams.get(socket)!.write(data);
      else this.sockets.get(socket)?.send(data, address, port);
    }
    for (let payload = agent.pollPayload(runtime.now()); payload; payload = agent.pollPayload(runtime.now())) this.payloads.push(payload);
    for (let event = agent.pollEvent(); event; event = agent.pollEvent()) {
      this.events.push(event);
      if (event.type === 'open-stream') void this.#open(event);
      if (event.type === 'close-stream') this.#close(event.id);
      if (event.type === 'open-socket') void this.#bind(event.id, event.address);
      if (event.type === 'close-socket') this.sockets.get(event.id)?.close();
      if (event.type === 'close-socket') this.sockets.delete(event.id);
    }
    this.#timer?.cancel();
    this.#timer = this.runtime.setTimer(agent.nextTimeout(), () => this.input((inner, now) => inner.handleTimeout(now)));
  }

  async #open(event: IceEvent & { type: 'open-stream' }): Promise<void> {
    const { id, address, port, servername } = event;
    const tls = servername === undefined ? {} : { tls: { servername } };
    try {
      const stream = await this.runtime.connectStream(
        { address, port, ...tls },
        { onData: (data) => this.#onStreamData(id, data), onClose: () => this.#onStreamClosed(id) },
      );
      this.streams.set(id, stream);
      this.input((agent, now) => agent.streamOpened(id, stream.localAddress, stream.localPort, now));
    } catch {
      this.input((agent, now) => agent.streamClosed(id, now));
    }
  }

  #onStreamData(id: number, data: Uint8Array): void {
    this.payloads.push(...this.input((agent, now) => agent.streamData(id, data, now)));
  }

  #onStreamClosed(id: number): void {
    this.streams.delete(id);
    this.input((agent, now) => agent.streamClosed(id, now));
  }

  #close(id: number): void {
    this.streams.get(id)?.close();
    this.streams.delete(id);
  }
}
