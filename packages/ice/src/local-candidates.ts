/** Our candidates: what they look like to the peer, and what they really are (RFC 8445 §5.1.1 to §5.1.3). */
import { addressFamily, type TransportAddress } from '@petrel/stun';
import { type Base, peerReflexivePriority } from './base.ts';
import type { CheckListSet } from './check-list-set.ts';
import type { Candidate, CandidateType, TcpCandidateType } from './candidate.ts';
import type { IceAgentOptions, IceServer, LocalSocket } from './ice-types.ts';
import { candidatePriority, tcpLocalPreference, typePreference } from './priority.ts';
import type { RelayClient } from './relay-client.ts';

/** A candidate, with the address that it really has: the one that is shown may be a name. */
interface LocalCandidate {
  readonly candidate: Candidate;
  readonly base: Base;
  readonly address: string;
  readonly port: number;
}

/** The peer sees us from no more addresses than this, or we do not remember them all. */
const MAX_PEER_REFLEXIVE = 32;

export class LocalCandidates {
  readonly #options: IceAgentOptions & { readonly checkLists: CheckListSet };
  readonly #onCandidate: (candidate: Candidate) => void;
  readonly #peerReflexive: LocalCandidate[] = [];
  #shown: LocalCandidate[] = [];

  constructor(options: IceAgentOptions & { readonly checkLists: CheckListSet }, onCandidate: (candidate: Candidate) => void) {
    this.#options = options;
    this.#onCandidate = onCandidate;
  }

  /** Those that the peer was told about. */
  get all(): readonly Candidate[] {
    return this.#shown.map(({ candidate }) => candidate);
  }

  clear(): void {
    this.#shown = [];
  }

  addBase(base: Base): void {
    this.#show({ candidate: base.candidate, base, address: base.address, port: base.port });
  }

  removeBase(base: Base): void {
    this.#shown = this.#shown.filter((local) => local.base !== base);
  }

  host(
    kind: Base['kind'],
    address: string,
    port: number,
    preference: number,
    socket: LocalSocket | undefined,
    fragment: string,
  ): Candidate {
    const protocol = kind === 'udp' ? 'udp' : 'tcp';
    const tcpType: TcpCandidateType | undefined = kind === 'tcp-active' ? 'active' : kind === 'tcp-passive' ? 'passive' : undefined;
    const local = tcpType === undefined ? preference : tcpLocalPreference('host', tcpType, preference >>> 3);
    return {
      foundation: this.#foundation('host', protocol, address),
      component: 1,
      protocol,
      priority: candidatePriority(typePreference('host', protocol), local, 1),
      address: socket?.announcedAddress ?? this.#shownAddress(address),
      port: socket?.announcedPort ?? port,
      type: 'host',
      ...(tcpType === undefined ? {} : { tcpType }),
      usernameFragment: fragment,
    };
  }

  /** A server-reflexive candidate. Its pairs are those of its base, so that it is shown and nothing else (RFC 8445 §6.1.2.4). */
  addReflexive(base: Base, { address, port }: TransportAddress, server: IceServer, fragment: string): void {
    const candidate: Candidate = {
      foundation: this.#foundation('srflx', 'udp', base.address, server.url.host),
      component: 1,
      protocol: 'udp',
      priority: candidatePriority(typePreference('srflx', 'udp'), base.localPreference, 1),
      address,
      port,
      type: 'srflx',
      ...this.#related(base),
      usernameFragment: fragment,
      url: server.text,
    };
    this.#show({ candidate, base, address, port });
  }

  relayed(relay: RelayClient, { address, port }: TransportAddress, preference: number, fragment: string): Candidate {
    const { transport, server, relayProtocol, mappedAddress } = relay;
    return {
      foundation: this.#foundation('relay', 'udp', transport.kind === 'udp' ? transport.base.address : relayProtocol, server.url.host),
      component: 1,
      protocol: 'udp',
      priority: candidatePriority(typePreference('relay', 'udp', relayProtocol), preference, 1),
      address,
      port,
      type: 'relay',
      ...this.#related(mappedAddress ?? { address, port }),
      usernameFragment: fragment,
      url: server.text,
      relayProtocol,
    };
  }

  /** RFC 8445 §7.2.5.3.1: the candidate with the address that a response says, or a new peer-reflexive one. */
  at(base: Base, { address, port }: TransportAddress): Candidate {
    const isIt = (local: LocalCandidate): boolean => local.base === base && local.address === address && local.port === port;
    const known = this.#shown.find(isIt) ?? this.#peerReflexive.find(isIt);
    if (known !== undefined) return known.candidate;
    // TCP active candidates have no port of their own, and announced addresses are not the socket's.
    if (base.kind === 'tcp-active' || (base.candidate.address === address && base.candidate.port === port)) return base.candidate;
    const candidate = this.#peerReflexiveCandidate(base, { address, port });
    if (this.#peerReflexive.length === MAX_PEER_REFLEXIVE) this.#peerReflexive.shift();
    this.#peerReflexive.push({ candidate, base, address, port });
    return candidate;
  }

  #peerReflexiveCandidate(base: Base, mapped: TransportAddress): Candidate {
    const protocol = base.kind === 'tcp-passive' ? 'tcp' : 'udp';
    return {
      foundation: this.#foundation('prflx', protocol, base.address),
      component: 1,
      protocol,
      priority: peerReflexivePriority(base),
      address: mapped.address,
      port: mapped.port,
      type: 'prflx',
      ...(protocol === 'tcp' ? { tcpType: 'passive' as const } : {}),
      ...this.#related(base),
    };
  }

  /** Where addresses are hidden: the name that stands for it, or that there is one. */
  #shownAddress(address: string): string {
    const { concealAddress } = this.#options;
    return concealAddress === undefined ? address : (concealAddress(address) ?? unspecifiedAddress(address));
  }

  /** Surfaces a candidate, unless the policy hides it or it says nothing new (RFC 8445 §5.1.3). */
  #show(local: LocalCandidate): void {
    const { candidate, base, address, port } = local;
    if (this.#options.transportPolicy === 'relay' && candidate.type !== 'relay') return;
    if (candidate.address === unspecifiedAddress(address)) return;
    if (this.#shown.some((other) => other.base === base && other.address === address && other.port === port)) return;
    this.#shown.push(local);
    this.#onCandidate(candidate);
  }

  /** What a candidate was derived from; where addresses are hidden, that there is something (RFC 8839 §5.1). */
  #related({ address, port }: TransportAddress): { relatedAddress: string; relatedPort: number } {
    const hidden = this.#options.concealAddress !== undefined || this.#options.transportPolicy === 'relay';
    if (!hidden) return { relatedAddress: address, relatedPort: port };
    return { relatedAddress: unspecifiedAddress(address), relatedPort: 0 };
  }

  /** RFC 8445 §5.1.1.3: the same for the same type, base address, protocol and server. */
  #foundation(type: CandidateType, protocol: 'udp' | 'tcp', baseAddress: string, server: string = ''): string {
    return this.#options.checkLists.foundation(`${type}|${protocol}|${baseAddress}|${server}`);
  }
}

/** What stands for a hidden address of the same family (RFC 8839 §5.1). */
function unspecifiedAddress(address: string): string {
  return addressFamily(address) === 4 ? '0.0.0.0' : '::';
}
