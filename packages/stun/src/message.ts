/**
 * STUN messages (RFC 8489 §5, §6.3): the one way in, {@link parseStunMessage}, and the one way out, {@link encodeStunMessage}.
 *
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |0 0|     STUN Message Type     |         Message Length        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                         Magic Cookie                          |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                                                               |
 * |                     Transaction ID (96 bits)                  |
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
import { ByteWriter, readUint16, toHex } from '@petrel/bytes';
import type { Random } from '@petrel/sans-io';
import { isStunMessage, MAGIC_COOKIE } from './attribute-values.ts';
import {
  decodeAttribute,
  encodeAttributes,
  FINGERPRINT,
  MESSAGE_INTEGRITY,
  MESSAGE_INTEGRITY_SHA256,
  type StunAttributes,
} from './attributes.ts';
import { appendFingerprint, appendIntegrity, type IntegrityAlgorithm, type IntegrityKey, verifyFingerprint } from './integrity.ts';

/** Methods of RFC 8489 §18.2 and RFC 8656 §17. */
export const STUN_METHODS = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  'create-permission': 0x008,
  'channel-bind': 0x009,
} as const;
/** The methods of STUN and TURN by name. */
export type StunMethod = keyof typeof STUN_METHODS;

const CLASSES = ['request', 'indication', 'success', 'error'] as const;
/** RFC 8489 §5; `error` is an error response. */
export type StunClass = (typeof CLASSES)[number];

/** A message as data: what {@link encodeStunMessage} takes and {@link parseStunMessage} gives. */
export interface StunMessage {
  readonly method: StunMethod;
  readonly class: StunClass;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  readonly attributes: StunAttributes;
}

/** Why a datagram is not a message to act upon. */
export type StunDiscard =
  | 'not-stun'
  | 'bad-length'
  | 'unknown-method'
  | 'malformed-attribute'
  | 'bad-fingerprint'
  | 'missing-fingerprint'
  | 'unknown-key'
  | 'missing-integrity'
  | 'wrong-integrity';

/** The second argument of {@link parseStunMessage}: who vouches for what. */
export interface StunParseOptions {
  /**
   * The key that must protect the message, `unprotected` when it may come without protection (which is then not checked), or undefined when
   * there is no key for it: it is dropped. The message that is handed in is not authenticated yet.
   */
  readonly keyFor: (message: StunMessage) => IntegrityKey | 'unprotected' | undefined;
  /** Where other protocols share the port (RFC 8489 §7). */
  readonly fingerprint?: 'required' | 'optional';
}

/** A message that passed every check. */
export interface ParsedStunMessage {
  readonly message: StunMessage;
  /** The attribute that authenticated it; undefined when `keyFor` said `unprotected`. */
  readonly integrity: IntegrityAlgorithm | undefined;
  /** Comprehension-required attributes that are not known, for a 420 response (RFC 8489 §6.3.1); usually empty. */
  readonly unknownAttributes: readonly number[];
  /** Whether FINGERPRINT was present (and right). */
  readonly fingerprint: boolean;
}

/** A message that failed a check. `request` is set when it is a request that may be answered with an error response, and only for that. */
export interface DiscardedStunMessage {
  readonly message?: undefined;
  readonly discard: StunDiscard;
  readonly request?: { readonly method: StunMethod; readonly transactionId: Uint8Array };
}

/**
 * Parses and authenticates a datagram, or one frame of a stream. FINGERPRINT is verified when it is there, MESSAGE-INTEGRITY(-SHA256) with the
 * key that `keyFor` finds. Never throws; allocates in proportion to the input.
 *
 * @example
 * const parsed = parseStunMessage(datagram, { keyFor: () => key, fingerprint: 'required' });
 * if (parsed.message === undefined) discards.count(parsed.discard);
 */
export function parseStunMessage(bytes: Uint8Array, options: StunParseOptions): ParsedStunMessage | DiscardedStunMessage {
  if (!isStunMessage(bytes)) return { discard: 'not-stun' };
  if (readUint16(bytes, 2) !== bytes.length - 20 || bytes.length % 4 !== 0) return { discard: 'bad-length' };
  const type = readUint16(bytes, 0);
  const method = methodOf(type);
  if (method === undefined) return { discard: 'unknown-method' };
  const transactionId = bytes.subarray(8, 20);
  const request = { method, transactionId };
  const isRequest = classOf(type) === 'request';
  const fail = (discard: StunDiscard): DiscardedStunMessage => (isRequest ? { discard, request } : { discard });

  const attributes: StunAttributes = {};
  const found = readAttributes(bytes, attributes, transactionId);
  if (found === 'malformed') return { discard: 'malformed-attribute' };
  if (found.fingerprint === -1) {
    if (options.fingerprint === 'required') return { discard: 'missing-fingerprint' };
  } else if (!verifyFingerprint(bytes, found.fingerprint)) return { discard: 'bad-fingerprint' };

  const message: StunMessage = { method, class: classOf(type), transactionId, attributes };
  const rest = { message, unknownAttributes: found.unknownAttributes, fingerprint: found.fingerprint !== -1 };
  const key = options.keyFor(message);
  if (key === undefined) return fail('unknown-key');
  if (key === 'unprotected') return { ...rest, integrity: undefined };
  const integrity = key.verify(bytes, found);
  if (integrity === 'missing') return fail('missing-integrity');
  if (integrity === 'wrong') return fail('wrong-integrity');
  return { ...rest, integrity };
}

/** How an outgoing message is protected. */
export interface StunProtection {
  readonly key?: IntegrityKey;
  /** `sha-1` unless given; both for a first request whose server's abilities are not known (RFC 8489 §9.1.2). */
  readonly integrity?: IntegrityAlgorithm | 'both';
  readonly fingerprint?: boolean;
}

/**
 * @throws RangeError when a text is too long for its attribute, TypeError when an address is not an IP literal
 * @example
 * encodeStunMessage({ class: 'request', method: 'binding', transactionId: newTransactionId(crypto), attributes: {} });
 */
export function encodeStunMessage(message: StunMessage, protection: StunProtection = {}): Uint8Array {
  const writer = new ByteWriter(160);
  writer.uint16(typeOf(message.class, message.method)).uint16(0).uint32(MAGIC_COOKIE).bytes(message.transactionId);
  encodeAttributes(writer, message.attributes, message.transactionId);
  const { key, integrity = 'sha-1' } = protection;
  if (key !== undefined && integrity !== 'sha-256') appendIntegrity(writer, key, 'sha-1');
  if (key !== undefined && integrity !== 'sha-1') appendIntegrity(writer, key, 'sha-256');
  if (protection.fingerprint === true) appendFingerprint(writer);
  writer.setUint16(2, writer.length - 20);
  return writer.finish();
}

/** 96 bits from the cryptographic random source, new for every transaction (RFC 8489 §5). */
export function newTransactionId(random: Random): Uint8Array {
  return random.randomBytes(12);
}

/** A transaction id as a key of a map. */
export function transactionKey(transactionId: Uint8Array): string {
  return toHex(transactionId);
}

/** Offsets of the protecting attributes in the message, -1 for none. */
export interface ProtectionOffsets {
  messageIntegrity: number;
  messageIntegritySha256: number;
  fingerprint: number;
}

interface FoundAttributes extends ProtectionOffsets {
  unknownAttributes: readonly number[];
}

/** Enough for any honest peer; the response that lists them stays small. */
const MAX_UNKNOWN_ATTRIBUTES = 16;
const NONE: readonly number[] = [];

function readAttributes(bytes: Uint8Array, attributes: StunAttributes, transactionId: Uint8Array): FoundAttributes | 'malformed' {
  const found: FoundAttributes = { messageIntegrity: -1, messageIntegritySha256: -1, fingerprint: -1, unknownAttributes: NONE };
  const unknown: number[] = [];
  for (let offset = 20; offset < bytes.length; ) {
    const type = readUint16(bytes, offset);
    const length = readUint16(bytes, offset + 2);
    const value = offset + 4;
    if (value + length > bytes.length) return 'malformed';
    if (found.fingerprint !== -1) return 'malformed'; // FINGERPRINT is the last one (RFC 8489 §14.7)
    if (type === FINGERPRINT) {
      if (length !== 4) return 'malformed';
      found.fingerprint = offset;
    } else if (type === MESSAGE_INTEGRITY_SHA256) {
      // Truncation has to be allowed by the usage, and none that is implemented does (RFC 8489 §14.6).
      if (length !== 32) return 'malformed';
      if (found.messageIntegritySha256 === -1) found.messageIntegritySha256 = offset;
    } else if (found.messageIntegritySha256 === -1 && type === MESSAGE_INTEGRITY) {
      if (length !== 20) return 'malformed';
      if (found.messageIntegrity === -1) found.messageIntegrity = offset;
    } else if (found.messageIntegrity === -1 && found.messageIntegritySha256 === -1) {
      const outcome = decodeAttribute(attributes, type, bytes.subarray(value, value + length), transactionId);
      if (outcome === 'malformed') return 'malformed';
      if (outcome === 'unknown' && type < 0x8000 && unknown.length < MAX_UNKNOWN_ATTRIBUTES && !unknown.includes(type)) unknown.push(type);
    } // else it follows MESSAGE-INTEGRITY, which does not protect it: ignored (RFC 8489 §14.5)
    offset = value + length + ((4 - (length % 4)) % 4);
  }
  if (unknown.length > 0) found.unknownAttributes = unknown;
  return found;
}

const METHODS_BY_NUMBER: ReadonlyMap<number, StunMethod> = new Map(
  Object.entries(STUN_METHODS).map(([name, number]) => [number, name as StunMethod]),
);

/**
 * The class's two bits lie between the method's (RFC 8489 §5):
 *
 * ```
 *  0                 1
 *  2  3  4 5 6 7 8 9 0 1 2 3 4 5
 * +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
 * |M |M |M|M|M|C|M|M|M|C|M|M|M|M|
 * |11|10|9|8|7|1|6|5|4|0|3|2|1|0|
 * +--+--+-+-+-+-+-+-+-+-+-+-+-+-+
 * ```
 */
function typeOf(messageClass: StunClass, method: StunMethod): number {
  const m = STUN_METHODS[method];
  const c = CLASSES.indexOf(messageClass);
  return ((m & 0xf80) << 2) | ((m & 0x070) << 1) | (m & 0x00f) | ((c & 2) << 7) | ((c & 1) << 4);
}

function classOf(type: number): StunClass {
  return CLASSES[((type >>> 7) & 2) | ((type >>> 4) & 1)]!;
}

function methodOf(type: number): StunMethod | undefined {
  return METHODS_BY_NUMBER.get(((type >>> 2) & 0xf80) | ((type >>> 1) & 0x070) | (type & 0x00f));
}
