/** ICE (RFC 8839, RFC 8840), DTLS (RFC 8122, RFC 8842) and SCTP (RFC 8841). */
import { type AttributeType, flag, numeric, textual } from './attribute.ts';

/** RFC 8839 §5.4 wants 4 to 256 and 22 to 256 ice-chars; whether they are acceptable is for the description's user to say. */
export const ICE_UFRAG: AttributeType<string> = textual('ice-ufrag', /^\S{1,256}$/);
/** See {@link ICE_UFRAG}. */
export const ICE_PWD: AttributeType<string> = textual('ice-pwd', /^\S{1,256}$/);
/** RFC 8839 §5.3: a lite agent; at session level only. */
export const ICE_LITE: AttributeType<true> = flag('ice-lite');
/** RFC 8840 §8.2. */
export const END_OF_CANDIDATES: AttributeType<true> = flag('end-of-candidates');

/** `a=ice-options` (RFC 8839 §5.6): `trickle`, `ice2`, `renomination`, … */
export const ICE_OPTIONS: AttributeType<readonly string[]> = {
  name: 'ice-options',
  parse: (value) => (value === undefined || value.trim() === '' ? undefined : value.trim().split(/ +/)),
  format: (options) => options.join(' '),
};

/** The value of `a=candidate` (RFC 8839 §5.1), without `candidate:`; the ICE package reads it. */
export const CANDIDATE: AttributeType<string> = textual('candidate', /^\S{1,256} +\d{1,3} +\S+ +\d{1,10} +\S+ +\d{1,5} +typ +\S+(?: .*)?$/);

/** The hash of a certificate. */
export interface FingerprintAttribute {
  /** Lower case. */
  readonly algorithm: string;
  /** Upper-case hexadecimal bytes with colons between. */
  readonly value: string;
}

/** `a=fingerprint` (RFC 8122 §5). */
export const FINGERPRINT: AttributeType<FingerprintAttribute> = {
  name: 'fingerprint',
  parse: (value) => {
    const match = /^([\w-]+) +([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*)$/.exec((value ?? '').trimEnd());
    if (match === null) return undefined;
    const algorithm = match[1]!.toLowerCase();
    const length = DIGEST_LENGTHS.get(algorithm);
    if (length !== undefined && match[2]!.length !== length * 3 - 1) return undefined;
    return { algorithm, value: match[2]!.toUpperCase() };
  },
  format: ({ algorithm, value }) => `${algorithm} ${value}`,
};

const DIGEST_LENGTHS: ReadonlyMap<string, number> = new Map([
  ['md5', 16],
  ['sha-1', 20],
  ['sha-224', 28],
  ['sha-256', 32],
  ['sha-384', 48],
  ['sha-512', 64],
]);

/** The roles of RFC 4145 §4; `holdconn` has no use in WebRTC. */
export type Setup = 'active' | 'passive' | 'actpass' | 'holdconn';

/** `a=setup` (RFC 4145 §4, RFC 8842 §5.3): who starts DTLS. */
export const SETUP: AttributeType<Setup> = {
  name: 'setup',
  parse: (value) => (/^(active|passive|actpass|holdconn)$/.test(value ?? '') ? (value as Setup) : undefined),
  format: (value) => value,
};

/** RFC 8842 §4: names the DTLS association. */
export const TLS_ID: AttributeType<string> = textual('tls-id', /^[A-Za-z0-9+/\-_]{20,255}$/);

/** RFC 8841 §5. */
export const SCTP_PORT: AttributeType<number> = numeric('sctp-port', 0, 65535);
/** RFC 8841 §6, in bytes; 0: any size. */
export const MAX_MESSAGE_SIZE: AttributeType<number> = numeric('max-message-size', 0, Number.MAX_SAFE_INTEGER);
