/**
 * Hello extensions (RFC 5246 §7.4.1.4): `Extension { ExtensionType extension_type; opaque extension_data<0..2^16-1>; }`.
 */
import { ByteReader, ByteWriter, decodeUtf8, encodeUtf8 } from '@petrel/bytes';

const TYPE = {
  supportedGroups: 10,
  ecPointFormats: 11,
  signatureAlgorithms: 13,
  useSrtp: 14,
  applicationProtocols: 16,
  extendedMasterSecret: 23,
  renegotiationInfo: 0xff01,
} as const;

/** Those that WebRTC needs; unknown ones are ignored, as RFC 5246 §7.4.1.4 asks. */
export interface Extensions {
  /** RFC 8422 §5.1.1. */
  readonly supportedGroups?: readonly number[];
  /** RFC 8422 §5.1.2. */
  readonly ecPointFormats?: boolean;
  /** RFC 5246 §7.4.1.4.1. */
  readonly signatureAlgorithms?: readonly number[];
  /** Protection profiles of RFC 5764 §4.1.1. */
  readonly srtpProfiles?: readonly number[];
  /** Read only: whether use_srtp came with an MKI. We send none (RFC 8827 §6.5 has no use for it). */
  readonly srtpMki?: boolean;
  /** RFC 7301 §3.1. */
  readonly applicationProtocols?: readonly string[];
  /** RFC 7627 §5.1. */
  readonly extendedMasterSecret?: boolean;
  /** RFC 5746 §3.2: empty in an initial handshake. */
  readonly renegotiationInfo?: boolean;
  /** Read only: every type that came, known or not. */
  readonly types?: ReadonlySet<number>;
}

/** The types that a hello with these extensions offers: a ServerHello may answer them, and no others (RFC 5246 §7.4.1.4). */
export function offeredTypes(offer: Extensions): Set<number> {
  const names = Object.keys(TYPE) as (keyof typeof TYPE)[];
  const isOffered = (name: keyof typeof TYPE): boolean => Boolean(name === 'useSrtp' ? offer.srtpProfiles : offer[name]);
  return new Set(names.filter(isOffered).map((name) => TYPE[name]));
}

export function encodeExtensions(extensions: Extensions): Uint8Array {
  const writer = new ByteWriter(128).uint16(0);
  const put = (type: number, data: Uint8Array): void => void writer.uint16(type).uint16(data.length).bytes(data);
  if (extensions.renegotiationInfo) put(TYPE.renegotiationInfo, Uint8Array.of(0));
  if (extensions.extendedMasterSecret) put(TYPE.extendedMasterSecret, new Uint8Array(0));
  if (extensions.supportedGroups) put(TYPE.supportedGroups, vector16(extensions.supportedGroups));
  if (extensions.ecPointFormats) put(TYPE.ecPointFormats, Uint8Array.of(1, 0));
  if (extensions.signatureAlgorithms) put(TYPE.signatureAlgorithms, vector16(extensions.signatureAlgorithms));
  if (extensions.srtpProfiles) put(TYPE.useSrtp, new ByteWriter(16).bytes(vector16(extensions.srtpProfiles)).uint8(0).finish());
  if (extensions.applicationProtocols) put(TYPE.applicationProtocols, protocolList(extensions.applicationProtocols));
  return writer.setUint16(0, writer.length - 2).finish();
}

/** Reads the extension block at the end of a hello; undefined when it is malformed or repeats a type. */
export function decodeExtensions(reader: ByteReader): Extensions | undefined {
  if (reader.remaining === 0) return {};
  const block = new ByteReader(reader.view(reader.uint16()));
  const extensions: { -readonly [Key in keyof Extensions]: Extensions[Key] } = {};
  const seen = new Set<number>();
  while (block.remaining > 0) {
    const type = block.uint16();
    const data = new ByteReader(block.view(block.uint16()));
    if (block.overrun || seen.has(type)) return undefined;
    seen.add(type);
    extensions.types = seen;
    if (type === TYPE.supportedGroups) extensions.supportedGroups = readVector16(data);
    else if (type === TYPE.ecPointFormats) extensions.ecPointFormats = data.view(data.uint8()).includes(0);
    else if (type === TYPE.signatureAlgorithms) extensions.signatureAlgorithms = readVector16(data);
    else if (type === TYPE.useSrtp) {
      extensions.srtpProfiles = readVector16(data);
      const mkiLength = data.uint8();
      extensions.srtpMki = mkiLength > 0;
      data.skip(mkiLength);
    } else if (type === TYPE.applicationProtocols) extensions.applicationProtocols = readProtocolList(data);
    else if (type === TYPE.extendedMasterSecret) extensions.extendedMasterSecret = true;
    else if (type === TYPE.renegotiationInfo) {
      if (data.uint8() !== 0) return undefined; // RFC 5746 §3.4, §3.6: not empty in an initial handshake
      extensions.renegotiationInfo = true;
    } else data.rest();
    if (data.overrun || data.remaining > 0) return undefined;
  }
  return reader.overrun ? undefined : extensions;
}

function vector16(values: readonly number[]): Uint8Array {
  const writer = new ByteWriter(32).uint16(values.length * 2);
  for (const value of values) writer.uint16(value);
  return writer.finish();
}

function readVector16(reader: ByteReader): number[] {
  const values: number[] = [];
  const vector = new ByteReader(reader.view(reader.uint16()));
  while (vector.remaining >= 2) values.push(vector.uint16());
  if (vector.remaining > 0) reader.overrun = true;
  return values;
}

function protocolList(names: readonly string[]): Uint8Array {
  const writer = new ByteWriter(32).uint16(0);
  for (const name of names) {
    const bytes = encodeUtf8(name);
    writer.uint8(bytes.length).bytes(bytes);
  }
  return writer.setUint16(0, writer.length - 2).finish();
}

function readProtocolList(reader: ByteReader): string[] {
  const names: string[] = [];
  const list = new ByteReader(reader.view(reader.uint16()));
  while (list.remaining > 0) {
    const name = list.view(list.uint8());
    if (name.length === 0) reader.overrun = true; // RFC 7301 §3.1: opaque ProtocolName<1..2^8-1>
    names.push(decodeUtf8(name));
  }
  if (list.overrun) reader.overrun = true;
  return names;
}
