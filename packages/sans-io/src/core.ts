/** Milliseconds on a monotonic clock. Cores are told the time with every input; they never ask for it. */
export type Instant = number;

/** The deadline of something that is not scheduled. */
export const NEVER: Instant = Infinity;

/**
 * The shape of every protocol core: a synchronous state machine without sockets, timers, clocks or promises.
 *
 * Inputs are method calls that carry `now`; outputs wait in queues until polled. After any input, poll
 * transmits, then events, until both are empty, then arm one timer for `nextTimeout()`.
 *
 * Buffers: `receive` takes ownership of its argument, a polled transmit belongs to the caller.
 */
export interface Core<Transmit, Event> {
  /** Fires every timer whose deadline is at or before `now`. Harmless when called early. */
  handleTimeout(now: Instant): void;
  /** The earliest deadline, or {@link NEVER}. */
  nextTimeout(): Instant;
  /** The next datagram (or addressed datagram) to send, or undefined when there is none for now. */
  pollTransmit(now: Instant): Transmit | undefined;
  /** The next event for the layer above, in order of occurrence. */
  pollEvent(): Event | undefined;
}
