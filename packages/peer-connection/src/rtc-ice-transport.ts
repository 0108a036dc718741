/** RTCIceTransport and RTCIceCandidatePair (W3C WebRTC §5.6). */
import type { RTCIceCandidate, RTCIceComponent } from './rtc-ice-candidate.ts';
import { TypedEventTarget } from './typed-event-target.ts';
import * as webidl from './webidl.ts';

/** `unknown` until there is a description. The controlling side nominates (RFC 8445 §6.1.1). */
export type RTCIceRole = 'unknown' | 'controlling' | 'controlled';
/** `disconnected` may recover by itself; `failed` takes an ICE restart (W3C WebRTC §5.6.4). */
export type RTCIceTransportState = 'closed' | 'failed' | 'disconnected' | 'new' | 'checking' | 'completed' | 'connected';
/** Of one transport. */
export type RTCIceGathererState = 'new' | 'gathering' | 'complete';

/** Username fragment and password of one side (RFC 8839 §5.4). */
export interface RTCIceParameters {
  usernameFragment?: string;
  password?: string;
}

/** The internal slots. The connection changes them, and fires the events in the order of its own algorithms (§5.6). */
export interface IceTransportSlots {
  role: RTCIceRole;
  state: RTCIceTransportState;
  gatheringState: RTCIceGathererState;
  selectedPair: RTCIceCandidatePair | null;
  /** As surfaced by `icecandidate`. */
  localCandidates: RTCIceCandidate[];
  /** As given to `addIceCandidate` or in a description. */
  remoteCandidates: RTCIceCandidate[];
  localParameters: RTCIceParameters | undefined;
  remoteParameters: RTCIceParameters | undefined;
}

export let createRTCIceTransport: () => RTCIceTransport;
export let iceTransportSlots: (transport: RTCIceTransport) => IceTransportSlots;

/**
 * The path to the peer (W3C WebRTC §5.6). Events: `statechange`, `gatheringstatechange`, `selectedcandidatepairchange`.
 *
 * @example
 * const pair = pc.sctp?.transport.iceTransport.getSelectedCandidatePair();
 */
export class RTCIceTransport extends TypedEventTarget<RTCIceTransport> {
  declare onstatechange: webidl.EventHandler<RTCIceTransport>;
  declare ongatheringstatechange: webidl.EventHandler<RTCIceTransport>;
  declare onselectedcandidatepairchange: webidl.EventHandler<RTCIceTransport>;
  readonly #slots: IceTransportSlots = {
    role: 'unknown',
    state: 'new',
    gatheringState: 'new',
    selectedPair: null,
    localCandidates: [],
    remoteCandidates: [],
    localParameters: undefined,
    remoteParameters: undefined,
  };

  private constructor(...[token]: [token?: unknown]) {
    webidl.requireInternal(token);
    super();
  }

  get role(): RTCIceRole {
    return this.#slots.role;
  }

  /** Always 'rtp': RTCP is multiplexed. */
  get component(): RTCIceComponent {
    void this.#slots;
    return 'rtp';
  }

  get state(): RTCIceTransportState {
    return this.#slots.state;
  }

  get gatheringState(): RTCIceGathererState {
    return this.#slots.gatheringState;
  }

  getLocalCandidates(): RTCIceCandidate[] {
    return [...this.#slots.localCandidates];
  }

  /** Without peer-reflexive candidates. */
  getRemoteCandidates(): RTCIceCandidate[] {
    return [...this.#slots.remoteCandidates];
  }

  getSelectedCandidatePair(): RTCIceCandidatePair | null {
    const { state, selectedPair } = this.#slots;
    return state === 'new' || state === 'closed' ? null : selectedPair;
  }

  getLocalParameters(): RTCIceParameters | null {
    return copyParameters(this.#slots.localParameters);
  }

  getRemoteParameters(): RTCIceParameters | null {
    return copyParameters(this.#slots.remoteParameters);
  }

  static {
    createRTCIceTransport = () => new RTCIceTransport(webidl.INTERNAL);
    iceTransportSlots = (transport) => transport.#slots;
    webidl.defineInterface({
      name: 'RTCIceTransport',
      prototype: RTCIceTransport.prototype,
      isInstance: (value) => #slots in value,
      handlers: ['statechange', 'gatheringstatechange', 'selectedcandidatepairchange'],
      shown: ['role', 'state', 'gatheringState'],
    });
  }
}

export let createRTCIceCandidatePair: (local: RTCIceCandidate, remote: RTCIceCandidate) => RTCIceCandidatePair;

/** The addresses between which packets travel (W3C WebRTC §5.6.2). */
export class RTCIceCandidatePair {
  readonly #local: RTCIceCandidate;
  readonly #remote: RTCIceCandidate;

  private constructor(...[token, local, remote]: [token?: unknown, local?: RTCIceCandidate, remote?: RTCIceCandidate]) {
    webidl.requireInternal(token);
    this.#local = local!;
    this.#remote = remote!;
  }

  get local(): RTCIceCandidate {
    return this.#local;
  }

  get remote(): RTCIceCandidate {
    return this.#remote;
  }

  static {
    createRTCIceCandidatePair = (local, remote) => new RTCIceCandidatePair(webidl.INTERNAL, local, remote);
    const isInstance = (value: object): boolean => #local in value;
    webidl.defineInterface({
      name: 'RTCIceCandidatePair',
      prototype: RTCIceCandidatePair.prototype,
      isInstance,
      shown: ['local', 'remote'],
    });
  }
}

/** Only the members that the dictionary has. */
function copyParameters(parameters: RTCIceParameters | undefined): RTCIceParameters | null {
  if (parameters === undefined) return null;
  const { usernameFragment = '', password = '' } = parameters;
  return { usernameFragment, password };
}
