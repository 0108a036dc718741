/** SRTP (RFC 3711 §3.3) of one direction: packet indices, replay, the life of the key. The ciphers are in the transforms. */
import { Arena, readUint16, readUint32 } from '@petrel/bytes';
import type { CryptoProvider } from '@petrel/crypto';
import { rtpHeaderLength } from '@petrel/rtp';
import { Discards } from '@petrel/sans-io';
import { SrtpAead } from './aead-aes-gcm.ts';
import { AUTHENTICATION_KEY_LENGTH, SrtpCounterMode } from './aes-cm-hmac-sha1.ts';
import { HeaderExtensionCipher } from './header-extension-cipher.ts';
import { deriveSessionKey, LABEL } from './key-derivation.ts';
import type { PacketTransform } from './packet-transform.ts';
import { PROTECTION_PROFILES, type ProtectionProfileName } from './protection-profile.ts';
import { ReplayList } from './replay-list.ts';

/** 2^48 packets, after which the key is used up (RFC 3711 §9.2, RFC 7714 §14.1); as the index is 48 bits, it never repeats. */
const MAX_INDEX = 2 ** 48 - 1;
/** SSRCs of one direction. Only authenticated packets make state, so only the peer itself gets here. */
const MAX_STREAMS = 4096;

/** Why `unprotect` gave nothing, or `protect` refused. */
export type SrtpDiscard =
  | 'malformed'
  | 'too-old'
  | 'replayed'
  | 'bad-tag'
  | 'key-expired'
  | 'unencrypted'
  | 'repeated-index'
  | 'too-many-streams';

/** The argument of the constructors of {@link SrtpContext} and `SrtcpContext`. */
export interface SrtpContextOptions {
  readonly crypto: CryptoProvider;
  readonly profile: ProtectionProfileName;
  /** Master key and master salt of this direction. */
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
  /** Ids of RTP header extension elements that are encrypted (RFC 6904), as both sides have negotiated. None unless given. */
  readonly encryptedExtensions?: readonly number[];
}

/**
 * SRTP of one direction: use one to protect, another to unprotect.
 *
 * @example
 * const { local, remote } = splitKeyingMaterial(profile, exported, 'client');
 * const outgoing = new SrtpContext({ crypto, profile, ...local });
 * const incoming = new SrtpContext({ crypto, profile, ...remote });
 */
export class SrtpContext {
  readonly discards: Discards<SrtpDiscard> = new Discards();
  readonly #transform: PacketTransform;
  readonly #extensions: HeaderExtensionCipher | undefined;
  readonly #arena = new Arena();
  /** By SSRC as a signed number: those are small integers in V8, while larger ones are objects. */
  readonly #streams = new Map<number, ReplayList>();

  /** @throws RangeError when key or salt do not have the profile's length */
  constructor(options: SrtpContextOptions) {
    this.#transform = rtpTransform(options);
    this.#extensions = headerExtensionCipher(options);
  }

  /**
   * @param repeat the packet was protected before and is, byte for byte, the same (a retransmission without RTX)
   * @returns a buffer of the caller's, until {@link reuseMemory}; undefined (and counted) when the packet is malformed, its index was used before, or the
   * key is used up
   */
  protect(rtp: Uint8Array, repeat: boolean = false): Uint8Array | undefined {
    const headerLength = rtpHeaderLength(rtp);
    if (headerLength < 0) return this.#drop('malformed');
    const ssrc = readUint32(rtp, 8);
    const stream = this.#streamFor(ssrc);
    const index = guessIndex(stream?.highest ?? -1, readUint16(rtp, 2));
    if (index > MAX_INDEX) return this.#drop('key-expired');
    // A second packet with the same index would use the same keystream (RFC 3711 §9.1, RFC 7714 §14.1).
    const fresh = index >= 0 && (stream === undefined || stream.check(index) === 'fresh');
    if (!fresh && !(repeat && index >= 0)) return this.#drop('repeated-index');
    if (stream === undefined && this.#streams.size >= MAX_STREAMS) return this.#drop('too-many-streams');
    const output = this.#arena.allocate(rtp.length + this.#transform.overhead);
    this.#transform.seal(this.#withExtensions(rtp, headerLength, ssrc, index), headerLength, ssrc, index, output);
    if (fresh) (stream ?? this.#addStream(ssrc)).add(index);
    return output;
  }

  /** @returns the RTP packet, a view of `srtp` which is overwritten; undefined (and counted) when it is not authentic or was received before */
  unprotect(srtp: Uint8Array): Uint8Array | undefined {
    const headerLength = rtpHeaderLength(srtp);
    if (headerLength < 0 || headerLength + this.#transform.overhead > srtp.length) return this.#drop('malformed');
    const ssrc = readUint32(srtp, 8);
    const stream = this.#streamFor(ssrc);
    const index = guessIndex(stream?.highest ?? -1, readUint16(srtp, 2));
    if (index > MAX_INDEX) return this.#drop('key-expired');
    if (index < 0) return this.#drop('too-old');
    if (stream !== undefined) {
      const verdict = stream.check(index);
      if (verdict !== 'fresh') return this.#drop(verdict === 'seen' ? 'replayed' : 'too-old');
    }
    const length = this.#transform.open(srtp, headerLength, ssrc, index);
    if (length < 0) return this.#drop('bad-tag');
    if (stream === undefined && this.#streams.size >= MAX_STREAMS) return this.#drop('too-many-streams');
    // Only now, after the tag was verified, do rollover counter and replay list move (RFC 3711 §3.3, steps 5 to 8).
    (stream ?? this.#addStream(ssrc)).add(index);
    this.#extensions?.apply(srtp, headerLength, ssrc, index);
    return srtp.subarray(0, length);
  }

  /**
   * Sets where a stream is when its rollover counter is known from elsewhere: the index is 2^16 times the counter plus the
   * sequence number (RFC 3711 §3.3.1). A new stream begins with a counter of zero otherwise.
   */
  setIndex(ssrc: number, index: number): void {
    (this.#streamFor(ssrc) ?? this.#addStream(ssrc)).add(index);
  }

  /** Whether there is enough to gain from {@link reuseMemory}. */
  get wantsMemory(): boolean {
    return this.#arena.isHalfUsed;
  }

  /** Nothing that {@link protect} has given is in use any more: its memory is taken for what comes next. To be called by those who know, or never. */
  reuseMemory(): void {
    this.#arena.rewind();
  }

  /** SSRCs that there is state for. */
  get streams(): number {
    return this.#streams.size;
  }

  /** The packet with its elements encrypted, before anything is authenticated (RFC 6904 §3): a copy, if there is anything to encrypt. */
  #withExtensions(rtp: Uint8Array, headerLength: number, ssrc: number, index: number): Uint8Array {
    if (this.#extensions === undefined) return rtp;
    const packet = rtp.slice();
    this.#extensions.apply(packet, headerLength, ssrc, index);
    return packet;
  }

  #streamFor(ssrc: number): ReplayList | undefined {
    return this.#streams.get(ssrc | 0);
  }

  #addStream(ssrc: number): ReplayList {
    const stream = new ReplayList();
    this.#streams.set(ssrc | 0, stream);
    return stream;
  }

  #drop(reason: SrtpDiscard): undefined {
    this.discards.count(reason);
    return undefined;
  }
}

/**
 * The packet index that a sequence number most likely has (RFC 3711 §3.3.1 and appendix A).
 * @param highest index of the newest packet so far, or -1
 * @returns a negative number for a packet from before the first rollover counter
 */
export function guessIndex(highest: number, sequenceNumber: number): number {
  if (highest < 0) return sequenceNumber;
  const latest = highest & 0xffff;
  const rollovers = (highest - latest) / 0x1_0000;
  if (latest < 0x8000) {
    if (sequenceNumber - latest > 0x8000) return (rollovers - 1) * 0x1_0000 + sequenceNumber;
  } else if (latest - 0x8000 > sequenceNumber) return (rollovers + 1) * 0x1_0000 + sequenceNumber;
  return rollovers * 0x1_0000 + sequenceNumber;
}

/** @throws RangeError when key or salt do not have the profile's length */
export function checkMasterKey({ profile, key, salt }: SrtpContextOptions): void {
  const { keyLength, saltLength } = PROTECTION_PROFILES[profile];
  if (key.length !== keyLength || salt.length !== saltLength)
    throw new RangeError(`${profile} has a master key of ${keyLength} and a master salt of ${saltLength} bytes`);
}

function headerExtensionCipher({
  crypto,
  profile,
  key,
  salt,
  encryptedExtensions = [],
}: SrtpContextOptions): HeaderExtensionCipher | undefined {
  if (encryptedExtensions.length === 0) return undefined;
  const { keyLength, saltLength } = PROTECTION_PROFILES[profile];
  const keys = {
    encryption: deriveSessionKey(crypto, key, salt, LABEL.rtpHeaderEncryption, keyLength),
    salt: deriveSessionKey(crypto, key, salt, LABEL.rtpHeaderSalt, saltLength),
  };
  return new HeaderExtensionCipher(crypto, keys, encryptedExtensions);
}

function rtpTransform(options: SrtpContextOptions): PacketTransform {
  checkMasterKey(options);
  const { crypto, key, salt } = options;
  const profile = PROTECTION_PROFILES[options.profile];
  const derive = (label: number, length: number): Uint8Array => deriveSessionKey(crypto, key, salt, label, length);
  const keys = { encryption: derive(LABEL.rtpEncryption, profile.keyLength), salt: derive(LABEL.rtpSalt, profile.saltLength) };
  if (profile.cipher !== 'aes-cm') return new SrtpAead(crypto, profile.cipher, keys);
  const authentication = derive(LABEL.rtpAuthentication, AUTHENTICATION_KEY_LENGTH);
  return new SrtpCounterMode(crypto, { ...keys, authentication }, profile.tagLength);
}
