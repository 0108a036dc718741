/**
 * INIT and INIT ACK (RFC 9260 §3.3.2, §3.3.3).
 *
 * ```
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                         Initiate Tag                          |
 *   |           Advertised Receiver Window Credit (a_rwnd)          |
 *   |  Number of Outbound Streams   |   Number of Inbound Streams   |
 *   |                          Initial TSN                          |
 *   |              Optional/Variable-Length Parameters              |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 *
 * Addresses in parameters are not read: over DTLS there is one path, and the lower layer knows it (RFC 8261 §6.1).
 */
import { ByteReader, ByteWriter, readUint32 } from '@petrel/bytes';
import { CHUNK_TYPE } from './packet.ts';

const PARAMETER = {
  ipv4Address: 5,
  ipv6Address: 6,
  stateCookie: 7,
  unrecognizedParameter: 8,
  cookiePreservative: 9,
  hostNameAddress: 11,
  supportedAddressTypes: 12,
  /** RFC 9653 §5.1. */
  zeroChecksumAcceptable: 0x8001,
  /** RFC 5061 §4.2.7. */
  supportedExtensions: 0x8008,
  /** RFC 3758 §3.1. */
  forwardTsnSupported: 0xc000,
} as const;
/** Known, and without meaning here. */
const IGNORED: ReadonlySet<number> = new Set([
  PARAMETER.ipv4Address,
  PARAMETER.ipv6Address,
  PARAMETER.unrecognizedParameter,
  PARAMETER.cookiePreservative,
  PARAMETER.supportedAddressTypes,
  0x8000, // ECN capable: reserved
]);
/** Error Detection Method Identifier of DTLS (RFC 9653 §9). */
const EDMID_DTLS = 1;
/** Bytes of unrecognized parameters that are reported, at most. */
const MAX_REPORT = 512;
/** RFC 9260 §3.3.2: the smallest window that may be advertised. */
const MIN_WINDOW = 1500;

/** What an endpoint can do beyond RFC 9260. */
export interface Extensions {
  /** RFC 3758. */
  readonly forwardTsn: boolean;
  /** RFC 6525. */
  readonly reConfig: boolean;
  /** I-DATA and I-FORWARD-TSN (RFC 8260). */
  readonly interleaving: boolean;
  /** Packets without a checksum are accepted, because DTLS protects them (RFC 9653). */
  readonly zeroChecksum: boolean;
}

export interface Init {
  readonly initiateTag: number;
  readonly receiverWindow: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  readonly initialTsn: number;
  readonly extensions: Extensions;
  /** In an INIT ACK only. */
  readonly cookie?: Uint8Array;
  /** Parameters that were not understood and are to be reported, as they stood (§3.2.2). */
  readonly unrecognized?: Uint8Array;
}

/** Why an INIT or INIT ACK is not acceptable. Only `invalid` is answered with an ABORT, to the initiate tag (§3.3.2). */
export type InitProblem =
  | { readonly problem: 'malformed' }
  | { readonly problem: 'invalid'; readonly initiateTag: number; readonly cause: 'mandatory-parameter' | 'host-name' };

export function encodeInit(init: Init): Uint8Array {
  const { extensions, cookie, unrecognized } = init;
  const writer = new ByteWriter(256).uint32(init.initiateTag).uint32(init.receiverWindow);
  writer.uint16(init.outboundStreams).uint16(init.inboundStreams).uint32(init.initialTsn);
  if (extensions.forwardTsn) writer.uint16(PARAMETER.forwardTsnSupported).uint16(4);
  const chunkTypes = [
    ...(extensions.reConfig ? [CHUNK_TYPE.reConfig] : []),
    ...(extensions.forwardTsn ? [CHUNK_TYPE.forwardTsn] : []),
    ...(extensions.interleaving ? [CHUNK_TYPE.iData, CHUNK_TYPE.iForwardTsn] : []),
  ];
  if (chunkTypes.length > 0) {
    writer
      .uint16(PARAMETER.supportedExtensions)
      .uint16(4 + chunkTypes.length)
      .bytes(Uint8Array.from(chunkTypes))
      .pad(4);
  }
  if (extensions.zeroChecksum) writer.uint16(PARAMETER.zeroChecksumAcceptable).uint16(8).uint32(EDMID_DTLS);
  if (cookie)
    writer
      .uint16(PARAMETER.stateCookie)
      .uint16(4 + cookie.length)
      .bytes(cookie)
      .pad(4);
  if (unrecognized !== undefined && unrecognized.length > 0) {
    writer
      .uint16(PARAMETER.unrecognizedParameter)
      .uint16(4 + unrecognized.length)
      .bytes(unrecognized)
      .pad(4);
  }
  return writer.finish();
}

export function decodeInit(value: Uint8Array): Init | InitProblem {
  const reader = new ByteReader(value);
  const initiateTag = reader.uint32();
  const receiverWindow = reader.uint32();
  const outboundStreams = reader.uint16();
  const inboundStreams = reader.uint16();
  const initialTsn = reader.uint32();
  if (reader.overrun || initiateTag === 0) return { problem: 'malformed' };
  const parameters = decodeParameters(reader);
  if (parameters === undefined) return { problem: 'malformed' };
  if (parameters === 'host-name') return { problem: 'invalid', initiateTag, cause: 'host-name' };
  if (receiverWindow < MIN_WINDOW || outboundStreams === 0 || inboundStreams === 0)
    return { problem: 'invalid', initiateTag, cause: 'mandatory-parameter' };
  return { initiateTag, receiverWindow, outboundStreams, inboundStreams, initialTsn, ...parameters };
}

function decodeParameters(reader: ByteReader): Pick<Init, 'extensions' | 'cookie' | 'unrecognized'> | 'host-name' | undefined {
  let cookie: Uint8Array | undefined;
  let forwardTsn = false;
  let zeroChecksum = false;
  let chunkTypes: Uint8Array = new Uint8Array(0);
  const unrecognized = new ByteWriter(0);
  while (reader.remaining >= 4) {
    const start = reader.offset;
    const type = reader.uint16();
    const length = reader.uint16();
    const data = reader.view(length - 4);
    if (reader.overrun) return undefined;
    reader.skip(Math.min((4 - (length % 4)) % 4, reader.remaining));
    if (type === PARAMETER.stateCookie) cookie = data;
    else if (type === PARAMETER.forwardTsnSupported) forwardTsn = true;
    else if (type === PARAMETER.supportedExtensions) chunkTypes = data;
    else if (type === PARAMETER.zeroChecksumAcceptable) zeroChecksum = data.length === 4 && readUint32(data, 0) === EDMID_DTLS;
    else if (type === PARAMETER.hostNameAddress) return 'host-name';
    else if (!IGNORED.has(type)) {
      // §3.2.1: the highest bit says whether to go on, the second whether to report.
      const report = reader.bytes.subarray(start, reader.offset);
      if ((type & 0x4000) !== 0 && unrecognized.length + report.length <= MAX_REPORT) unrecognized.bytes(report);
      if ((type & 0x8000) === 0) break;
    }
  }
  const has = (chunkType: number): boolean => chunkTypes.includes(chunkType);
  const extensions: Extensions = {
    forwardTsn,
    reConfig: has(CHUNK_TYPE.reConfig),
    interleaving: has(CHUNK_TYPE.iData) && (!forwardTsn || has(CHUNK_TYPE.iForwardTsn)), // RFC 8260 §2.2.1
    zeroChecksum,
  };
  return { extensions, unrecognized: unrecognized.finish(), ...(cookie ? { cookie } : {}) };
}
