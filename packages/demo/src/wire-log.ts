import type { TapRecord } from 'petrel';

/** Milliseconds of media in one line. */
const MEDIA_PERIOD = 1000;

interface MediaCount {
  readonly direction: 'in' | 'out';
  readonly since: number;
  readonly packets: Map<string, number>;
  bytes: number;
  last: number;
}

/**
 * Makes a tap's records readable for people: media packets are counted and told once a second, and an SCTP packet and the DTLS record that
 * carries it are one line.
 */
export class WireLog {
  readonly #emit: (record: TapRecord) => void;
  readonly #codecs: (payloadType: number) => string | undefined;
  readonly #media = new Map<'in' | 'out', MediaCount>();
  /** An arriving record whose contents are still to come, or a leaving packet whose record is. */
  #half: TapRecord | undefined;

  constructor(emit: (record: TapRecord) => void, codecs: (payloadType: number) => string | undefined = () => undefined) {
    this.#emit = emit;
    this.#codecs = codecs;
  }

  add(record: TapRecord): void {
    const half = this.#half;
    this.#half = undefined;
    if (half !== undefined) {
      if (completes(half, record)) return this.#emit(joined(half, record));
      this.#emit(half);
    }
    if (record.layer === 'rtp') this.#count(record);
    else if (isHalf(record)) this.#half = record;
    else this.#emit(record);
  }

  /** Tells what is left, at the end. */
  flush(): void {
    if (this.#half !== undefined) this.#emit(this.#half);
    this.#half = undefined;
    for (const count of this.#media.values()) this.#emitMedia(count, count.last);
    this.#media.clear();
  }

  #count({ at, direction, summary, bytes }: TapRecord): void {
    let count = this.#media.get(direction);
    if (count !== undefined && at - count.since >= MEDIA_PERIOD) {
      this.#emitMedia(count, at);
      count = undefined;
    }
    if (count === undefined) {
      count = { direction, since: at, packets: new Map(), bytes: 0, last: at };
      this.#media.set(direction, count);
    }
    const payloadType = Number(/payload type (\d+)/.exec(summary)?.[1]);
    const codec = this.#codecs(payloadType) ?? `payload type ${payloadType}`;
    count.packets.set(codec, (count.packets.get(codec) ?? 0) + 1);
    count.bytes += bytes;
    count.last = at;
  }

  #emitMedia({ direction, packets, bytes }: MediaCount, at: number): void {
    const parts = [...packets].map(([codec, count]) => `${codec} × ${count}`);
    this.#emit({
      at,
      direction,
      layer: 'rtp',
      summary: `${parts.toSorted().join(', ')}: ${(bytes / 1000).toFixed(1)} kB in a second`,
      bytes,
    });
  }
}

/** The names of an SDP description's payload types: `a=rtpmap:96 VP8/90000`. */
export function codecNames(sdp: string): (payloadType: number) => string | undefined {
  const names = new Map([...sdp.matchAll(/^a=rtpmap:(\d+) ([^/\s]+)/gm)].map(([, type, name]) => [Number(type), name]));
  return (payloadType) => names.get(payloadType);
}

function isHalf({ layer, direction, summary }: TapRecord): boolean {
  return direction === 'out' ? layer === 'sctp' : layer === 'dtls' && /^ApplicationData \(\d+\/\d+\)$/.test(summary);
}

function completes(half: TapRecord, record: TapRecord): boolean {
  if (half.direction !== record.direction) return false;
  return half.layer === 'sctp' ? /^ApplicationData \(\d+\/\d+\)$/.test(record.summary) : record.layer === 'sctp';
}

/** The packet, with the epoch and number of its record. */
function joined(one: TapRecord, other: TapRecord): TapRecord {
  const [packet, { summary }] = one.layer === 'sctp' ? [one, other] : [other, one];
  return { ...packet, summary: `${packet.summary}  ${summary.replace('ApplicationData ', '')}` };
}
