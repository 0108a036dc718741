/** A TURN client (RFC 8656): one allocation on one server, over UDP or over a TCP or TLS stream. */
import type { CryptoProvider } from '@petrel/crypto';
import { type Core, Discards, type Instant, NEVER, Queue } from '@petrel/sans-io';
import type { StunClientDiscard, TransportAddress } from '@petrel/stun';

export interface TurnClientOptions {
  readonly crypto: CryptoProvider;
  readonly username: string;
  /** Secret: it never appears in events, errors or `inspect` output. */
  readonly credential: string;
  /** How the server is reached: `stream` is TCP or TLS. */
  readonly transport?: 'udp' | 'stream';
  /** Families of the relayed addresses to ask for (RFC 8656 §7.1); `[4]` unless given, `[4, 6]` for both. */
  readonly addressFamilies?: readonly (4 | 6)[];
  /** Seconds to ask for; the server decides. 600 unless given. */
  readonly lifetime?: number;
  readonly software?: string;
}

export type TurnState = 'new' | 'allocating' | 'allocated' | 'closing' | 'closed' | 'failed';

export type TurnFailureReason =
  | 'timeout'
  | 'integrity-violated'
  | 'unauthorized'
  | 'error-response'
  | 'try-alternate'
  /** The server's relayed address cannot be one. */
  | 'unusable-address'
  /** 437 or a lost stream after the allocation was made. */
  | 'allocation-lost'
  | 'broken-stream';

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
  /** The server refuses to relay to an address (403), or a permission could not be renewed. */
  | { readonly type: 'permission-refused'; readonly address: string; readonly code: number | undefined }
  /** Fatal. `code` is that of the error response, `alternateServer` comes with `try-alternate`. */
  | {
      readonly type: 'failed';
      readonly reason: TurnFailureReason;
      readonly code?: number;
      readonly phrase?: string;
      readonly alternateServer?: TransportAddress;
    }
  /** After `close`: the server has released the allocation, or has not answered in time. */
  | { readonly type: 'closed' };

export type TurnDiscard = StunClientDiscard | 'malformed-channel-data' | 'unknown-channel' | 'malformed-data-indication' | 'no-permission';

export class TurnClient implements Core<Uint8Array, TurnEvent> {
  readonly discards: Discards<TurnDiscard> = new Discards();
  readonly #transmits = new Queue<Uint8Array>();
  readonly #events = new Queue<TurnEvent>();
  #state: TurnState = 'new';

  constructor(_options: TurnClientOptions) {}

  get state(): TurnState {
    return this.#state;
  }

  /** Asks for the allocation. */
  start(_now: Instant): void {
    this.#state = 'allocating';
  }

  /** A datagram from the server, or the next bytes of its stream. */
  receive(_bytes: Uint8Array, _now: Instant): void {}

  /**
   * Relays a datagram to a peer: in ChannelData when a channel is bound, else in a Send indication. Creates the permission when there is none
   * yet (the datagram may be lost then). @returns false when there is no allocation
   */
  send(_peerAddress: string, _peerPort: number, _data: Uint8Array, _now: Instant): boolean {
    return false;
  }

  /** Lets peers at these addresses through, and keeps it so until `close`. */
  createPermission(_addresses: readonly string[], _now: Instant): void {}

  /** Binds a channel to a peer, so that its data needs 4 bytes of overhead instead of 36, and keeps it bound until `close`. */
  bindChannel(_peerAddress: string, _peerPort: number, _now: Instant): void {}

  /** Releases the allocation (Refresh with lifetime 0). Data is not relayed any more. */
  close(_now: Instant): void {
    this.#state = 'closed';
  }

  handleTimeout(_now: Instant): void {}

  nextTimeout(): Instant {
    return NEVER;
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): TurnEvent | undefined {
    return this.#events.shift();
  }
}
