import { CAUSE, encodeCause } from './packet/error-cause.ts';
import { CHUNK_HEADER_LENGTH, CHUNK_TYPE } from './packet/packet.ts';
import type { Tcb } from './tcb.ts';

/** Bytes of an unknown chunk that are sent back, and of causes that fit in one ERROR (RFC 9260 §3.3.10.6). */
const MAX_REPORTED = 64;
const MAX_ERROR = 512;

/** What is wrong with the packet that is being processed: one ERROR chunk (RFC 9260 §3.3.10), however much it is. */
export class ErrorReport {
  #causes: Uint8Array[] = [];

  add(code: number, information: Uint8Array): void {
    this.#causes.push(encodeCause(code, information));
  }

  /** §3.2: the two highest bits of the type say whether to report it, and whether to go on. @returns the latter */
  onUnknownChunk(type: number, flags: number, value: Uint8Array): boolean {
    if ((type & 0x40) !== 0) {
      const report = new Uint8Array(Math.min(value.length, MAX_REPORTED) + CHUNK_HEADER_LENGTH);
      report.set([type, flags, (value.length + CHUNK_HEADER_LENGTH) >>> 8, value.length + CHUNK_HEADER_LENGTH]);
      report.set(value.subarray(0, MAX_REPORTED), CHUNK_HEADER_LENGTH);
      this.add(CAUSE.unrecognizedChunk, report);
    }
    return (type & 0x80) !== 0;
  }

  /** Sends what was added, if anything was; before the peer has a tag nothing can be sent, and nothing waits for that. */
  send(tcb: Tcb): void {
    if (this.#causes.length === 0) return;
    if (tcb.remoteTag === 0) {
      this.#causes = [];
      return;
    }
    let length = 0;
    const causes = this.#causes.filter((cause) => (length += cause.length) <= MAX_ERROR);
    this.#causes = [];
    const value = new Uint8Array(causes.reduce((sum, cause) => sum + cause.length, 0));
    let offset = 0;
    for (const cause of causes) {
      value.set(cause, offset);
      offset += cause.length;
    }
    tcb.sendControl(CHUNK_TYPE.error, value);
  }
}
