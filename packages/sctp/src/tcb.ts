/** The Transmission Control Block of an association (RFC 9260 §14): what its parts share. */
import { Discards, Queue, randomUint32, TimerTable } from '@petrel/sans-io';
import type { SctpDiscard, SctpEvent } from './events.ts';
import type { ResolvedOptions } from './options.ts';
import { encodeProtocolViolation } from './packet/error-cause.ts';
import type { Extensions } from './packet/init.ts';
import { type Chunk, CHUNK_TYPE, PacketBuilder } from './packet/packet.ts';
import { TIMER_NAMES, type TimerName } from './timers.ts';
import { RetransmissionTimeout } from './tx/rto.ts';
import { SendQueue } from './tx/send-queue.ts';
import type { DataSender } from './tx/data-sender.ts';
import type { DataReceiver } from './rx/data-receiver.ts';
import type { StreamReset } from './stream-reset.ts';

/** The states of RFC 9260 §4. */
export type AssociationState =
  | 'closed'
  | 'cookie-wait'
  | 'cookie-echoed'
  | 'established'
  | 'shutdown-pending'
  | 'shutdown-sent'
  | 'shutdown-received'
  | 'shutdown-ack-sent';

/** RTO.Initial, Min and Max (RFC 9260 §16), shorter than there because ICE has verified the path. */
export const RTO = { initial: 500, minimum: 120, maximum: 3000, minimumMargin: 220 };

/** What exists once the peer's parameters are known. */
export interface Peer {
  readonly extensions: Extensions;
  readonly receiver: DataReceiver;
  readonly streamReset: StreamReset;
}

const NO_VALUE: Uint8Array = new Uint8Array(0);

export class Tcb {
  readonly options: ResolvedOptions;
  readonly discards: Discards<SctpDiscard> = new Discards();
  readonly timers: TimerTable<TimerName> = new TimerTable(TIMER_NAMES);
  readonly rto: RetransmissionTimeout = new RetransmissionTimeout(RTO);
  readonly events: Queue<SctpEvent> = new Queue();
  /** Control chunks that wait for the next packet. */
  readonly control: Queue<Chunk> = new Queue();
  /** Whole packets, for what must not be bundled or has another tag. */
  readonly packets: Queue<Uint8Array> = new Queue();
  readonly builder: PacketBuilder;
  readonly queue: SendQueue;
  state: AssociationState = 'closed';
  /** Over for good: what still comes is out of the blue (§8.4). */
  ended = false;
  localTag: number;
  localInitialTsn: number;
  remoteTag = 0;
  outboundStreams: number;
  inboundStreams: number;
  /** Bytes that a packet on this path may have. */
  maxPacket: number;
  sender: DataSender;
  peer: Peer | undefined;
  /** Transmissions without an answer (§8.1). */
  errors = 0;

  constructor(options: ResolvedOptions, newSender: (tcb: Tcb) => DataSender) {
    this.options = options;
    this.builder = new PacketBuilder(options.localPort, options.remotePort);
    this.localTag = nonZero(randomUint32(options.crypto));
    this.localInitialTsn = randomUint32(options.crypto);
    this.outboundStreams = options.streams;
    this.inboundStreams = options.streams;
    this.maxPacket = options.maxPacket;
    if (options.roundTripTime !== undefined) this.rto.measure(options.roundTripTime);
    this.queue = new SendQueue((message) => this.sender.giveUp(message));
    this.sender = newSender(this);
  }

  /** Whether user data is sent in this state (§6). */
  get maySendData(): boolean {
    return this.state === 'established' || this.state === 'shutdown-pending' || this.state === 'shutdown-received';
  }

  sendControl(type: number, value: Uint8Array = NO_VALUE, flags: number = 0): void {
    this.control.push({ type, flags, value });
  }

  /** A packet of one chunk, whose tag may not be that of the association. */
  packetWith(tag: number, type: number, flags: number = 0, value: Uint8Array = NO_VALUE): Uint8Array {
    const builder = new PacketBuilder(this.options.localPort, this.options.remotePort);
    builder.begin(tag, 16 + value.length + 3);
    builder.addChunk(type, flags, value);
    return builder.finish(true); // RFC 9653 §5.2: not all of these may go without
  }

  sendPacket(tag: number, type: number, flags: number = 0, value: Uint8Array = NO_VALUE): void {
    this.packets.push(this.packetWith(tag, type, flags, value));
  }

  /** Counts a transmission without an answer (§8.1). @returns false when it was one too many and the association is over */
  countError(): boolean {
    this.errors += 1;
    if (this.errors <= this.options.maxRetransmits) return true;
    this.fail('the peer does not answer');
    return false;
  }

  /** The peer broke the protocol: an ABORT tells it so. */
  violation(reason: string): void {
    this.abortWith(encodeProtocolViolation(reason), 13, reason);
  }

  abortWith(cause: Uint8Array, code: number, reason: string): void {
    const packet = this.packetWith(this.remoteTag, CHUNK_TYPE.abort, 0, cause);
    this.end();
    this.packets.push(packet);
    this.events.push({ type: 'failed', reason, code });
  }

  fail(reason: string): void {
    this.end();
    this.events.push({ type: 'failed', reason });
  }

  /** Ended by SHUTDOWN. */
  close(): void {
    this.end();
    this.events.push({ type: 'closed' });
  }

  end(): void {
    this.ended = true;
    this.state = 'closed';
    this.timers.stopAll();
    this.control.clear();
    this.queue.clear();
  }
}

export function nonZero(value: number): number {
  return value === 0 ? 1 : value;
}
