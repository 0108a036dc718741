import type { Core, Instant } from '@petrel/sans-io';
import { seededRandom, type SeededRandom } from './seeded-random.ts';
import { VirtualClock } from './virtual-clock.ts';

/** One end of a {@link CoreLink}: a core whose transmits are bare datagrams. */
export interface LinkedCore<Event> extends Core<Uint8Array, Event> {
  receive(datagram: Uint8Array, now: Instant): void;
}

/** How the network treats a datagram. Times in milliseconds, shares from 0 to 1. */
export interface LinkOptions {
  readonly seed?: number;
  readonly delay?: number;
  readonly jitter?: number;
  readonly loss?: number;
  readonly duplicate?: number;
  /** Sees every datagram before it is lost or delivered; return undefined to drop it, or another one to replace it. */
  readonly filter?: (datagram: Uint8Array, from: 'a' | 'b', index: number) => Uint8Array | undefined;
}

/** A datagram as it left its sender. */
export interface WireRecord {
  readonly at: Instant;
  readonly from: 'a' | 'b';
  readonly datagram: Uint8Array;
}

/**
 * Two cores of one protocol, joined by a simulated link on a virtual clock: for testing a protocol package alone.
 *
 * @example
 * const link = new CoreLink(client, server, { loss: 0.3, seed: 7 });
 * client.start(link.now());
 * link.flush();
 * link.runUntil(() => link.eventsOfB.some((event) => event.type === 'connected'));
 */
export class CoreLink<EventA, EventB = EventA> {
  readonly clock: VirtualClock = new VirtualClock();
  readonly eventsOfA: EventA[] = [];
  readonly eventsOfB: EventB[] = [];
  readonly wire: WireRecord[] = [];
  readonly #a: LinkedCore<EventA>;
  readonly #b: LinkedCore<EventB>;
  readonly #options: LinkOptions;
  readonly #random: SeededRandom;
  #cancelA: (() => void) | undefined;
  #cancelB: (() => void) | undefined;

  constructor(a: LinkedCore<EventA>, b: LinkedCore<EventB>, options: LinkOptions = {}) {
    this.#a = a;
    this.#b = b;
    this.#options = options;
    this.#random = seededRandom(options.seed ?? 1);
  }

  now(): Instant {
    return this.clock.now();
  }

  /** Call after every input to a core: sends, collects events, re-arms the timers. */
  flush(): void {
    this.#drain(this.#a, 'a', this.eventsOfA);
    this.#drain(this.#b, 'b', this.eventsOfB);
    this.#cancelA?.();
    this.#cancelB?.();
    this.#cancelA = this.#arm(this.#a);
    this.#cancelB = this.#arm(this.#b);
  }

  /** Runs until the condition holds; false when `deadline` (absolute, ms) passes first or nothing is left to do. */
  runUntil(condition: () => boolean, deadline: Instant = 600_000): boolean {
    this.flush();
    return this.clock.runUntil(condition, deadline);
  }

  /** Lets `milliseconds` pass. */
  run(milliseconds: number): void {
    this.flush();
    this.clock.advanceBy(milliseconds);
  }

  #drain<Event>(core: LinkedCore<Event>, from: 'a' | 'b', events: Event[]): void {
    for (let datagram = core.pollTransmit(this.now()); datagram; datagram = core.pollTransmit(this.now())) this.#transmit(datagram, from);
    for (let event = core.pollEvent(); event !== undefined; event = core.pollEvent()) events.push(event);
  }

  #arm(core: LinkedCore<unknown>): (() => void) | undefined {
    const deadline = core.nextTimeout();
    if (deadline === Infinity) return undefined;
    return this.clock.schedule(deadline, () => {
      core.handleTimeout(this.now());
      this.flush();
    });
  }

  #transmit(original: Uint8Array, from: 'a' | 'b'): void {
    const { filter, loss = 0, duplicate = 0, delay = 10, jitter = 0 } = this.#options;
    const index = this.wire.push({ at: this.now(), from, datagram: original.slice() }) - 1;
    const datagram = filter ? filter(original.slice(), from, index) : original;
    if (!datagram || this.#random.fraction() < loss) return;
    const copies = this.#random.fraction() < duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.clock.schedule(this.now() + delay + this.#random.fraction() * jitter, () => {
        (from === 'a' ? this.#b : this.#a).receive(datagram.slice(), this.now());
        this.flush();
      });
    }
  }
}
