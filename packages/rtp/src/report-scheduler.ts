/**
 * When to send RTCP reports (RFC 3550 §6.2, §6.3, appendix A.7): the interval grows with the number of members so that RTCP takes
 * its share of the bandwidth, is random, and is reconsidered when it expires. Times are milliseconds.
 */
import { type Instant, NEVER, type Random, randomFraction } from '@petrel/sans-io';

/** Compensates for timer reconsideration converging below the average (A.7): e - 3/2. */
const COMPENSATION = Math.E - 1.5;
const SENDER_BANDWIDTH_FRACTION = 0.25;
/** First guess of the size of a compound, in octets with UDP and IP headers (§6.3.2). */
const PROBABLE_SIZE = 128;
/** UDP and IPv4. */
const UDP_OVERHEAD = 28;

/** The argument of its constructor. */
export interface ReportSchedulerOptions {
  readonly random: Random;
  /** RTCP's share, 5 % of the session's bandwidth, in octets a second. 6,250 (of 1 Mbit/s) unless given. */
  readonly bandwidth?: number;
  /**
   * Tmin. RFC 3550 has 5,000 and allows less (§6.2: 360 s divided by the session bandwidth in kbit/s); 1,000 unless given.
   */
  readonly minimumInterval?: number;
  /**
   * What the layers below add to a compound, in octets, which counts too (§6.2; RFC 3711 §3.4 for SRTCP). 28, of UDP and IPv4,
   * unless given.
   */
  readonly overhead?: number;
}

/** Who is in the session now, ourselves included. */
export interface Membership {
  readonly members: number;
  readonly senders: number;
  readonly weSent: boolean;
}

/** Of one RTP session. Not a core: it says when, its owner makes the report. */
export class ReportScheduler {
  readonly #random: Random;
  readonly #bandwidth: number;
  readonly #minimumInterval: number;
  readonly #overhead: number;
  #initial = true;
  #averageSize = PROBABLE_SIZE;
  #previousMembers = 1;
  /** tp of §6.3. */
  #previousTime: Instant = 0;
  /** tn of §6.3. */
  #nextTime: Instant = NEVER;

  constructor(options: ReportSchedulerOptions) {
    this.#random = options.random;
    this.#bandwidth = options.bandwidth ?? 6250;
    this.#minimumInterval = options.minimumInterval ?? 1000;
    this.#overhead = options.overhead ?? UDP_OVERHEAD;
  }

  /** Joins the session (§6.3.2). Does nothing when it was called before. */
  start(now: Instant, membership: Membership): void {
    if (this.#nextTime !== NEVER) return;
    this.#previousTime = now;
    this.#nextTime = now + this.#randomInterval(membership);
  }

  stop(): void {
    this.#nextTime = NEVER;
  }

  nextTimeout(): Instant {
    return this.#nextTime;
  }

  /** On expiry (§6.3.6): true when a report has to be sent now, followed by {@link sent}; otherwise the timer was reconsidered. */
  expire(now: Instant, membership: Membership): boolean {
    if (now < this.#nextTime) return false;
    const reconsidered = this.#previousTime + this.#randomInterval(membership);
    this.#previousMembers = membership.members;
    if (reconsidered <= now) return true;
    this.#nextTime = reconsidered;
    return false;
  }

  /** A report went out. */
  sent(size: number, now: Instant, membership: Membership): void {
    this.#account(size);
    this.#previousTime = now;
    this.#initial = false;
    this.#nextTime = now + this.#randomInterval(membership);
  }

  /** A compound came in (§6.3.3). */
  received(size: number): void {
    this.#account(size);
  }

  /** Members left or timed out: reverse reconsideration (§6.3.4). */
  membersLeft(now: Instant, members: number): void {
    if (members >= this.#previousMembers || this.#nextTime === NEVER) return;
    const share = members / this.#previousMembers;
    this.#nextTime = now + share * (this.#nextTime - now);
    this.#previousTime = now - share * (now - this.#previousTime);
    this.#previousMembers = members;
  }

  /** Td without randomization, which timeouts are multiples of (§6.3.5). */
  deterministicInterval({ members, senders, weSent }: Membership): number {
    let bandwidth = this.#bandwidth;
    let sharers = members;
    if (senders <= members * SENDER_BANDWIDTH_FRACTION) {
      bandwidth *= weSent ? SENDER_BANDWIDTH_FRACTION : 1 - SENDER_BANDWIDTH_FRACTION;
      sharers = weSent ? senders : members - senders;
    }
    const minimum = this.#initial ? this.#minimumInterval / 2 : this.#minimumInterval;
    return Math.max(minimum, ((this.#averageSize * sharers) / bandwidth) * 1000);
  }

  #randomInterval(membership: Membership): number {
    return (this.deterministicInterval(membership) * (randomFraction(this.#random) + 0.5)) / COMPENSATION;
  }

  #account(size: number): void {
    this.#averageSize += (size + this.#overhead - this.#averageSize) / 16;
  }
}
