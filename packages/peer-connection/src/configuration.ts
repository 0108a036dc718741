/** RTCConfiguration (W3C WebRTC §4.2): conversion, validation. */
import type { IceServer } from '@petrel/ice';
import { type IceServerUrl, parseIceServerUrl } from '@petrel/turn';
import { exception } from './errors.ts';
import { type AnnouncedAddress, toAnnouncedAddress } from './mux/mux-options.ts';
import type { TcpMux } from './mux/tcp-mux.ts';
import type { UdpMux } from './mux/udp-mux.ts';
import type { RTCCertificate } from './rtc-certificate.ts';
import type { NetworkInterface } from './runtime.ts';
import * as webidl from './webidl.ts';

/** Which candidates are used: `relay` only those of TURN servers. */
export type RTCIceTransportPolicy = 'relay' | 'all';
/** How many transports are gathered for (RFC 8829 §4.1.1): one for each kind of media, one for each section, or one for all. */
export type RTCBundlePolicy = 'balanced' | 'max-compat' | 'max-bundle';
/** `negotiate`, RTP without multiplexed RTCP, is an older specification's: it is refused with NotSupportedError. */
export type RTCRtcpMuxPolicy = 'require' | 'negotiate';

/**
 * One STUN or TURN server (W3C WebRTC §4.2.4).
 *
 * @example
 * { urls: 'turn:turn.example.org?transport=tcp', username: 'alice', credential: 'secret' }
 */
export interface RTCIceServer {
  urls: string | string[];
  username?: string;
  credential?: string;
}

/**
 * The argument of the constructor and of `setConfiguration` (W3C WebRTC §4.2.1), with what is added to it.
 *
 * @example
 * { iceServers: [{ urls: 'stun:stun.example.org' }], portRange: { min: 50000, max: 50100 }, autoClose: true }
 */
export interface RTCConfiguration {
  iceServers?: RTCIceServer[];
  /** `relay`: only candidates of TURN servers. Default `all`. */
  iceTransportPolicy?: RTCIceTransportPolicy;
  /** What is gathered for a peer that may not know BUNDLE. Default `balanced`. */
  bundlePolicy?: RTCBundlePolicy;
  rtcpMuxPolicy?: RTCRtcpMuxPolicy;
  /** From `RTCPeerConnection.generateCertificate`. The first one is used. */
  certificates?: RTCCertificate[];
  iceCandidatePoolSize?: number;
  /** WebRTC Extensions: offers have a section for data channels before there is one. Default false. */
  alwaysNegotiateDataChannels?: boolean;
  /** Not in the W3C's API: close this connection, without a flight of goodbyes, when the peer has closed it. Default false. */
  autoClose?: boolean;
  /** Not in the W3C's API: UDP ports of host candidates, both ends inclusive. */
  portRange?: { min: number; max: number };
  /** Not in the W3C's API: which network interfaces get host candidates. Default: all that are not internal, or else the internal ones. */
  interfaceFilter?: (networkInterface: NetworkInterface) => boolean;
  /**
   * Not in the W3C's API: the address (and port) that peers are told instead of a socket's own, behind a NAT 1:1 or in a container; see docs/deployment.md.
   * A mux has this option for itself.
   */
  announcedAddress?: AnnouncedAddress;
  /** Not in the W3C's API: UDP host candidates are those of this port, which connections share. */
  udpMux?: UdpMux;
  /** Not in the W3C's API: TCP host candidates (RFC 6544) on this port, which connections share. */
  tcpMux?: TcpMux;
  /** Not in the W3C's API: TCP host candidates (RFC 6544): to connect to the peer's, to listen for the peer, or both. Default: none, but a `tcpMux` listens. */
  iceTcp?: 'active' | 'passive' | 'both';
  /** Not in the W3C's API: host candidates have random `.local` names in place of addresses, as in browsers; mDNS answers for them. Default false. */
  hideHostAddresses?: boolean;
  /** Not in the W3C's API: PEM of the certificate authorities that `turns:` servers are checked with, in place of the system's. */
  certificateAuthorities?: string[];
  /** Not in the W3C's API: bytes of the largest message that this side announces to accept (`a=max-message-size`). Default 262,144. */
  maxMessageSize?: number;
}

/** [[Configuration]] with defaults filled in. */
export type Configuration = Required<
  Pick<
    RTCConfiguration,
    | 'iceServers'
    | 'iceTransportPolicy'
    | 'bundlePolicy'
    | 'rtcpMuxPolicy'
    | 'certificates'
    | 'iceCandidatePoolSize'
    | 'alwaysNegotiateDataChannels'
  >
> &
  RTCConfiguration;

const MAX_ICE_SERVERS: number = 64;
export const DEFAULT_MAX_MESSAGE_SIZE: number = 262_144;

const toIceServer = webidl.dictionary<RTCIceServer>('RTCIceServer', {
  credential: { convert: webidl.domString },
  urls: { convert: webidl.oneOrMore(webidl.usvString), required: true },
  username: { convert: webidl.domString },
});

const toPorts = webidl.dictionary<{ min: number; max: number }>('portRange', {
  max: { convert: webidl.unsignedShortInRange, required: true },
  min: { convert: webidl.unsignedShortInRange, required: true },
});

function toPortRange(value: unknown, context: string): { min: number; max: number } {
  const range = toPorts(value, context);
  if (range.min > range.max) throw new TypeError(`${context}: there is no port from ${range.min} to ${range.max}`);
  return range;
}

export const toRTCConfiguration: webidl.Converter<Configuration> = webidl.dictionary<RTCConfiguration>('RTCConfiguration', {
  alwaysNegotiateDataChannels: { convert: webidl.boolean, fallback: () => false },
  bundlePolicy: {
    convert: webidl.enumeration<RTCBundlePolicy>('RTCBundlePolicy', ['balanced', 'max-compat', 'max-bundle']),
    fallback: () => 'balanced',
  },
  certificates: { convert: webidl.sequence(webidl.interfaceType<RTCCertificate>('RTCCertificate')), fallback: () => [] },
  iceCandidatePoolSize: { convert: webidl.octetInRange, fallback: () => 0 },
  iceServers: { convert: webidl.sequence(toIceServer), fallback: () => [] },
  iceTransportPolicy: {
    convert: webidl.enumeration<RTCIceTransportPolicy>('RTCIceTransportPolicy', ['relay', 'all']),
    fallback: () => 'all',
  },
  rtcpMuxPolicy: { convert: webidl.enumeration<RTCRtcpMuxPolicy>('RTCRtcpMuxPolicy', ['require', 'negotiate']), fallback: () => 'require' },
  autoClose: { convert: webidl.boolean },
  announcedAddress: { convert: toAnnouncedAddress },
  certificateAuthorities: { convert: webidl.sequence(webidl.domString) },
  hideHostAddresses: { convert: webidl.boolean },
  iceTcp: { convert: webidl.enumeration<'active' | 'passive' | 'both'>('iceTcp', ['active', 'passive', 'both']) },
  tcpMux: { convert: webidl.interfaceType<TcpMux>('TcpMux') },
  udpMux: { convert: webidl.interfaceType<UdpMux>('UdpMux') },
  interfaceFilter: { convert: webidl.callback as webidl.Converter<(networkInterface: NetworkInterface) => boolean> },
  maxMessageSize: { convert: webidl.unsignedLongLongInRange },
  portRange: { convert: toPortRange },
}) as webidl.Converter<Configuration>;

/**
 * "Set the configuration", checks only (§4.4.1.6).
 * @throws InvalidModificationError when something changes that cannot
 */
export function checkModification(next: Configuration, current: Configuration, hasLocalDescription: boolean): void {
  // 3.1 - 3.3 The same certificates, by identity; getConfiguration shows none when they were generated.
  const same =
    next.certificates.length === current.certificates.length &&
    next.certificates.every((one, index) => one === current.certificates[index]);
  if (!same) refuse('certificates');
  // 3.4 - 3.6
  if (next.bundlePolicy !== current.bundlePolicy) refuse('bundlePolicy');
  if (next.rtcpMuxPolicy !== current.rtcpMuxPolicy) refuse('rtcpMuxPolicy');
  if (next.iceCandidatePoolSize !== current.iceCandidatePoolSize && hasLocalDescription) refuse('iceCandidatePoolSize');
}

function refuse(what: string): never {
  throw exception('InvalidModificationError', `setConfiguration cannot change ${what}: begin with what getConfiguration() returns`);
}

/**
 * "Validate an ICE server URL", for every URL of every server.
 * @throws SyntaxError for a malformed URL, InvalidAccessError for a TURN server without credentials
 */
export function parseIceServers(servers: readonly RTCIceServer[]): IceServer[] {
  return servers.slice(0, MAX_ICE_SERVERS).flatMap((server) => {
    const { urls, username, credential } = server;
    const list = typeof urls === 'string' ? [urls] : urls;
    if (list.length === 0) throw exception('SyntaxError', 'an ICE server needs a URL: urls is empty');
    const credentials = { ...(username === undefined ? {} : { username }), ...(credential === undefined ? {} : { credential }) };
    return list.map((text) => {
      const url = parseUrl(text, server);
      return { url, text: explicit(text, url), ...credentials };
    });
  });
}

/** How events and candidates name the server: browsers write the transport of `turns` out. */
function explicit(text: string, { scheme, transport }: IceServerUrl): string {
  return scheme === 'turns' && !text.includes('?') ? `${text}?transport=${transport}` : text;
}

function parseUrl(text: string, server: RTCIceServer): IceServerUrl {
  const url = tryParse(text);
  const host = url?.host.includes(':') ? `[${url.host}]` : url?.host;
  // The URL parser knows what a host is.
  if (url === undefined || !URL.canParse(`https://${host}`))
    throw exception('SyntaxError', `'${text}' is not a valid ICE server URL, as stun:host:3478 or turn:host?transport=tcp`);
  if (url.scheme.startsWith('turn')) requireCredentials(text, server);
  return url;
}

function tryParse(text: string): IceServerUrl | undefined {
  try {
    return parseIceServerUrl(text);
  } catch {
    return undefined;
  }
}

/** RFC 8489 §14.3: a user name has at most 509 bytes. */
function requireCredentials(url: string, { username, credential }: RTCIceServer): void {
  if (username === undefined || credential === undefined)
    throw exception('InvalidAccessError', `'${url}' needs a username and a credential`);
  if (new TextEncoder().encode(username).length > 509) throw exception('InvalidAccessError', 'the username is longer than 509 bytes');
}
