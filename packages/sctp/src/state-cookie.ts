/** The State Cookie (RFC 9260 §5.1.3): everything needed to become established, signed, so that nothing is kept before it comes back. */
import { ByteReader, ByteWriter } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import type { Instant } from '@petrel/sans-io';

/** Valid.Cookie.Life (RFC 9260 §16). */
const LIFETIME = 60_000;
const MAC_LENGTH = 32;

export interface CookieContents {
  readonly localTag: number;
  readonly remoteTag: number;
  readonly localInitialTsn: number;
  readonly remoteInitialTsn: number;
  readonly remoteWindow: number;
  readonly outboundStreams: number;
  readonly inboundStreams: number;
  readonly forwardTsn: boolean;
  readonly reConfig: boolean;
}

export class CookieJar {
  readonly #crypto: CryptoProvider;
  readonly #secret: Uint8Array;

  constructor(crypto: CryptoProvider) {
    this.#crypto = crypto;
    this.#secret = crypto.randomBytes(32);
  }

  bake(contents: CookieContents, now: Instant): Uint8Array {
    const writer = new ByteWriter(80).uint48(Math.floor(now)).uint32(contents.localTag).uint32(contents.remoteTag);
    writer.uint32(contents.localInitialTsn).uint32(contents.remoteInitialTsn).uint32(contents.remoteWindow);
    writer.uint16(contents.outboundStreams).uint16(contents.inboundStreams);
    writer.uint8(contents.forwardTsn ? 1 : 0).uint8(contents.reConfig ? 1 : 0);
    const body = writer.finish();
    return new ByteWriter(80).bytes(body).bytes(this.#mac(body)).finish();
  }

  /** @returns what was baked; 'stale' when it was too long ago; 'forged' when it was not baked here (§5.1.5 steps 1 to 3) */
  open(cookie: Uint8Array, now: Instant): CookieContents | 'stale' | 'forged' {
    const body = cookie.subarray(0, Math.max(cookie.length - MAC_LENGTH, 0));
    if (!this.#crypto.timingSafeEqual(cookie.subarray(body.length), this.#mac(body))) return 'forged';
    const reader = new ByteReader(body);
    if (reader.uint48() + LIFETIME < now) return 'stale';
    return {
      localTag: reader.uint32(),
      remoteTag: reader.uint32(),
      localInitialTsn: reader.uint32(),
      remoteInitialTsn: reader.uint32(),
      remoteWindow: reader.uint32(),
      outboundStreams: reader.uint16(),
      inboundStreams: reader.uint16(),
      forwardTsn: reader.uint8() === 1,
      reConfig: reader.uint8() === 1,
    };
  }

  #mac(body: Uint8Array): Uint8Array {
    return this.#crypto.hmac('sha-256', this.#secret).compute(body);
  }
}
