/** RTCSctpTransport (W3C WebRTC §6.1.1). */
import type { RTCDtlsTransport } from './rtc-dtls-transport.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

/** `closed` is final: with the association, its channels have ended. */
export type RTCSctpTransportState = 'connecting' | 'connected' | 'closed';

/** The internal slots. */
export interface SctpTransportSlots {
  transport: RTCDtlsTransport;
  state: RTCSctpTransportState;
  maxMessageSize: number | null;
  maxBufferSize: number | null;
  /** Null until connected. */
  maxChannels: number | null;
}

/** Bytes that one channel may buffer ("canSendSize"). */
export const SEND_BUFFER_SIZE = 16_777_216;
/** RFC 8841 §6.1: what a peer accepts that has no `a=max-message-size`. */
export const DEFAULT_MAX_MESSAGE_SIZE = 65_536;

export let createRTCSctpTransport: (transport: RTCDtlsTransport, initialState?: RTCSctpTransportState) => RTCSctpTransport;
export let sctpTransportSlots: (transport: RTCSctpTransport) => SctpTransportSlots;

/** The SCTP association under the data channels (W3C WebRTC §6.1). Event: `statechange`. */
export class RTCSctpTransport extends TypedEventTarget<RTCSctpTransport> {
  declare onstatechange: webidl.EventHandler<RTCSctpTransport>;
  readonly #slots: SctpTransportSlots;

  private constructor(...[token, transport, state]: [token?: unknown, transport?: RTCDtlsTransport, state?: RTCSctpTransportState]) {
    webidl.requireInternal(token);
    super();
    this.#slots = { transport: transport!, state: state!, maxMessageSize: null, maxBufferSize: null, maxChannels: null };
  }

  get transport(): RTCDtlsTransport {
    return this.#slots.transport;
  }

  get state(): RTCSctpTransportState {
    return this.#slots.state;
  }

  /** Bytes of the largest message that `send` takes; null before the peer's description has said so. */
  get maxMessageSize(): number | null {
    return this.#slots.maxMessageSize;
  }

  /** Channels that can be open at the same time; null before the association is up. */
  get maxChannels(): number | null {
    return this.#slots.maxChannels;
  }

  static {
    createRTCSctpTransport = (transport, initialState = 'connecting') => new RTCSctpTransport(webidl.INTERNAL, transport, initialState);
    sctpTransportSlots = (transport) => transport.#slots;
    webidl.defineInterface({
      name: 'RTCSctpTransport',
      prototype: RTCSctpTransport.prototype,
      isInstance: (value) => #slots in value,
      handlers: ['statechange'],
      shown: ['state', 'maxMessageSize', 'maxChannels', 'transport'],
    });
  }
}

/** §6.1.1.2, "update max message size". @param remote `a=max-message-size`; 0 means any size */
export function updateMaxMessageSize(transport: RTCSctpTransport, remote: number = DEFAULT_MAX_MESSAGE_SIZE): void {
  const slots = sctpTransportSlots(transport);
  slots.maxMessageSize = remote === 0 ? SEND_BUFFER_SIZE : Math.min(remote, SEND_BUFFER_SIZE);
  slots.maxBufferSize = Math.max(remote, SEND_BUFFER_SIZE);
}
