/** SRTCP (RFC 3711 §3.4, RFC 7714 §9) of one direction. */
import { readUint32 } from '@petrel/bytes';
import { Discards } from '@petrel/sans-io';
import { SrtcpAead } from './aead-aes-gcm.ts';
import { AUTHENTICATION_KEY_LENGTH, SrtcpCounterMode } from './aes-cm-hmac-sha1.ts';
import { deriveSessionKey, LABEL } from './key-derivation.ts';
import type { PacketTransform } from './packet-transform.ts';
import { PROTECTION_PROFILES } from './protection-profile.ts';
import { ReplayList } from './replay-list.ts';
import { checkMasterKey, type SrtpContextOptions, type SrtpDiscard } from './srtp-context.ts';

/** Header and sender SSRC stay readable. */
const CLEAR_LENGTH = 8;
/** The index has 31 bits, and a key protects 2^31 packets (RFC 3711 §9.2). */
const MAX_INDEX = 2 ** 31 - 1;
const MAX_STREAMS = 4096;
const ENCRYPTED_FLAG = 0x8000_0000;

/**
 * SRTCP of one direction: use one to protect, another to unprotect.
 *
 * @example
 * const context = new SrtcpContext({ crypto, profile, ...splitKeyingMaterial(profile, exported, 'client').local });
 * const onTheWire = context.protect(compound);
 */
export class SrtcpContext {
  readonly discards: Discards<SrtpDiscard> = new Discards();
  readonly #transform: PacketTransform;
  /** Where the word with E and the index stands, counted from the end. */
  readonly #indexFromEnd: number;
  readonly #streams = new Map<number, ReplayList>();
  /** One index for all SSRCs that we send with: no pair of SSRC and index repeats. The first packet has 0 (RFC 3711 §3.4). */
  #nextIndex = 0;

  /** @throws RangeError when key or salt do not have the profile's length */
  constructor(options: SrtpContextOptions) {
    this.#transform = rtcpTransform(options);
    const profile = PROTECTION_PROFILES[options.profile];
    this.#indexFromEnd = profile.cipher === 'aes-cm' ? 4 + profile.rtcpTagLength : 4;
  }

  /** @returns a new buffer; undefined (and counted) when the compound is malformed or the key is used up */
  protect(rtcp: Uint8Array): Uint8Array | undefined {
    if (rtcp.length < CLEAR_LENGTH) return this.#drop('malformed');
    if (this.#nextIndex > MAX_INDEX) return this.#drop('key-expired');
    const output = new Uint8Array(rtcp.length + this.#transform.overhead);
    this.#transform.seal(rtcp, CLEAR_LENGTH, readUint32(rtcp, 4), this.#nextIndex, output);
    this.#nextIndex += 1;
    return output;
  }

  /** @returns the compound, a view of `srtcp` which is overwritten; undefined (and counted) when it is not authentic or was received before */
  unprotect(srtcp: Uint8Array): Uint8Array | undefined {
    if (srtcp.length < CLEAR_LENGTH + this.#transform.overhead || srtcp[0]! >> 6 !== 2) return this.#drop('malformed');
    const word = readUint32(srtcp, srtcp.length - this.#indexFromEnd);
    // WebRTC encrypts all RTCP (RFC 8827 §6.5): E = 0 is not accepted, authentic or not.
    if (word < ENCRYPTED_FLAG) return this.#drop('unencrypted');
    const index = word - ENCRYPTED_FLAG;
    const ssrc = readUint32(srtcp, 4);
    const stream = this.#streams.get(ssrc);
    const verdict = stream?.check(index) ?? 'fresh';
    if (verdict !== 'fresh') return this.#drop(verdict === 'seen' ? 'replayed' : 'too-old');
    const length = this.#transform.open(srtcp, CLEAR_LENGTH, ssrc, index);
    if (length < 0) return this.#drop('bad-tag');
    if (stream === undefined && this.#streams.size >= MAX_STREAMS) return this.#drop('too-many-streams');
    (stream ?? this.#addStream(ssrc)).add(index);
    return srtcp.subarray(0, length);
  }

  /** Continues with this index: for a sender that takes over. It must never go back. */
  setNextIndex(index: number): void {
    if (index < this.#nextIndex) throw new RangeError('the SRTCP index must not go back');
    this.#nextIndex = index;
  }

  /** SSRCs that there is state for. */
  get streams(): number {
    return this.#streams.size;
  }

  #addStream(ssrc: number): ReplayList {
    const stream = new ReplayList();
    this.#streams.set(ssrc, stream);
    return stream;
  }

  #drop(reason: SrtpDiscard): undefined {
    this.discards.count(reason);
    return undefined;
  }
}

function rtcpTransform(options: SrtpContextOptions): PacketTransform {
  checkMasterKey(options);
  const { crypto, key, salt } = options;
  const profile = PROTECTION_PROFILES[options.profile];
  const derive = (label: number, length: number): Uint8Array => deriveSessionKey(crypto, key, salt, label, length);
  const keys = { encryption: derive(LABEL.rtcpEncryption, profile.keyLength), salt: derive(LABEL.rtcpSalt, profile.saltLength) };
  if (profile.cipher !== 'aes-cm') return new SrtcpAead(crypto, profile.cipher, keys);
  const authentication = derive(LABEL.rtcpAuthentication, AUTHENTICATION_KEY_LENGTH);
  return new SrtcpCounterMode(crypto, { ...keys, authentication }, profile.rtcpTagLength);
}
