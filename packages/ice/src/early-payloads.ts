/**
 * Payload that comes before it can be accepted, a few datagrams of it. The peer may begin DTLS as soon as it has our response to a check, long before its
 * own answer has told us its credentials (RFC 8842 §5.3). And a check that may be a copy of another one proves nothing: a NAT may have changed the
 * address between two transmissions, or somebody sends it again. The response to a check of our own will tell, which cannot be made without the password.
 */
import type { Base } from './base.ts';

interface EarlyPayload {
  readonly base: Base;
  readonly address: string;
  readonly port: number;
  readonly data: Uint8Array;
}

/** Of one 5-tuple: a ClientHello and what it is repeated as. */
const MAX_PER_PATH = 4;
const MAX_PAYLOADS = 16;
/** Larger datagrams cross no network in one piece. */
const MAX_LENGTH = 1500;

export class EarlyPayloads {
  readonly #payloads: EarlyPayload[] = [];

  get isEmpty(): boolean {
    return this.#payloads.length === 0;
  }

  /** The newest stay. @returns whether all that was there before still is, the new one included */
  hold(payload: EarlyPayload): boolean {
    if (payload.data.length > MAX_LENGTH) return false;
    const samePath = this.#payloads.filter((other) => isSamePath(payload, other));
    const oldest = samePath.length === MAX_PER_PATH ? samePath[0] : this.#payloads.length === MAX_PAYLOADS ? this.#payloads[0] : undefined;
    if (oldest !== undefined) this.#remove(oldest);
    this.#payloads.push(payload);
    return oldest === undefined;
  }

  /** The oldest that can be accepted now, which is then forgotten. */
  take(accepts: (payload: EarlyPayload) => boolean): Uint8Array | undefined {
    const payload = this.#payloads.find(accepts);
    if (payload !== undefined) this.#remove(payload);
    return payload?.data;
  }

  removeBase(base: Base): void {
    for (const payload of this.#payloads.filter((each) => each.base === base)) this.#remove(payload);
  }

  clear(): void {
    this.#payloads.length = 0;
  }

  #remove(payload: EarlyPayload): void {
    this.#payloads.splice(this.#payloads.indexOf(payload), 1);
  }
}

function isSamePath(one: EarlyPayload, other: EarlyPayload): boolean {
  return one.base === other.base && one.port === other.port && one.address === other.address;
}
