/**
 * Bodies of the handshake messages (RFC 5246 §7.4, RFC 6347 §4.2, RFC 8422 §5). Decoders return undefined for anything malformed.
 */
import { ByteReader, ByteWriter } from '@petrel/bytes';
import type { NamedGroup, SignatureScheme } from '@petrel/crypto';
import { decodeExtensions, encodeExtensions, type Extensions } from './extensions.ts';
import { DTLS_1_2 } from './record-layer.ts';

export const HANDSHAKE_TYPE = {
  helloRequest: 0,
  clientHello: 1,
  serverHello: 2,
  helloVerifyRequest: 3,
  certificate: 11,
  serverKeyExchange: 12,
  certificateRequest: 13,
  serverHelloDone: 14,
  certificateVerify: 15,
  clientKeyExchange: 16,
  finished: 20,
} as const;

/** Code points of the groups (RFC 8422 §5.1.1). */
export const NAMED_GROUPS: Readonly<Record<NamedGroup, number>> = { x25519: 29, 'p-256': 23, 'p-384': 24 };
/** SignatureAndHashAlgorithm as one number (RFC 5246 §7.4.1.4.1), in order of preference. SHA-1 is not offered (RFC 9155). */
export const SIGNATURE_SCHEMES: Readonly<Partial<Record<SignatureScheme, number>>> = {
  'ecdsa-sha256': 0x0403,
  'rsa-pkcs1-sha256': 0x0401,
  'ecdsa-sha384': 0x0503,
  'rsa-pkcs1-sha384': 0x0501,
  'ecdsa-sha512': 0x0603,
  'rsa-pkcs1-sha512': 0x0601,
};
/** Certificate types of a CertificateRequest (RFC 5246 §7.4.4, RFC 8422 §5.5). */
const CLIENT_CERTIFICATE_TYPES = Uint8Array.of(64, 1);
/** Certificates of a chain beyond these bounds are refused (a WebRTC chain has one of less than a kilobyte). */
const MAX_CHAIN_LENGTH = 8;
const NAMED_CURVE = 3;

export function schemeOf(code: number): SignatureScheme | undefined {
  for (const [name, value] of Object.entries(SIGNATURE_SCHEMES)) if (value === code) return name as SignatureScheme;
  return undefined;
}

/** The kind of key that makes signatures of the scheme; undefined when it is none of ours. */
export function schemeKind(code: number): 'ecdsa' | 'rsa' | undefined {
  const scheme = schemeOf(code);
  return scheme && (scheme.startsWith('rsa') ? 'rsa' : 'ecdsa');
}

export function groupOf(code: number): NamedGroup | undefined {
  for (const [name, value] of Object.entries(NAMED_GROUPS)) if (value === code) return name as NamedGroup;
  return undefined;
}

/**
 * ```
 *   struct {
 *     ProtocolVersion client_version;  Random random;  SessionID session_id;  opaque cookie<0..2^8-1>;
 *     CipherSuite cipher_suites<2..2^16-1>;  CompressionMethod compression_methods<1..2^8-1>;  Extension extensions<0..2^16-1>;
 *   } ClientHello;                                                                            (RFC 6347 §4.2.1)
 * ```
 */
export interface ClientHello {
  readonly random: Uint8Array;
  readonly cookie: Uint8Array;
  readonly cipherSuites: readonly number[];
  readonly extensions: Extensions;
}

export function encodeClientHello({ random, cookie, cipherSuites, extensions }: ClientHello): Uint8Array {
  const writer = new ByteWriter(256).uint16(DTLS_1_2).bytes(random).uint8(0).uint8(cookie.length).bytes(cookie);
  writer.uint16(cipherSuites.length * 2);
  for (const suite of cipherSuites) writer.uint16(suite);
  return writer.uint8(1).uint8(0).bytes(encodeExtensions(extensions)).finish();
}

export function decodeClientHello(body: Uint8Array): (ClientHello & { readonly version: number }) | undefined {
  const reader = new ByteReader(body);
  const version = reader.uint16();
  const random = reader.view(32);
  const sessionIdLength = reader.uint8();
  reader.skip(sessionIdLength);
  const cookie = reader.view(reader.uint8());
  const cipherSuites = uint16List(reader.view(reader.uint16()));
  const compressionMethods = reader.view(reader.uint8());
  const extensions = decodeExtensions(reader);
  if (reader.overrun || reader.remaining > 0 || sessionIdLength > 32 || extensions === undefined || cipherSuites === undefined)
    return undefined;
  return compressionMethods.includes(0) ? { version, random, cookie, cipherSuites, extensions } : undefined;
}

/** The ClientHello without its cookie: what a HelloVerifyRequest's cookie binds (RFC 6347 §4.2.1). */
export function clientHelloIdentity({ random, cipherSuites }: ClientHello): Uint8Array {
  const writer = new ByteWriter(64).bytes(random);
  for (const suite of cipherSuites) writer.uint16(suite);
  return writer.finish();
}

/** `struct { ProtocolVersion server_version; opaque cookie<0..2^8-1>; } HelloVerifyRequest;` with version 1.0 (RFC 6347 §4.2.1). */
export function encodeHelloVerifyRequest(cookie: Uint8Array): Uint8Array {
  return new ByteWriter(64).uint16(0xfeff).uint8(cookie.length).bytes(cookie).finish();
}

export function decodeHelloVerifyRequest(body: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(body);
  reader.skip(2);
  const cookie = reader.view(reader.uint8());
  return reader.overrun || reader.remaining > 0 ? undefined : cookie;
}

/** `struct { version; random; session_id; CipherSuite cipher_suite; compression_method; extensions; } ServerHello;` (RFC 5246 §7.4.1.3) */
export interface ServerHello {
  readonly random: Uint8Array;
  readonly cipherSuite: number;
  readonly extensions: Extensions;
}

export function encodeServerHello({ random, cipherSuite, extensions }: ServerHello): Uint8Array {
  return new ByteWriter(128)
    .uint16(DTLS_1_2)
    .bytes(random)
    .uint8(0)
    .uint16(cipherSuite)
    .uint8(0)
    .bytes(encodeExtensions(extensions))
    .finish();
}

export function decodeServerHello(body: Uint8Array): (ServerHello & { readonly version: number }) | undefined {
  const reader = new ByteReader(body);
  const version = reader.uint16();
  const random = reader.view(32);
  reader.skip(reader.uint8());
  const cipherSuite = reader.uint16();
  const compression = reader.uint8();
  const extensions = decodeExtensions(reader);
  if (reader.overrun || reader.remaining > 0 || compression !== 0 || extensions === undefined) return undefined;
  return { version, random, cipherSuite, extensions };
}

/** `ASN.1Cert certificate_list<0..2^24-1>`, the sender's own first (RFC 5246 §7.4.2). */
export function encodeCertificate(derChain: readonly Uint8Array[]): Uint8Array {
  const writer = new ByteWriter(1024).uint24(0);
  for (const der of derChain) writer.uint24(der.length).bytes(der);
  return writer.setUint24(0, writer.length - 3).finish();
}

export function decodeCertificate(body: Uint8Array): Uint8Array[] | undefined {
  const reader = new ByteReader(body);
  const length = reader.uint24();
  const chain: Uint8Array[] = [];
  while (reader.remaining > 0 && chain.length < MAX_CHAIN_LENGTH) chain.push(reader.view(reader.uint24()).slice());
  return reader.overrun || reader.remaining > 0 || length !== body.length - 3 ? undefined : chain;
}

/**
 * ```
 *   struct { ECCurveType curve_type = named_curve; NamedCurve namedcurve; opaque point<1..2^8-1>; } ServerECDHParams;
 *   struct { ServerECDHParams params; SignatureAndHashAlgorithm; opaque signature<0..2^16-1>; } ServerKeyExchange;   (RFC 8422 §5.4)
 * ```
 */
export interface ServerKeyExchange {
  /** The encoded ServerECDHParams: what the signature covers, after both randoms. */
  readonly parameters: Uint8Array;
  readonly group: number;
  readonly publicKey: Uint8Array;
  readonly scheme: number;
  readonly signature: Uint8Array;
}

export function encodeEcdhParameters(group: number, publicKey: Uint8Array): Uint8Array {
  return new ByteWriter(80).uint8(NAMED_CURVE).uint16(group).uint8(publicKey.length).bytes(publicKey).finish();
}

export function decodeServerKeyExchange(body: Uint8Array): ServerKeyExchange | undefined {
  const reader = new ByteReader(body);
  const curveType = reader.uint8();
  const group = reader.uint16();
  const publicKey = reader.view(reader.uint8());
  const parameters = body.subarray(0, reader.offset);
  const scheme = reader.uint16();
  const signature = reader.view(reader.uint16());
  if (reader.overrun || reader.remaining > 0 || curveType !== NAMED_CURVE) return undefined;
  return { parameters, group, publicKey, scheme, signature };
}

/** `SignatureAndHashAlgorithm algorithm; opaque signature<0..2^16-1>` (RFC 5246 §4.7): the end of a ServerKeyExchange, and a CertificateVerify. */
export function encodeSignature(scheme: number, signature: Uint8Array): Uint8Array {
  return new ByteWriter(128).uint16(scheme).uint16(signature.length).bytes(signature).finish();
}

export function decodeSignature(body: Uint8Array): { readonly scheme: number; readonly signature: Uint8Array } | undefined {
  const reader = new ByteReader(body);
  const scheme = reader.uint16();
  const signature = reader.view(reader.uint16());
  return reader.overrun || reader.remaining > 0 ? undefined : { scheme, signature };
}

/** `certificate_types<1..2^8-1>; supported_signature_algorithms<2..2^16-2>; certificate_authorities<0..2^16-1>` (RFC 5246 §7.4.4) */
export function encodeCertificateRequest(): Uint8Array {
  const schemes = Object.values(SIGNATURE_SCHEMES);
  const writer = new ByteWriter(32)
    .uint8(CLIENT_CERTIFICATE_TYPES.length)
    .bytes(CLIENT_CERTIFICATE_TYPES)
    .uint16(schemes.length * 2);
  for (const scheme of schemes) writer.uint16(scheme);
  return writer.uint16(0).finish();
}

/** @returns the signature schemes that the server accepts. */
export function decodeCertificateRequest(body: Uint8Array): number[] | undefined {
  const reader = new ByteReader(body);
  reader.skip(reader.uint8());
  const schemes = uint16List(reader.view(reader.uint16()));
  reader.skip(reader.uint16());
  return reader.overrun || reader.remaining > 0 ? undefined : schemes;
}

/** `opaque point<1..2^8-1>`: the client's ephemeral public key (RFC 8422 §5.7). */
export function encodeClientKeyExchange(publicKey: Uint8Array): Uint8Array {
  return new ByteWriter(80).uint8(publicKey.length).bytes(publicKey).finish();
}

export function decodeClientKeyExchange(body: Uint8Array): Uint8Array | undefined {
  return body.length > 1 && body[0] === body.length - 1 ? body.subarray(1) : undefined;
}

function uint16List(bytes: Uint8Array): number[] | undefined {
  if (bytes.length % 2 !== 0) return undefined;
  const list: number[] = [];
  for (let i = 0; i < bytes.length; i += 2) list.push((bytes[i]! << 8) | bytes[i + 1]!);
  return list;
}
