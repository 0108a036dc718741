/** Candidates and the value of `a=candidate` (RFC 8839 §5.1, RFC 6544 §4.5). */
import { addressFamily, addressScope, canonicalIpAddress } from '@petrel/stun';

/** How the address is known: an interface's, seen by a server, seen by the peer, or lent by a TURN server. */
export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay';
/** Of the candidate; TLS counts as TCP, and a relay's own address is UDP. */
export type TransportProtocol = 'udp' | 'tcp';
/** Who connects (RFC 6544 §4.5). */
export type TcpCandidateType = 'active' | 'passive' | 'so';

/** A candidate (RFC 8445 §5.3), ours or the peer's. */
export interface Candidate {
  /** The same for candidates of the same type, base, server and protocol (RFC 8445 §5.1.1.3). */
  readonly foundation: string;
  /** 1: RTP, and everything else that is multiplexed with it; 2: RTCP. Only component 1 is ever paired. */
  readonly component: number;
  readonly protocol: TransportProtocol;
  readonly priority: number;
  /** An IP literal in canonical form, or a name. */
  readonly address: string;
  readonly port: number;
  readonly type: CandidateType;
  readonly tcpType?: TcpCandidateType;
  readonly relatedAddress?: string;
  readonly relatedPort?: number;
  readonly usernameFragment?: string;
  /** The server that a local candidate was learned from. */
  readonly url?: string;
  /** How a local relay candidate's server is reached. */
  readonly relayProtocol?: 'udp' | 'tcp' | 'tls';
  /** Extension attributes that mean nothing here, in order; they survive parsing and formatting. */
  readonly extensions?: readonly (readonly [name: string, value: string])[];
}

/** A line longer than this is no candidate. */
const MAX_LINE = 2048;
const TOKEN = /^[\x21-\x7e]+$/;
const FOUNDATION = /^[A-Za-z0-9+/]{1,32}$/;
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$/;
const UFRAG = /^[A-Za-z0-9+/]{4,256}$/;
const MAX_EXTENSIONS = 16;

/**
 * Reads a candidate, with or without `a=` and `candidate:` before it. Undefined when it is malformed, or of a transport or type that is not known.
 *
 * ```
 *  candidate-attribute = "candidate" ":" foundation SP component-id SP transport SP priority SP
 *                        connection-address SP port SP cand-type [SP rel-addr] [SP rel-port] *(SP cand-extension)
 * ```
 *
 * @example
 * parseCandidate('candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host')?.address; // '203.0.113.141'
 */
export function parseCandidate(line: string): Candidate | undefined {
  if (line.length > MAX_LINE) return undefined;
  const fields = line
    .trim()
    .replace(/^a=/, '')
    .replace(/^candidate:/i, '')
    .split(' ');
  const [foundation, componentText, transport, priorityText, addressText, portText, typ, type] = fields;
  if (fields.some((field) => !TOKEN.test(field)) || foundation === undefined || !FOUNDATION.test(foundation)) return undefined;
  const component = integer(componentText, 1, 256);
  const priority = integer(priorityText, 1, 0x7fff_ffff);
  const port = integer(portText, 0, 65_535);
  const protocol = transport?.toLowerCase();
  const address = parseAddress(addressText);
  if (component === undefined || priority === undefined || port === undefined || address === undefined) return undefined;
  if (typ !== 'typ' || !isCandidateType(type) || (protocol !== 'udp' && protocol !== 'tcp')) return undefined;
  const rest = parseExtensions(fields.slice(8));
  if (rest === undefined) return undefined;
  if ((protocol === 'tcp') !== (rest.tcpType !== undefined)) return undefined; // RFC 6544 §4.5
  return { foundation, component, protocol, priority, address, port, type, ...rest };
}

/** The line, beginning with `candidate:`. @throws TypeError when a field cannot stand in one, such as a name with a space in it */
export function formatCandidate(candidate: Candidate): string {
  const { foundation, component, protocol, priority, address, port, type, relatedAddress, relatedPort } = candidate;
  const fields: (string | number)[] = [foundation, component, protocol, priority, address, port, 'typ', type];
  if (relatedAddress !== undefined && type !== 'host') fields.push('raddr', relatedAddress, 'rport', relatedPort ?? 0);
  if (candidate.tcpType !== undefined) fields.push('tcptype', candidate.tcpType);
  if (candidate.usernameFragment !== undefined) fields.push('ufrag', candidate.usernameFragment);
  for (const [name, value] of candidate.extensions ?? []) fields.push(name, value);
  for (const field of fields) if (!TOKEN.test(String(field))) throw new TypeError(`cannot stand in a candidate: ${JSON.stringify(field)}`);
  return `candidate:${fields.join(' ')}`;
}

/** Whether checks could ever be sent to a candidate. */
export function isUsableCandidate({ component, address, port, protocol, tcpType }: Candidate): boolean {
  if (component !== 1 || canonicalIpAddress(address) !== address || addressScope(address) === 'special') return false;
  return port !== 0 && (protocol === 'udp' || tcpType === 'passive');
}

/** Whether the address is a name, to be resolved before it is of any use. */
export function hasNamedAddress(candidate: Candidate): boolean {
  return canonicalIpAddress(candidate.address) === undefined;
}

type OptionalFields = Pick<Candidate, 'relatedAddress' | 'relatedPort' | 'tcpType' | 'usernameFragment' | 'extensions'>;

function parseExtensions(fields: readonly string[]): OptionalFields | undefined {
  if (fields.length % 2 !== 0) return undefined;
  const found: { -readonly [Name in keyof OptionalFields]: OptionalFields[Name] } = {};
  const extensions: [string, string][] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    switch (name.toLowerCase()) {
      case 'raddr': {
        const address = parseAddress(value);
        if (address === undefined) return undefined;
        found.relatedAddress = address;
        break;
      }
      case 'rport': {
        const port = integer(value, 0, 65_535);
        if (port === undefined) return undefined;
        found.relatedPort = port;
        break;
      }
      case 'tcptype':
        if (value !== 'active' && value !== 'passive' && value !== 'so') return undefined;
        found.tcpType = value;
        break;
      case 'ufrag':
        if (!UFRAG.test(value)) return undefined;
        found.usernameFragment = value;
        break;
      default:
        if (extensions.length < MAX_EXTENSIONS) extensions.push([name, value]);
    }
  }
  if (extensions.length > 0) found.extensions = extensions;
  return found;
}

function parseAddress(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const canonical = canonicalIpAddress(text);
  if (canonical !== undefined) return canonical;
  // What ends in a number, or has a colon, is a broken literal and not a name.
  return HOST_NAME.test(text) && !/(?:^|\.)[0-9]+\.?$/.test(text) ? text.toLowerCase() : undefined;
}

/** Decimal digits only: no signs, exponents or hexadecimal. */
function integer(text: string | undefined, minimum: number, maximum: number): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value >= minimum && value <= maximum ? value : undefined;
}

function isCandidateType(text: string | undefined): text is CandidateType {
  return text === 'host' || text === 'srflx' || text === 'prflx' || text === 'relay';
}

/** The family of a candidate whose address is a literal. */
export function candidateFamily(candidate: Candidate): 4 | 6 {
  return addressFamily(candidate.address);
}
