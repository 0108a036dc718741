import type { TapRecord } from 'petrel';

/** Milliseconds in one line of what is only counted. */
const PERIOD = 1000;
/** So many packets with nothing but data and acknowledgements are told one by one, in a period and direction; the rest is counted. */
const DATA_PACKETS_TOLD = 8;

/**
 * Makes a tap's records readable for people: media packets, routine reports and bulk data are counted and told once a second, and an
 * SCTP packet and the DTLS record that carries it are one line.
 */
export class WireLog {
  readonly #emit: (record: TapRecord) => void;
  readonly #codecs: (payloadType: number) => string | undefined;
  readonly #tallies = new Map<string, Tally>();
  /** Packets that have left and whose records are still to come. */
  readonly #leaving: TapRecord[] = [];
  /** A record that has arrived and whose packet is still to come. */
  #arriving: TapRecord | undefined;

  constructor(emit: (record: TapRecord) => void, codecs: (payloadType: number) => string | undefined = () => undefined) {
    this.#emit = emit;
    this.#codecs = codecs;
  }

  add(record: TapRecord): void {
    for (const [key, tally] of this.#tallies) if (record.at - tally.since >= PERIOD) this.#end(key, tally, record.at);
    const { layer, direction, summary } = record;
    const isCarrier = layer === 'dtls' && /^ApplicationData \(\d+\/\d+\)$/.test(summary);
    if (direction === 'out') {
      const packet = isCarrier ? this.#leaving.shift() : undefined;
      if (packet) this.#tell(carriedBy(packet, record));
      else if (layer === 'sctp') this.#leaving.push(record);
      else this.#tell(record);
      return;
    }
    const carrier = this.#arriving;
    this.#arriving = isCarrier ? record : undefined;
    if (carrier && layer === 'sctp') return this.#tell(carriedBy(record, carrier));
    if (carrier) this.#tell(carrier);
    if (!isCarrier) this.#tell(record);
  }

  /** Tells what is left, at the end. */
  flush(): void {
    for (const record of [...this.#leaving.splice(0), this.#arriving]) if (record) this.#tell(record);
    this.#arriving = undefined;
    for (const [key, tally] of this.#tallies) this.#end(key, tally, tally.last);
  }

  #tell(record: TapRecord): void {
    const names = this.#routine(record);
    if (names === undefined) return this.#emit(record);
    const key = `${record.layer} ${record.direction}`;
    const tally = this.#tallies.get(key) ?? new Tally(record);
    this.#tallies.set(key, tally);
    if (record.layer === 'sctp' && tally.told < DATA_PACKETS_TOLD) {
      tally.told++;
      this.#emit(record);
    } else tally.count(record, names);
  }

  /** What to count in a packet that is one of many; undefined when it deserves a line. */
  #routine({ layer, summary }: TapRecord): readonly string[] | undefined {
    if (layer === 'rtp') {
      const type = Number(/payload type (\d+)/.exec(summary)?.[1]);
      return [this.#codecs(type) ?? `payload type ${type}`];
    }
    const parts = summary.split(', ').map((part) => part.split(' ', 1)[0] ?? '');
    const routine = layer === 'rtcp' ? /^(?:SR|RR|SDES|XR|REMB|transport-cc)$/ : /^(?:DATA|I-DATA|SACK)$/;
    return (layer === 'rtcp' || layer === 'sctp') && parts.every((part) => routine.test(part)) ? parts : undefined;
  }

  #end(key: string, tally: Tally, at: number): void {
    this.#tallies.delete(key);
    const summary = tally.summary;
    if (summary !== undefined) this.#emit({ at, direction: tally.direction, layer: tally.layer, summary, bytes: tally.bytes });
  }
}

/** A period's packets of one layer in one direction. */
class Tally {
  readonly layer: TapRecord['layer'];
  readonly direction: TapRecord['direction'];
  readonly since: number;
  last: number;
  told = 0;
  bytes = 0;
  readonly #counts = new Map<string, number>();

  constructor({ layer, direction, at }: TapRecord) {
    this.layer = layer;
    this.direction = direction;
    this.since = at;
    this.last = at;
  }

  count({ at, bytes }: TapRecord, names: readonly string[]): void {
    for (const name of names) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    this.bytes += bytes;
    this.last = at;
  }

  get summary(): string | undefined {
    if (this.#counts.size === 0) return undefined;
    const counts = [...this.#counts].map(([name, count]) => `${name} × ${count}`).toSorted();
    return `${this.told > 0 ? 'and ' : ''}${counts.join(', ')}: ${(this.bytes / 1000).toFixed(1)} kB`;
  }
}

/** The names of an SDP description's payload types: `a=rtpmap:96 VP8/90000`. */
export function codecNames(sdp: string): (payloadType: number) => string | undefined {
  const names = new Map([...sdp.matchAll(/^a=rtpmap:(\d+) ([^/\s]+)/gm)].map(([, type, name]) => [Number(type), name]));
  return (payloadType) => names.get(payloadType);
}

/** The packet, with the epoch and number of its record. */
function carriedBy(packet: TapRecord, { summary }: TapRecord): TapRecord {
  return { ...packet, summary: `${packet.summary}  ${summary.replace('ApplicationData ', '')}` };
}
