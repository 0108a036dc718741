import { compareSerial16 } from '@petrel/bytes';
import { Discards, type Instant, NEVER } from '@petrel/sans-io';

/** Slots, and so the packets that are held at most. A power of two. */
const CAPACITY = 512;
/** RFC 3550 A.1, MAX_DROPOUT: a gap of fewer packets is loss. */
const MAX_DROPOUT = 3000;
/** RFC 3550 A.1: two packets in sequence at an unexpected place are a source that has restarted. */
const RESTART_AFTER = 2;
/** Where late packets are to be expected, it takes more of them, with nothing new between. */
const RESTART_AFTER_LATE = 16;
/** Milliseconds. */
const DEFAULT_PATIENCE = 200;

/** `late`: its place had been given up. `duplicate`: it is here already. `out-of-range`: far from what is expected, alone. */
export type JitterBufferDiscard = 'late' | 'duplicate' | 'out-of-range';

/** The argument of the constructor of {@link JitterBuffer}. */
export interface JitterBufferOptions<Packet> {
  /** Takes the packets in order. @param lost packets before it that never came */
  deliver(packet: Packet, lost: number): void;
  /** How long to wait for a missing packet once a later one is here, in milliseconds. 200 unless given: time for a retransmission. */
  readonly patience?: number;
}

/**
 * Puts packets in the order of their sequence numbers. What is in order goes through at once; a gap is waited for, not longer than `patience`, and
 * not for more than 512 packets. There is no playout clock: what is delayed is delayed by gaps only.
 *
 * @example
 * const buffer = new JitterBuffer({ deliver: (packet, lost) => decode(packet, lost) });
 * buffer.insert(packet.sequenceNumber, packet, now);
 */
export class JitterBuffer<Packet> {
  readonly discards: Discards<JitterBufferDiscard> = new Discards();
  readonly #deliver: (packet: Packet, lost: number) => void;
  readonly #patience: number;
  readonly #packets: (Packet | undefined)[] = Array.from({ length: CAPACITY });
  readonly #arrivals = new Float64Array(CAPACITY);
  #held = 0;
  #started = false;
  /** The sequence number that is to be delivered next. */
  #next = 0;
  /** Packets given up since the last delivery. */
  #lost = 0;
  #totalLost = 0;
  #strayNext = -1;
  #strays = 0;

  constructor(options: JitterBufferOptions<Packet>) {
    this.#deliver = options.deliver;
    this.#patience = options.patience ?? DEFAULT_PATIENCE;
  }

  /** Packets that wait for an earlier one. */
  get held(): number {
    return this.#held;
  }

  /** All packets that were given up. */
  get lost(): number {
    return this.#totalLost;
  }

  insert(sequenceNumber: number, packet: Packet, now: Instant): void {
    this.#place(sequenceNumber, packet, now);
    this.#deliverInOrder();
    this.handleTimeout(now);
  }

  /** Gives up what was waited for too long. */
  handleTimeout(now: Instant): void {
    while (this.#held > 0 && this.nextTimeout() <= now) this.#giveUpUntil(this.#firstHeld());
  }

  /** When the gap that is waited for is given up. */
  nextTimeout(): Instant {
    if (this.#held === 0) return NEVER;
    return this.#arrivals[this.#firstHeld() & (CAPACITY - 1)]! + this.#patience;
  }

  /** Delivers everything that is held, and begins anew with the next packet, whatever its number. */
  flush(): void {
    while (this.#held > 0) this.#giveUpUntil(this.#firstHeld());
    this.#started = false;
  }

  #place(sequenceNumber: number, packet: Packet, now: Instant): void {
    if (!this.#started) this.#startAt(sequenceNumber);
    const ahead = compareSerial16(sequenceNumber, this.#next);
    if (ahead < 0 || ahead >= MAX_DROPOUT) {
      if (!this.#isRestart(sequenceNumber, ahead)) return;
      this.#restartAt(sequenceNumber);
    } else if (ahead >= CAPACITY) this.#giveUpUntil((sequenceNumber - CAPACITY + 1) & 0xffff);
    this.#strays = 0;
    const slot = sequenceNumber & (CAPACITY - 1);
    if (this.#packets[slot] !== undefined) return this.discards.count('duplicate');
    this.#packets[slot] = packet;
    this.#arrivals[slot] = now;
    this.#held += 1;
  }

  #startAt(sequenceNumber: number): void {
    this.#started = true;
    this.#next = sequenceNumber;
    this.#strays = 0;
  }

  /** How many were lost nobody knows: at least one counts, so that what depends on it is not trusted. */
  #restartAt(sequenceNumber: number): void {
    this.flush();
    this.#startAt(sequenceNumber);
    this.#lost = Math.max(1, this.#lost);
  }

  #isRestart(sequenceNumber: number, ahead: number): boolean {
    const late = ahead < 0 && ahead >= -CAPACITY;
    this.#strays = sequenceNumber === this.#strayNext ? this.#strays + 1 : 1;
    this.#strayNext = (sequenceNumber + 1) & 0xffff;
    if (this.#strays >= (late ? RESTART_AFTER_LATE : RESTART_AFTER)) return true;
    this.discards.count(late ? 'late' : 'out-of-range');
    return false;
  }

  /** There is one: `#held` is not 0. */
  #firstHeld(): number {
    let sequenceNumber = this.#next;
    while (this.#packets[sequenceNumber & (CAPACITY - 1)] === undefined) sequenceNumber = (sequenceNumber + 1) & 0xffff;
    return sequenceNumber;
  }

  /** Delivers what is there before this number, and what follows it without a gap. */
  #giveUpUntil(sequenceNumber: number): void {
    while (this.#next !== sequenceNumber) {
      if (this.#held === 0) {
        const skipped = (sequenceNumber - this.#next) & 0xffff;
        this.#countLost(skipped);
        this.#next = sequenceNumber;
      } else if (!this.#deliverNext()) {
        this.#countLost(1);
        this.#next = (this.#next + 1) & 0xffff;
      }
    }
    this.#deliverInOrder();
  }

  #countLost(count: number): void {
    this.#lost += count;
    this.#totalLost += count;
  }

  #deliverInOrder(): void {
    while (this.#held > 0 && this.#deliverNext());
  }

  #deliverNext(): boolean {
    const slot = this.#next & (CAPACITY - 1);
    const packet = this.#packets[slot];
    if (packet === undefined) return false;
    this.#packets[slot] = undefined;
    this.#held -= 1;
    this.#next = (this.#next + 1) & 0xffff;
    const lost = this.#lost;
    this.#lost = 0;
    this.#deliver(packet, lost);
    return true;
  }
}
