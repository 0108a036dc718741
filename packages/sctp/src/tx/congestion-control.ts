/** Congestion control of one path (RFC 9260 §7.2), in bytes of user data. */
import { compareSerial32 } from '@petrel/bytes';

export class CongestionControl {
  readonly #mtu: number;
  #window: number;
  #threshold: number;
  #partialBytesAcked = 0;
  /** Fast recovery ends when this TSN is acknowledged (§7.2.4). */
  #recoveryExit: number | undefined;

  /** @param mtu bytes of a packet @param receiverWindow the peer's first a_rwnd */
  constructor(mtu: number, receiverWindow: number) {
    this.#mtu = mtu;
    this.#window = Math.min(4 * mtu, Math.max(2 * mtu, 4404)); // §7.2.1
    this.#threshold = receiverWindow;
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

  /** The cumulative TSN has advanced. @param outstandingBefore bytes in flight before this SACK, to see whether the window was used */
  onAcknowledged(cumulativeTsn: number, bytes: number, outstandingBefore: number, nothingOutstanding: boolean): void {
    if (this.#recoveryExit !== undefined) {
      if (compareSerial32(cumulativeTsn, this.#recoveryExit) < 0) return;
      this.#recoveryExit = undefined;
    }
    const windowUsed = outstandingBefore + this.#mtu > this.#window;
    if (this.#window <= this.#threshold) {
      if (windowUsed) this.#window += Math.min(bytes, this.#mtu); // §7.2.1: slow start
      return;
    }
    this.#partialBytesAcked += bytes; // §7.2.2: congestion avoidance
    if (this.#partialBytesAcked >= this.#window && windowUsed) {
      this.#partialBytesAcked -= this.#window;
      this.#window += this.#mtu;
    }
    if (nothingOutstanding) this.#partialBytesAcked = 0;
  }

  /** A chunk was reported missing three times (§7.2.4). */
  onFastRetransmit(highestOutstandingTsn: number): void {
    if (this.#recoveryExit !== undefined) return;
    this.#threshold = Math.max(this.#window / 2, 4 * this.#mtu);
    this.#window = this.#threshold;
    this.#partialBytesAcked = 0;
    this.#recoveryExit = highestOutstandingTsn;
  }

  /** T3-rtx fired (§7.2.3). */
  onTimeout(): void {
    this.#threshold = Math.max(this.#window / 2, 4 * this.#mtu);
    this.#window = this.#mtu;
    this.#partialBytesAcked = 0;
    this.#recoveryExit = undefined;
  }
}
