/** Channels of an allocation (RFC 8656 §12): which number stands for which peer, and when each has to be bound again. */
import { type Instant, NEVER } from '@petrel/sans-io';
import type { TransportAddress } from '@petrel/stun';
import { FIRST_CHANNEL, LAST_CHANNEL } from './channel-data.ts';

/** A binding lives for 600 seconds (RFC 8656 §12); this leaves a request the time to fail and be repeated. */
const REFRESH_AFTER = 480_000;

export interface Channel {
  readonly number: number;
  readonly peer: TransportAddress;
  state: 'binding' | 'bound' | 'refused';
  /** NEVER while a request is on its way. */
  dueAt: Instant;
}

export class Channels {
  readonly #byPeer = new Map<string, Channel>();
  readonly #byNumber: Channel[] = [];
  #nextDue: Instant = NEVER;

  get nextDue(): Instant {
    return this.#nextDue;
  }

  /** The channel of a peer, in any state. */
  get(address: string, port: number): Channel | undefined {
    return this.#byPeer.get(`${address} ${port}`);
  }

  /** The peer of a number in incoming ChannelData. The server may use a binding before its response has come. */
  peerOf(number: number): TransportAddress | undefined {
    const channel = this.#byNumber[number - FIRST_CHANNEL];
    return channel === undefined || channel.state === 'refused' ? undefined : channel.peer;
  }

  /** A number that was never used on this allocation: reuse would have to wait for the old binding's end (RFC 8656 §12). */
  add(peer: TransportAddress): Channel | undefined {
    const number = FIRST_CHANNEL + this.#byNumber.length;
    if (number > LAST_CHANNEL) return undefined;
    const channel: Channel = { number, peer, state: 'binding', dueAt: NEVER };
    this.#byNumber.push(channel);
    this.#byPeer.set(`${peer.address} ${peer.port}`, channel);
    return channel;
  }

  wanted(channel: Channel, now: Instant): void {
    channel.dueAt = now;
    this.#reschedule();
  }

  bound(channel: Channel, now: Instant): void {
    channel.state = 'bound';
    channel.dueAt = now + REFRESH_AFTER;
    this.#reschedule();
  }

  /** The peer's data goes in Send indications from now on. */
  refused(channel: Channel): void {
    channel.state = 'refused';
    channel.dueAt = NEVER;
    this.#reschedule();
  }

  takeDue(now: Instant): Channel[] {
    if (now < this.#nextDue) return [];
    const due = this.#byNumber.filter(({ dueAt }) => dueAt <= now);
    for (const channel of due) channel.dueAt = NEVER;
    this.#reschedule();
    return due;
  }

  clear(): void {
    this.#byPeer.clear();
    this.#byNumber.length = 0;
    this.#nextDue = NEVER;
  }

  #reschedule(): void {
    this.#nextDue = NEVER;
    for (const { dueAt } of this.#byNumber) this.#nextDue = Math.min(this.#nextDue, dueAt);
  }
}
