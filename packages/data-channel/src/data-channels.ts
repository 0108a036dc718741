/**
 * The data channels of one SCTP association (RFC 8831, RFC 8832).
 *
 * A channel is opened by an OPEN message on an unused stream, or by agreement; it is closed by resetting its outgoing stream, which
 * the peer answers by resetting its own. Its identifier is free again when both streams are reset (RFC 8831 §6.7).
 */
import { utf8Length } from '@petrel/bytes';
import { Discards, type Instant, Queue } from '@petrel/sans-io';
import type { SctpAssociation, SctpEvent } from '@petrel/sctp';
import { type Channel, type ChannelError, sendOptionsOf } from './channel.ts';
import { type ChannelParameters, decodeDcep, encodeAck, encodeOpen } from './dcep.ts';
import { fromPayload, PPID, toPayload } from './payload.ts';
import { StreamIds } from './stream-ids.ts';

export type { ChannelError } from './channel.ts';
/** Which side has the even stream identifiers: the DTLS client (RFC 8832 §6). */
export type DtlsRole = 'client' | 'server';
/** Names a channel in calls and events, from before it has a stream identifier. Never used again. */
export type ChannelHandle = number;

/** The first argument of {@link DataChannels.create}. */
export interface CreateChannelOptions {
  readonly label: string;
  readonly protocol?: string;
  /** Default true. */
  readonly ordered?: boolean;
  /** Milliseconds; not together with `maxRetransmits`. */
  readonly maxPacketLifeTime?: number;
  readonly maxRetransmits?: number;
  /** The peer creates the channel too: nothing is announced. Needs `id`. */
  readonly negotiated?: boolean;
  readonly id?: number;
  /** RFC 8831 §6.4: 128 very low, 256 low (the default), 512 medium, 1024 high, as W3C names them. */
  readonly priority?: number;
}

/** What {@link DataChannels.pollEvent} gives. `channel` is the handle. */
export type DataChannelEvent =
  /** The peer has opened a channel; `open` follows. */
  | {
      readonly type: 'incoming';
      readonly channel: ChannelHandle;
      readonly options: ChannelParameters & { readonly id: number; readonly negotiated: false };
    }
  | { readonly type: 'open'; readonly channel: ChannelHandle }
  | { readonly type: 'message'; readonly channel: ChannelHandle; readonly data: string | Uint8Array }
  /** The peer closes the channel, or it failed. */
  | { readonly type: 'closing'; readonly channel: ChannelHandle }
  /** The last event of a channel; its handle means nothing afterwards. */
  | { readonly type: 'closed'; readonly channel: ChannelHandle; readonly error?: ChannelError }
  /** Data was handed to the network: `amount` bytes still wait. At most one for each round of polling. */
  | { readonly type: 'buffered-amount'; readonly channel: ChannelHandle; readonly amount: number }
  /** The amount has fallen from above the threshold to it or below. Follows its `buffered-amount`. */
  | { readonly type: 'buffered-amount-low'; readonly channel: ChannelHandle };

/** Why a message or an OPEN of the peer was dropped; all but `after-close` also reset its stream (RFC 8832 §6). */
export type DataChannelDiscard =
  | 'bad-dcep'
  | 'stream-in-use'
  | 'wrong-parity'
  | 'too-many-labels'
  | 'unused-stream'
  | 'unknown-ppid'
  | 'after-close';

/** A call that the state does not allow. `name` is that of the DOMException to throw. */
export class DataChannelError extends Error {
  override readonly name: 'OperationError' | 'InvalidStateError';

  constructor(name: 'OperationError' | 'InvalidStateError', message: string) {
    super(message);
    this.name = name;
  }
}

/** The argument of the constructor of {@link DataChannels}. */
export interface DataChannelsOptions {
  /** Bytes that labels and protocols of channels opened by the peer may take together. */
  readonly maxLabelBytes?: number;
}

/** Counted for each message that is held for an application which does not read, besides its bytes: what an object costs. */
const HELD_MESSAGE_COST = 128;

/**
 * @example
 * const channels = new DataChannels();
 * const chat = channels.create({ label: 'chat' }, now);
 * channels.start(association, 'client', now);                     // once DTLS is connected
 * for (let event = association.pollEvent(); event; event = association.pollEvent()) channels.handleAssociationEvent(event, now);
 * for (let event = channels.pollEvent(); event; event = channels.pollEvent()) if (event.type === 'open') channels.send(chat, 'hello', now);
 */
export class DataChannels {
  readonly discards: Discards<DataChannelDiscard> = new Discards();
  readonly #maxLabelBytes: number;
  readonly #byHandle = new Map<ChannelHandle, Channel>();
  readonly #byId = new Map<number, Channel>();
  readonly #events = new Queue<DataChannelEvent>();
  #association: SctpAssociation | undefined;
  #ids: StreamIds | undefined;
  #connected = false;
  #ended = false;
  #nextHandle: ChannelHandle = 1;
  #labelBytes = 0;
  #heldBytes = 0;

  constructor(options: DataChannelsOptions = {}) {
    this.#maxLabelBytes = options.maxLabelBytes ?? 4_194_304;
  }

  /** Channels that exist, closing ones included. */
  get size(): number {
    return this.#byHandle.size;
  }

  /**
   * Once the DTLS role is negotiated, which may be before there is an association: channels without an identifier get one of our parity, even
   * for the DTLS client (RFC 8832 §6).
   */
  setRole(dtlsRole: DtlsRole): void {
    if (this.#ended || this.#ids !== undefined) return;
    this.#ids = new StreamIds(dtlsRole, (id) => this.#byId.has(id));
    for (const channel of this.#byHandle.values()) this.#assignId(channel);
  }

  /** Gives the channels their association. */
  start(association: SctpAssociation, dtlsRole: DtlsRole, now: Instant): void {
    if (this.#ended) return;
    this.setRole(dtlsRole);
    this.#association = association;
    for (const channel of this.#byHandle.values()) {
      if (channel.id! >= this.#limit) this.#refuse(channel, `the association has only ${this.#limit} streams`);
      else if (channel.state === 'connecting') this.#open(channel, now);
    }
    if (association.state === 'established') this.#onConnected(association.outboundStreams, association.inboundStreams);
  }

  /**
   * Creates a channel; `open` follows when the association is up.
   * @throws DataChannelError 'OperationError' when the id is taken or none is free
   * @throws RangeError when the label or the protocol is longer than 65,535 bytes
   */
  create(options: CreateChannelOptions, now: Instant): ChannelHandle {
    const { label, protocol = '', ordered = true, maxPacketLifeTime, maxRetransmits, priority = 256, negotiated = false, id } = options;
    const parameters: ChannelParameters = {
      label,
      protocol,
      ordered,
      priority,
      ...(maxPacketLifeTime === undefined ? {} : { maxPacketLifeTime }),
      ...(maxRetransmits === undefined ? {} : { maxRetransmits }),
    };
    if (!negotiated)
      encodeOpen(parameters); // too long? Now is when the caller can be told
    else if (id === undefined) throw new DataChannelError('OperationError', 'a negotiated channel needs an id');
    const channelId = negotiated ? id : this.#ids?.next(this.#limit);
    if (channelId === undefined && this.#ids !== undefined)
      throw new DataChannelError('OperationError', 'all stream identifiers are in use');
    if (channelId !== undefined && channelId >= this.#limit)
      throw new DataChannelError('OperationError', `the association has ${this.#limit} streams, and none with the id ${channelId}`);
    if (channelId !== undefined && this.#byId.has(channelId)) throw new DataChannelError('OperationError', `the id ${channelId} is in use`);
    const channel = this.#add(parameters, { negotiated, incoming: false, isRejected: false, id: channelId });
    if (this.#association !== undefined && channelId !== undefined) this.#open(channel, now);
    return channel.handle;
  }

  /**
   * Queues a message. The bytes belong to the channel from now on: they are not copied.
   * On a channel that is closing or closed it does nothing, for the caller may not have heard of it yet.
   * @throws DataChannelError 'InvalidStateError' before the channel is open
   */
  send(handle: ChannelHandle, data: string | Uint8Array, now: Instant): void {
    const channel = this.#byHandle.get(handle);
    if (channel?.state === 'connecting') throw new DataChannelError('InvalidStateError', 'the channel is not open yet');
    if (channel?.state !== 'open') return;
    const payload = toPayload(data);
    channel.bufferedAmount += payload.length;
    const options =
      channel.acknowledged || !channel.sendOptions.unordered ? channel.sendOptions : { ...channel.sendOptions, unordered: false };
    this.#association!.send(channel.id!, payload.ppid, payload.data, payload.length === 0 ? { ...options, uncounted: true } : options, now);
  }

  /** Closes the channel once everything sent on it is on its way (RFC 8831 §6.7); what arrives meanwhile is dropped. `closed` follows. */
  close(handle: ChannelHandle, now: Instant): void {
    const channel = this.#byHandle.get(handle);
    if (channel === undefined || channel.state === 'closing' || channel.state === 'closed') return;
    channel.state = 'closing';
    if (this.#association === undefined || channel.id === undefined) this.#finish(channel);
    else this.#requestReset(channel, now);
  }

  /** Bytes sent and not yet handed to the network, as of the last `buffered-amount` event. */
  bufferedAmount(handle: ChannelHandle): number {
    return this.#byHandle.get(handle)?.bufferedAmount ?? 0;
  }

  setBufferedAmountLowThreshold(handle: ChannelHandle, bytes: number): void {
    const channel = this.#byHandle.get(handle);
    if (channel !== undefined) channel.bufferedAmountLowThreshold = bytes;
  }

  /** The stream identifier, once there is one. */
  id(handle: ChannelHandle): number | undefined {
    return this.#byHandle.get(handle)?.id;
  }

  /**
   * Holds the channel's events from now on. What is held counts against the receive window that SCTP advertises, which all channels
   * of an association share: when it is full, the peer can send on none of them.
   */
  pauseReading(handle: ChannelHandle): void {
    const channel = this.#byHandle.get(handle);
    if (channel !== undefined) channel.held ??= { events: [], bytes: 0 };
  }

  /** Delivers what was held, and opens the window again. */
  resumeReading(handle: ChannelHandle, now: Instant): void {
    const channel = this.#byHandle.get(handle);
    const held = channel?.held;
    if (channel === undefined || held === undefined) return;
    channel.held = undefined;
    for (const event of held.events) this.#events.push(event);
    this.#hold(-held.bytes, now);
    if (channel.state === 'closed') this.#byHandle.delete(handle);
  }

  /** Every event of the association goes through here, in order. */
  handleAssociationEvent(event: SctpEvent, now: Instant): void {
    if (this.#ended) return;
    switch (event.type) {
      case 'message':
        return this.#onMessage(event.streamId, event.ppid, event.data, now);
      case 'connected':
        return this.#onConnected(event.outboundStreams, event.inboundStreams);
      case 'buffered-amount':
        return this.#onBufferedAmount(event.streamId, event.amount);
      case 'outgoing-streams-reset':
        for (const id of event.streamIds) this.#onOutgoingReset(id, event.performed);
        return;
      case 'incoming-streams-reset':
        for (const id of event.streamIds.length > 0 ? event.streamIds : [...this.#byId.keys()]) this.#onIncomingReset(id, now);
        return;
      case 'message-too-large':
        return this.#fail(this.#byId.get(event.streamId), 'the peer sent a message larger than max-message-size', now);
      case 'closed':
        return this.endAll();
      case 'failed':
        return this.endAll({ message: event.reason, ...(event.code === undefined ? {} : { sctpCauseCode: event.code }) });
      case 'aborted':
        return this.endAll({
          message: event.reason || 'the peer aborted the association',
          ...(event.code === undefined ? {} : { sctpCauseCode: event.code }),
        });
      case 'restarted':
        // The peer has forgotten the channels, or is another one; the association goes on with new ones.
        return this.#closeAll({ message: 'the peer began the association again' });
      default:
        return;
    }
  }

  pollEvent(): DataChannelEvent | undefined {
    return this.#events.shift();
  }

  /** The transport has ended: every channel is closed, with this error if there is one. No channel can be opened afterwards. */
  endAll(error?: ChannelError): void {
    this.#ended = true;
    this.#association = undefined;
    this.#closeAll(error);
  }

  #closeAll(error: ChannelError | undefined): void {
    for (const channel of this.#byHandle.values()) {
      channel.error = error;
      this.#finish(channel);
    }
    this.#byId.clear();
  }

  // Opening ----------------------------------------------------------------------------------------------------------

  /** Streams that both directions have; before the handshake, that we have. */
  get #limit(): number {
    const association = this.#association;
    return association === undefined ? 65_535 : Math.min(association.outboundStreams, association.inboundStreams);
  }

  #add(parameters: ChannelParameters, fixed: Pick<Channel, 'negotiated' | 'incoming' | 'isRejected' | 'id'>): Channel {
    const channel: Channel = {
      handle: this.#nextHandle++,
      parameters,
      negotiated: fixed.negotiated,
      incoming: fixed.incoming,
      isRejected: fixed.isRejected,
      sendOptions: sendOptionsOf(parameters),
      id: fixed.id,
      state: 'connecting',
      acknowledged: fixed.incoming,
      bufferedAmount: 0,
      bufferedAmountLowThreshold: 0,
      outgoingReset: 'no',
      incomingReset: false,
      error: undefined,
      held: undefined,
    };
    if (!channel.isRejected) this.#byHandle.set(channel.handle, channel);
    if (channel.id !== undefined) this.#byId.set(channel.id, channel);
    return channel;
  }

  #assignId(channel: Channel): void {
    channel.id ??= this.#ids!.next(this.#limit);
    if (channel.id === undefined) this.#refuse(channel, 'all stream identifiers are in use');
    else this.#byId.set(channel.id, channel);
  }

  /** There is no stream for the channel. */
  #refuse(channel: Channel, message: string): void {
    channel.error = { message };
    this.#finish(channel);
  }

  /** Announces the channel to the peer; data may follow without waiting for the ACK (RFC 8832 §6). */
  #open(channel: Channel, now: Instant): void {
    const association = this.#association!;
    association.setStreamPriority(channel.id!, channel.parameters.priority);
    if (!channel.negotiated && !channel.incoming)
      association.send(channel.id!, PPID.dcep, encodeOpen(channel.parameters), { uncounted: true }, now);
    if (this.#connected) this.#announce(channel);
  }

  #announce(channel: Channel): void {
    if (channel.state !== 'connecting') return;
    channel.state = 'open';
    this.#emit(channel, { type: 'open', channel: channel.handle });
  }

  #onConnected(outboundStreams: number, inboundStreams: number): void {
    if (this.#connected) return;
    this.#connected = true;
    const limit = Math.min(outboundStreams, inboundStreams);
    for (const channel of this.#byHandle.values()) {
      if (channel.id! < limit) this.#announce(channel);
      else this.#refuse(channel, `the association has only ${limit} streams`);
    }
  }

  // Receiving --------------------------------------------------------------------------------------------------------

  #onMessage(streamId: number, ppid: number, data: Uint8Array, now: Instant): void {
    const channel = this.#byId.get(streamId);
    if (channel?.state === 'closing') return this.discards.count('after-close');
    if (ppid === PPID.dcep) return this.#onDcep(streamId, channel, data, now);
    if (channel === undefined) return this.#reject(streamId, 'unused-stream', now);
    channel.acknowledged = true;
    const payload = fromPayload(ppid, data);
    if (payload === undefined) {
      this.discards.count('unknown-ppid');
      return this.#fail(channel, `the peer sent a message with the unknown payload protocol identifier ${ppid}`, now);
    }
    this.#emit(channel, { type: 'message', channel: channel.handle, data: payload }, data.length, now);
  }

  #onDcep(streamId: number, channel: Channel | undefined, data: Uint8Array, now: Instant): void {
    const message = decodeDcep(data);
    if (message?.type === 'ack') {
      if (channel === undefined) return this.#reject(streamId, 'unused-stream', now);
      channel.acknowledged = true;
      return;
    }
    if (channel !== undefined) {
      this.discards.count(message === undefined ? 'bad-dcep' : 'stream-in-use');
      return this.#fail(channel, 'the peer sent an OPEN message on a stream that is in use', now);
    }
    if (message === undefined) return this.#reject(streamId, 'bad-dcep', now);
    if (!this.#ids!.isPeers(streamId)) return this.#reject(streamId, 'wrong-parity', now);
    if (streamId >= this.#limit) return this.#reject(streamId, 'bad-dcep', now); // nothing could be sent back
    const { parameters } = message;
    if (this.#labelBytes + labelBytes(parameters) > this.#maxLabelBytes) return this.#reject(streamId, 'too-many-labels', now);
    this.#labelBytes += labelBytes(parameters);
    const opened = this.#add(parameters, { negotiated: false, incoming: true, isRejected: false, id: streamId });
    this.#association!.send(streamId, PPID.dcep, encodeAck(), { uncounted: true }, now);
    this.#emit(opened, { type: 'incoming', channel: opened.handle, options: { ...parameters, id: streamId, negotiated: false } });
    this.#open(opened, now);
  }

  #onBufferedAmount(streamId: number, amount: number): void {
    const channel = this.#byId.get(streamId);
    if (channel === undefined || channel.isRejected || amount >= channel.bufferedAmount) return;
    const isLow = channel.bufferedAmount > channel.bufferedAmountLowThreshold && amount <= channel.bufferedAmountLowThreshold;
    channel.bufferedAmount = amount;
    this.#events.push({ type: 'buffered-amount', channel: channel.handle, amount });
    if (isLow) this.#events.push({ type: 'buffered-amount-low', channel: channel.handle });
  }

  /** To the application, or behind what it has not read yet. */
  #emit(channel: Channel, event: DataChannelEvent, bytes: number = 0, now: Instant = 0): void {
    if (channel.isRejected) return;
    if (channel.held === undefined) return this.#events.push(event);
    channel.held.events.push(event);
    if (event.type !== 'message') return;
    channel.held.bytes += bytes + HELD_MESSAGE_COST;
    this.#hold(bytes + HELD_MESSAGE_COST, now);
  }

  #hold(bytes: number, now: Instant): void {
    this.#heldBytes += bytes;
    this.#association?.setHeldBytes(this.#heldBytes, now);
  }

  // Closing (RFC 8831 §6.7) ------------------------------------------------------------------------------------------

  #requestReset(channel: Channel, now: Instant): void {
    if (channel.outgoingReset !== 'no') return;
    channel.outgoingReset = 'requested';
    this.#association?.resetStreams([channel.id!], now);
  }

  #onOutgoingReset(id: number, performed: boolean): void {
    const channel = this.#byId.get(id);
    if (channel === undefined) return;
    channel.outgoingReset = 'done';
    // The peer cannot or will not reset streams: the channel is over all the same, and its identifier is not used again.
    if (!performed) this.#ids!.burn(id);
    if (channel.incomingReset || !performed) this.#finish(channel);
  }

  #onIncomingReset(id: number, now: Instant): void {
    const channel = this.#byId.get(id);
    if (channel === undefined) return;
    channel.incomingReset = true;
    if (channel.outgoingReset === 'done') return this.#finish(channel);
    if (channel.outgoingReset === 'requested') return;
    // Not by us: the peer closes it, or refuses the OPEN (RFC 8832 §6). It reads nothing more, so what waits is not sent.
    this.#association?.discardWaiting(id);
    this.#startClosing(channel, now);
  }

  #fail(channel: Channel | undefined, message: string, now: Instant): void {
    if (channel === undefined || channel.state === 'closing' || channel.state === 'closed') return;
    channel.error = { message };
    this.#startClosing(channel, now);
  }

  #startClosing(channel: Channel, now: Instant): void {
    channel.state = 'closing';
    this.#emit(channel, { type: 'closing', channel: channel.handle });
    this.#requestReset(channel, now);
  }

  /** A stream on which the peer did what it may not is reset; nothing else happens to it, or to the other channels. */
  #reject(streamId: number, reason: DataChannelDiscard, now: Instant): void {
    this.discards.count(reason);
    if (streamId >= this.#association!.outboundStreams) return;
    const channel = this.#add(REJECTED, { negotiated: true, incoming: true, isRejected: true, id: streamId });
    channel.state = 'closing';
    this.#requestReset(channel, now);
  }

  #finish(channel: Channel): void {
    if (channel.state === 'closed') return;
    channel.state = 'closed';
    if (channel.id !== undefined && this.#byId.get(channel.id) === channel) {
      this.#byId.delete(channel.id);
      this.#ids?.release(channel.id);
    }
    if (channel.isRejected) return;
    if (channel.incoming) this.#labelBytes -= labelBytes(channel.parameters);
    const { error } = channel;
    this.#emit(channel, { type: 'closed', channel: channel.handle, ...(error === undefined ? {} : { error }) });
    if (channel.held === undefined) this.#byHandle.delete(channel.handle);
  }
}

const REJECTED: ChannelParameters = { label: '', protocol: '', ordered: true, priority: 256 };

function labelBytes({ label, protocol }: ChannelParameters): number {
  return utf8Length(label) + utf8Length(protocol);
}
