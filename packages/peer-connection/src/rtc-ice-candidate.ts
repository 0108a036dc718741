/** RTCIceCandidate (W3C WebRTC §4.8.1), over the grammar of RFC 8839 §5.1. */
import { type Candidate, formatCandidate, parseCandidate } from '@petrel/ice';
import * as webidl from './webidl.ts';

/** RTCP is multiplexed (RFC 5761), so there is only `rtp` in practice. */
export type RTCIceComponent = 'rtp' | 'rtcp';
/** How the candidate's address is reached; a relay's is `udp`, whatever leads to its server. */
export type RTCIceProtocol = 'udp' | 'tcp';
/** RFC 6544 §4.5. */
export type RTCIceTcpCandidateType = 'active' | 'passive' | 'so';
/** RFC 8445 §5.1.1; `prflx` is learnt from checks and never signalled. */
export type RTCIceCandidateType = 'host' | 'srflx' | 'prflx' | 'relay';
/** How the TURN server of a relay is reached. */
export type RTCIceServerTransportProtocol = 'udp' | 'tcp' | 'tls';

/** What signalling carries: `candidate.toJSON()` makes it, `addIceCandidate` takes it. */
export interface RTCIceCandidateInit {
  /** The value of `a=candidate`; empty for the end of candidates. */
  candidate?: string;
  sdpMid?: string | null;
  sdpMLineIndex?: number | null;
  usernameFragment?: string | null;
}

/** For the constructor only: what is known of local candidates beyond their line. */
export interface RTCLocalIceCandidateInit extends RTCIceCandidateInit {
  relayProtocol?: RTCIceServerTransportProtocol | null;
  url?: string | null;
}

/** The internal slots: the dictionary, and what was read from the candidate's line. */
interface CandidateSlots {
  readonly candidate: string;
  readonly sdpMid: string | null;
  readonly sdpMLineIndex: number | null;
  readonly usernameFragment: string | null;
  readonly relayProtocol: RTCIceServerTransportProtocol | null;
  readonly url: string | null;
  readonly parsed: Candidate | undefined;
}

/** The candidate as the ICE agent knows it; undefined when its line could not be read. */
export let parsedCandidate: (candidate: RTCIceCandidate) => Candidate | undefined;

/**
 * A candidate and the section that it belongs to (W3C WebRTC §4.8.1); what cannot be read has null for its parts.
 *
 * @throws TypeError (constructor) when both `sdpMid` and `sdpMLineIndex` are null
 */
export class RTCIceCandidate {
  readonly #slots: CandidateSlots;

  constructor(...[candidateInitDict]: [candidateInitDict?: RTCLocalIceCandidateInit]) {
    const init = toRTCLocalIceCandidateInit(candidateInitDict, 'RTCIceCandidate constructor');
    const { candidate = '', sdpMid = null, sdpMLineIndex = null, usernameFragment = null, relayProtocol = null, url = null } = init;
    if (sdpMid === null && sdpMLineIndex === null) throw new TypeError('RTCIceCandidate constructor: sdpMid or sdpMLineIndex is required');
    const parsed = candidate === '' ? undefined : parseCandidate(candidate);
    this.#slots = { candidate, sdpMid, sdpMLineIndex, usernameFragment, relayProtocol, url, parsed };
  }

  get candidate(): string {
    return this.#slots.candidate;
  }

  get sdpMid(): string | null {
    return this.#slots.sdpMid;
  }

  get sdpMLineIndex(): number | null {
    return this.#slots.sdpMLineIndex;
  }

  get foundation(): string | null {
    return this.#slots.parsed?.foundation ?? null;
  }

  get component(): RTCIceComponent | null {
    const component: number | undefined = this.#slots.parsed?.component;
    return component === undefined ? null : component === 1 ? 'rtp' : 'rtcp';
  }

  get priority(): number | null {
    return this.#slots.parsed?.priority ?? null;
  }

  get address(): string | null {
    return this.#slots.parsed?.address ?? null;
  }

  get protocol(): RTCIceProtocol | null {
    return this.#slots.parsed?.protocol ?? null;
  }

  get port(): number | null {
    return this.#slots.parsed?.port ?? null;
  }

  get type(): RTCIceCandidateType | null {
    return this.#slots.parsed?.type ?? null;
  }

  get tcpType(): RTCIceTcpCandidateType | null {
    return this.#slots.parsed?.tcpType ?? null;
  }

  get relatedAddress(): string | null {
    return this.#slots.parsed?.relatedAddress ?? null;
  }

  get relatedPort(): number | null {
    return this.#slots.parsed?.relatedPort ?? null;
  }

  get usernameFragment(): string | null {
    return this.#slots.usernameFragment;
  }

  /** Of a local relay candidate: how the TURN server is reached. */
  get relayProtocol(): RTCIceServerTransportProtocol | null {
    return this.#slots.relayProtocol;
  }

  /** Of a local candidate: the server that it was learned from. */
  get url(): string | null {
    return this.#slots.url;
  }

  toJSON(): { candidate: string; sdpMid: string | null; sdpMLineIndex: number | null; usernameFragment: string | null } {
    const { candidate, sdpMid, sdpMLineIndex, usernameFragment } = this.#slots;
    return { candidate, sdpMid, sdpMLineIndex, usernameFragment };
  }

  static {
    parsedCandidate = (candidate) => candidate.#slots.parsed;
    webidl.defineInterface({
      name: 'RTCIceCandidate',
      prototype: RTCIceCandidate.prototype,
      isInstance: (value) => #slots in value,
      shown: ['candidate', 'sdpMid', 'sdpMLineIndex', 'usernameFragment', 'url'],
    });
  }
}

/** A candidate that the ICE agent has gathered (or learned), as an object for the application. */
export function createRTCIceCandidate(candidate: Candidate, sdpMid: string | null, sdpMLineIndex: number | null): RTCIceCandidate {
  return new RTCIceCandidate({
    candidate: formatCandidate(candidate),
    sdpMid: sdpMid ?? '',
    sdpMLineIndex,
    usernameFragment: candidate.usernameFragment ?? null,
    relayProtocol: candidate.relayProtocol ?? null,
    url: candidate.url ?? null,
  });
}

const candidateMembers: webidl.Members<RTCIceCandidateInit> = {
  candidate: { convert: webidl.domString, fallback: () => '' },
  sdpMid: { convert: webidl.nullable(webidl.domString), fallback: () => null },
  sdpMLineIndex: { convert: webidl.nullable(webidl.unsignedShort), fallback: () => null },
  usernameFragment: { convert: webidl.nullable(webidl.domString), fallback: () => null },
};

/** Converts the argument of `addIceCandidate`. */
export const toRTCIceCandidateInit: webidl.Converter<RTCIceCandidateInit> = webidl.dictionary<RTCIceCandidateInit>(
  'RTCIceCandidateInit',
  candidateMembers,
);

const toRTCLocalIceCandidateInit = webidl.dictionary<RTCLocalIceCandidateInit, RTCIceCandidateInit>(
  'RTCLocalIceCandidateInit',
  {
    relayProtocol: {
      convert: webidl.nullable(webidl.enumeration<RTCIceServerTransportProtocol>('RTCIceServerTransportProtocol', ['udp', 'tcp', 'tls'])),
      fallback: () => null,
    },
    url: { convert: webidl.nullable(webidl.usvString), fallback: () => null },
  },
  toRTCIceCandidateInit,
);
