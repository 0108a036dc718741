/** The little of DER (ITU-T X.690) that keys and certificates need. */
import { ByteReader, ByteWriter, concatBytes } from '@petrel/bytes';

export const TAG = {
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  utcTime: 0x17,
  sequence: 0x30,
  explicit0: 0xa0,
  explicit1: 0xa1,
} as const;

type OidName = 'ecPublicKey' | 'p256' | 'p384' | 'p521' | 'rsaEncryption';

/** Object identifiers, as whole elements (RFC 5480 §2.1.1, RFC 8017 appendix C). */
export const OID: Readonly<Record<OidName, Uint8Array>> = {
  ecPublicKey: Uint8Array.of(0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01),
  p256: Uint8Array.of(0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07),
  p384: Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22),
  p521: Uint8Array.of(0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23),
  rsaEncryption: Uint8Array.of(0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01),
};

export interface DerElement {
  readonly tag: number;
  /** The element with its tag and length. */
  readonly whole: Uint8Array;
  readonly content: Uint8Array;
}

/** The next element: one-byte tags, definite lengths of at most three bytes (X.690 §8.1.3). Undefined when there is none. */
function readElement(reader: ByteReader, expectedTag?: number): DerElement | undefined {
  const start = reader.offset;
  const tag = reader.uint8();
  if (expectedTag !== undefined && tag !== expectedTag) return undefined;
  let length = reader.uint8();
  if (length === 0x81) length = reader.uint8();
  else if (length === 0x82) length = reader.uint16();
  else if (length === 0x83) length = reader.uint24();
  else if (length >= 0x80) return undefined;
  const content = reader.view(length);
  return reader.overrun ? undefined : { tag, whole: reader.bytes.subarray(start, reader.offset), content };
}

/** The elements inside a SEQUENCE that fills `bytes`; undefined when it is not one. */
export function readSequence(bytes: Uint8Array | undefined): DerElement[] | undefined {
  const outer = bytes && readElement(new ByteReader(bytes), TAG.sequence);
  if (bytes === undefined || outer === undefined || outer.whole.length !== bytes.length) return undefined;
  const reader = new ByteReader(outer.content);
  const elements: DerElement[] = [];
  while (reader.remaining > 0) {
    const element = readElement(reader);
    if (element === undefined) return undefined;
    elements.push(element);
  }
  return elements;
}

/** An element around the concatenation of `content`. */
export function encodeElement(tag: number, ...content: readonly Uint8Array[]): Uint8Array {
  const body = concatBytes(...content);
  const writer = new ByteWriter(body.length + 5).uint8(tag);
  if (body.length < 0x80) writer.uint8(body.length);
  else if (body.length < 0x100) writer.uint8(0x81).uint8(body.length);
  else if (body.length < 0x1_0000) writer.uint8(0x82).uint16(body.length);
  else writer.uint8(0x83).uint24(body.length);
  return writer.bytes(body).finish();
}

export function encodeSequence(...content: readonly Uint8Array[]): Uint8Array {
  return encodeElement(TAG.sequence, ...content);
}

/** A BIT STRING of whole bytes. */
export function encodeBitString(bytes: Uint8Array): Uint8Array {
  return encodeElement(TAG.bitString, Uint8Array.of(0), bytes);
}
