/** What both kinds of mux are made with, and where they listen. */
import { hasNamedAddress } from '@petrel/ice';
import type { NetworkInterface, Runtime } from '../runtime.ts';
import * as webidl from '../webidl.ts';

/** A socket of ours, as the operating system knows it. */
export interface BoundSocket {
  readonly protocol: 'udp' | 'tcp';
  readonly address: string;
  readonly port: number;
  readonly networkInterface: string;
}

/**
 * The address that peers are told in place of a socket's own (NAT 1:1, containers with forwarded ports): an IP literal for all sockets of its family,
 * or a function that says it for each socket, with the port where that is another one too, or undefined for the socket's own.
 */
export type AnnouncedAddress =
  | string
  | ((socket: BoundSocket) => string | { readonly address: string; readonly port?: number } | undefined);

/** A check for a username fragment that no connection behind the mux has. */
export interface UnknownFragment {
  readonly fragment: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

/** The argument of `UdpMux.listen` and `TcpMux.listen`. */
export interface MuxOptions {
  /** The same on every address; 0 or absent: any free one. */
  readonly port?: number;
  /** Which network interfaces it listens on. Default: all that are not internal, or else the internal ones. */
  readonly interfaceFilter?: (networkInterface: NetworkInterface) => boolean;
  readonly announcedAddress?: AnnouncedAddress;
  /**
   * Called for checks with a fragment that nobody has, 100 times a second at most; the others are only counted. A connection that has the fragment
   * when it returns gets the check. What it throws is thrown out of the socket's event.
   */
  readonly onUnknownFragment?: (request: UnknownFragment) => void;
}

/** Calls of {@link MuxOptions.onUnknownFragment} in one second, at most. */
const MAX_CALLS = 100;

/** The hook for unknown fragments, with its limit. */
export class UnknownFragmentHook {
  readonly #runtime: Runtime;
  readonly #callback: MuxOptions['onUnknownFragment'];
  #secondEndsAt = 0;
  #calls = 0;

  constructor(runtime: Runtime, callback: MuxOptions['onUnknownFragment']) {
    this.#runtime = runtime;
    this.#callback = callback;
  }

  call(fragment: string, remoteAddress: string, remotePort: number): void {
    if (this.#callback === undefined) return;
    const now = this.#runtime.now();
    if (now >= this.#secondEndsAt) {
      this.#secondEndsAt = now + 1000;
      this.#calls = 0;
    }
    if (this.#calls++ < MAX_CALLS) this.#callback({ fragment, remoteAddress, remotePort });
  }
}

/** Those that the filter wants; without one all that are not internal, or when there are none, the internal ones (RFC 8445 §5.1.1.1). */
export function chosenInterfaces(runtime: Runtime, filter?: (networkInterface: NetworkInterface) => boolean): readonly NetworkInterface[] {
  const all = runtime.networkInterfaces();
  if (filter !== undefined) return all.filter(filter);
  const reachable = all.filter(isReachable);
  return reachable.length > 0 ? reachable : all;
}

/** Link-local addresses would need a zone, which candidates do not have (RFC 8445 §5.1.1.1). */
function isReachable({ internal, linkLocal = false }: NetworkInterface): boolean {
  return !internal && !linkLocal;
}

/** What the ICE agent is to announce for a socket. @throws TypeError when it is not an IP literal */
export function announce(
  option: AnnouncedAddress | undefined,
  socket: BoundSocket,
): { readonly announcedAddress?: string; readonly announcedPort?: number } {
  const found = typeof option === 'function' ? option(socket) : option;
  if (found === undefined) return {};
  const { address, port = undefined } = typeof found === 'string' ? { address: found } : found;
  requireLiteral(address);
  if (typeof option === 'string' && address.includes(':') !== socket.address.includes(':')) return {};
  return { announcedAddress: address, ...(port !== undefined && { announcedPort: port }) };
}

/** Converts the option. @throws TypeError when it is neither an IP literal nor a function */
export function toAnnouncedAddress(value: unknown, context: string): AnnouncedAddress {
  if (typeof value === 'function') return value as AnnouncedAddress;
  const address = webidl.domString(value, context);
  requireLiteral(address);
  return address;
}

/** Converts the argument of `listen`. */
export const toMuxOptions: webidl.Converter<MuxOptions> = webidl.dictionary<MuxOptions>('MuxOptions', {
  announcedAddress: { convert: toAnnouncedAddress },
  interfaceFilter: { convert: webidl.callback as webidl.Converter<(networkInterface: NetworkInterface) => boolean> },
  onUnknownFragment: { convert: webidl.callback as webidl.Converter<(request: UnknownFragment) => void> },
  port: { convert: webidl.unsignedShortInRange },
});

/** @throws TypeError */
function requireLiteral(address: string): void {
  const candidate = { foundation: '1', component: 1, protocol: 'udp', priority: 1, address, port: 1, type: 'host' } as const;
  if (hasNamedAddress(candidate))
    throw new TypeError(`announcedAddress: ${JSON.stringify(address)} is not an IP address: resolve names first`);
}

/** Attempts to get one free port on several addresses, when any will do. */
const MAX_ATTEMPTS = 8;

/**
 * Binds one port on several addresses; those that have gone meanwhile are left out.
 * @throws (rejects) the operating system's error when the port is in use on one of them, or when there is no address at all
 */
export async function bindEverywhere<Socket extends { readonly port: number; close(): void }>(
  interfaces: readonly NetworkInterface[],
  port: number,
  bind: (networkInterface: NetworkInterface, port: number, index: number) => Promise<Socket>,
): Promise<{ readonly socket: Socket; readonly networkInterface: NetworkInterface }[]> {
  for (let attempt = 1; ; attempt++) {
    const bound: { readonly socket: Socket; readonly networkInterface: NetworkInterface }[] = [];
    let failure: unknown = Object.assign(new Error('there is no network interface to listen on'), { code: 'EADDRNOTAVAIL' });
    for (const networkInterface of interfaces) {
      try {
        const socket = await bind(networkInterface, bound[0]?.socket.port ?? port, bound.length);
        bound.push({ socket, networkInterface });
      } catch (error) {
        failure = error;
        if ((error as { code?: string }).code === 'EADDRNOTAVAIL') continue;
        for (const { socket } of bound.splice(0)) socket.close();
        break;
      }
    }
    if (bound.length > 0) return bound;
    const another = port === 0 && attempt < MAX_ATTEMPTS && (failure as { code?: string }).code === 'EADDRINUSE';
    if (!another) throw failure;
  }
}
