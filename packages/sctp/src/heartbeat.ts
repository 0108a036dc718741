/** HEARTBEAT (RFC 9260 §8.3): an idle peer is asked whether it is still there, and how far away. */
import { equalBytes, writeUint16 } from '@petrel/bytes';
import { type Instant, randomFraction } from '@petrel/sans-io';
import { CHUNK_TYPE } from './packet/packet.ts';
import type { Tcb } from './tcb.ts';

/** HB.interval (RFC 9260 §16). */
const INTERVAL = 30_000;
/** Heartbeat Info (§3.3.5), opaque to the peer: a nonce, so that nothing of ours is in it and no answer can be guessed. */
const NONCE_LENGTH = 8;

export class Heartbeat {
  readonly #tcb: Tcb;
  #awaited: { readonly info: Uint8Array; readonly sentAt: Instant } | undefined;

  constructor(tcb: Tcb) {
    this.#tcb = tcb;
  }

  start(now: Instant): void {
    const { timers, rto, options } = this.#tcb;
    const jitter = (randomFraction(options.crypto) - 0.5) * rto.value;
    timers.start('heartbeat', now + INTERVAL + rto.value + jitter);
  }

  handleTimeout(now: Instant): void {
    const tcb = this.#tcb;
    if (!tcb.timers.expire('heartbeat', now)) return;
    if (this.#awaited !== undefined) {
      this.#awaited = undefined;
      if (!tcb.countError()) return;
      tcb.rto.backOff();
    } else if (tcb.sender.hasOutstanding) return this.start(now); // data says whether the peer is there
    this.#send(now);
  }

  /** @returns whether the answer is to the request that is out */
  onAck(value: Uint8Array, now: Instant): boolean {
    const awaited = this.#awaited;
    if (awaited === undefined || !equalBytes(value, awaited.info)) return false;
    this.#awaited = undefined;
    this.#tcb.rto.measure(now - awaited.sentAt);
    this.#tcb.errors = 0;
    this.start(now);
    return true;
  }

  #send(now: Instant): void {
    const info = heartbeatInfo(this.#tcb);
    this.#awaited = { info, sentAt: now };
    this.#tcb.sendControl(CHUNK_TYPE.heartbeat, info);
    this.#tcb.timers.start('heartbeat', now + this.#tcb.rto.value);
  }
}

export function heartbeatInfo(tcb: Tcb): Uint8Array {
  const info = new Uint8Array(4 + NONCE_LENGTH);
  writeUint16(info, 0, 1);
  writeUint16(info, 2, info.length);
  info.set(tcb.options.crypto.randomBytes(NONCE_LENGTH), 4);
  return info;
}
