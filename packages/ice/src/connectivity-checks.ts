/** The STUN messages of connectivity and consent checks (RFC 8445 §7, RFC 7675 §5.1), and the requests that are under way. */
import { readUint16 } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
import {
  encodeStunMessage,
  type IntegrityAlgorithm,
  type IntegrityKey,
  newTransactionId,
  type StunAttributes,
  type StunMessage,
  transactionKey,
  type TransportAddress,
} from '@petrel/stun';
import { type Base, peerReflexivePriority } from './base.ts';
import type { CandidatePair } from './candidate-pair.ts';
import type { IceRole } from './ice-types.ts';

/** A request that was sent: every transmission is a transaction of its own, so that each response tells the round trip it took. */
export interface SentCheck {
  readonly pair: CandidatePair;
  readonly sentAt: Instant;
  readonly role: IceRole;
  /** Whether it had USE-CANDIDATE. */
  readonly nominates: boolean;
}

/** Responses that take longer than this are not waited for: consent has expired by then. */
const RESPONSE_LIFETIME = 30_000;

/** The requests of one session that wait for a response, oldest first. */
export class SentChecks {
  readonly #sent = new Map<string, SentCheck>();

  add(transactionId: Uint8Array, check: SentCheck): void {
    for (const [key, { sentAt }] of this.#sent) {
      if (check.sentAt - sentAt < RESPONSE_LIFETIME) break;
      this.#sent.delete(key);
    }
    this.#sent.set(transactionKey(transactionId), check);
  }

  find(transactionId: Uint8Array): SentCheck | undefined {
    return this.#sent.get(transactionKey(transactionId));
  }

  delete(transactionId: Uint8Array): void {
    this.#sent.delete(transactionKey(transactionId));
  }

  /** Responses to a pair's requests are not accepted any more (RFC 7675 §5.1). */
  forget(pair: CandidatePair): void {
    for (const [key, check] of this.#sent) if (check.pair === pair) this.#sent.delete(key);
  }
}

export interface CheckRequest {
  readonly crypto: CryptoProvider;
  readonly base: Base;
  readonly role: IceRole;
  readonly tieBreaker: bigint;
  readonly localFragment: string;
  readonly remoteFragment: string;
  readonly remoteKey: IntegrityKey;
  readonly nominates: boolean;
}

/** A Binding request with what RFC 8445 §7.2.2 asks for. */
export function encodeCheck(request: CheckRequest): { readonly transactionId: Uint8Array; readonly bytes: Uint8Array } {
  const { base, role, tieBreaker } = request;
  const transactionId = newTransactionId(request.crypto);
  const attributes: StunAttributes = {
    username: `${request.remoteFragment}:${request.localFragment}`,
    priority: peerReflexivePriority(base),
  };
  if (role === 'controlling') attributes.iceControlling = tieBreaker;
  else attributes.iceControlled = tieBreaker;
  if (request.nominates) attributes.useCandidate = true;
  const message = { class: 'request', method: 'binding', transactionId, attributes } as const;
  return { transactionId, bytes: encodeStunMessage(message, { key: request.remoteKey, fingerprint: true }) };
}

/** Protected like the request was (RFC 8489 §9.1.3). */
export function encodeSuccess(
  request: StunMessage,
  source: TransportAddress,
  key: IntegrityKey,
  integrity: IntegrityAlgorithm,
): Uint8Array {
  const { method, transactionId } = request;
  const message = { class: 'success', method, transactionId, attributes: { xorMappedAddress: source } } as const;
  return encodeStunMessage(message, { key, integrity, fingerprint: true });
}

const ERROR_REASONS = { 403: 'Forbidden', 420: 'Unknown Attribute', 487: 'Role Conflict' } as const;

/** An error response to a request that was authenticated. */
export function encodeError(
  request: StunMessage,
  code: 403 | 420 | 487,
  unknownAttributes: readonly number[],
  key: IntegrityKey,
  integrity: IntegrityAlgorithm,
): Uint8Array {
  const { method, transactionId } = request;
  const attributes: StunAttributes = { errorCode: { code, reason: ERROR_REASONS[code] } };
  if (unknownAttributes.length > 0) attributes.unknownAttributes = unknownAttributes;
  return encodeStunMessage({ class: 'error', method, transactionId, attributes }, { key, integrity, fingerprint: true });
}

/**
 * An error response to a request that was not authenticated (RFC 8489 §9.1.3), when it is no longer than the request: an agent is no amplifier.
 */
export function encodeRejection(transactionId: Uint8Array, code: 400 | 401, requestLength: number): Uint8Array | undefined {
  const message = { class: 'error', method: 'binding', transactionId, attributes: { errorCode: { code, reason: '' } } } as const;
  const bytes = encodeStunMessage(message, { fingerprint: true });
  return bytes.length <= requestLength ? bytes : undefined;
}

/** The two parts of a check's USERNAME: the receiver's fragment, a colon, the sender's (RFC 8445 §7.2.2). */
export function splitUsername(username: string | undefined): { readonly own: string; readonly peers: string } | undefined {
  const colon = username?.indexOf(':') ?? -1;
  if (username === undefined || colon <= 0) return undefined;
  return { own: username.slice(0, colon), peers: username.slice(colon + 1) };
}

/** The fragment that a STUN request asks for, without parsing it all: for those who share one port among agents. */
export function requestedFragment(datagram: Uint8Array): string | undefined {
  if (datagram.length < 20 || readUint16(datagram, 0) !== 0x0001) return undefined;
  for (let offset = 20; offset + 4 <= datagram.length; ) {
    const length = readUint16(datagram, offset + 2);
    if (readUint16(datagram, offset) === 0x0006) {
      const end = datagram.indexOf(0x3a, offset + 4);
      if (end === -1 || end >= offset + 4 + length || end >= datagram.length || end - offset > 260) return undefined;
      return String.fromCharCode(...datagram.subarray(offset + 4, end));
    }
    offset += 4 + length + ((4 - (length % 4)) % 4);
  }
  return undefined;
}
