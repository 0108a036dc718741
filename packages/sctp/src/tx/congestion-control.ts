/** Congestion control of one path (RFC 9260 §7.2), in bytes of user data; slow start and its end after a loss, byte counting (RFC 3465). */
import { compareSerial32 } from '@petrel/bytes';

/** Packets of the initial window, as RFC 6928 found safe for TCP; RFC 9260 §7.2.1 still says 4. */
const INITIAL_WINDOW = 10;
/** How many packets a SACK for more than one may add in slow start: L of RFC 9260 §7.2.1, with the value of RFC 9406 §4.2. */
const SLOW_START_LIMIT = 8;

export class CongestionControl {
  /** Payload of a packet: PMDCS. */
  #packet: number;
  #window: number;
  #threshold: number = Infinity;
  #partialBytesAcked = 0;
  /** Fast recovery ends when this TSN is acknowledged (§7.2.4). */
  #recoveryExit: number | undefined;

  constructor(packet: number) {
    this.#packet = packet;
    this.#window = INITIAL_WINDOW * packet;
  }

  get window(): number {
    return this.#window;
  }

  get slowStartThreshold(): number {
    return this.#threshold;
  }

  get inFastRecovery(): boolean {
    return this.#recoveryExit !== undefined;
  }

  /** The path takes packets with so much payload. */
  setPacket(packet: number): void {
    this.#packet = packet;
    this.#window = Math.max(this.#window, packet);
  }

  /**
   * Chunks were acknowledged, the cumulative TSN perhaps with them.
   * @param outstandingBefore bytes in flight before this SACK, to see whether the window was used
   * @returns whether fast recovery has ended
   */
  onAcknowledged(cumulativeTsn: number, bytes: number, outstandingBefore: number, nothingOutstanding: boolean): boolean {
    let hasRecovered = false;
    if (this.#recoveryExit !== undefined) {
      if (compareSerial32(cumulativeTsn, this.#recoveryExit) < 0) return false;
      this.#recoveryExit = undefined;
      hasRecovered = true;
    }
    const windowUsed = outstandingBefore + this.#packet > this.#window;
    if (this.#window < this.#threshold) {
      if (windowUsed) this.#window += Math.min(bytes, SLOW_START_LIMIT * this.#packet); // §7.2.1
      return hasRecovered;
    }
    this.#partialBytesAcked += bytes; // §7.2.2
    if (this.#partialBytesAcked >= this.#window) {
      if (windowUsed) {
        this.#partialBytesAcked -= this.#window;
        this.#window += this.#packet;
      } else this.#partialBytesAcked = this.#window;
    }
    if (nothingOutstanding) this.#partialBytesAcked = 0;
    return hasRecovered;
  }

  /** A chunk was lost (§7.2.4). @returns whether this begins a recovery, and has halved the window */
  onLoss(highestOutstandingTsn: number): boolean {
    if (this.#recoveryExit !== undefined) return false;
    this.#halve();
    this.#window = this.#threshold;
    this.#recoveryExit = highestOutstandingTsn;
    return true;
  }

  /** T3-rtx fired (§7.2.3). @param isRepeated it had fired before without an answer in between: the threshold is that of the first time */
  onTimeout(isRepeated: boolean): void {
    if (!isRepeated) this.#halve();
    this.#window = this.#packet;
    this.#partialBytesAcked = 0;
    this.#recoveryExit = undefined;
  }

  /** Nothing was sent for so many retransmission timeouts (§7.2.1). */
  onIdle(timeouts: number): void {
    if (timeouts < 1) return;
    if (this.#window > this.#threshold || this.#threshold === Infinity) this.#threshold = this.#window;
    this.#window = Math.max(this.#window / 2 ** Math.min(timeouts, 20), Math.min(INITIAL_WINDOW * this.#packet, this.#window));
  }

  /** The path is another one (§7.2.5.2). */
  reset(packet: number): void {
    this.#packet = packet;
    this.#window = INITIAL_WINDOW * packet;
    this.#threshold = Infinity;
    this.#partialBytesAcked = 0;
    this.#recoveryExit = undefined;
  }

  #halve(): void {
    this.#threshold = Math.max(this.#window / 2, 4 * this.#packet);
    this.#partialBytesAcked = 0;
  }
}
