/** NTP timestamps (RFC 3550 §4) and the mapping between a stream's clock and them (§6.4.1), which lip sync needs. */
import { compareSerial32 } from '@petrel/bytes';

/** Seconds from the NTP epoch (1900) to the Unix epoch (1970). */
const NTP_UNIX_OFFSET = 2_208_988_800;
const FRACTION = 0x1_0000_0000;

/** 32.32 fixed point, as its two halves. */
export interface NtpTime {
  readonly seconds: number;
  readonly fraction: number;
}

/** @param milliseconds since the Unix epoch */
export function toNtp(milliseconds: number): NtpTime {
  const seconds = Math.floor(milliseconds / 1000);
  const fraction = Math.floor(((milliseconds - seconds * 1000) / 1000) * FRACTION);
  return { seconds: (seconds + NTP_UNIX_OFFSET) % FRACTION, fraction };
}

/** Milliseconds since the Unix epoch; era 0 and 1 as RFC 3550 §4 implies (years 1968 to 2104). */
export function fromNtp({ seconds, fraction }: NtpTime): number {
  const era = seconds < 0x8000_0000 ? FRACTION : 0;
  return (seconds + era - NTP_UNIX_OFFSET) * 1000 + (fraction / FRACTION) * 1000;
}

/** The middle 32 bits: 16.16 fixed point, in units of 1/65536 s. */
export function compactNtp({ seconds, fraction }: NtpTime): number {
  return (((seconds & 0xffff) << 16) | (fraction >>> 16)) >>> 0;
}

/**
 * Round-trip time in milliseconds by RFC 3550 §6.4.1: A - LSR - DLSR, all in compact NTP. Undefined when the other side
 * had no report to refer to; never negative, however the clocks round.
 */
export function roundTripTime(arrival: number, lastReport: number, delaySinceLastReport: number): number | undefined {
  if (lastReport === 0) return undefined;
  const units = compareSerial32(arrival, lastReport + delaySinceLastReport);
  return Math.max(0, units / 65.536);
}

/**
 * Maps RTP timestamps of one stream to the sender's wall clock, from sender reports: two streams of one CNAME are
 * in sync when their mapped times are equal (RFC 3550 §6.4.1).
 */
export class NtpMapping {
  readonly #clockRate: number;
  #rtpTimestamp = 0;
  #wallClock: number | undefined;

  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** Takes a sender report's pair. */
  update(ntp: NtpTime, rtpTimestamp: number): void {
    this.#rtpTimestamp = rtpTimestamp;
    this.#wallClock = fromNtp(ntp);
  }

  /** The sender's time in milliseconds since the Unix epoch; undefined before the first report. */
  toWallClock(rtpTimestamp: number): number | undefined {
    if (this.#wallClock === undefined) return undefined;
    return this.#wallClock + (compareSerial32(rtpTimestamp, this.#rtpTimestamp) * 1000) / this.#clockRate;
  }

  /** The RTP timestamp of a time of the sender's. */
  toRtpTimestamp(wallClock: number): number | undefined {
    if (this.#wallClock === undefined) return undefined;
    return (this.#rtpTimestamp + Math.round(((wallClock - this.#wallClock) * this.#clockRate) / 1000)) >>> 0;
  }
}
