/**
 * The close as the other side says it: an ABORT with its reason (RFC 9260 §9.1), then close_notify, which one of our own answers (RFC 5246 §7.2.1),
 * and again as long as the peer goes on, for the answer may be lost. Only authenticated messages get here.
 */
import { type Instant, NEVER } from '@petrel/sans-io';

/** Why the other side said that the connection is over. */
export interface RemoteClose {
  /** The reason of its SCTP ABORT, or else of its BYE; empty when it gave none. */
  readonly reason: string;
}

/** A peer that goes on sending after its close_notify is told again, this often and for this long. */
const ANSWER_INTERVAL = 50;
const ANSWER_PERIOD = 2000;
/** How long an ABORT waits for the alert that should follow, before consent is checked. */
const ABORT_PATIENCE = 1000;

export class PeerClose {
  #reason = '';
  #report: RemoteClose | undefined;
  #closedAt: Instant = 0;
  #answeredAt: Instant = 0;
  #doubtAt: Instant = NEVER;

  /** Set once the close_notify has come. */
  get report(): RemoteClose | undefined {
    return this.#report;
  }

  onAbort(reason: string, now: Instant): void {
    this.#reason ||= reason;
    this.#doubtAt = now + ABORT_PATIENCE;
  }

  /**
   * The alert has come, and is answered at once.
   * @param goodbye the reason of a BYE shortly before
   */
  onCloseNotify(goodbye: string | undefined, now: Instant): RemoteClose {
    this.#reason ||= goodbye ?? '';
    this.#closedAt = now;
    this.#answeredAt = now;
    this.endDoubt();
    return (this.#report = { reason: this.#reason });
  }

  /** The peer has sent something more, which it would not if it had our answer. @returns whether to answer again */
  takeAnswer(now: Instant): boolean {
    if (this.#report === undefined) return false;
    const isDue = now - this.#answeredAt >= ANSWER_INTERVAL && now - this.#closedAt <= ANSWER_PERIOD;
    if (isDue) this.#answeredAt = now;
    return isDue;
  }

  /** When an ABORT has waited long enough for its alert: either that was lost, or the peer is gone. */
  get doubtAt(): Instant {
    return this.#doubtAt;
  }

  endDoubt(): void {
    this.#doubtAt = NEVER;
  }
}
