/**
 * Ending an association gracefully (RFC 9260 §9.2).
 *
 * ```
 *   shutdown(): SHUTDOWN-PENDING, all acknowledged:
 *   SHUTDOWN-SENT ──── SHUTDOWN ───> SHUTDOWN-RECEIVED, all acknowledged:
 *                 <── SHUTDOWN ACK ── SHUTDOWN-ACK-SENT
 *   CLOSED ─── SHUTDOWN COMPLETE ──> CLOSED
 * ```
 */
import { readUint32, writeUint32 } from '@petrel/bytes';
import type { Instant } from '@petrel/sans-io';
import { CHUNK_TYPE } from './packet/packet.ts';
import { RTO, type Tcb } from './tcb.ts';

export class Shutdown {
  readonly #tcb: Tcb;

  constructor(tcb: Tcb) {
    this.#tcb = tcb;
  }

  begin(now: Instant): void {
    this.#tcb.state = 'shutdown-pending';
    this.#tcb.timers.start('t5-shutdown-guard', now + 5 * RTO.maximum * GUARD_FACTOR);
    this.advance(now);
  }

  /** The next step, once everything sent is acknowledged. Call after every input. */
  advance(now: Instant): void {
    const tcb = this.#tcb;
    if (tcb.state !== 'shutdown-pending' && tcb.state !== 'shutdown-received') return;
    if (!tcb.sender.isDone) return;
    tcb.state = tcb.state === 'shutdown-pending' ? 'shutdown-sent' : 'shutdown-ack-sent';
    this.#send(now);
  }

  handleTimeout(now: Instant): void {
    const tcb = this.#tcb;
    if (tcb.timers.expire('t2-shutdown', now) && tcb.countError()) {
      tcb.rto.backOff();
      this.#send(now);
    }
    if (tcb.timers.expire('t5-shutdown-guard', now)) tcb.violation('the shutdown takes too long');
  }

  /** SHUTDOWN: acknowledges like a SACK without gaps. */
  onShutdown(value: Uint8Array, acknowledge: (cumulativeTsn: number) => boolean, now: Instant): void {
    const tcb = this.#tcb;
    if (value.length < 4) return tcb.discards.count('malformed-chunk');
    switch (tcb.state) {
      case 'closed':
      case 'cookie-wait':
      case 'cookie-echoed':
        return tcb.discards.count('unexpected-chunk');
      case 'established':
      case 'shutdown-pending':
        tcb.state = 'shutdown-received';
        break;
      case 'shutdown-sent': // both at once
        tcb.state = 'shutdown-ack-sent';
        return this.#send(now);
      case 'shutdown-received':
      case 'shutdown-ack-sent':
        break;
    }
    if (!acknowledge(readUint32(value, 0))) tcb.violation('a SHUTDOWN acknowledges what was never sent');
  }

  onShutdownAck(): void {
    const tcb = this.#tcb;
    if (tcb.state === 'shutdown-sent' || tcb.state === 'shutdown-ack-sent') {
      const complete = tcb.packetWith(tcb.remoteTag, CHUNK_TYPE.shutdownComplete);
      tcb.close();
      tcb.packets.push(complete);
    } else if (tcb.state === 'cookie-wait' || tcb.state === 'cookie-echoed') {
      // §8.5.1 E: it belongs to an association from before; the T bit says that the tag is its own.
      tcb.discards.count('out-of-the-blue');
      tcb.sendPacket(tcb.localTag, CHUNK_TYPE.shutdownComplete, 1);
    } else tcb.discards.count('unexpected-chunk');
  }

  onShutdownComplete(): void {
    if (this.#tcb.state === 'shutdown-ack-sent') this.#tcb.close();
    else this.#tcb.discards.count('unexpected-chunk');
  }

  /** The peer still sends data: it has not seen our SHUTDOWN, or was not finished (§9.2). */
  onDataWhileSent(now: Instant): void {
    if (this.#tcb.state === 'shutdown-sent') this.#send(now);
  }

  #send(now: Instant): void {
    const tcb = this.#tcb;
    if (tcb.state === 'shutdown-ack-sent') tcb.sendControl(CHUNK_TYPE.shutdownAck);
    else {
      const value = new Uint8Array(4);
      writeUint32(value, 0, tcb.peer!.receiver.cumulativeTsn);
      tcb.sendControl(CHUNK_TYPE.shutdown, value);
    }
    tcb.timers.start('t2-shutdown', now + tcb.rto.value);
  }
}

/** RFC 9260 §9.2 recommends 5 * RTO.Max, with its RTO.Max of 60 seconds: ours is shorter, so the factor is greater. */
const GUARD_FACTOR = 20;
