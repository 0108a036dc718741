/** What goes into and comes out of an ICE agent. */
import type { CryptoProvider } from '@petrel/crypto';
import type { IceServerUrl } from '@petrel/turn';
import type { Candidate, TransportProtocol } from './candidate.ts';
import type { CheckListSet } from './check-list-set.ts';

/** The controlling agent nominates (RFC 8445 §6.1.1); conflicts are solved, with an event. */
export type IceRole = 'controlling' | 'controlled';
/** The states of the W3C's RTCIceTransport. */
export type IceTransportState = 'new' | 'checking' | 'connected' | 'completed' | 'disconnected' | 'failed' | 'closed';
/** Those of the W3C's RTCIceGathererState. */
export type IceGatheringState = 'new' | 'gathering' | 'complete';

/** `a=ice-ufrag`, `a=ice-pwd`, `a=ice-lite` (RFC 8839 §5.3, §5.4). */
export interface IceParameters {
  readonly usernameFragment: string;
  /** Secret. */
  readonly password: string;
  readonly lite?: boolean;
}

/** A STUN or TURN server, by one of its URLs. */
export interface IceServer {
  readonly url: IceServerUrl;
  /** The URL as the application wrote it, for events and statistics. */
  readonly text: string;
  /** IP literals of the URL's host; absent while the driver resolves it, see {@link IceAgent.resolveServer}. Not needed when the host is a literal. */
  readonly addresses?: readonly string[];
  /** For TURN. */
  readonly username?: string;
  /** Secret. */
  readonly credential?: string;
}

/** The argument of the constructor of {@link IceAgent}. */
export interface IceAgentOptions {
  readonly crypto: CryptoProvider;
  readonly role: IceRole;
  readonly servers?: readonly IceServer[];
  /** `relay`: nothing but relay candidates is gathered, shown or used. */
  readonly transportPolicy?: 'all' | 'relay';
  /** Answers checks and sends none (RFC 8445 §2.5). Only for agents with a public address. */
  readonly lite?: boolean;
  /** Whether to connect to the peer's TCP passive candidates (RFC 6544); no unless given. Passive candidates come from TCP sockets. */
  readonly tcpActive?: boolean;
  /**
   * Hides own addresses: gives the name (`….local`) that stands for a host address in candidates (draft-ietf-mmusic-mdns-ice-candidates), or
   * undefined for no host candidate at all. Checks are sent from it all the same.
   */
  readonly concealAddress?: (address: string) => string | undefined;
  /** Milliseconds between two checks: 50 unless given, at least 5 (RFC 8445 §14.2). */
  readonly pacing?: number;
  /** Given to all agents of one peer connection: what RFC 8445 wants of them together. None unless given. */
  readonly checkLists?: CheckListSet;
  /** Pairs that are checked, at most. */
  readonly maxPairs?: number;
  /** Remote peer-reflexive candidates, at most. */
  readonly maxPeerReflexive?: number;
  /** Milliseconds that STUN and TURN servers have to answer before gathering is complete without them. */
  readonly gatheringTimeout?: number;
}

/** A datagram to send from one of the driver's sockets, or bytes to write to a stream: then `socket` is the stream's id. */
export interface IceTransmit {
  readonly socket: number;
  readonly data: Uint8Array;
  readonly address: string;
  readonly port: number;
}

/** A bound UDP socket, or a listening TCP socket. */
export interface LocalSocket {
  readonly protocol: TransportProtocol;
  readonly address: string;
  readonly port: number;
  readonly networkInterface?: string;
  /** The address (and port) that the peer sees instead: NAT 1:1, containers with forwarded ports. */
  readonly announcedAddress?: string;
  readonly announcedPort?: number;
  /**
   * What it is used for; everything unless given. `direct`: no allocations on TURN servers, which have one for each of a client's addresses: for
   * sockets that are shared among agents. `relays`: nothing but these, for an agent whose other sockets are shared.
   */
  readonly use?: 'direct' | 'relays';
}

/** The driver's ids of sockets and accepted streams are below this; those of streams and sockets that the agent asks for start here. */
export const FIRST_STREAM_ID = 0x4000_0000;

/** What {@link IceAgent.pollEvent} gives. */
export type IceEvent =
  | { readonly type: 'gathering-state'; readonly state: IceGatheringState }
  | { readonly type: 'candidate'; readonly candidate: Candidate }
  /** A server could not be used (W3C RTCPeerConnectionIceErrorEvent); 701: it was not reached. */
  | {
      readonly type: 'candidate-error';
      readonly address: string | undefined;
      readonly port: number | undefined;
      readonly url: string;
      readonly errorCode: number;
      readonly errorText: string;
    }
  | { readonly type: 'state'; readonly state: IceTransportState }
  /** The pair that data is sent over has changed. */
  | { readonly type: 'selected-pair'; readonly local: Candidate; readonly remote: Candidate }
  /** A role conflict was solved by changing the role (RFC 8445 §7.3.1.1). */
  | { readonly type: 'role'; readonly role: IceRole }
  /** The peer revoked its consent with an authenticated 403 (RFC 7675 §5.2). */
  | { readonly type: 'consent-revoked' }
  /** 30 s without an authenticated response (RFC 7675 §5.1). */
  | { readonly type: 'consent-expired' }
  /** Open a TCP or TLS connection; for TLS check the certificate against `servername`. Answer with `streamOpened` or `streamClosed`. */
  | {
      readonly type: 'open-stream';
      readonly id: number;
      readonly protocol: 'tcp' | 'tls';
      readonly address: string;
      readonly port: number;
      readonly localAddress?: string;
      readonly servername?: string;
    }
  | { readonly type: 'close-stream'; readonly id: number }
  /**
   * Bind one more UDP socket on this address: a TURN server has something else on the port that it was asked from (RFC 8656 §7.4). Answer with
   * `addSocket` under this id, or `removeSocket`.
   */
  | { readonly type: 'open-socket'; readonly id: number; readonly address: string }
  | { readonly type: 'close-socket'; readonly id: number }
  /** Data is sent over the selected pair, and nothing comes back: see whether the interface is still there, and say `interfaceLost` if not. */
  | { readonly type: 'silence' };

/** Counters of a pair, as RTCIceCandidatePairStats needs them. Instants are the agent's clock, durations are seconds. */
export interface CandidatePairStats {
  readonly id: number;
  readonly local: Candidate;
  readonly remote: Candidate;
  readonly state: 'frozen' | 'waiting' | 'in-progress' | 'failed' | 'succeeded';
  readonly nominated: boolean;
  readonly selected: boolean;
  readonly priority: bigint;
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly lastPacketSentAt: number | undefined;
  readonly lastPacketReceivedAt: number | undefined;
  readonly totalRoundTripTime: number;
  readonly currentRoundTripTime: number | undefined;
  readonly requestsReceived: number;
  readonly requestsSent: number;
  readonly responsesReceived: number;
  readonly responsesSent: number;
  readonly consentRequestsSent: number;
  readonly packetsDiscardedOnSend: number;
  readonly bytesDiscardedOnSend: number;
}

/** Everything that is known of candidates and pairs now. */
export interface IceStats {
  readonly pairs: readonly CandidatePairStats[];
  readonly localCandidates: readonly Candidate[];
  readonly remoteCandidates: readonly Candidate[];
  readonly selectedPairChanges: number;
}
