/**
 * Stream reconfiguration as a procedure of the association (RFC 6525 §5): when requests are made, sent and repeated, and what becomes of their answers.
 * The requests themselves are in `stream-reset.ts`.
 */
import type { Instant } from '@petrel/sans-io';
import { CHUNK_TYPE } from './packet/packet.ts';
import type { DataReceiver } from './rx/data-receiver.ts';
import type { CookieContents } from './state-cookie.ts';
import { StreamReset } from './stream-reset.ts';
import type { Tcb } from './tcb.ts';

export class Reconfiguration {
  readonly #tcb: Tcb;
  /** Streams whose reset was asked for before there was a peer. */
  readonly #early: number[] = [];

  constructor(tcb: Tcb) {
    this.#tcb = tcb;
  }

  /** The requests of both sides, from the handshake on. */
  newStreamReset({ localInitialTsn, remoteInitialTsn, inboundStreams }: CookieContents, receiver: DataReceiver): StreamReset {
    const tcb = this.#tcb;
    return new StreamReset(localInitialTsn, remoteInitialTsn, inboundStreams, {
      isIdle: (streamId) => tcb.queue.isIdle(streamId),
      lastAssignedTsn: () => tcb.sender.lastAssignedTsn,
      send: (parameter) => tcb.sendControl(CHUNK_TYPE.reConfig, parameter),
      onOutgoingReset: (streamIds, performed) => {
        for (const id of streamIds) tcb.queue.reset(id, performed);
        tcb.events.push({ type: 'outgoing-streams-reset', streamIds, performed });
      },
      onIncomingReset: (streamIds) => {
        tcb.events.push({ type: 'incoming-streams-reset', streamIds });
        receiver.resetStreams(streamIds);
      },
      onDeferred: (lastTsn, streamIds) => receiver.deferReset(lastTsn, streamIds),
      onRepetition: () => receiver.endDeferral(),
    });
  }

  /** What was asked for before the handshake was complete. */
  start(now: Instant): void {
    if (this.#early.length > 0) this.#request(this.#early.splice(0), now);
  }

  reset(streamIds: readonly number[], now: Instant): void {
    if (this.#tcb.peer === undefined) this.#early.push(...streamIds);
    else this.#request(streamIds, now);
  }

  #request(streamIds: readonly number[], now: Instant): void {
    const { peer, queue, events } = this.#tcb;
    if (peer?.extensions.reConfig === true) {
      peer.streamReset.reset(streamIds);
      this.sendPending(now);
      return;
    }
    for (const id of streamIds) queue.reset(id, false);
    events.push({ type: 'outgoing-streams-reset', streamIds, performed: false });
  }

  /** Sends a request for the streams that have nothing left to send. */
  sendPending(now: Instant): void {
    const { peer, timers, rto, maySendData } = this.#tcb;
    if (maySendData && peer?.streamReset.sendPending()) timers.start('reconfig', now + rto.value);
  }

  onReConfig(value: Uint8Array, now: Instant): void {
    const { peer, timers, discards, state } = this.#tcb;
    if (peer === undefined || state === 'cookie-wait' || state === 'cookie-echoed') return discards.count('unexpected-chunk');
    const answered = peer.streamReset.receive(value, peer.receiver.cumulativeTsn);
    if (answered === undefined) return discards.count('malformed-chunk');
    peer.receiver.acknowledgeNow(); // §5.2.1
    if (!answered) return;
    timers.stop('reconfig');
    this.#tcb.errors = 0;
    this.sendPending(now);
  }

  handleTimeout(now: Instant): void {
    const { peer, rto, timers } = this.#tcb;
    if (!timers.expire('reconfig', now)) return;
    if (peer === undefined || !peer.streamReset.isOutstanding) return;
    if (peer.streamReset.retransmit() && !this.#tcb.countError()) return;
    rto.backOff();
    timers.start('reconfig', now + rto.value);
  }
}
