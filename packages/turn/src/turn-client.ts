/**
 * A TURN client (RFC 8656): one allocation on one server, over UDP or over a TCP or TLS stream.
 *
 * ```
 *   new ── start / Allocate ──> allocating ── success ──> allocated ── close / Refresh 0 ──> closing ── response ──> closed
 *                                   │                         │
 *                                   └───── error, timeout ────┴──> failed
 * ```
 *
 * Permissions, channels and the allocation itself are refreshed in time for as long as it is `allocated`.
 */
import { Arena, encodeUtf8 } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import { type Core, Discards, type Instant, NEVER, Queue } from '@petrel/sans-io';
import {
  addressFamily,
  addressScope,
  canonicalIpAddress,
  FrameReader,
  measureStunFrame,
  type StunAttributes,
  StunClient,
  type StunClientDiscard,
  type StunFailure,
  type StunFailureReason,
  type StunMessage,
  type TransportAddress,
} from '@petrel/stun';
import { decodeChannelData, encodeChannelData, isChannelData, MAX_CHANNEL_PAYLOAD } from './channel-data.ts';
import { type Channel, Channels } from './channels.ts';
import { Permissions } from './permissions.ts';

/** The argument of the constructor of {@link TurnClient}. */
export interface TurnClientOptions {
  readonly crypto: CryptoProvider;
  readonly username: string;
  /** Secret: it never appears in events, errors or `inspect` output. */
  readonly credential: string;
  /** How the server is reached: `stream` is TCP or TLS. */
  readonly transport?: 'udp' | 'stream';
  /** The server's own address: one on loopback may relay on loopback. */
  readonly serverAddress?: string;
  /** Families of the relayed addresses to ask for (RFC 8656 §7.1); `[4]` unless given, `[4, 6]` for both. */
  readonly addressFamilies?: readonly (4 | 6)[];
  /** Seconds to ask for; the server decides. 600 unless given. */
  readonly lifetime?: number;
  readonly software?: string;
}

/** `closed` and `failed` are final. */
export type TurnState = 'new' | 'allocating' | 'allocated' | 'closing' | 'closed' | 'failed';

/** Why there is no allocation, or none any more. */
export type TurnFailureReason =
  | StunFailureReason
  /** The server's relayed address cannot be one. */
  | 'unusable-address'
  /** The server does not know the allocation any more: it has restarted, or it expired while we slept. */
  | 'allocation-lost'
  /** The stream to the server has ended, or does not carry TURN. */
  | 'broken-stream';

/** What {@link TurnClient.pollEvent} gives. */
export type TurnEvent =
  | {
      readonly type: 'allocated';
      readonly relayedAddress: TransportAddress;
      /** One for each family that was granted; the first is `relayedAddress`. */
      readonly relayedAddresses: readonly TransportAddress[];
      /** Our own address as the server sees it: a server-reflexive candidate, over UDP. */
      readonly mappedAddress: TransportAddress | undefined;
    }
  | { readonly type: 'data'; readonly peerAddress: string; readonly peerPort: number; readonly data: Uint8Array }
  /** The server refuses to relay to an address (403), or does not answer. Nothing is sent to it any more. */
  | { readonly type: 'permission-refused'; readonly address: string; readonly code: number | undefined }
  /**
   * Fatal. `code` and `phrase` are those of the error response, `alternateServer` comes with `try-alternate`. 437 before there was an allocation: the
   * server has something else on our port; ask with another client from another one, three at most (RFC 8656 §7.4).
   */
  | {
      readonly type: 'failed';
      readonly reason: TurnFailureReason;
      readonly code?: number;
      readonly phrase?: string;
      readonly alternateServer?: TransportAddress;
    }
  /** After `close`: the server has released the allocation, or has not answered. */
  | { readonly type: 'closed' };

/** Why something that the server has sent was dropped. */
export type TurnDiscard =
  | StunClientDiscard
  | 'malformed-channel-data'
  | 'unknown-channel'
  | 'malformed-data-indication'
  | 'empty-data'
  | 'no-permission'
  | 'icmp-error'
  | 'unexpected-indication';

/** What a request was for. */
type Purpose =
  | { readonly type: 'allocate' | 'refresh' | 'release' }
  | { readonly type: 'permissions'; readonly addresses: readonly string[] }
  | { readonly type: 'channel'; readonly channel: Channel };

const UDP = 17;
const DEFAULT_LIFETIME = 600;
/** The allocation is refreshed a minute before its end (RFC 8656 §8), and at least once in an hour. In milliseconds. */
const REFRESH_MARGIN = 60_000;
const MAX_REFRESH_INTERVAL = 3_600_000;
/** However short the lifetime, a server is not asked more often. */
const MIN_REFRESH_INTERVAL = 1000;
const RETRY_AFTER_SERVER_ERROR = 10_000;
/** Peers in one CreatePermission request: it stays far below any MTU. */
const PEERS_PER_REQUEST = 8;
/** STUN text attributes hold so many bytes (RFC 8489 §14.3). */
const MAX_USERNAME = 508;

/**
 * @example
 * const turn = new TurnClient({ crypto, username: 'alice', credential: 'secret' });
 * turn.start(now);
 * for (let datagram; (datagram = turn.pollTransmit()); ) socket.send(datagram, 3478, server);
 * // … turn.receive(datagram, now), then pollEvent() yields { type: 'allocated', relayedAddress: { address: '203.0.113.5', port: 49200 }, … }
 * turn.send('198.51.100.9', 40000, data, now);
 */
export class TurnClient implements Core<Uint8Array, TurnEvent> {
  readonly discards: Discards<TurnDiscard>;
  readonly #options: TurnClientOptions;
  readonly #stream: boolean;
  readonly #stun: StunClient;
  readonly #frames = new FrameReader(measureStunFrame);
  readonly #purposes = new Map<number, Purpose>();
  readonly #permissions = new Permissions();
  readonly #channels = new Channels();
  readonly #arena = new Arena();
  readonly #transmits = new Queue<Uint8Array>();
  readonly #events = new Queue<TurnEvent>();
  #state: TurnState = 'new';
  #families: readonly (4 | 6)[] = [];
  #refreshAt: Instant = NEVER;
  #expiresAt: Instant = NEVER;

  /** @throws RangeError when the username does not fit in a STUN attribute */
  constructor(options: TurnClientOptions) {
    const { crypto, username, credential, software } = options;
    if (encodeUtf8(username).length > MAX_USERNAME) throw new RangeError(`a TURN username has at most ${MAX_USERNAME} bytes`);
    this.#options = options;
    this.#stream = options.transport === 'stream';
    this.#stun = new StunClient({
      crypto,
      credentials: { username, password: credential },
      reliable: this.#stream,
      ...(software === undefined ? {} : { software }),
    });
    this.discards = this.#stun.discards as Discards<TurnDiscard>;
  }

  get state(): TurnState {
    return this.#state;
  }

  /** Asks for the allocation. */
  start(now: Instant): void {
    if (this.#state !== 'new') return;
    this.#state = 'allocating';
    const { addressFamilies = [4], lifetime = DEFAULT_LIFETIME } = this.#options;
    const attributes: StunAttributes = { requestedTransport: UDP, lifetime };
    if (addressFamilies.includes(6)) {
      // RFC 8656 §7.1: one of the two, never both; both families are asked for with the additional one.
      if (addressFamilies.includes(4)) attributes.additionalAddressFamily = 2;
      else attributes.requestedAddressFamily = 2;
    }
    this.#request('allocate', attributes, { type: 'allocate' }, now);
  }

  /** A datagram from the server (the caller checks its source), or the next bytes of its stream. The buffer is taken over. */
  receive(bytes: Uint8Array, now: Instant): void {
    if (this.#state === 'closed' || this.#state === 'failed') return;
    if (!this.#stream) return this.#receiveMessage(bytes, now);
    this.#frames.push(bytes);
    for (let frame = this.#frames.next(); frame; frame = this.#frames.next()) this.#receiveMessage(frame, now);
    if (this.#frames.broken) this.streamClosed();
  }

  /** The stream to the server has ended, other than by us. */
  streamClosed(): void {
    if (this.#state === 'closing') this.#closed();
    else if (this.#state !== 'closed') this.#fail({ reason: 'broken-stream' });
  }

  /**
   * Relays a datagram to a peer: in ChannelData when a channel is bound, else in a Send indication. Asks for the permission when there is none
   * yet; the datagram follows the request at once and may be lost.
   * @returns false when there is no allocation, no address of that family, or the server refuses to relay to the peer
   * @throws TypeError when the address is not an IP literal, RangeError when the data does not fit
   */
  send(peerAddress: string, peerPort: number, data: Uint8Array, now: Instant): boolean {
    if (this.#state !== 'allocated') return false;
    if (data.length > MAX_CHANNEL_PAYLOAD) throw new RangeError(`a datagram has at most ${MAX_CHANNEL_PAYLOAD} bytes, not ${data.length}`);
    const channel = this.#channels.get(peerAddress, peerPort);
    if (channel?.state === 'bound') {
      this.#takeStunTransmits();
      this.#transmits.push(encodeChannelData(this.#arena, channel.number, data, this.#stream));
      return true;
    }
    if (!this.#permissions.has(peerAddress)) this.createPermission([peerAddress], now);
    const address = canonical(peerAddress);
    if (!this.#permissions.admits(address)) return false;
    this.#stun.indication('send', { xorPeerAddresses: [{ address, port: peerPort }], data });
    return true;
  }

  /**
   * Lets peers at these addresses through, and keeps it so until `close`. What is asked for before there is an allocation waits for it.
   * @throws TypeError when an address is not an IP literal
   */
  createPermission(addresses: readonly string[], now: Instant): void {
    for (const address of addresses) this.#wantPermission(canonical(address), now);
    if (this.#state === 'allocated') this.#requestPermissions(now);
  }

  /**
   * Binds a channel to a peer, so that its data has 4 bytes of overhead instead of 36, and keeps it bound until `close`. Includes the permission.
   * @throws TypeError when the address is not an IP literal
   */
  bindChannel(peerAddress: string, peerPort: number, now: Instant): void {
    const address = canonical(peerAddress);
    if (this.#isOver() || this.#channels.get(address, peerPort) !== undefined || !this.#supports(address)) return;
    const channel = this.#channels.add({ address, port: peerPort });
    if (channel === undefined) return;
    this.#channels.wanted(channel, now);
    if (this.#state === 'allocated') this.#bindChannels(now);
  }

  /** Refreshes the allocation now, which tells whether the server still has it: it has failed with `allocation-lost` if not. */
  refresh(now: Instant): void {
    if (this.#state === 'allocated') this.#refreshAt = now;
  }

  /** Releases the allocation (Refresh with lifetime 0, RFC 8656 §8). Data is not relayed any more; the request is queued after what was sent. */
  close(now: Instant): void {
    if (this.#state === 'new') return this.#closed();
    if (this.#state === 'allocated') return this.#release(now);
    // An allocation that is on its way is released when it comes.
    if (this.#state === 'allocating') this.#state = 'closing';
  }

  handleTimeout(now: Instant): void {
    this.#stun.handleTimeout(now);
    this.#takeStunEvents(now);
    if (this.#state !== 'allocated') return;
    if (now >= this.#refreshAt) {
      this.#refreshAt = NEVER;
      this.#request('refresh', { lifetime: this.#options.lifetime ?? DEFAULT_LIFETIME }, { type: 'refresh' }, now);
    }
    this.#bindChannels(now); // first: each brings its permission
    this.#requestPermissions(now);
  }

  nextTimeout(): Instant {
    const next = this.#stun.nextTimeout();
    if (this.#state !== 'allocated') return next;
    return Math.min(next, this.#refreshAt, this.#permissions.nextDue, this.#channels.nextDue);
  }

  pollTransmit(): Uint8Array | undefined {
    this.#takeStunTransmits();
    return this.#transmits.shift();
  }

  pollEvent(): TurnEvent | undefined {
    return this.#events.shift();
  }

  // Input from the server ----------------------------------------------------------------------------------------------

  #receiveMessage(message: Uint8Array, now: Instant): void {
    if (isChannelData(message)) return this.#receiveChannelData(message);
    const indication = this.#stun.receive(message, now);
    if (indication !== undefined) this.#receiveIndication(indication);
    this.#takeStunEvents(now);
  }

  #receiveChannelData(message: Uint8Array): void {
    const decoded = decodeChannelData(message);
    if (decoded === undefined) return this.discards.count('malformed-channel-data');
    const peer = this.#channels.peerOf(decoded.channel);
    if (peer === undefined) return this.discards.count('unknown-channel');
    this.#deliver(peer, decoded.data);
  }

  /** RFC 8656 §11.4. */
  #receiveIndication({ method, attributes }: StunMessage): void {
    if (method !== 'data') return this.discards.count('unexpected-indication');
    const peer = attributes.xorPeerAddresses?.[0];
    if (peer === undefined) return this.discards.count('malformed-data-indication');
    if (!this.#permissions.admits(peer.address)) return this.discards.count('no-permission');
    if (attributes.icmp !== undefined) return this.discards.count('icmp-error'); // the checks above will notice for themselves
    if (attributes.data === undefined) return this.discards.count('malformed-data-indication');
    this.#deliver(peer, attributes.data);
  }

  #deliver({ address, port }: TransportAddress, data: Uint8Array): void {
    if (this.#state !== 'allocated') return;
    if (data.length === 0) return this.discards.count('empty-data'); // nothing that WebRTC sends is empty
    this.#events.push({ type: 'data', peerAddress: address, peerPort: port, data });
  }

  #takeStunEvents(now: Instant): void {
    for (let event = this.#stun.pollEvent(); event; event = this.#stun.pollEvent()) {
      const purpose = this.#purposes.get(event.request);
      this.#purposes.delete(event.request);
      if (purpose === undefined) continue;
      if (event.type === 'success') this.#onSuccess(purpose, event.message.attributes, now);
      else this.#onFailure(purpose, event.failure, now);
    }
  }

  #onSuccess(purpose: Purpose, attributes: StunAttributes, now: Instant): void {
    switch (purpose.type) {
      case 'allocate':
        return this.#onAllocated(attributes, now);
      case 'refresh':
        return this.#onLifetime(attributes.lifetime, now);
      case 'release':
        return this.#closed();
      case 'permissions':
        return this.#permissions.granted(purpose.addresses, now);
      case 'channel':
        this.#channels.bound(purpose.channel, now);
        return this.#permissions.granted([purpose.channel.peer.address], now);
    }
  }

  #onFailure(purpose: Purpose, failure: StunFailure, now: Instant): void {
    if (purpose.type === 'release') return this.#closed();
    if (this.#state === 'closing') return this.#closed();
    // RFC 8656 §5: 437 says that there is no such allocation on this 5-tuple.
    if (failure.code === 437 && purpose.type !== 'allocate') return this.#fail({ ...failure, reason: 'allocation-lost' });
    switch (purpose.type) {
      case 'allocate':
        return this.#fail(failure);
      case 'refresh':
        if ((failure.code ?? 0) < 500 || now + RETRY_AFTER_SERVER_ERROR >= this.#expiresAt) return this.#fail(failure);
        this.#refreshAt = now + RETRY_AFTER_SERVER_ERROR;
        return;
      case 'permissions':
        return this.#onPermissionsRefused(purpose.addresses, failure, now);
      case 'channel':
        this.#channels.refused(purpose.channel);
        return this.#requestPermission([purpose.channel.peer.address], now);
    }
  }

  // The allocation -----------------------------------------------------------------------------------------------------

  /** RFC 8656 §7.3. */
  #onAllocated({ xorRelayedAddresses = [], xorMappedAddress, lifetime }: StunAttributes, now: Instant): void {
    if (this.#state === 'closing') return this.#release(now);
    const relayedAddresses = xorRelayedAddresses.filter((address) => this.#isUsable(address));
    const [relayedAddress] = relayedAddresses;
    if (relayedAddress === undefined) {
      this.#release(now);
      return this.#fail({ reason: 'unusable-address' });
    }
    this.#state = 'allocated';
    this.#families = relayedAddresses.map(({ address }) => addressFamily(address));
    const mappedAddress = xorMappedAddress && this.#isUsable(xorMappedAddress) ? xorMappedAddress : undefined;
    this.#events.push({ type: 'allocated', relayedAddress, relayedAddresses, mappedAddress });
    this.#onLifetime(lifetime, now);
    this.#bindChannels(now); // first: each brings its permission
    this.#requestPermissions(now);
  }

  /** A server must not make us send to ourselves, to everybody, or to nobody; unless it lives on loopback itself. */
  #isUsable({ address, port }: TransportAddress): boolean {
    const scope = addressScope(address);
    const { serverAddress } = this.#options;
    if (scope === 'loopback') return port !== 0 && serverAddress !== undefined && addressScope(serverAddress) === 'loopback';
    return port !== 0 && scope !== 'special';
  }

  #onLifetime(seconds: number = DEFAULT_LIFETIME, now: Instant): void {
    if (seconds === 0) return this.#fail({ reason: 'allocation-lost' });
    const lifetime = seconds * 1000;
    const interval = lifetime >= 2 * REFRESH_MARGIN ? lifetime - REFRESH_MARGIN : lifetime / 2;
    this.#expiresAt = now + lifetime;
    this.#refreshAt = now + Math.max(MIN_REFRESH_INTERVAL, Math.min(interval, MAX_REFRESH_INTERVAL));
  }

  #release(now: Instant): void {
    this.#takeStunTransmits();
    for (const request of this.#purposes.keys()) this.#stun.cancel(request);
    this.#purposes.clear();
    this.#state = 'closing';
    this.#request('refresh', { lifetime: 0 }, { type: 'release' }, now);
  }

  #closed(): void {
    this.#end('closed');
    this.#events.push({ type: 'closed' });
  }

  #fail(failure: Omit<StunFailure, 'reason'> & { readonly reason: TurnFailureReason }): void {
    this.#end('failed');
    const { reason, code, phrase, attributes } = failure;
    const alternateServer = attributes?.alternateServers?.[0];
    this.#events.push({
      type: 'failed',
      reason,
      ...(code === undefined ? {} : { code }),
      ...(phrase === undefined ? {} : { phrase }),
      ...(alternateServer === undefined ? {} : { alternateServer }),
    });
  }

  /** What is queued still goes out. */
  #end(state: 'closed' | 'failed'): void {
    this.#state = state;
    this.#takeStunTransmits();
    this.#stun.close();
    this.#purposes.clear();
    this.#permissions.clear();
    this.#channels.clear();
    this.#refreshAt = NEVER;
  }

  // Permissions and channels -------------------------------------------------------------------------------------------

  #wantPermission(address: string, now: Instant): void {
    if (this.#isOver()) return;
    if (!this.#permissions.want(address, now)) this.#events.push({ type: 'permission-refused', address, code: undefined });
  }

  #requestPermissions(now: Instant): void {
    const due = this.#permissions.takeDue(now);
    for (let i = 0; i < due.length; i += PEERS_PER_REQUEST) this.#requestPermission(due.slice(i, i + PEERS_PER_REQUEST), now);
  }

  /** RFC 8656 §10.1: a peer of another family than the relayed addresses gets 443; there is no need to ask. */
  #requestPermission(addresses: readonly string[], now: Instant): void {
    const [supported, others] = [addresses.filter((each) => this.#supports(each)), addresses.filter((each) => !this.#supports(each))];
    for (const address of others) this.#refusePermission(address, 443);
    if (supported.length === 0) return;
    for (const address of supported) this.#permissions.requested(address);
    const xorPeerAddresses = supported.map((address) => ({ address, port: 0 }));
    this.#request('create-permission', { xorPeerAddresses }, { type: 'permissions', addresses: supported }, now);
  }

  /** The server refuses a request as a whole (RFC 8656 §10.2): ask for each address by itself, to see which one it meant. */
  #onPermissionsRefused(addresses: readonly string[], { reason, code }: StunFailure, now: Instant): void {
    const askAgain = addresses.length > 1 && reason === 'error-response';
    for (const address of addresses) {
      if (askAgain) this.#requestPermission([address], now);
      else this.#refusePermission(address, code);
    }
  }

  #refusePermission(address: string, code: number | undefined): void {
    this.#permissions.refused(address);
    this.#events.push({ type: 'permission-refused', address, code });
  }

  #bindChannels(now: Instant): void {
    for (const channel of this.#channels.takeDue(now)) {
      if (!this.#supports(channel.peer.address)) {
        this.#channels.refused(channel);
        continue;
      }
      this.#permissions.requested(channel.peer.address);
      const attributes = { channelNumber: channel.number, xorPeerAddresses: [channel.peer] };
      this.#request('channel-bind', attributes, { type: 'channel', channel }, now);
    }
  }

  // ------------------------------------------------------------------------------------------------------------------

  /** Whether there is a relayed address of the address's family; before the allocation, whether one is asked for. */
  #supports(address: string): boolean {
    const families = this.#state === 'allocated' ? this.#families : (this.#options.addressFamilies ?? [4]);
    return families.includes(addressFamily(address));
  }

  #isOver(): boolean {
    return this.#state === 'closing' || this.#state === 'closed' || this.#state === 'failed';
  }

  #request(method: Parameters<StunClient['request']>[0], attributes: StunAttributes, purpose: Purpose, now: Instant): void {
    this.#purposes.set(this.#stun.request(method, attributes, now), purpose);
  }

  /** One queue keeps the order between requests and data: the release must come after the last words that are relayed. */
  #takeStunTransmits(): void {
    for (let message = this.#stun.pollTransmit(); message; message = this.#stun.pollTransmit()) this.#transmits.push(message);
  }
}

function canonical(address: string): string {
  const text = canonicalIpAddress(address);
  if (text === undefined) throw new TypeError(`not an IP address: ${address}`);
  return text;
}
