/** RTCDtlsTransport (W3C WebRTC §5.5). */
import { ALERT_DESCRIPTIONS, type DtlsFailure } from '@petrel/dtls';
import { RTCError } from './errors.ts';
import { RTCErrorEvent } from './events.ts';
import type { RTCIceTransport } from './rtc-ice-transport.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

/** `closed`: one of the sides has said close_notify. `failed`: the handshake or an authenticity check has, or there was a fatal alert. */
export type RTCDtlsTransportState = 'new' | 'connecting' | 'connected' | 'closed' | 'failed';

/** The internal slots. */
export interface DtlsTransportSlots {
  readonly iceTransport: RTCIceTransport;
  state: RTCDtlsTransportState;
  /** The peer's certificate chain, DER; empty before the handshake. */
  remoteCertificates: readonly Uint8Array[];
}

export let createRTCDtlsTransport: (iceTransport: RTCIceTransport) => RTCDtlsTransport;
export let dtlsTransportSlots: (transport: RTCDtlsTransport) => DtlsTransportSlots;

/** The DTLS transport of one or more senders, receivers and data channels (W3C WebRTC §5.5). Events: `statechange`, and `error` before it fails. */
export class RTCDtlsTransport extends TypedEventTarget<RTCDtlsTransport> {
  declare onstatechange: webidl.EventHandler<RTCDtlsTransport>;
  declare onerror: webidl.EventHandler<RTCDtlsTransport, RTCErrorEvent>;
  readonly #slots: DtlsTransportSlots;

  private constructor(...[token, iceTransport]: [token?: unknown, iceTransport?: RTCIceTransport]) {
    webidl.requireInternal(token);
    super();
    this.#slots = { iceTransport: iceTransport!, state: 'new', remoteCertificates: [] };
  }

  get iceTransport(): RTCIceTransport {
    return this.#slots.iceTransport;
  }

  get state(): RTCDtlsTransportState {
    return this.#slots.state;
  }

  /** The peer's certificate chain in DER; empty until the handshake is complete. */
  getRemoteCertificates(): ArrayBuffer[] {
    return this.#slots.remoteCertificates.map((der) => der.slice().buffer as ArrayBuffer);
  }

  static {
    createRTCDtlsTransport = (iceTransport) => new RTCDtlsTransport(webidl.INTERNAL, iceTransport);
    dtlsTransportSlots = (transport) => transport.#slots;
    webidl.defineInterface({
      name: 'RTCDtlsTransport',
      prototype: RTCDtlsTransport.prototype,
      isInstance: (value) => #slots in value,
      handlers: ['statechange', 'error'],
      shown: ['state', 'iceTransport'],
    });
  }
}

/** The `error` event of a transport that has failed: 'fingerprint-failure', or 'dtls-failure' with the alert. */
export function fireDtlsError(transport: RTCDtlsTransport, failure: DtlsFailure | undefined): void {
  transport.dispatchEvent(new RTCErrorEvent('error', { error: toRTCError(failure) }));
}

function toRTCError(failure: DtlsFailure | undefined): RTCError {
  const { reason, alert } = failure ?? { reason: 'handshake-timeout', alert: undefined };
  if (reason === 'fingerprint-mismatch')
    return new RTCError(
      { errorDetail: 'fingerprint-failure' },
      'no certificate of the peer has the fingerprint that its description promises',
    );
  const description = typeof alert === 'string' ? ALERT_DESCRIPTIONS[alert] : alert;
  const alerts = description === undefined ? {} : reason === 'remote-alert' ? { receivedAlert: description } : { sentAlert: description };
  return new RTCError({ errorDetail: 'dtls-failure', ...alerts }, `DTLS has failed: ${reason}`);
}
