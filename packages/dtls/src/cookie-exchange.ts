/**
 * The stateless cookie exchange (RFC 6347 §4.2.1): a server that does not know whether an address is genuine sends it a cookie, and remembers
 * nothing. Only who receives there can return it. Behind ICE the path is proved already, and there is no need.
 *
 * ```
 *   cookie = generation (1) || HMAC-SHA-256(secret of the generation, address || client parameters), cut to 20 bytes
 * ```
 */
import { ByteReader, ByteWriter, encodeUtf8 } from '@petrel/bytes';
import type { CryptoProvider, Mac } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
import { wholeMessage } from './flight.ts';
import { clientHelloIdentity, decodeClientHello, encodeHelloVerifyRequest, HANDSHAKE_TYPE } from './handshake-messages.ts';
import { HANDSHAKE_HEADER_LENGTH } from './reassembler.ts';
import { CONTENT_TYPE, RECORD_HEADER_LENGTH } from './record-layer.ts';

const MAC_LENGTH = 20;
/** A cookie lives for one to two of these. */
const ROTATION = 60_000;
/** A client that has been sent cookies and begins again counts on; beyond this it does not want to connect. */
const MAX_MESSAGE_SEQUENCE = 3;

/** Where the handshake goes on after a cookie was returned: the numbers of the ClientHello that the ServerHello continues with. */
export interface VerifiedHello {
  readonly messageSequence: number;
  readonly recordSequence: number;
}

/** What to do with the first datagrams of a client. */
export type CookieVerdict =
  | ({ readonly type: 'verified' } & VerifiedHello)
  /** The HelloVerifyRequest to send back; never longer than what asked for it. */
  | { readonly type: 'challenge'; readonly datagram: Uint8Array }
  /** Not a whole ClientHello. */
  | { readonly type: 'drop' };

const DROP: CookieVerdict = { type: 'drop' };

/** @example const verdict = cookies.check(datagram, `${address}:${port}`, now); */
export class CookieExchange {
  readonly #crypto: CryptoProvider;
  #generation = 0;
  #mac: Mac;
  #previousMac: Mac;
  #rotateAt: Instant | undefined;

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto;
    this.#mac = this.#newMac();
    this.#previousMac = this.#newMac();
  }

  /** Looks at a datagram of an unknown sender. @param address whatever names the sender's transport address */
  check(datagram: Uint8Array, address: string, now: Instant): CookieVerdict {
    this.#rotate(now);
    const message = wholeHello(datagram);
    const hello = message && decodeClientHello(message.body);
    if (message === undefined || hello === undefined) return DROP;
    const identity = clientHelloIdentity(hello);
    const generation = hello.cookie[0] === (this.#generation & 0xff) ? this.#generation : this.#generation - 1;
    const hasCookie = hello.cookie.length === 1 + MAC_LENGTH;
    if (hasCookie && this.#crypto.timingSafeEqual(hello.cookie, this.#cookie(generation, address, identity)))
      return { type: 'verified', messageSequence: message.messageSequence, recordSequence: message.recordSequence };
    const answer = helloVerifyRequest(message.recordSequence, this.#cookie(this.#generation, address, identity));
    return answer.length <= datagram.length ? { type: 'challenge', datagram: answer } : DROP;
  }

  #cookie(generation: number, address: string, identity: Uint8Array): Uint8Array {
    const mac = generation === this.#generation ? this.#mac : this.#previousMac;
    const bound = encodeUtf8(address);
    const input = new ByteWriter(2 + bound.length + identity.length).uint16(bound.length).bytes(bound).bytes(identity).finish();
    return new ByteWriter(1 + MAC_LENGTH)
      .uint8(generation & 0xff)
      .bytes(mac.compute(input).subarray(0, MAC_LENGTH))
      .finish();
  }

  /** With a fresh secret. */
  #newMac(): Mac {
    return this.#crypto.hmac('sha-256', this.#crypto.randomBytes(32));
  }

  #rotate(now: Instant): void {
    this.#rotateAt ??= now + ROTATION;
    if (now < this.#rotateAt) return;
    // Nothing came for longer than a cookie lives: the old secret is too old as well.
    this.#previousMac = now < this.#rotateAt + ROTATION ? this.#mac : this.#newMac();
    this.#mac = this.#newMac();
    this.#generation += 1;
    this.#rotateAt = now + ROTATION;
  }
}

/** The ClientHello that a datagram begins with. One in fragments would need memory, so it is not taken (RFC 6347 §4.2.1 lets us). */
function wholeHello(datagram: Uint8Array): (VerifiedHello & { readonly body: Uint8Array }) | undefined {
  if (datagram.length < RECORD_HEADER_LENGTH + HANDSHAKE_HEADER_LENGTH || datagram[0] !== CONTENT_TYPE.handshake) return undefined;
  const header = new ByteReader(datagram, 3);
  const epoch = header.uint16();
  const recordSequence = header.uint48();
  const end = RECORD_HEADER_LENGTH + header.uint16();
  if (datagram[1] !== 0xfe || epoch !== 0 || end > datagram.length) return undefined;
  const reader = new ByteReader(datagram, RECORD_HEADER_LENGTH, end);
  if (reader.uint8() !== HANDSHAKE_TYPE.clientHello) return undefined;
  const length = reader.uint24();
  const messageSequence = reader.uint16();
  if (messageSequence > MAX_MESSAGE_SEQUENCE || reader.uint24() !== 0 || reader.uint24() !== length) return undefined;
  const body = reader.view(length);
  return reader.overrun ? undefined : { messageSequence, recordSequence, body };
}

/** With the record number of what it answers, as the server has none of its own; always the message 0 (RFC 6347 §4.2.1, §4.2.2). */
function helloVerifyRequest(recordSequence: number, cookie: Uint8Array): Uint8Array {
  const message = wholeMessage(HANDSHAKE_TYPE.helloVerifyRequest, 0, encodeHelloVerifyRequest(cookie));
  return new ByteWriter(RECORD_HEADER_LENGTH + message.length)
    .uint8(CONTENT_TYPE.handshake)
    .uint16(0xfeff)
    .uint16(0)
    .uint48(recordSequence)
    .uint16(message.length)
    .bytes(message)
    .finish();
}
