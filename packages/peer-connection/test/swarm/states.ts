/** W05: which changes of state are legal, and what may still happen after the close. */
import { peerConnectionSlots, type RTCDtlsTransport, type RTCErrorEvent, type RTCPeerConnection } from '../../src/index.ts';
import type { TransportStack } from '../../src/transport-stack.ts';

type Changes = Readonly<Record<string, readonly string[]>>;

const SIGNALING: Changes = {
  stable: ['have-local-offer', 'have-remote-offer'],
  'have-local-offer': ['stable', 'have-remote-offer', 'have-remote-pranswer'],
  'have-remote-offer': ['stable', 'have-local-pranswer'],
};
const GATHERING: Changes = { new: ['gathering', 'complete'], gathering: ['complete', 'new'], complete: ['gathering', 'new'] };
/** RTCIceTransport (§5.6.4): a restart leads back to checking. */
const ICE: Changes = {
  new: ['checking', 'closed', 'connected', 'failed', 'disconnected'],
  checking: ['connected', 'failed', 'disconnected', 'closed', 'new', 'completed'],
  connected: ['completed', 'disconnected', 'checking', 'failed', 'closed'],
  completed: ['connected', 'disconnected', 'checking', 'failed', 'closed'],
  disconnected: ['connected', 'completed', 'checking', 'failed', 'closed'],
  failed: ['checking', 'closed', 'disconnected', 'connected', 'completed'],
};
const DTLS: Changes = {
  new: ['connecting', 'closed', 'failed'],
  connecting: ['connected', 'closed', 'failed'],
  connected: ['closed', 'failed'],
  failed: ['closed'],
};
const SCTP: Changes = { connecting: ['connected', 'closed'], connected: ['closed'] };

const CONNECTION_EVENTS = [
  'negotiationneeded',
  'icecandidate',
  'icecandidateerror',
  'signalingstatechange',
  'iceconnectionstatechange',
  'icegatheringstatechange',
  'connectionstatechange',
  'track',
  'datachannel',
  'remoteclose',
];

/** Looks at a connection after every task of the simulation. */
export class StateWatch {
  /** Why DTLS failed before it was connected. */
  handshakeFailed = '';
  readonly #pc: RTCPeerConnection;
  readonly #report: (violation: string) => void;
  readonly #last = new Map<object | string, string>();
  /** State as the last event has shown it. */
  readonly #told = new Map<string, string>();
  readonly #tapped = new WeakSet<object>();
  readonly #wasConnected = new WeakSet<object>();

  constructor(pc: RTCPeerConnection, report: (violation: string) => void, onEvent: (type: string, event: Event) => void) {
    this.#pc = pc;
    this.#report = report;
    for (const type of CONNECTION_EVENTS)
      pc.addEventListener(type, (event) => {
        onEvent(type, event);
        if (peerConnectionSlots(pc).isClosed) report(`event ${type} after the close`);
        this.#onEvent(type);
      });
  }

  /** After each task. */
  look(): void {
    const pc = this.#pc;
    const slots = peerConnectionSlots(pc);
    this.#follow('signaling', pc.signalingState, slots.isClosed ? undefined : SIGNALING);
    this.#follow('gathering', pc.iceGatheringState, GATHERING);
    if (slots.isClosed && (pc.connectionState !== 'closed' || pc.signalingState !== 'closed' || pc.iceConnectionState !== 'closed'))
      this.#report(`closed, and ${pc.connectionState}, ${pc.signalingState}, ${pc.iceConnectionState}`);
    for (const transport of slots.allTransports) {
      this.#follow(transport.ice, transport.ice.state, ICE);
      this.#follow(transport.dtls, transport.dtls.state, DTLS);
      this.#tap(transport.dtls, transport.driver.stack);
    }
    if (pc.sctp !== null) this.#follow(pc.sctp, pc.sctp.state, SCTP);
  }

  #follow(what: object | string, state: string, legal: Changes | undefined): void {
    const before = this.#last.get(what);
    if (before === state) return;
    this.#last.set(what, state);
    if (before === undefined || legal === undefined) return;
    if (!(legal[before] ?? []).includes(state))
      this.#report(`${typeof what === 'string' ? what : what.constructor.name} state from ${before} to ${state}`);
  }

  /** An event of a change tells of a change. */
  #onEvent(type: string): void {
    const pc = this.#pc;
    const state = {
      signalingstatechange: pc.signalingState,
      iceconnectionstatechange: pc.iceConnectionState,
      connectionstatechange: pc.connectionState,
      icegatheringstatechange: pc.iceGatheringState,
    }[type];
    if (state === undefined) return;
    const before = this.#told.get(type);
    if (before === state) this.#report(`${type}, and still ${state}`);
    this.#told.set(type, state);
  }

  /** W01: nothing of a layer leaves, and nothing is taken in by it, before the layer below is there. */
  #tap(dtls: RTCDtlsTransport, stack: TransportStack): void {
    if (this.#tapped.has(stack)) return;
    this.#tapped.add(stack);
    dtls.addEventListener('error', (event) => {
      const { message } = (event as RTCErrorEvent).error;
      if (this.#wasConnected.has(stack)) this.#report(`DTLS fails: ${message}`);
      else this.handshakeFailed = message;
    });
    stack.tap = ({ direction, layer, summary }) => {
      if (layer === 'stun') return;
      if (stack.dtls?.state === 'connected') this.#wasConnected.add(stack);
      const met = layer === 'dtls' ? stack.ice.selectedPair !== undefined || direction === 'in' : this.#wasConnected.has(stack);
      if (!met) this.#report(`W01: ${direction} ${layer} ${summary} too early`);
    };
  }
}
