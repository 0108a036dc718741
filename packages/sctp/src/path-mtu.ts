/**
 * Path MTU discovery by probes (RFC 8899 §6.2.1): a HEARTBEAT that a PAD chunk (RFC 4820) makes as large as the packet that is tried. What is
 * answered fits; what stays unanswered three times does not. User data is never at risk.
 *
 * ```
 *   BASE ──established──> SEARCHING ──every size tried──> SEARCH-COMPLETE ──ten minutes──> SEARCHING
 *     ^                        └─────────────── large packets no longer arrive ───────────────┘
 *     └────────────────────────────────────────────────────────────────────────┘
 * ```
 *
 * Some peers end the connection when a datagram is larger than they have room for, whatever the path takes (measured: the libwebrtc of @roamhq/wrtc).
 * So probes say in their Heartbeat Info, which is nobody's but the sender's (RFC 9260 §3.3.5), that they come from an implementation that takes large
 * packets, and those are sent to nobody else.
 */
import { concatBytes, equalBytes, readUint16, readUint32, writeUint16, writeUint32 } from '@petrel/bytes';
import type { Instant } from '@petrel/sans-io';
import { heartbeatInfo } from './heartbeat.ts';
import { CHUNK_HEADER_LENGTH, CHUNK_TYPE, COMMON_HEADER_LENGTH } from './packet/packet.ts';
import type { Tcb } from './tcb.ts';

/** MAX_PROBES (RFC 8899 §5.1.2). */
const MAX_PROBES = 3;
/** PMTU_RAISE_TIMER (RFC 8899 §5.1.1). */
const RAISE_INTERVAL = 600_000;
/** What fits into an Ethernet frame, with DTLS and the headers below it. It is tried first; only below it does a search for what lies between pay. */
const ETHERNET = 1400;
/** "PTRL", and the bytes that we take, at the end of the Heartbeat Info. */
const MARK = 0x5054_524c;
const ACCEPTED = 16_384;
/** Steps that are not worth a probe. */
const RESOLUTION = 32;
/** PROBE_TIMER: probes are not urgent, and must not be taken for lost too soon. */
const MIN_PROBE_TIMEOUT = 1000;
/** Retransmission timeouts in a row after which large packets are taken to be dropped (RFC 8899 §4.3). */
const BLACK_HOLE_TIMEOUTS = 3;

export class PathMtu {
  readonly #tcb: Tcb;
  /** The smallest size that did not fit. */
  #tooLarge = Infinity;
  /** The largest that is tried. */
  #most: number;
  /** The largest that the peer takes. */
  #accepted = ETHERNET;
  #probe: { readonly size: number; readonly info: Uint8Array; readonly attempt: number } | undefined;
  #due = false;

  constructor(tcb: Tcb) {
    this.#tcb = tcb;
    this.#most = tcb.options.maxProbedPacket;
  }

  /** Of the path that is used from now on. */
  setMost(bytes: number): void {
    this.#most = Math.max(bytes & ~3, this.#tcb.options.maxPacket);
  }

  /** The path is new: begins at the size that every path takes. */
  start(now: Instant): void {
    this.#probe = undefined;
    this.#tooLarge = Infinity;
    this.#setMaxPacket(this.#tcb.options.maxPacket);
    this.#search(now, 1);
  }

  handleTimeout(now: Instant): void {
    if (!this.#tcb.timers.expire('path-mtu', now)) return;
    const probe = this.#probe;
    if (probe === undefined) {
      this.#tooLarge = Infinity;
      return this.#search(now, 1);
    }
    if (probe.attempt >= MAX_PROBES) {
      this.#tooLarge = probe.size;
      this.#search(now, 1);
    } else this.#search(now, probe.attempt + 1);
  }

  /** @returns whether the answer is to a probe */
  onHeartbeatAck(value: Uint8Array, now: Instant): boolean {
    const probe = this.#probe;
    if (probe === undefined || !equalBytes(value, probe.info)) return false;
    this.#setMaxPacket(probe.size);
    this.#search(now, 1);
    return true;
  }

  /** A HEARTBEAT of the peer's: a probe of an implementation like ours says what it takes. */
  onHeartbeat(value: Uint8Array, now: Instant): void {
    if (value.length < 12 || readUint16(value, 2) !== value.length || readUint32(value, value.length - 8) !== MARK) return;
    this.#accepted = Math.max(ETHERNET, Math.min(readUint32(value, value.length - 4), ACCEPTED));
    if (this.#probe === undefined && this.#tcb.maxPacket >= ETHERNET) this.#search(now, 1);
  }

  /** Data was not acknowledged so many times in a row. */
  onTimeouts(count: number, now: Instant): void {
    if (count < BLACK_HOLE_TIMEOUTS || this.#tcb.maxPacket === this.#tcb.options.maxPacket) return;
    this.#tooLarge = this.#tcb.maxPacket;
    this.#setMaxPacket(this.#tcb.options.maxPacket);
    this.#tcb.timers.start('path-mtu', now + RAISE_INTERVAL);
    this.#probe = undefined;
  }

  /** The probe that is to be sent, in a packet of its own. */
  takeProbe(): Uint8Array | undefined {
    if (!this.#due || this.#probe === undefined) return undefined;
    this.#due = false;
    const { builder, remoteTag } = this.#tcb;
    const { size, info } = this.#probe;
    builder.begin(remoteTag, size);
    builder.addChunk(CHUNK_TYPE.heartbeat, 0, info);
    builder.beginChunk(CHUNK_TYPE.pad, 0, size - COMMON_HEADER_LENGTH - 2 * CHUNK_HEADER_LENGTH - info.length);
    return builder.finish(true);
  }

  get isProbeDue(): boolean {
    return this.#due;
  }

  #search(now: Instant, attempt: number): void {
    const size = attempt > 1 ? this.#probe!.size : this.#nextSize();
    this.#due = size !== undefined;
    if (size === undefined) {
      this.#probe = undefined;
      if (this.#most > this.#tcb.options.maxPacket) this.#tcb.timers.start('path-mtu', now + RAISE_INTERVAL);
      return;
    }
    this.#probe = { size, info: probeInfo(this.#tcb), attempt };
    this.#tcb.timers.start('path-mtu', now + Math.max(MIN_PROBE_TIMEOUT, 2 * this.#tcb.rto.value));
  }

  /** That of Ethernet first, for it fits mostly; then the largest, or halfway between what fits and what does not. */
  #nextSize(): number | undefined {
    const { maxPacket } = this.#tcb;
    const most = Math.min(this.#most, this.#accepted);
    const first = Math.min(ETHERNET, most);
    if (this.#tooLarge === Infinity) return maxPacket < first ? first : maxPacket < most ? most : undefined;
    if (maxPacket >= first) return undefined;
    const size = (maxPacket + this.#tooLarge) >> 1;
    return size - maxPacket < RESOLUTION ? undefined : size & ~3;
  }

  #setMaxPacket(bytes: number): void {
    if (this.#tcb.maxPacket === bytes) return;
    this.#tcb.maxPacket = bytes;
    this.#tcb.sender.setMaxPacket(bytes);
  }
}

function probeInfo(tcb: Tcb): Uint8Array {
  const info = concatBytes(heartbeatInfo(tcb), new Uint8Array(8));
  writeUint16(info, 2, info.length);
  writeUint32(info, info.length - 8, MARK);
  writeUint32(info, info.length - 4, ACCEPTED);
  return info;
}
