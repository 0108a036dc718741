/** Data channels of a run: what was sent on each, and whether that is what arrives (RFC 8831 §6.6). */
import type { RTCDataChannel, RTCDataChannelInit } from '../../src/index.ts';
import { binaryPayload, readBinaryPayload, readTextPayload, textPayload } from './payloads.ts';
import type { Name } from './world.ts';

/** Both ends of one channel. */
export interface ChannelPair {
  readonly number: number;
  readonly init: RTCDataChannelInit;
  readonly ends: Partial<Record<Name, ChannelEnd>>;
}

const LEGAL: Readonly<Record<string, readonly string[]>> = {
  open: ['connecting'],
  closing: ['open'],
  close: ['connecting', 'open', 'closing'],
};

export class ChannelEnd {
  readonly channel: RTCDataChannel;
  readonly received: Set<number> = new Set();
  sent = 0;
  closedHere = false;
  /** The state as its events have told it. */
  told: string;
  failed = false;
  readonly #name: Name;
  readonly #pair: ChannelPair;
  readonly #report: (violation: string) => void;
  #last = -1;

  constructor(name: Name, channel: RTCDataChannel, pair: ChannelPair, report: (violation: string) => void) {
    this.#name = name;
    this.channel = channel;
    this.#pair = pair;
    this.told = channel.readyState === 'open' ? 'connecting' : channel.readyState;
    this.#report = (violation) => report(`${name} channel ${pair.number} (${JSON.stringify(pair.init)}): ${violation}`);
    channel.binaryType = 'arraybuffer';
    channel.addEventListener('message', (event) => this.#onMessage((event as MessageEvent<string | ArrayBuffer>).data));
    for (const type of ['open', 'closing', 'close']) channel.addEventListener(type, () => this.#onState(type));
    channel.addEventListener('error', () => (this.failed = true));
  }

  get isReliable(): boolean {
    const { maxRetransmits, maxPacketLifeTime } = this.#pair.init;
    return maxRetransmits === undefined && maxPacketLifeTime === undefined;
  }

  send(size: number, asText: boolean): void {
    const label = { stream: this.#pair.number, from: this.#name, index: this.sent };
    this.channel.send(asText ? textPayload(label, size >> 2) : (binaryPayload(label, size) as Uint8Array<ArrayBuffer>));
    this.sent += 1;
  }

  close(): void {
    this.closedHere = true;
    this.channel.close();
  }

  /** Messages that the other end has sent and that are not here. */
  get missing(): number {
    return (this.#other?.sent ?? 0) - this.received.size;
  }

  get #other(): ChannelEnd | undefined {
    return this.#pair.ends[this.#name === 'a' ? 'b' : 'a'];
  }

  #onMessage(data: string | ArrayBuffer): void {
    const label = typeof data === 'string' ? readTextPayload(data) : readBinaryPayload(new Uint8Array(data));
    if (label === undefined) return this.#report('a message that was not sent');
    if (label.stream !== this.#pair.number || label.from === this.#name)
      return this.#report(`message ${label.index} of channel ${label.stream} from ${label.from}`);
    if (this.told !== 'open') this.#report(`message ${label.index} while ${this.told}`);
    if (this.received.has(label.index)) this.#report(`message ${label.index} twice`);
    if (this.#pair.init.ordered !== false && label.index < this.#last) this.#report(`message ${label.index} after ${this.#last}`);
    if (this.#pair.init.ordered !== false && this.isReliable && label.index !== this.#last + 1)
      this.#report(`message ${label.index} right after ${this.#last}`);
    this.received.add(label.index);
    this.#last = Math.max(this.#last, label.index);
  }

  #onState(type: string): void {
    if (!LEGAL[type]!.includes(this.told)) this.#report(`event ${type} while ${this.told}`);
    this.told = type === 'close' ? 'closed' : type;
    // A side that closes says everything first (RFC 8831 §6.7).
    const other = this.#other;
    if (type === 'closing' && this.isReliable && !this.closedHere && other?.closedHere && this.missing > 0)
      this.#report(`closing without ${this.missing} of ${other.sent} messages`);
  }
}
