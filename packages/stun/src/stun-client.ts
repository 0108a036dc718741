/**
 * A client of one STUN or TURN server over one transport (RFC 8489 §6, §9.2): sends requests again until they are answered, answers challenges, and
 * lets through only responses that the mechanism in use has authenticated.
 */
import type { CryptoProvider } from '@petrel/crypto';
import { type Core, Discards, type Instant, NEVER, Queue } from '@petrel/sans-io';
import { isStunMessage } from './attribute-values.ts';
import type { StunAttributes } from './attributes.ts';
import { answerChallenge, type LongTermSession, nonceSecurityFeatures, type StunCredentials } from './credentials.ts';
import type { IntegrityKey } from './integrity.ts';
import {
  encodeStunMessage,
  newTransactionId,
  type ParsedStunMessage,
  parseStunMessage,
  type StunDiscard,
  type StunMessage,
  type StunMethod,
  transactionKey,
} from './message.ts';
import { type RetransmissionOptions, RetransmissionSchedule, RtoEstimator } from './transaction.ts';

/** The argument of the constructors of {@link StunClient} and `BindingClient`. */
export interface StunClientOptions extends RetransmissionOptions {
  readonly crypto: CryptoProvider;
  /** For servers that ask for them with a 401 response (the long-term mechanism). */
  readonly credentials?: StunCredentials;
  /** Whether requests carry FINGERPRINT. */
  readonly fingerprint?: boolean;
  readonly software?: string;
}

/** The reason is data, for tests and for people. */
export type StunFailureReason =
  /** No response at all. */
  | 'timeout'
  /** Responses came, but none that was authenticated (RFC 8489 §9.1.4, §9.2.5). */
  | 'integrity-violated'
  /** An error response other than those below; `code` and `phrase` are the server's. */
  | 'error-response'
  /** The server does not accept the credentials, or there are none. */
  | 'unauthorized'
  /** The server goes on asking with ever new nonces. */
  | 'too-many-challenges'
  /** The challenge hides what the server said it can (RFC 8489 §9.2.1). */
  | 'bid-down'
  | 'no-supported-algorithm'
  /** REALM or NONCE is longer than a request may echo (RFC 8489 §14.9, §14.10). */
  | 'oversized-challenge'
  /** An authenticated 300 response: see `attributes.alternateServers` and {@link RedirectHistory}. */
  | 'try-alternate'
  /** The response needs knowledge of attributes that we do not have (RFC 8489 §6.3.3). */
  | 'unknown-attributes';

/** How a request ended without success. */
export interface StunFailure {
  readonly reason: StunFailureReason;
  readonly code?: number;
  readonly phrase?: string;
  /** Of the error response. */
  readonly attributes?: StunAttributes;
}

/** `request` is the handle that {@link StunClient.request} returned. */
export type StunClientEvent =
  | { readonly type: 'success'; readonly request: number; readonly message: StunMessage; readonly roundTripTime: number | undefined }
  | { readonly type: 'failed'; readonly request: number; readonly failure: StunFailure };

/** Why a datagram was no response to act upon. */
export type StunClientDiscard = StunDiscard | 'unknown-attributes' | 'bid-down';

interface Transaction {
  readonly handle: number;
  readonly method: StunMethod;
  readonly attributes: StunAttributes;
  readonly session: LongTermSession | undefined;
  readonly schedule: RetransmissionSchedule;
  readonly bytes: Uint8Array;
  /** Challenges that this request has answered so far. */
  readonly challenges: number;
  integrityViolated: boolean;
}

/** A server that answers every request with a new challenge is given up after so many. */
const MAX_CHALLENGES = 3;

/**
 * @example
 * const client = new StunClient({ crypto, credentials: { username, password } });
 * const handle = client.request('allocate', { requestedTransport: 17 }, now);
 * for (let datagram; (datagram = client.pollTransmit(now)); ) socket.send(datagram);
 */
export class StunClient implements Core<Uint8Array, StunClientEvent> {
  readonly discards: Discards<StunClientDiscard> = new Discards();
  readonly #options: StunClientOptions;
  readonly #transactions = new Map<string, Transaction>();
  readonly #transmits = new Queue<Uint8Array>();
  readonly #events = new Queue<StunClientEvent>();
  readonly #rto: RtoEstimator;
  #session: LongTermSession | undefined;
  #handles = 0;

  constructor(options: StunClientOptions) {
    this.#options = options;
    this.#rto = new RtoEstimator(options.initialRto ?? 500);
  }

  /** Requests that wait for a response. */
  get pending(): number {
    return this.#transactions.size;
  }

  /** Sends a request until there is a response. Credentials and FINGERPRINT are added. @returns a handle that the event repeats */
  request(method: StunMethod, attributes: StunAttributes, now: Instant): number {
    const handle = ++this.#handles;
    this.#start(handle, method, attributes, 0, now);
    return handle;
  }

  /** Sends an indication, once and without protection (RFC 8489 §9.2). */
  indication(method: StunMethod, attributes: StunAttributes): void {
    const message = { class: 'indication', method, transactionId: newTransactionId(this.#options.crypto), attributes } as const;
    this.#transmits.push(encodeStunMessage(message, { fingerprint: this.#options.fingerprint ?? false }));
  }

  /** Whether a datagram is a response to one of our requests, as far as its transaction id tells: for clients that share a port and a server. */
  expects(datagram: Uint8Array): boolean {
    return isStunMessage(datagram) && this.#transactions.has(transactionKey(datagram.subarray(8, 20)));
  }

  /** Forgets a request; there will be no event for it. */
  cancel(request: number): void {
    for (const [key, transaction] of this.#transactions) if (transaction.handle === request) this.#transactions.delete(key);
  }

  /** Forgets all requests. */
  close(): void {
    this.#transactions.clear();
    this.#transmits.clear();
  }

  /**
   * A datagram that came from the server (the caller checks its source), or a frame of its stream.
   * @returns an indication for the caller; responses become events
   */
  receive(bytes: Uint8Array, now: Instant): StunMessage | undefined {
    let transaction: Transaction | undefined;
    const parsed = parseStunMessage(bytes, {
      keyFor: (message) => {
        if (message.class === 'indication') return 'unprotected';
        if (message.class === 'request') return undefined;
        transaction = this.#transactions.get(transactionKey(message.transactionId));
        return transaction?.method === message.method ? responseKey(transaction, message) : undefined;
      },
    });
    if (parsed.message === undefined) {
      this.discards.count(parsed.discard);
      if (transaction !== undefined) this.#onDiscardedResponse(transaction, parsed.discard);
      return undefined;
    }
    if (transaction !== undefined) {
      this.#onResponse(transaction, parsed, now);
      return undefined;
    }
    if (parsed.unknownAttributes.length === 0) return parsed.message;
    this.discards.count('unknown-attributes'); // RFC 8489 §6.3.2
    return undefined;
  }

  handleTimeout(now: Instant): void {
    for (const [key, transaction] of this.#transactions) {
      const due = transaction.schedule.advance(now);
      if (due === 'transmit') this.#transmits.push(transaction.bytes.slice());
      if (due === 'failed') {
        this.#transactions.delete(key);
        this.#fail(transaction, { reason: transaction.integrityViolated ? 'integrity-violated' : 'timeout' });
      }
    }
  }

  nextTimeout(): Instant {
    let next = NEVER;
    for (const { schedule } of this.#transactions.values()) next = Math.min(next, schedule.deadline);
    return next;
  }

  pollTransmit(): Uint8Array | undefined {
    return this.#transmits.shift();
  }

  pollEvent(): StunClientEvent | undefined {
    return this.#events.shift();
  }

  #start(handle: number, method: StunMethod, attributes: StunAttributes, challenges: number, now: Instant): void {
    const { crypto, fingerprint = false, software } = this.#options;
    const session = this.#session;
    const transactionId = newTransactionId(crypto);
    const all: StunAttributes = { ...(software === undefined ? {} : { software }), ...attributes, ...session?.attributes };
    const bytes = encodeStunMessage(
      { class: 'request', method, transactionId, attributes: all },
      session === undefined ? { fingerprint } : { fingerprint, key: session.key, integrity: session.integrity },
    );
    const schedule = new RetransmissionSchedule(now, { ...this.#options, initialRto: this.#rto.rto(now) });
    const transaction = { handle, method, attributes, session, schedule, bytes, challenges, integrityViolated: false };
    this.#transactions.set(transactionKey(transactionId), transaction);
    schedule.advance(now);
    this.#transmits.push(bytes.slice());
  }

  /** RFC 8489 §9.2.5: as if never received, but over a reliable transport there will be no other response. */
  #onDiscardedResponse(transaction: Transaction, discard: StunDiscard): void {
    if (discard !== 'missing-integrity' && discard !== 'wrong-integrity') return;
    transaction.integrityViolated = true;
    if (this.#options.reliable !== true) return;
    this.#end(transaction);
    this.#fail(transaction, { reason: 'integrity-violated' });
  }

  #onResponse(transaction: Transaction, { message, unknownAttributes, integrity }: ParsedStunMessage, now: Instant): void {
    const { attributes } = message;
    const code = message.class === 'error' ? attributes.errorCode?.code : undefined;
    if (code !== 401 && code !== 438 && hidesAlgorithms(attributes)) return this.discards.count('bid-down');
    this.#end(transaction);
    const roundTripTime = transaction.schedule.transmissions === 1 ? now - transaction.schedule.startedAt : undefined;
    if (roundTripTime !== undefined) this.#rto.sample(roundTripTime, now);
    if (unknownAttributes.length > 0) return this.#fail(transaction, { reason: 'unknown-attributes' });
    if (message.class === 'success')
      return void this.#events.push({ type: 'success', request: transaction.handle, message, roundTripTime });
    if (code === 401 || code === 438) return this.#onChallenge(transaction, code, attributes, now);
    // A redirection that nobody has authenticated would let anyone point us at a victim (RFC 8489 §14.8).
    const reason = code === 300 && integrity !== undefined ? 'try-alternate' : 'error-response';
    this.#fail(transaction, failureOf(reason, attributes));
  }

  #onChallenge(transaction: Transaction, code: 401 | 438, attributes: StunAttributes, now: Instant): void {
    const { credentials, crypto } = this.#options;
    const { session, challenges } = transaction;
    const fail = (reason: StunFailureReason): void => this.#fail(transaction, failureOf(reason, attributes));
    if (credentials === undefined) return fail('unauthorized');
    // The same name and password again would get the same answer (RFC 8489 §9.2.5).
    if (code === 401 && session !== undefined && (attributes.realm ?? session.realm) === session.realm) return fail('unauthorized');
    if (session !== undefined && attributes.nonce === session.nonce) return fail('unauthorized');
    if (challenges === MAX_CHALLENGES) return fail('too-many-challenges');
    const answer = answerChallenge(crypto, credentials, attributes, session);
    if (answer === 'no-realm-or-nonce') return fail('unauthorized');
    if (typeof answer === 'string') return fail(answer);
    this.#session = answer;
    this.#start(transaction.handle, transaction.method, transaction.attributes, challenges + 1, now);
  }

  #end(transaction: Transaction): void {
    this.cancel(transaction.handle);
  }

  #fail(transaction: Transaction, failure: StunFailure): void {
    this.#events.push({ type: 'failed', request: transaction.handle, failure });
  }
}

/** What has to protect a response. Challenges come without protection (RFC 8489 §9.2.4); a 400 without it is dropped (§9.2.5). */
function responseKey({ session }: Transaction, message: StunMessage): IntegrityKey | 'unprotected' {
  if (session === undefined) return 'unprotected';
  const code = message.class === 'error' ? message.attributes.errorCode?.code : undefined;
  return code === 401 || code === 438 ? 'unprotected' : session.key;
}

/** RFC 8489 §9.2.5: the nonce says that there are password algorithms, and the message does not list them. */
function hidesAlgorithms({ nonce, passwordAlgorithms }: StunAttributes): boolean {
  return nonce !== undefined && passwordAlgorithms === undefined && nonceSecurityFeatures(nonce)?.passwordAlgorithms === true;
}

function failureOf(reason: StunFailureReason, attributes: StunAttributes): StunFailure {
  const { errorCode } = attributes;
  return errorCode === undefined ? { reason } : { reason, code: errorCode.code, phrase: errorCode.reason, attributes };
}
