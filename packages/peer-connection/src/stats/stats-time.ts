import type { Instant } from '@petrel/sans-io';
import type { RTCStats } from './rtc-stats-report.ts';

/** The moment of a report, and the conversion of a core's instants to the timestamps of the API (milliseconds since the Unix epoch). */
export class StatsTime {
  readonly now: Instant;
  readonly #timeOrigin: number;

  constructor(now: Instant, timeOrigin: number) {
    this.now = now;
    this.#timeOrigin = timeOrigin;
  }

  at(instant: Instant): number {
    return this.#timeOrigin + instant;
  }

  /** What every stats object has (RTCStats). */
  entry(id: string, type: string, instant: Instant = this.now): RTCStats {
    return { id, timestamp: this.at(instant), type };
  }
}
