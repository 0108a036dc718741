/**
 * One UDP port for any number of connections. A check says by its USERNAME whose it is, a response by its transaction; everything else goes where
 * an authenticated check or response came from before (RFC 8445 §7.3, RFC 7983). Until then nothing is remembered about a sender. A path changes hands
 * only with a response.
 */
import { readUint16, readUint32 } from '@petrel/bytes';
import { requestedFragment } from '@petrel/ice';
import { Discards } from '@petrel/sans-io';
import { runtimeOrDefault } from '../default-runtime.ts';
import type { Runtime, UdpSocket } from '../runtime.ts';
import * as webidl from '../webidl.ts';
import { keep, MuxMembers } from './mux-members.ts';
import { announce, bindEverywhere, chosenInterfaces, type MuxOptions, toMuxOptions, UnknownFragmentHook } from './mux-options.ts';

/** What names a connection and is not known: a username fragment, a STUN transaction, or (for all other packets) the sender's address and port. */
export type UdpMuxDiscard = 'unknown-fragment' | 'unknown-transaction' | 'unknown-path';

/** A socket of a mux, as the ICE agents of its members see it. */
export interface MuxSocket {
  readonly address: string;
  readonly port: number;
  readonly networkInterface: string;
  readonly announcedAddress?: string;
  readonly announcedPort?: number;
}

/** A connection's transport behind the mux. Sockets are named by their index. */
export interface UdpMuxMember {
  /**
   * @returns whether what else comes from there is this member's: `valid` when the sender has answered a check of the member's, `authentic` when it
   * has only sent one. That can be a copy of another one's, and takes no path away.
   */
  receive(socket: number, data: Uint8Array, address: string, port: number): 'valid' | 'authentic' | undefined;
  /** The mux has been closed. */
  onMuxClosed(): void;
}

export interface UdpMuxMembership {
  readonly sockets: readonly MuxSocket[];
  /** Checks for this fragment are the member's, besides those for the fragments before. */
  addFragment(fragment: string): void;
  send(socket: number, data: Uint8Array, address: string, port: number): void;
  /** Forgets everything about the member. */
  leave(): void;
}

/** Of one member, the oldest go first. An agent has no more pairs than this in use. */
const MAX_PATHS = 64;
/** Requests of one member that wait for a response; the oldest are forgotten first. */
const MAX_TRANSACTIONS = 256;
const MAGIC_COOKIE = 0x2112a442;

export let joinUdpMux: (mux: UdpMux, member: UdpMuxMember) => UdpMuxMembership;

/**
 * @example
 * const udpMux = await UdpMux.listen({ port: 5000, announcedAddress: '203.0.113.7' });
 * const pc = new RTCPeerConnection({ udpMux });
 * // …
 * udpMux.close(); // the process can end
 */
export class UdpMux {
  /** Datagrams that were nobody's, by reason. */
  readonly discards: Discards<UdpMuxDiscard> = new Discards();
  readonly #hook: UnknownFragmentHook;
  readonly #sockets: { readonly socket: UdpSocket; readonly description: MuxSocket }[] = [];
  readonly #members = new MuxMembers<Member>();
  readonly #transactions = new Map<string, Member>();
  readonly #paths = new Map<string, Member>();
  #closed = false;

  private constructor(runtime: Runtime, options: MuxOptions) {
    this.#hook = new UnknownFragmentHook(runtime, options.onUnknownFragment);
  }

  /**
   * Opens the port on every address that is wanted. Each connection with this mux has these addresses as its host candidates.
   * @throws (rejects) the operating system's error, with its `code`: EADDRINUSE, EACCES, …; TypeError for malformed options
   */
  static async listen(...[given, runtime]: [options?: MuxOptions, runtime?: Runtime]): Promise<UdpMux> {
    const options = toMuxOptions(given, 'UdpMux.listen');
    const found = runtimeOrDefault(runtime);
    const mux = new UdpMux(found, options);
    const interfaces = chosenInterfaces(found, options.interfaceFilter);
    const bound = await bindEverywhere(interfaces, options.port ?? 0, ({ address }, port, index) =>
      found.bindUdp({ address, port }, (data, remoteAddress, remotePort) => mux.#receive(index, data, remoteAddress, remotePort)),
    );
    try {
      for (const { socket, networkInterface } of bound) {
        const { address, port } = socket;
        const socketOptions = { protocol: 'udp', address, port, networkInterface: networkInterface.name } as const;
        mux.#sockets.push({ socket, description: { ...socketOptions, ...announce(options.announcedAddress, socketOptions) } });
      }
    } catch (error) {
      for (const { socket } of bound) socket.close();
      throw error;
    }
    return mux;
  }

  get port(): number {
    return this.#sockets[0]!.socket.port;
  }

  get addresses(): readonly string[] {
    return this.#sockets.map(({ socket }) => socket.address);
  }

  /** How many transports are behind it, and what it remembers about them. All of it is zero when they are closed. */
  get size(): { readonly transports: number; readonly fragments: number; readonly paths: number; readonly transactions: number } {
    return {
      transports: this.#members.size,
      fragments: this.#members.fragments,
      paths: this.#paths.size,
      transactions: this.#transactions.size,
    };
  }

  /** Closes the port. Connections behind it lose these candidates; those that have no others will fail. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const member of this.#members) member.owner.onMuxClosed();
    for (const member of this.#members) this.#forget(member);
    for (const { socket } of this.#sockets) socket.close();
  }

  // Receiving ----------------------------------------------------------------------------------------------------------

  #receive(socket: number, data: Uint8Array, address: string, port: number): void {
    const kind = classify(data);
    if (kind === 'other') {
      const member = this.#paths.get(pathKey(socket, address, port));
      if (member === undefined) return this.discards.count('unknown-path');
      return void member.owner.receive(socket, data, address, port);
    }
    const member = kind === 'request' ? this.#memberOfRequest(data, address, port) : this.#memberOfResponse(data);
    const standing = member?.owner.receive(socket, data, address, port);
    if (member === undefined || standing === undefined || !this.#members.has(member)) return;
    if (kind === 'response') this.#endTransaction(member, transactionKey(data));
    const key = pathKey(socket, address, port);
    if (standing === 'valid' || (this.#paths.get(key) ?? member) === member) this.#bindPath(key, member);
  }

  #memberOfRequest(data: Uint8Array, address: string, port: number): Member | undefined {
    const fragment = requestedFragment(data);
    const known = fragment === undefined ? undefined : this.#members.ofFragment(fragment);
    if (known !== undefined) return known;
    this.discards.count('unknown-fragment');
    if (fragment === undefined) return undefined;
    this.#hook.call(fragment, address, port);
    return this.#members.ofFragment(fragment);
  }

  #memberOfResponse(data: Uint8Array): Member | undefined {
    const member = this.#transactions.get(transactionKey(data));
    if (member === undefined) this.discards.count('unknown-transaction');
    return member;
  }

  /** The path is the member's, whoever had it before. */
  #bindPath(key: string, member: Member): void {
    this.#paths.get(key)?.paths.delete(key);
    this.#paths.set(key, member);
    const oldest = keep(member.paths, key, MAX_PATHS);
    if (oldest !== undefined) this.#paths.delete(oldest);
  }

  // Members ------------------------------------------------------------------------------------------------------------

  #join(owner: UdpMuxMember): UdpMuxMembership {
    const member: Member = { owner, paths: new Set(), transactions: new Set() };
    if (this.#closed) return { sockets: [], addFragment: () => {}, send: () => {}, leave: () => {} };
    this.#members.add(member);
    return {
      sockets: this.#sockets.map(({ description }) => description),
      addFragment: (fragment) => this.#members.addFragment(member, fragment),
      send: (socket, data, address, port) => {
        if (classify(data) === 'request' && this.#members.has(member)) this.#noteTransaction(member, transactionKey(data));
        this.#sockets[socket]!.socket.send(data, address, port);
      },
      leave: () => this.#forget(member),
    };
  }

  #noteTransaction(member: Member, key: string): void {
    this.#transactions.set(key, member);
    const oldest = keep(member.transactions, key, MAX_TRANSACTIONS);
    if (oldest !== undefined) this.#transactions.delete(oldest);
  }

  #endTransaction(member: Member, key: string): void {
    member.transactions.delete(key);
    this.#transactions.delete(key);
  }

  #forget(member: Member): void {
    this.#members.delete(member);
    for (const key of member.paths) this.#paths.delete(key);
    for (const key of member.transactions) this.#transactions.delete(key);
  }

  static {
    joinUdpMux = (mux, member) => mux.#join(member);
    webidl.defineInterface({ name: 'UdpMux', prototype: UdpMux.prototype, isInstance: (value) => #members in value });
  }
}

interface Member {
  readonly owner: UdpMuxMember;
  readonly paths: Set<string>;
  readonly transactions: Set<string>;
}

/** STUN requests say whom they are for, responses whose they are; indications and all that is not STUN say neither (RFC 8489 §5). */
function classify(data: Uint8Array): 'request' | 'response' | 'other' {
  if (data.length < 20 || data[0]! > 3 || readUint32(data, 4) !== MAGIC_COOKIE) return 'other';
  const messageClass = readUint16(data, 0) & 0x0110;
  return messageClass === 0 ? 'request' : messageClass >= 0x0100 ? 'response' : 'other';
}

function transactionKey(data: Uint8Array): string {
  return String.fromCharCode(...data.subarray(8, 20));
}

function pathKey(socket: number, address: string, port: number): string {
  return `${socket}|${address}|${port}`;
}
