/** RTCStatsReport: a read-only map of dictionaries (W3C WebRTC §8.4; Web IDL §3.7.11 for maplike). */
import * as webidl from '../webidl.ts';

/** One stats object; its other members depend on the type (https://w3c.github.io/webrtc-stats/). */
export interface RTCStats {
  /** Milliseconds since the Unix epoch. */
  timestamp: number;
  type: string;
  /** The same monitored object has the same id in the next report. */
  id: string;
  [member: string]: unknown;
}

export let createRTCStatsReport: (stats: Iterable<RTCStats>) => RTCStatsReport;

/**
 * Statistics objects by id, as a read-only map (W3C WebRTC §8.4).
 *
 * @example
 * for (const { type, bytesReceived } of (await pc.getStats()).values()) if (type === 'inbound-rtp') console.log(bytesReceived);
 */
export class RTCStatsReport {
  readonly #stats: ReadonlyMap<string, RTCStats>;

  private constructor(...[token, stats]: [token?: unknown, stats?: Map<string, RTCStats>]) {
    webidl.requireInternal(token);
    this.#stats = stats!;
  }

  get size(): number {
    return this.#stats.size;
  }

  get(id: string): RTCStats | undefined {
    const stats = this.#stats;
    webidl.requireArguments(arguments.length, 1, 'RTCStatsReport.get');
    return stats.get(webidl.domString(id, 'RTCStatsReport.get'));
  }

  has(id: string): boolean {
    const stats = this.#stats;
    webidl.requireArguments(arguments.length, 1, 'RTCStatsReport.has');
    return stats.has(webidl.domString(id, 'RTCStatsReport.has'));
  }

  keys(): IterableIterator<string> {
    return this.#stats.keys();
  }

  values(): IterableIterator<RTCStats> {
    return this.#stats.values();
  }

  entries(): IterableIterator<[string, RTCStats]> {
    return this.#stats.entries();
  }

  forEach(callback: (value: RTCStats, key: string, report: RTCStatsReport) => void, ...[thisArgument]: [thisArgument?: unknown]): void {
    const stats = this.#stats;
    webidl.callback(callback, 'RTCStatsReport.forEach');
    for (const [key, value] of stats) Reflect.apply(callback, thisArgument, [value, key, this]);
  }

  declare [Symbol.iterator]: () => IterableIterator<[string, RTCStats]>;

  static {
    createRTCStatsReport = (stats) =>
      new RTCStatsReport(webidl.INTERNAL, new Map(Array.from(stats, (entry): [string, RTCStats] => [entry.id, entry])));
    const { prototype } = RTCStatsReport;
    webidl.defineInterface({ name: 'RTCStatsReport', prototype, isInstance: (value) => #stats in value, shown: (report) => report.#stats });
    // Web IDL §3.7.11.2: @@iterator is the same function object as entries.
    Object.defineProperty(prototype, Symbol.iterator, { value: prototype.entries, writable: true, configurable: true });
  }
}
