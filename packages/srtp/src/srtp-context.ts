import type { CryptoProvider } from '@petrel/crypto';
import { Discards } from '@petrel/sans-io';
import type { ProtectionProfileName } from './protection-profile.ts';

export type SrtpDiscard = 'malformed' | 'too-old' | 'replayed' | 'bad-tag' | 'key-expired' | 'unencrypted' | 'repeated-index';

export interface SrtpContextOptions {
  readonly crypto: CryptoProvider;
  readonly profile: ProtectionProfileName;
  /** Master key and master salt of this direction. */
  readonly key: Uint8Array;
  readonly salt: Uint8Array;
}

/** SRTP of one direction: use one to protect, another to unprotect. */
export class SrtpContext {
  readonly discards: Discards<SrtpDiscard> = new Discards();

  constructor(options: SrtpContextOptions) {
    void options;
  }

  /**
   * @param repeat the packet was protected before and is, byte for byte, the same (a retransmission without RTX)
   * @returns a new buffer; undefined (and counted) when the packet is malformed, its index was used before, or the key is used up
   */
  protect(rtp: Uint8Array, repeat: boolean = false): Uint8Array | undefined {
    void repeat;
    return rtp;
  }

  /** @returns the RTP packet, a view of `srtp` which is overwritten; undefined (and counted) when it is not authentic or was received before */
  unprotect(srtp: Uint8Array): Uint8Array | undefined {
    return srtp;
  }
}
