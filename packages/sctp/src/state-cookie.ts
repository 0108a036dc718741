/** The State Cookie (RFC 9260 §5.1.3): everything needed to become established, signed, so that nothing is kept before it comes back. */
import { ByteReader, ByteWriter } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';
import type { Extensions } from './packet/init.ts';

/** Valid.Cookie.Life (RFC 9260 §16). */
const LIFETIME = 60_000;
const MAC_LENGTH = 32;
const EXTENSION = { forwardTsn: 1, reConfig: 2, interleaving: 4, zeroChecksum: 8 } as const;

export interface CookieContents {
  readonly localTag: number;
  readonly remoteTag: number;
  /** Tags of the association that existed when the cookie was made (§5.2.2); 0 when there was none. */
  readonly localTieTag: number;
  readonly remoteTieTag: number;
  readonly localInitialTsn: number;
  readonly remoteInitialTsn: number;
  readonly remoteWindow: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  /** The peer's. */
  readonly extensions: Extensions;
}

export interface OpenedCookie {
  readonly contents: CookieContents;
  /** Milliseconds since it expired; 0 before. */
  readonly staleness: number;
}

export class CookieJar {
  readonly #crypto: CryptoProvider;
  readonly #secret: Uint8Array;

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto;
    this.#secret = crypto.randomBytes(32);
  }

  bake(contents: CookieContents, now: Instant): Uint8Array {
    const { extensions } = contents;
    const writer = new ByteWriter(96).uint48(Math.floor(now)).uint32(contents.localTag).uint32(contents.remoteTag);
    writer.uint32(contents.localTieTag).uint32(contents.remoteTieTag);
    writer.uint32(contents.localInitialTsn).uint32(contents.remoteInitialTsn).uint32(contents.remoteWindow);
    writer.uint16(contents.outboundStreams).uint16(contents.inboundStreams);
    let bits = 0;
    for (const [name, bit] of Object.entries(EXTENSION)) if (extensions[name as keyof Extensions]) bits |= bit;
    const body = writer.uint16(bits).finish();
    return new ByteWriter(96).bytes(body).bytes(this.#mac(body)).finish();
  }

  /** @returns what was baked, fresh or not; undefined when it was not baked here (§5.1.5 steps 1 to 3) */
  open(cookie: Uint8Array, now: Instant): OpenedCookie | undefined {
    const body = cookie.subarray(0, Math.max(cookie.length - MAC_LENGTH, 0));
    if (!this.#crypto.timingSafeEqual(cookie.subarray(body.length), this.#mac(body))) return undefined;
    const reader = new ByteReader(body);
    const expires = reader.uint48() + LIFETIME;
    const fixed = {
      localTag: reader.uint32(),
      remoteTag: reader.uint32(),
      localTieTag: reader.uint32(),
      remoteTieTag: reader.uint32(),
      localInitialTsn: reader.uint32(),
      remoteInitialTsn: reader.uint32(),
      remoteWindow: reader.uint32(),
      outboundStreams: reader.uint16(),
      inboundStreams: reader.uint16(),
    };
    const bits = reader.uint16();
    const extensions: Extensions = {
      forwardTsn: (bits & EXTENSION.forwardTsn) !== 0,
      reConfig: (bits & EXTENSION.reConfig) !== 0,
      interleaving: (bits & EXTENSION.interleaving) !== 0,
      zeroChecksum: (bits & EXTENSION.zeroChecksum) !== 0,
    };
    return { contents: { ...fixed, extensions }, staleness: Math.max(now - expires, 0) };
  }

  #mac(body: Uint8Array): Uint8Array {
    return this.#crypto.hmac('sha-256', this.#secret).compute(body);
  }
}
