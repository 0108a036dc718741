/** A STUN and TURN server (RFC 8489, RFC 8656) on a simulated host, over UDP, TCP and TLS. It can be told to misbehave. */
import { writeUint16, readUint16 } from '@petrel/bytes';
import type { TcpListener, UdpSocket } from '@petrel/peer-connection';
import type { Instant } from '@petrel/sans-io';
import {
  encodeStunMessage,
  FrameReader,
  type IntegrityKey,
  longTermKey,
  measureStunFrame,
  newTransactionId,
  parseStunMessage,
  type StunAttributes,
  type StunMessage,
  transactionKey,
  type TransportAddress,
} from '@petrel/stun';
import { endpointKey } from './packet.ts';
import type { SimulatedHost } from './simulated-host.ts';

/** The second argument of {@link SimulatedTurnServer.start}. */
export interface TurnServerOptions {
  /** Where it listens, for UDP and TCP; 3478 unless given. */
  readonly port?: number;
  /** Where it listens for TLS, with a certificate for `tlsNames`; nowhere unless given. */
  readonly tlsPort?: number;
  readonly tlsNames?: readonly string[];
  readonly realm?: string;
  /** Passwords by user name. */
  readonly users?: Readonly<Record<string, string>>;
  /** The longest lifetime that is granted, in seconds; 600 unless given. */
  readonly maxLifetime?: number;
  /** Milliseconds for which a nonce is good; 3,600,000 unless given. */
  readonly nonceLifetime?: number;
  /** Allocations at a time, after which 486 is said. */
  readonly quota?: number;
  /** Peers that 403 is said to. */
  readonly forbidden?: readonly string[];
}

/** An allocation as the server sees it, for assertions. */
export interface TurnAllocation {
  readonly client: string;
  readonly relayed: readonly TransportAddress[];
  expiresAt: Instant;
  /** When each permission ends, by address. */
  readonly permissions: Map<string, Instant>;
  /** When each channel ends, and whose it is, by number. */
  readonly channels: Map<number, { readonly peer: TransportAddress; expiresAt: Instant }>;
}

interface Allocation extends TurnAllocation {
  readonly transaction: string;
  readonly sockets: readonly UdpSocket[];
  readonly send: (message: Uint8Array) => void;
  readonly stream: boolean;
}

interface Client {
  readonly address: TransportAddress;
  readonly key: string;
  readonly stream: boolean;
  readonly send: (message: Uint8Array) => void;
}

const PERMISSION_LIFETIME = 300_000;
const CHANNEL_LIFETIME = 600_000;

/**
 * @example
 * const server = await SimulatedTurnServer.start(network.addHost('turn', { interfaces: [{ addresses: ['203.0.113.9'] }] }), { users: { alice: 'secret' } });
 */
export class SimulatedTurnServer {
  /** Sees every response before it is protected and sent: return it, another one, or undefined to keep silent. */
  onResponse: ((response: StunMessage, request: StunMessage) => StunMessage | undefined) | undefined;
  /** Whether responses to authenticated requests are protected as they must be. */
  integrity: 'right' | 'wrong' | 'none' = 'right';
  /** Requests that were received, oldest first. */
  readonly requests: { readonly at: Instant; readonly message: StunMessage }[] = [];
  readonly #host: SimulatedHost;
  readonly #options: TurnServerOptions;
  readonly #allocations = new Map<string, Allocation>();
  readonly #listeners: (UdpSocket | TcpListener)[] = [];
  readonly #nonces = new Map<string, Instant>();

  private constructor(host: SimulatedHost, options: TurnServerOptions) {
    this.#host = host;
    this.#options = options;
  }

  static async start(host: SimulatedHost, options: TurnServerOptions = {}): Promise<SimulatedTurnServer> {
    const server = new SimulatedTurnServer(host, options);
    const { port = 3478, tlsPort, tlsNames } = options;
    for (const { address, internal } of host.networkInterfaces()) {
      if (internal) continue;
      await server.#listenUdp(address, port);
      await server.#listenStream(address, port);
      if (tlsPort !== undefined) await server.#listenStream(address, tlsPort, tlsNames);
    }
    return server;
  }

  get allocations(): readonly TurnAllocation[] {
    return [...this.#allocations.values()];
  }

  /** Forgets allocations and nonces, as a crash and restart do. Listeners stay. */
  restart(): void {
    for (const allocation of this.#allocations.values()) this.#free(allocation);
    this.#nonces.clear();
  }

  /** Makes every nonce stale: the next requests get 438. */
  expireNonces(): void {
    for (const nonce of this.#nonces.keys()) this.#nonces.set(nonce, -1);
  }

  close(): void {
    this.restart();
    for (const listener of this.#listeners.splice(0)) listener.close();
  }

  async #listenUdp(address: string, port: number): Promise<void> {
    const socket = await this.#host.runtime.bindUdp({ address, port }, (data, remoteAddress, remotePort) => {
      const remote = { address: remoteAddress, port: remotePort };
      const send = (message: Uint8Array): void => socket.send(message, remoteAddress, remotePort);
      this.#receive(data, { address: remote, key: `udp ${endpointKey(remote)}`, stream: false, send });
    });
    this.#listeners.push(socket);
  }

  async #listenStream(address: string, port: number, tlsNames?: readonly string[]): Promise<void> {
    const options = { address, port, ...(tlsNames && { tlsNames }) };
    const listener = await this.#host.runtime.listenTcp(options, (socket, attach) => {
      const frames = new FrameReader(measureStunFrame);
      const remote = { address: socket.remoteAddress, port: socket.remotePort };
      const client = {
        address: remote,
        key: `tcp ${endpointKey(remote)}`,
        stream: true,
        send: (message: Uint8Array) => socket.write(message),
      };
      attach({
        onData: (data) => {
          frames.push(data);
          for (let frame = frames.next(); frame; frame = frames.next()) this.#receive(frame, client);
          if (frames.broken) socket.close();
        },
        onClose: () => this.#free(this.#allocations.get(client.key)),
      });
    });
    this.#listeners.push(listener);
  }

  #receive(bytes: Uint8Array, client: Client): void {
    const allocation = this.#live(client);
    if (bytes[0]! >>> 6 === 1) return this.#relayChannelData(bytes, allocation);
    let key: IntegrityKey | undefined;
    const parsed = parseStunMessage(bytes, {
      keyFor: ({ method, class: kind, attributes }) => {
        if (kind === 'indication' || method === 'binding' || attributes.nonce === undefined) return 'unprotected';
        key = this.#keyOf(attributes);
        return key;
      },
    });
    if (parsed.message === undefined) {
      if (parsed.request === undefined) return;
      return this.#answer(client, { ...parsed.request, class: 'request', attributes: {} }, this.#challenge(401), undefined);
    }
    const { message } = parsed;
    if (message.class === 'indication') return this.#relayIndication(message, allocation);
    if (message.class !== 'request') return;
    this.requests.push({ at: this.#now(), message });
    if (message.method === 'binding') return this.#answer(client, message, { xorMappedAddress: client.address }, undefined);
    if (key === undefined) return this.#answer(client, message, this.#challenge(401), undefined);
    if (!this.#isFresh(message.attributes.nonce)) return this.#answer(client, message, this.#challenge(438), undefined);
    if (message.method === 'allocate') return void this.#allocate(client, message, key);
    if (allocation === undefined) return this.#answer(client, message, error(437, 'Allocation Mismatch'), key);
    this.#answer(client, message, this.#perform(message, allocation), key);
  }

  #perform({ method, attributes }: StunMessage, allocation: Allocation): StunAttributes {
    const now = this.#now();
    const peers = attributes.xorPeerAddresses ?? [];
    if (peers.some(({ address }) => this.#options.forbidden?.includes(address))) return error(403, 'Forbidden');
    switch (method) {
      case 'refresh': {
        const lifetime = Math.min(attributes.lifetime ?? 600, this.#options.maxLifetime ?? 600);
        allocation.expiresAt = now + lifetime * 1000;
        if (lifetime === 0) this.#free(allocation);
        return { lifetime };
      }
      case 'channel-bind': {
        const [peer] = peers;
        if (peer === undefined || attributes.channelNumber === undefined) return error(400, 'Bad Request');
        allocation.channels.set(attributes.channelNumber, { peer, expiresAt: now + CHANNEL_LIFETIME });
        allocation.permissions.set(peer.address, now + PERMISSION_LIFETIME);
        return {};
      }
      case 'create-permission':
        for (const { address } of peers) allocation.permissions.set(address, now + PERMISSION_LIFETIME);
        return {};
      default:
        return error(400, 'Bad Request');
    }
  }

  async #allocate(client: Client, request: StunMessage, key: IntegrityKey): Promise<void> {
    const transaction = transactionKey(request.transactionId);
    const existing = this.#live(client);
    if (existing !== undefined && existing.transaction !== transaction) return this.#answer(client, request, error(437, 'Mismatch'), key);
    if (existing === undefined) {
      if (this.#allocations.size >= (this.#options.quota ?? Infinity)) return this.#answer(client, request, error(486, 'Quota'), key);
      const { requestedAddressFamily, additionalAddressFamily } = request.attributes;
      const families = requestedAddressFamily === 2 ? [6] : additionalAddressFamily === 2 ? [4, 6] : [4];
      await this.#open(client, transaction, families, request.attributes.lifetime ?? 600);
    }
    const allocation = this.#allocations.get(client.key);
    if (allocation === undefined || allocation.relayed.length === 0) return this.#answer(client, request, error(440, 'Family'), key);
    const lifetime = Math.round((allocation.expiresAt - this.#now()) / 1000);
    this.#answer(client, request, { xorRelayedAddresses: allocation.relayed, xorMappedAddress: client.address, lifetime }, key);
  }

  async #open(client: Client, transaction: string, families: readonly number[], lifetime: number): Promise<void> {
    const addresses = this.#host.networkInterfaces().filter(({ internal }) => !internal);
    const sockets: UdpSocket[] = [];
    for (const family of families) {
      const found = addresses.find((each) => each.family === family);
      if (found === undefined) continue;
      const socket = await this.#host.runtime.bindUdp({ address: found.address }, (data, address, port) =>
        this.#relayToClient(allocation, { address, port }, data),
      );
      sockets.push(socket);
    }
    const allocation: Allocation = {
      client: client.key,
      transaction,
      sockets,
      relayed: sockets.map(({ address, port }) => ({ address, port })),
      expiresAt: this.#now() + Math.min(lifetime, this.#options.maxLifetime ?? 600) * 1000,
      permissions: new Map(),
      channels: new Map(),
      send: client.send,
      stream: client.stream,
    };
    this.#allocations.set(client.key, allocation);
  }

  #relayToClient(allocation: Allocation, peer: TransportAddress, data: Uint8Array): void {
    const now = this.#now();
    if (allocation.expiresAt <= now || !((allocation.permissions.get(peer.address) ?? 0) > now)) return;
    for (const [number, channel] of allocation.channels)
      if (channel.expiresAt > now && endpointKey(channel.peer) === endpointKey(peer))
        return allocation.send(channelData(number, data, allocation.stream));
    const transactionId = newTransactionId(this.#host.runtime.crypto);
    allocation.send(
      encodeStunMessage({ class: 'indication', method: 'data', transactionId, attributes: { xorPeerAddresses: [peer], data } }),
    );
  }

  #relayIndication({ method, attributes }: StunMessage, allocation: Allocation | undefined): void {
    const peer = attributes.xorPeerAddresses?.[0];
    if (method === 'send' && peer !== undefined && attributes.data !== undefined && allocation !== undefined)
      this.#relayToPeer(allocation, peer, attributes.data);
  }

  #relayChannelData(message: Uint8Array, allocation: Allocation | undefined): void {
    const channel = allocation?.channels.get(readUint16(message, 0));
    if (channel !== undefined && channel.expiresAt > this.#now())
      this.#relayToPeer(allocation!, channel.peer, message.subarray(4, 4 + readUint16(message, 2)));
  }

  #relayToPeer(allocation: Allocation, peer: TransportAddress, data: Uint8Array): void {
    if (!((allocation.permissions.get(peer.address) ?? 0) > this.#now())) return;
    const family = peer.address.includes(':');
    allocation.sockets.find(({ address }) => address.includes(':') === family)?.send(data, peer.address, peer.port);
  }

  #answer(client: Client, request: StunMessage, attributes: StunAttributes, key: IntegrityKey | undefined): void {
    const kind = attributes.errorCode === undefined ? 'success' : 'error';
    const plain: StunMessage = { method: request.method, class: kind, transactionId: request.transactionId, attributes };
    const response = this.onResponse === undefined ? plain : this.onResponse(plain, request);
    if (response === undefined) return;
    const bytes = encodeStunMessage(response, key === undefined || this.integrity === 'none' ? {} : { key, integrity: 'sha-1' });
    if (key !== undefined && this.integrity === 'wrong') bytes[bytes.length - 1]! ^= 1;
    client.send(bytes);
  }

  #challenge(code: 401 | 438): StunAttributes {
    const nonce = transactionKey(newTransactionId(this.#host.runtime.crypto));
    this.#nonces.set(nonce, this.#now() + (this.#options.nonceLifetime ?? 3_600_000));
    return { ...error(code, code === 401 ? 'Unauthorized' : 'Stale Nonce'), realm: this.#realm, nonce };
  }

  #isFresh(nonce: string | undefined): boolean {
    return nonce !== undefined && (this.#nonces.get(nonce) ?? -1) >= this.#now();
  }

  #keyOf({ username, realm }: StunAttributes): IntegrityKey | undefined {
    const password = this.#options.users?.[username ?? ''];
    if (username === undefined || password === undefined || realm !== this.#realm) return undefined;
    return longTermKey(this.#host.runtime.crypto, { username, password }, realm);
  }

  /** The client's allocation, unless its time is up. */
  #live({ key }: Client): Allocation | undefined {
    const allocation = this.#allocations.get(key);
    if (allocation === undefined || allocation.expiresAt > this.#now()) return allocation;
    this.#free(allocation);
    return undefined;
  }

  #free(allocation: Allocation | undefined): void {
    if (allocation === undefined) return;
    for (const socket of allocation.sockets) socket.close();
    this.#allocations.delete(allocation.client);
  }

  get #realm(): string {
    return this.#options.realm ?? 'example.org';
  }

  #now(): Instant {
    return this.#host.network.now();
  }
}

function error(code: number, reason: string): StunAttributes {
  return { errorCode: { code, reason } };
}

function channelData(channel: number, data: Uint8Array, stream: boolean): Uint8Array {
  const message = new Uint8Array(4 + data.length + (stream ? (4 - (data.length % 4)) % 4 : 0));
  writeUint16(message, 0, channel);
  writeUint16(message, 2, data.length);
  message.set(data, 4);
  return message;
}
