import { Discards } from '@petrel/sans-io';
import type { SrtpContextOptions, SrtpDiscard } from './srtp-context.ts';

/** SRTCP of one direction: use one to protect, another to unprotect. */
export class SrtcpContext {
  readonly discards: Discards<SrtpDiscard> = new Discards();

  constructor(options: SrtpContextOptions) {
    void options;
  }

  /** @returns a new buffer; undefined (and counted) when the compound is malformed or the key is used up */
  protect(rtcp: Uint8Array): Uint8Array | undefined {
    return rtcp;
  }

  /** @returns the compound, a view of `srtcp` which is overwritten; undefined (and counted) when it is not authentic or was received before */
  unprotect(srtcp: Uint8Array): Uint8Array | undefined {
    return srtcp;
  }
}
