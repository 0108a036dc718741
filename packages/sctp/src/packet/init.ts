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
 */
import { ByteReader, ByteWriter } from '@petrel/bytes';
import { CHUNK_TYPE } from './packet.ts';

const PARAMETER = { stateCookie: 7, supportedExtensions: 0x8008, forwardTsnSupported: 0xc000 } as const;
const EXTENSIONS = Uint8Array.of(CHUNK_TYPE.reConfig, CHUNK_TYPE.forwardTsn);

export interface Init {
  readonly initiateTag: number;
  readonly receiverWindow: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  readonly initialTsn: number;
  /** RFC 3758 §3.1. */
  readonly forwardTsn: boolean;
  /** RFC 6525 §4.1 by way of RFC 5061 §4.2.7. */
  readonly reConfig: boolean;
  /** In an INIT ACK only. */
  readonly cookie?: Uint8Array;
}

export function encodeInit(init: Init): Uint8Array {
  const writer = new ByteWriter(64).uint32(init.initiateTag).uint32(init.receiverWindow);
  writer.uint16(init.outboundStreams).uint16(init.inboundStreams).uint32(init.initialTsn);
  writer.uint16(PARAMETER.forwardTsnSupported).uint16(4);
  writer
    .uint16(PARAMETER.supportedExtensions)
    .uint16(4 + EXTENSIONS.length)
    .bytes(EXTENSIONS)
    .pad(4);
  if (init.cookie)
    writer
      .uint16(PARAMETER.stateCookie)
      .uint16(4 + init.cookie.length)
      .bytes(init.cookie);
  return writer.finish();
}

/** @returns undefined when malformed, or when it breaks a MUST of §3.3.2: a tag or a number of streams of zero. */
export function decodeInit(value: Uint8Array): Init | undefined {
  const reader = new ByteReader(value);
  const fixed = {
    initiateTag: reader.uint32(),
    receiverWindow: reader.uint32(),
    outboundStreams: reader.uint16(),
    inboundStreams: reader.uint16(),
    initialTsn: reader.uint32(),
  };
  let forwardTsn = false;
  let reConfig = false;
  let cookie: Uint8Array | undefined;
  while (reader.remaining >= 4) {
    const type = reader.uint16();
    const length = reader.uint16();
    const data = reader.view(length - 4);
    if (reader.overrun) return undefined;
    reader.skip(Math.min((4 - (length % 4)) % 4, reader.remaining));
    if (type === PARAMETER.stateCookie) cookie = data;
    else if (type === PARAMETER.forwardTsnSupported) forwardTsn = true;
    else if (type === PARAMETER.supportedExtensions) reConfig = data.includes(CHUNK_TYPE.reConfig);
    else if ((type & 0x8000) === 0 && type > 12) break; // §3.2.1: stop at an unknown parameter whose high bit is zero
  }
  if (reader.overrun || fixed.initiateTag === 0 || fixed.outboundStreams === 0 || fixed.inboundStreams === 0) return undefined;
  return { ...fixed, forwardTsn, reConfig, ...(cookie ? { cookie } : {}) };
}
