/** STUN messages of the peer: which session they belong to, whether they are authentic, and what those get that are not (RFC 8445 §7.3). */
import type { Discards, Instant } from '@petrel/sans-io';
import {
  type IntegrityKey,
  type ParsedStunMessage,
  parseStunMessage,
  type StunDiscard,
  type StunMessage,
  type TransportAddress,
} from '@petrel/stun';
import type { Base } from './base.ts';
import { encodeError, encodeRejection, type SentCheck, splitUsername } from './connectivity-checks.ts';
import type { IceSession } from './session.ts';

export interface IncomingContext {
  /** Those that have not ended: the others answer no checks, so that the peer notices. */
  sessions(): readonly IceSession[];
  transmit(base: Base, address: string, port: number, data: Uint8Array, now: Instant): boolean;
  /** Something authentic has come on this path. */
  authenticated(base: Base, source: TransportAddress): void;
}

export class IncomingStun {
  /** Set once the connection closes: checks get no answer any more, or a refusal. */
  closing: 'silent' | 'refusing' | undefined;
  #refusals = 0;
  readonly #context: IncomingContext;
  readonly #discards: Discards<StunDiscard>;

  constructor(context: IncomingContext, discards: Discards<StunDiscard>) {
    this.#context = context;
    this.#discards = discards;
  }

  /** How many checks have been refused. */
  get refusals(): number {
    return this.#refusals;
  }

  /** @returns whether it was authentic, so that something may have changed */
  receive(base: Base, data: Uint8Array, source: TransportAddress, now: Instant): boolean {
    let session: IceSession | undefined;
    let check: SentCheck | undefined;
    const keyFor = (message: StunMessage): IntegrityKey | 'unprotected' | undefined => {
      if (message.method !== 'binding') return undefined;
      if (message.class === 'indication') return 'unprotected'; // a keep-alive of RFC 5245; it says nothing
      if (message.class === 'request') return (session = this.#sessionOfRequest(message))?.localKey;
      session = this.#context.sessions().find(({ sent }) => sent.find(message.transactionId) !== undefined);
      check = session?.sent.find(message.transactionId);
      return session?.remoteKey;
    };
    const parsed = parseStunMessage(data, { keyFor });
    if (parsed.message === undefined) {
      this.#discards.count(parsed.discard);
      if (parsed.request !== undefined) this.#reject(base, parsed.request.transactionId, parsed.discard, data.length, source, now);
      return false;
    }
    const { message } = parsed;
    if (message.class === 'request' && !parsed.fingerprint) {
      this.#discards.count('missing-fingerprint'); // RFC 8445 §7.1
      return false;
    }
    if (session === undefined || message.class === 'indication') return false;
    this.#context.authenticated(base, source);
    if (check !== undefined) session.receiveResponse(check, base, source, parsed, now);
    else if (this.closing === undefined) session.receiveRequest(base, source, parsed, now);
    else if (this.closing === 'refusing') this.#refuse(session, base, source, parsed, now);
    return true;
  }

  /** By the local fragment in USERNAME (RFC 8445 §7.3); when that is the same before and after a restart of the peer, by its fragment. */
  #sessionOfRequest({ attributes }: StunMessage): IceSession | undefined {
    const names = splitUsername(attributes.username);
    if (names === undefined) return undefined;
    const sessions = this.#context.sessions().filter(({ local }) => local.usernameFragment === names.own);
    return sessions.find(({ remote }) => remote?.usernameFragment === names.peers) ?? sessions[0];
  }

  /** RFC 8489 §9.1.3. */
  #reject(base: Base, transactionId: Uint8Array, discard: StunDiscard, length: number, source: TransportAddress, now: Instant): void {
    const response = encodeRejection(transactionId, discard === 'missing-integrity' ? 400 : 401, length);
    if (response !== undefined) this.#context.transmit(base, source.address, source.port, response, now);
  }

  /** RFC 7675 §5.2: 403 revokes consent. */
  #refuse(session: IceSession, base: Base, source: TransportAddress, { message, integrity }: ParsedStunMessage, now: Instant): void {
    this.#refusals += 1;
    const response = encodeError(message, 403, [], session.localKey, integrity ?? 'sha-1');
    this.#context.transmit(base, source.address, source.port, response, now);
  }
}
